"""Estimates: exact multipliers and block RAMs against yosys, LUTs and flip-flops within their stated error."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from gan2hls.backends.rtl import write_rtl
from gan2hls.cli import app
from gan2hls.counting import Shape
from gan2hls.counting.multipliers import hardware_multipliers
from gan2hls.errors import UserError
from gan2hls.estimate import count_stage, estimate, stage_usage
from gan2hls.estimate.features import count
from gan2hls.estimate.memories import map_memory
from gan2hls.estimate.model import difference, fit, shipped_model
from gan2hls.ir import Fold, IntType, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Lookup, Requantize
from gan2hls.pipeline import Pipeline
from gan2hls.synth import Usage, synthesize
from gan2hls.targets import FAMILIES
from tests.conftest import ROOT
from tests.ops.contract import Case
from tests.ops.mac_cases import S8, U8, integers
from tests.synth.networks import network

STORED = ROOT / "benchmarks" / "results" / "estimate.json"
TOLERANCE = 0.2
"""Of LUTs and flip-flops of one small design; the mean over the networks that are held out is under a tenth."""


ROW_TABLES = {("dcgan 100-256-512-128-64-3 W4A8 M256", "ecp5"): 1}
"""Block RAMs that yosys takes for the table of a pixel generator's 64 rows, which the rule does not know: 1 of 881."""


