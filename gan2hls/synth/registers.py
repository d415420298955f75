"""Flip-flops beside block RAMs and multipliers become these cells' own registers.

yosys uses neither the output registers of an ECP5 block RAM, without which a read takes 5.6 ns, nor the registers of
its multipliers. So the netlist is changed between yosys and nextpnr: where all used bits of such a cell's output go to
plain flip-flops and nowhere else, or all bits of a multiplier's input come from some, and these have the cell's clock
and one enable, the cell takes them over.
"""

import re
from collections import Counter
from typing import Any

Cell = dict[str, Any]
Net = int | str

_MEMORY_OUTPUTS = {"A": "DOA", "B": "DOB"}


def absorb_registers(module: dict[str, Any]) -> int:
    """Change a module of a netlist (yosys' JSON), in place.

    Returns:
        How many flip-flops went.
    """
    netlist = _Netlist(module)
    before = len(netlist.cells)
    for cell in list(netlist.cells.values()):
        if cell["type"] == "DP16KD":
            # 36 bits are read on port B, through the outputs of both.
            wide = int(cell["parameters"]["DATA_WIDTH_B"], 2) == 36
            for ports in ("AB",) if wide else ("A", "B"):
                netlist.absorb_memory_output(cell, ports)
        elif cell["type"] == "MULT18X18D":
            netlist.absorb_product(cell)
    netlist.sweep()
    return before - len(netlist.cells)


class _Netlist:
    def __init__(self, module: dict[str, Any]) -> None:
        self.cells: dict[str, Cell] = module["cells"]
        self.outputs = Counter(
            net for wire in module["ports"].values() if wire["direction"] == "output" for net in wire["bits"]
        )
        self.readers = Counter(self.outputs)
        for cell in self.cells.values():
            self.readers.update(net for port in _inputs(cell) for net in cell["connections"][port])
        registers = [cell for cell in self.cells.values() if _is_register(cell)]
        self.by_data: dict[Net, Cell] = {cell["connections"]["DI"][0]: cell for cell in registers}
        self.by_output: dict[Net, Cell] = {cell["connections"]["Q"][0]: cell for cell in registers}

    def absorb_memory_output(self, cell: Cell, ports: str) -> None:
        wires = cell["connections"]
        names = [name for name in wires if name[:3] in {_MEMORY_OUTPUTS[port] for port in ports}]
        found = self._behind(cell, names)
        if found is None:
            return
        if ports == "AB" and wires.get("CEA") == wires["CLKA"] == ["0"]:  # never written: port A only lends its outputs
            wires["CLKA"] = [found[0]]
        if {wires[f"CLK{port}"][0] for port in ports} != {found[0]}:
            return
        self._take_output(cell, names)
        for port in ports:
            cell["parameters"][f"REGMODE_{port}"] = "OUTREG"
            wires[f"OCE{port}"] = [found[1]]

    def absorb_product(self, cell: Cell) -> None:
        wires = cell["connections"]
        products = [name for name in wires if re.fullmatch(r"P\d+", name)]
        behind = self._behind(cell, products)
        if behind is None:
            return
        clock, enable = behind
        wires |= {"CLK0": [clock], "CE0": [enable], "RST0": ["0"]}
        cell["port_directions"] |= dict.fromkeys(("CLK0", "CE0", "RST0"), "input")
        self._take_output(cell, products)
        self._name_registers(cell, "OUTPUT")
        for port in "AB":
            factors = [name for name in wires if re.fullmatch(rf"{port}\d+", name)]
            nets = {wires[name][0] for name in factors} - {"0"}
            registers = [self.by_output.get(net) for net in nets]
            if all(register is not None and _timing(register) == behind for register in registers):
                for name in factors:
                    if (register := self.by_output.get(wires[name][0])) is not None:
                        self._move(cell, name, register["connections"]["DI"][0])
                self._name_registers(cell, f"INPUT{port}")

    @staticmethod
    def _name_registers(cell: Cell, which: str) -> None:
        values = {f"REG_{which}_CLK": "CLK0", f"REG_{which}_CE": "CE0", f"REG_{which}_RST": "RST0"}
        cell["parameters"] |= values

    def _behind(self, cell: Cell, names: list[str]) -> tuple[Net, Net] | None:
        """Clock and enable of the flip-flops that take all used outputs, None if something else takes any."""
        nets = [cell["connections"][name][0] for name in names if self.readers[cell["connections"][name][0]]]
        registers = [self.by_data.get(net) for net in nets]
        if not nets or None in registers or any(self.readers[net] != 1 for net in nets):
            return None
        timings = {_timing(register) for register in registers if register is not None}
        return timings.pop() if len(timings) == 1 else None

    def _take_output(self, cell: Cell, names: list[str]) -> None:
        for name in names:
            net = cell["connections"][name][0]
            if (register := self.by_data.pop(net, None)) is not None:
                cell["connections"][name] = register["connections"]["Q"]
                del self.by_output[register["connections"]["Q"][0]]
                register["connections"]["Q"] = []  # swept

    def _move(self, cell: Cell, name: str, net: Net) -> None:
        self.readers[cell["connections"][name][0]] -= 1
        self.readers[net] += 1
        cell["connections"][name] = [net]

    def sweep(self) -> None:
        """Remove the flip-flops whose output nobody reads any more."""
        for name, cell in list(self.cells.items()):
            if _is_register(cell) and not any(self.readers[net] for net in cell["connections"]["Q"]):
                del self.cells[name]


def _inputs(cell: Cell) -> list[str]:
    return [port for port in cell["connections"] if cell["port_directions"][port] == "input"]


def _is_register(cell: Cell) -> bool:
    """A flip-flop with nothing but data, clock and, perhaps, an enable."""
    if cell["type"] != "TRELLIS_FF" or "DI" not in cell["connections"]:
        return False
    expected = {"CLKMUX": "CLK", "GSR": "DISABLED"}
    plain = all(cell["parameters"].get(name) == value for name, value in expected.items())
    return plain and cell["connections"].get("LSR", ["0"]) == ["0"]


def _timing(register: Cell) -> tuple[Net, Net]:
    """Clock and enable."""
    wires, enabled = register["connections"], register["parameters"].get("CEMUX") == "CE"
    return wires["CLK"][0], wires["CE"][0] if enabled else "1"
