"""The result of a synthesis: what it says of a part that is too small and of a clock that is missed, and its JSON."""

import json

import pytest

from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.synth import PLACED, SYNTHESIZED, Clock, MemoryUsage, StageUsage, SynthResult, Usage
from gan2hls.synth.families import RECIPES
from gan2hls.synth.netlist import Netlist, count, unknown_cells
from gan2hls.targets import FAMILIES

SMALL = Usage(100, 10, 200, 4.0, 2.5)


def result(usage: Usage = SMALL, clock: Clock | None = None) -> SynthResult:
    stages = (StageUsage("u_a", "conv2d", SMALL), StageUsage("", "", Usage()))
    memory = MemoryUsage("u_a.u_ring.mem", "u_a", "ring", 64, 32, "block RAM", 1.0)
    return SynthResult("top", "gw1nr-9", SYNTHESIZED, usage, stages, (memory,), clock, {"LUT4": (3, 4)}, {"yosys": "1"})


def test_json_gives_the_same_back() -> None:
    clock = Clock(50.0, 50.0, (1, 2), (60.0, 40.0), PLACED, ("a", "b"))
    for value in (result(), result(clock=clock)):
        assert SynthResult.from_values(json.loads(json.dumps(value.values()))) == value


def test_json_says_what_the_part_has() -> None:
    values = result().values()
    assert values["part"] == {"luts": 8640, "flip_flops": 6480, "dsps": 20, "block_rams": 26}
    assert values["shares"]["dsps"] == 0.2
    assert values["memory_bits"]["stored"]["ring"] == 64 * 32
    assert values["memory_bits"]["block_ram"]["ring"] == 18432


@pytest.mark.parametrize(
    "change",
    [
        *({"format": 0}, {"kind": "x"}, {"usage": {}}, {"stages": 3}, {"clock": {}}, {"clock": "fast"}),
        *({"usage": {**vars(SMALL), "luts": "many"}}, {"notes": [1]}, {"placed": {"LUT4": [1]}}, {"tools": None}),
    ],
)
def test_other_json_is_refused(change: dict) -> None:
    with pytest.raises(UserError):
        SynthResult.from_values({**result().values(), **change})


@pytest.mark.parametrize("change", [{"mhz": [], "seeds": []}, {"mhz": [60.0]}, {"routers": ["router1"]}])
def test_a_clock_is_of_its_seeds(change: dict) -> None:
    values = result(clock=Clock(50.0, 50.0, (1, 2), (60.0, 40.0), PLACED, ("a", "b"))).values()
    with pytest.raises(UserError, match="a damaged result of synthesis"):
        SynthResult.from_values({**values, "clock": {**values["clock"], **change}})


def test_too_small() -> None:
    assert result().fits and not result().problems()
    large = result(Usage(8641, 0, 6480, 20.5, 26.0))
    assert not large.fits
    assert large.problems() == [
        "gw1nr-9 is too small: 8,641 LUTs needed, it has 8,640",
        "gw1nr-9 is too small: 20.5 multipliers needed, it has 20",
    ]


def test_missed_clock() -> None:
    assert not Clock(50.0, 50.0, (1, 2, 3), (49.0, 50.0, 70.0)).missed
    missed = result(clock=Clock(50.0, 50.0, (1, 2, 3), (49.0, 49.9, 70.0)))
    assert missed.problems() == ["clock missed: 50 MHz wanted, 49.9 MHz reached (median of 3 seeds)"]
    assert missed.values()["clock"]["missed"] is True
    assert not result(clock=Clock(None, 100.0, (1,), (1.0,))).problems()


