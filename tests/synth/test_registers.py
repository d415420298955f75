"""Flip-flops beside block RAMs and multipliers go into them, and only where that changes nothing."""

import copy
from typing import Any

import pytest

from gan2hls.synth.registers import absorb_registers


def cell(kind: str, inputs: dict[str, Any], outputs: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    ports = {name: [net] for name, net in {**inputs, **outputs}.items()}
    directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {"type": kind, "connections": ports, "port_directions": directions, "parameters": parameters}


def register(data: int, output: int, enable: int | None = 2, reset: Any = "0") -> dict[str, Any]:
    """A flip-flop as yosys writes it; clock on net 1."""
    inputs = {"CLK": 1, "DI": data, "LSR": reset, **({"CE": enable} if enable is not None else {})}
    values = {"CLKMUX": "CLK", "GSR": "DISABLED", "CEMUX": "1" if enable is None else "CE"}
    return cell("TRELLIS_FF", inputs, {"Q": output}, values)


def memory(outputs: dict[str, int], width: int = 18) -> dict[str, Any]:
    values = {"DATA_WIDTH_A": "10010", "DATA_WIDTH_B": f"{width:b}", "REGMODE_A": "NOREG", "REGMODE_B": "NOREG"}
    return cell("DP16KD", {"CLKA": 1, "CLKB": 1, "OCEA": "1", "OCEB": "1"}, outputs, values)


def module(cells: dict[str, dict[str, Any]], outputs: list[int]) -> dict[str, Any]:
    return {"cells": cells, "ports": {"y": {"direction": "output", "bits": outputs}}}


def test_a_memory_takes_the_registers_behind_a_port() -> None:
    cells = {"mem": memory({"DOA0": 10, "DOA1": 11, "DOB0": 12}), "a": register(10, 20), "b": register(11, 21)}
    netlist = module(cells, [20, 21, 12])
    assert absorb_registers(netlist) == 2
    left = netlist["cells"]["mem"]
    assert list(netlist["cells"]) == ["mem"]
    assert (left["connections"]["DOA0"], left["connections"]["DOA1"]) == ([20], [21])
    assert (left["parameters"]["REGMODE_A"], left["parameters"]["REGMODE_B"]) == ("OUTREG", "NOREG")
    assert left["connections"]["OCEA"] == [2]


def test_36_bits_are_taken_through_both_ports_or_not_at_all() -> None:
    cells = {"mem": memory({"DOA0": 10, "DOB0": 11}, 36), "a": register(10, 20), "b": register(11, 21)}
    netlist = module(copy.deepcopy(cells), [20, 21])
    assert absorb_registers(netlist) == 2
    values = netlist["cells"]["mem"]["parameters"]
    assert values["REGMODE_A"] == values["REGMODE_B"] == "OUTREG"
    assert absorb_registers(module({"mem": cells["mem"], "a": cells["a"]}, [20, 11])) == 0


def test_36_bits_that_are_never_written_borrow_the_other_ports_registers() -> None:
    rom = memory({"DOA0": 10, "DOB0": 11}, 36)
    rom["connections"] |= {"CLKA": ["0"], "CEA": ["0"]}
    rom["port_directions"]["CEA"] = "input"
    netlist = module({"mem": rom, "a": register(10, 20), "b": register(11, 21)}, [20, 21])
    assert absorb_registers(netlist) == 2
    assert rom["connections"]["CLKA"] == rom["connections"]["CLKB"] == [1]
    assert rom["connections"]["CEA"] == ["0"]


KEPT = {
    "another reader": {"a": register(10, 20), "b": register(11, 21), "other": register(10, 22)},
    "a reset": {"a": register(10, 20, reset=3), "b": register(11, 21)},
    "two enables": {"a": register(10, 20), "b": register(11, 21, enable=4)},
    "one bit without": {"a": register(10, 20)},
}


@pytest.mark.parametrize("why", KEPT)
def test_what_is_no_register_of_the_memory_stays(why: str) -> None:
    netlist = module({"mem": memory({"DOA0": 10, "DOA1": 11}), **KEPT[why]}, [11, 20, 21, 22])
    before = copy.deepcopy(netlist)
    assert absorb_registers(netlist) == 0
    assert netlist == before


def multiplier() -> dict[str, Any]:
    return cell("MULT18X18D", {"A0": 30, "A1": 31, "B0": 32, "B1": "0"}, {"P0": 40, "P1": 41}, {})


def test_a_multiplier_takes_the_registers_of_its_factors_and_of_its_product() -> None:
    cells = {"mul": multiplier(), "p0": register(40, 50), "p1": register(41, 51)}
    cells |= {"a0": register(60, 30), "a1": register(61, 31), "b0": register(62, 32)}
    netlist = module(cells, [50, 51, 31])
    assert absorb_registers(netlist) == 4
    wires, values = (netlist["cells"]["mul"][key] for key in ("connections", "parameters"))
    assert sorted(netlist["cells"]) == ["a1", "mul"], "a1 has another reader"
    assert [wires[name] for name in ("A0", "A1", "B0", "B1", "P0", "P1")] == [[60], [61], [62], ["0"], [50], [51]]
    assert (wires["CLK0"], wires["CE0"]) == ([1], [2])
    assert {name for name in values if name.endswith("_CLK")} == {"REG_OUTPUT_CLK", "REG_INPUTA_CLK", "REG_INPUTB_CLK"}


def test_a_factor_of_another_enable_keeps_its_register() -> None:
    cells = {"mul": multiplier(), "p0": register(40, 50), "p1": register(41, 51)}
    cells |= {"a0": register(60, 30), "a1": register(61, 31, enable=4), "b0": register(62, 32)}
    netlist = module(cells, [50, 51])
    assert absorb_registers(netlist) == 3
    assert "REG_INPUTA_CLK" not in netlist["cells"]["mul"]["parameters"]
    assert "REG_INPUTB_CLK" in netlist["cells"]["mul"]["parameters"]