def leaky_network() -> Pipeline:
    """Taps at once, packed products, two parts, both branches of a leaky ReLU, a table with two ports."""
    rng = np.random.default_rng(11)
    conv = Conv2d(integers(rng, (3, 3, 3, 4), 5), 5, padding=(1, 1))
    m = rng.integers(9000, 16000, 4)
    leaky = Requantize(m, rng.integers(-900, 900, 4), 18, -128, 127, S8, 1.0, m // 5, np.zeros(4, dtype=np.int64))
    table = Lookup(rng.integers(-128, 128, 256), S8, 1.0)
    folds = (Fold(4, 3, 2, 1, 3), Fold(2, 2), Fold(2, 2))
    return Case("leaky", TensorType((5, 5, 3), U8, 1.0), (conv, leaky, table), folds).pipeline()


def ternary_network() -> Pipeline:
    """Weights of two bits, which take no multiplier, and narrow ones of a codebook; channels that remain."""
    rng = np.random.default_rng(12)
    first = ConvTranspose2d(rng.integers(-1, 2, (4, 4, 7, 6)), 2, stride=(2, 2), padding=(1, 1))
    narrow = Requantize(rng.integers(300, 500, 6), rng.integers(-99, 99, 6), 12, 0, 15, IntType(4, False), 1.0)
    second = Conv2d(rng.integers(0, 4, (3, 3, 6, 2)), 2, (-7, -2, 2, 7), padding=(1, 1))
    ops = (first, narrow, second)
    folds = (Fold(3, 3, 1, 1, 1, 1, 2), Fold(1, 1), Fold(2, 2))
    return Case("ternary", TensorType((3, 3, 7), IntType(4, True), 1.0), ops, folds).pipeline()


def foreign_network() -> Pipeline:
    """Three products a multiplier, as a DSP48E2 has room for, which an ECP5 makes of two."""
    rng = np.random.default_rng(13)
    conv = Conv2d(integers(rng, (3, 3, 4, 6), 4), 4, padding=(1, 1))
    narrow = Requantize(rng.integers(300, 500, 6), rng.integers(-99, 99, 6), 12, -8, 7, IntType(4, True), 1.0)
    folds = (Fold(6, 2, 3), Fold(1, 1))
    return Case("foreign", TensorType((5, 5, 4), IntType(4, True), 1.0), (conv, narrow), folds).pipeline()


DESIGNS = {"foreign": foreign_network, "leaky": leaky_network, "ternary": ternary_network, "network": network}


@pytest.mark.parametrize(
    ("name", "family"), [("leaky", "xc7"), ("ternary", "gowin"), ("network", "ecp5"), ("foreign", "ecp5")]
)
def test_a_design_as_yosys_finds_it(name: str, family: str, tmp_path: Path) -> None:
    """None of these is in the set that the model is fitted to."""
    pipeline = DESIGNS[name]()
    write_rtl(pipeline, tmp_path, name="network")
    counted = synthesize(pipeline, tmp_path, "network", family, tool="yosys", place=False)
    expected = estimate(pipeline, family)
    multipliers = {stage.name: stage.usage.dsps for stage in counted.stages if stage.name}
    assert {stage.name: stage.usage.dsps for stage in expected.stages} == multipliers
    assert expected.usage.dsps == counted.usage.dsps
    assert expected.usage.block_rams == counted.usage.block_rams
    found = {stage.name: count_stage(stage, family).memories for stage in pipeline.stages}
    rule = [(s.words, s.bits, m.where, m.block_rams) for of in found.values() for s, m in of if s.bits and s.words > 1]
    assert sorted(rule) == sorted((m.words, m.bits, m.mapped, m.block_rams) for m in counted.memories)
    assert expected.usage.luts == pytest.approx(counted.usage.luts, rel=TOLERANCE)
    assert expected.usage.flip_flops == pytest.approx(counted.usage.flip_flops, rel=TOLERANCE)


def stored() -> list[dict[str, Any]]:
    return list(json.loads(STORED.read_text())["networks"])


def totals(network: dict[str, Any], family: str) -> Usage:
    stages = network["stages"]
    counted = [count(s["stem"], s["parameters"], [Shape(*m) for m in s["memories"]], family) for s in stages]
    return sum((stage_usage(stage, family, shipped_model()) for stage in counted), Usage())


@pytest.mark.parametrize("family", FAMILIES)
def test_networks_that_the_model_was_not_fitted_to(family: str) -> None:
    held_out = [n for n in stored() if n["held_out"] and family in n["counted"]]
    assert len(held_out) >= 5
    known = {row["network"]: row for row in json.loads(STORED.read_text())["errors"] if row["family"] == family}
    for what in ("luts", "flip_flops"):
        found = {}
        for one in held_out:
            counted = Usage(*one["counted"][family]["total"])
            found[one["name"]] = difference(getattr(totals(one, family), what), getattr(counted, what))
        assert found == pytest.approx({name: known[name][what] for name in found}, abs=0.01)
        assert sum(map(abs, found.values())) / len(found) <= 10


@pytest.mark.parametrize("family", FAMILIES)
def test_the_error_that_is_told(family: str) -> None:
    """It is of networks that the model did not see, each of those that are stored."""
    rows = [row for row in json.loads(STORED.read_text())["errors"] if row["family"] == family]
    assert {row["network"] for row in rows} == {n["name"] for n in stored() if family in n["counted"]}
    told = shipped_model().errors[family]
    assert told["networks"] == len(rows)
    for what in ("luts", "flip_flops"):
        sizes = [abs(row[what]) for row in rows]
        assert told[what] == pytest.approx(sum(sizes) / len(sizes), abs=0.01)
        assert told[f"worst_{what}"] == max(sizes) > told[what]


def test_networks_with_megabits_of_weights_are_among_them() -> None:
    weights = [[m for s in n["stages"] for m in s["memories"] if m[0] == "weights"] for n in stored()]
    assert sorted(sum(words * bits for _, words, bits, *_ in of) for of in weights)[-1] > 15_000_000


@pytest.mark.parametrize("family", FAMILIES)
def test_multipliers_and_block_rams_of_all_stored_networks(family: str) -> None:
    for stored_network in stored():
        if family in stored_network["counted"]:
            name, counted = stored_network["name"], Usage(*stored_network["counted"][family]["total"])
            found = totals(stored_network, family)
            tables = ROW_TABLES.get((name, family), 0)
            assert (found.dsps, found.block_rams + tables) == (counted.dsps, counted.block_rams), name


@pytest.mark.parametrize(
    ("family", "first", "second", "product", "cells"),
    [
        ("ecp5", 8, 8, 16, 1),
        ("ecp5", 4, 4, 8, 1),  # however small, unlike Xilinx
        ("ecp5", 8, 1, 9, 0),
        ("ecp5", 20, 4, 24, 2),  # a slice of 2 bits takes one too, one of a single bit none
        ("ecp5", 19, 6, 25, 1),
        ("ecp5", 24, 18, 42, 2),
        ("ecp5", 24, 20, 44, 4),
        ("gowin", 8, 8, 16, 0.5),
        ("gowin", 10, 3, 13, 0),
        ("gowin", 22, 22, 44, 4),
        ("nexus", 8, 8, 16, 1),
        ("nexus", 24, 16, 40, 2),
        ("xc7", 25, 18, 43, 1),
        ("xc7", 26, 18, 44, 2),
        ("xcup", 26, 18, 44, 1),
    ],
)
def test_multipliers_of_a_product(family: str, first: int, second: int, product: int, cells: float) -> None:
    assert hardware_multipliers(family, first, second, product)[0] == cells
    assert hardware_multipliers(family, second, first, product)[0] == cells


def test_where_a_memory_goes() -> None:
    rom = Shape("weights", 512, 72)
    assert map_memory(rom, "ecp5").block_rams == 2
    assert map_memory(rom, "xc7").block_rams == 1
    assert map_memory(Shape("weights", 16, 8), "ecp5").where == "logic"
    assert map_memory(Shape("weights", 64, 48), "xc7").where == "logic"  # 3 Kbit: cheaper in LUTs there
    assert map_memory(Shape("weights", 64, 48), "ecp5").where == "logic"
    assert map_memory(Shape("ring", 16, 8, written=True), "ecp5").luts == 12
    assert map_memory(Shape("ring", 1, 4, written=True), "xcup").where == "logic"
    assert map_memory(Shape("buffer", 256, 12, written=True), "xcup").where == "LUT RAM"  # 131.7 against 131


def test_the_fit_finds_what_it_was_made_of() -> None:
    rng = np.random.default_rng(0)
    rows = [({"a": a, "b": b, "one": 1.0}, 2 * a + 0.5 * b + 7, 1.0) for a, b in rng.uniform(10, 500, (40, 2))]
    found = fit(rows, {}, 1e-6)
    assert found == pytest.approx({"a": 2, "b": 0.5, "one": 7}, rel=0.01)


def test_the_fit_keeps_what_the_structure_gives() -> None:
    rows = [({"a": 10.0 + i, "one": 1.0}, 15.0 + 1.5 * i, 1.0) for i in range(3)]
    loose, firm = (fit(rows, {"a": 1.0}, 1.0, names)["a"] for names in ((), ("a",)))
    assert abs(firm - 1.0) < 0.05 < abs(loose - 1.0)


def test_fits_and_limits() -> None:
    pipeline = network()
    result = estimate(pipeline, "gw1nr-9", 50)
    assert result.fits and not result.problems()
    assert result.frames_per_second == pytest.approx(50e6 / result.interval_cycles)
    assert result.mac_multipliers + result.other_multipliers == result.usage.dsps
    assert result.weight_bits == 16 * 16 * 8 * 8
    assert result.limiting.layer == "op0"
    assert estimate(pipeline, "xcup").shares() == dict.fromkeys(("luts", "flip_flops", "dsps", "block_rams"))


def test_a_part_that_is_too_small() -> None:
    rng = np.random.default_rng(1)
    op = Conv2d(integers(rng, (1, 1, 16, 16)), 8)
    pipeline = Case("wide", TensorType((2, 2, 16), S8, 1.0), (op,), (Fold(16, 16),)).pipeline()
    (problem,) = [line for line in estimate(pipeline, "ecp5-25k").problems() if "multipliers" in line]
    assert problem == "ecp5-25k is too small: 256 multipliers needed, it has 28 (256 for weights, 0 for requantization)"


def test_errors() -> None:
    with pytest.raises(UserError, match="unknown target 'ecp6'"):
        estimate(network(), "ecp6")
    with pytest.raises(UserError, match="use a number above 0"):
        estimate(network(), "ecp5", 0)


def test_command(tmp_path: Path) -> None:
    from gan2hls.project import build

    graph = network().graph
    project = build(graph, tmp_path / "project", multipliers=8)
    result = CliRunner().invoke(app, ["estimate", str(project.directory), "--target", "ecp5-85k", "--clock", "50"])
    assert result.exit_code == 0
    assert "frames/s at 50 MHz" in result.output and "slowest: op0 (conv_transpose2d)" in result.output
    shown = CliRunner().invoke(app, ["estimate", str(project.directory), "--target", "ecp5-85k", "--json"])
    assert json.loads(shown.output) == json.loads(json.dumps(project.estimate("ecp5-85k").values()))


def test_a_project_built_for_another_family(tmp_path: Path) -> None:
    from gan2hls.project import build

    graph = network().graph
    project = build(graph, tmp_path / "project", multipliers=8, target="zu3eg")
    (note,) = project.estimate("ecp5-85k").notes
    assert note.startswith("built for zu3eg, not for ecp5-85k: ") and "gan2hls build --target ecp5-85k" in note
    assert not project.estimate("xcup").notes and not project.estimate("xck26").notes
    shown = CliRunner().invoke(app, ["estimate", str(project.directory), "--target", "ecp5-85k"])
    assert f"note: {note}" in shown.output.replace("\n", " ").replace("  ", " ")


def test_command_errors(tmp_path: Path) -> None:
    unknown = CliRunner().invoke(app, ["estimate", str(tmp_path), "--target", "nope"])
    assert isinstance(unknown.exception, UserError) and "unknown target 'nope'" in str(unknown.exception)
    assert unknown.exception.exit_code == 2
    none = CliRunner().invoke(app, ["estimate", str(tmp_path), "--target", "ecp5"])
    assert "not a project made by gan2hls build" in str(none.exception)
    options = CliRunner().invoke(app, ["estimate", str(tmp_path), "--target", "ecp5", "--multipliers", "8"])
    assert "a project is estimated as it is" in str(options.exception)