@pytest.mark.parametrize(
    ("family", "cells", "expected"),
    [
        ("ecp5", {"LUT4": 10, "CCU2C": 3, "PFUMX": 2, "TRELLIS_DPR16X4": 2, "TRELLIS_FF": 7}, Usage(28, 12, 7)),
        ("ecp5", {"MULT18X18D": 3, "DP16KD": 2}, Usage(0, 0, 0, 3.0, 2.0)),
        ("gowin", {"LUT1": 1, "LUT4": 2, "ALU": 3, "MUX2_LUT5": 4, "DFFRE": 5, "DFF": 1}, Usage(6, 0, 6)),
        ("gowin", {"MULT9X9": 1, "MULT18X18": 1, "MULT36X36": 1, "SPX9": 2, "SDPX9B": 1}, Usage(0, 0, 0, 5.5, 3.0)),
        ("nexus", {"LUT4": 1, "WIDEFN9": 1, "CCU2": 1, "INV": 1, "FD1P3IX": 2, "MULT18X36": 1}, Usage(6, 0, 2, 2.0)),
        ("xc7", {"LUT6": 1, "LUT2": 1, "CARRY4": 5, "SRL16E": 2, "RAM64M": 1, "FDRE": 2, "FDSE": 1}, Usage(8, 6, 3)),
        ("xc7", {"DSP48E1": 1, "RAMB36E1": 1, "RAMB18E1": 1}, Usage(0, 0, 0, 1.0, 1.5)),
        ("xcup", {"DSP48E2": 1, "RAMB36E2": 1, "RAMB18E2": 1, "RAM64M8": 1}, Usage(8, 8, 0, 1.0, 1.5)),
    ],
)
def test_counting(family: str, cells: dict[str, int], expected: Usage) -> None:
    assert count(cells, RECIPES[family]) == expected
    assert not unknown_cells(cells, RECIPES[family])


def test_a_cell_of_unknown_cost_is_noticed() -> None:
    assert unknown_cells(["LUT4", "MULTALU18X18"], RECIPES["gowin"]) == ["MULTALU18X18"]


def test_every_family_has_a_recipe() -> None:
    assert RECIPES.keys() == FAMILIES.keys()


def cell(kind: str, inputs: list[int], outputs: list[int]) -> dict:
    ports = {"port_directions": {"I": "input", "O": "output"}, "connections": {"I": inputs, "O": outputs}}
    return {"type": kind, "attributes": {}, "parameters": {}, **ports}


def scope(module: str, line: int) -> dict:
    attributes = {"module": module, "cell_src": f"top.sv:{line}.3-{line + 5}.4"}
    return {"type": "$scopeinfo", "attributes": attributes, "port_directions": {}, "connections": {}}


def test_cells_find_their_stage() -> None:
    """Register of a, named by b's input; a nameless LUT that feeds it; one that b's register reads; one of the top."""
    cells = {
        "u_b": scope("$paramod\\second\\W=1", 10),
        "u_a": scope("first", 3),
        "$auto$1": cell("LUT4", [1], [2]),
        "$auto$2": cell("TRELLIS_FF", [2], [3]),
        "u_a.m": cell("MULT18X18D", [9], [1]),
        "$auto$3": cell("LUT4", [3], [4]),
        "$auto$4": cell("TRELLIS_FF", [4], [5]),
        "$auto$5": cell("LUT4", [20], [21]),
    }
    names = {"u_b.data": [3], "stream": [3], "u_b.q": [5], "out": [21]}
    module = {"cells": cells, "netnames": {name: {"bits": bits} for name, bits in names.items()}}
    netlist = Netlist(module, {"$paramod\\second\\W=1": {"data"}}, RECIPES["ecp5"])
    a, b, rest = netlist.stage_usage()
    assert (a.name, a.module, a.usage) == ("u_a", "first", Usage(1, 0, 1, 1.0))
    assert (b.name, b.module, b.usage) == ("u_b", "second", Usage(1, 0, 1))
    assert (rest.name, rest.usage) == ("", Usage(1))


def test_a_family_without_a_netlist_is_an_error(tmp_path) -> None:
    from gan2hls.synth.netlist import read_module

    with pytest.raises(Gan2HlsError, match="no netlist of top"):
        read_module(tmp_path / "netlist.json", "top")
