"""Flip-flops behind a block RAM's outputs become its own output registers.

yosys does not use the output registers that an ECP5 block RAM has, though a read takes 5.6 ns without them. So the
netlist is changed between yosys and nextpnr: where every used output bit of a port goes to the data input of a
flip-flop and nowhere else, and all of these have one clock, the port's, one enable and no reset, the port takes them in.
"""

from collections import Counter
from typing import Any

_PORTS = {"A": "DOA", "B": "DOB"}


def absorb_output_registers(module: dict[str, Any]) -> int:
    """Change a module of a netlist (yosys' JSON), in place.

    Returns:
        How many flip-flops went.
    """
    cells: dict[str, dict[str, Any]] = module["cells"]
    readers: Counter[int | str] = Counter()
    for cell in cells.values():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                readers.update(bits)
    for wire in module["ports"].values():
        if wire["direction"] == "output":
            readers.update(wire["bits"])
    by_data = {c["connections"]["DI"][0]: name for name, c in cells.items() if _plain_flip_flop(c)}
    gone: set[str] = set()
    for cell in cells.values():
        if cell["type"] != "DP16KD":
            continue
        # 36 bits are read on port B, through the outputs of both.
        wide = int(cell["parameters"]["DATA_WIDTH_B"], 2) == 36
        for ports in ("AB",) if wide else ("A", "B"):
            gone |= _absorb(cell, ports, cells, readers, by_data)
    for name in gone:
        del cells[name]
    return len(gone)


def _plain_flip_flop(cell: dict[str, Any]) -> bool:
    """A flip-flop with nothing but data, clock and, perhaps, an enable."""
    if cell["type"] != "TRELLIS_FF":
        return False
    values = cell["parameters"]
    plain = (
        values.get("CLKMUX") == "CLK" and values.get("CEMUX", "1") in ("CE", "1") and values.get("GSR") == "DISABLED"
    )
    return plain and cell["connections"].get("LSR", ["0"]) == ["0"] and "DI" in cell["connections"]


def _absorb(
    cell: dict[str, Any],
    ports: str,
    cells: dict[str, dict[str, Any]],
    readers: Counter[int | str],
    by_data: dict[int | str, str],
) -> set[str]:
    """The flip-flops that the ports, which read together, took in."""
    wires = cell["connections"]
    outputs = [name for name in wires if name[:3] in {_PORTS[port] for port in ports} and readers[wires[name][0]]]
    names = [by_data.get(wires[output][0]) for output in outputs]
    if not outputs or None in names or any(readers[wires[output][0]] != 1 for output in outputs):
        return set()
    registers = [cells[name] for name in names if name is not None]
    clocks = {register["connections"]["CLK"][0] for register in registers}
    enables = {_enable(register) for register in registers}
    if len(enables) != 1 or clocks != {wires[f"CLK{port}"][0] for port in ports}:
        return set()
    for output, register in zip(outputs, registers, strict=True):
        wires[output] = register["connections"]["Q"]
    for port in ports:
        cell["parameters"][f"REGMODE_{port}"] = "OUTREG"
        wires[f"OCE{port}"] = [next(iter(enables))]
    return {name for name in names if name is not None}


def _enable(register: dict[str, Any]) -> int | str:
    return register["connections"]["CE"][0] if register["parameters"].get("CEMUX") == "CE" else "1"
