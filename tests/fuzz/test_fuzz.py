"""A short fuzz, the seeds that failed once, and that the fuzz finds what is wrong."""

import io
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from gan2hls import tools
from gan2hls.backends.hls import write_hls
from gan2hls.backends.rtl import write_rtl
from gan2hls.ops import ConvTranspose2d
from tests.fuzz import run
from tests.fuzz.chains import draw_frames
from tests.fuzz.check import check
from tests.fuzz.modules import draw_quantized
from tests.fuzz.networks import Network, difference, draw_network
from tests.ops.contract import single
from tests.ops.mac_cases import S8, integers
from tests.rtl.test_mutations import MUTANTS

SHORT = 7
"""Networks in `make test`: one Verilator build, a minute or so."""

needs_rtl = pytest.mark.skipif(
    not all(tools.find_tool(name) for name in ("verilator", "cocotb", "cocotbext-axi", "g++", "make")),
    reason="needs Verilator, cocotb and cocotbext-axi",
)


def assert_sound(seeds: list[int], folder: Path) -> None:
    networks = {seed: draw_network(seed) for seed in seeds}
    problems = check(list(networks.values()), folder)
    told = [
        f"make fuzz SEED={seed}\n{chr(10).join(found)}\n{networks[seed].describe()}" for seed, found in problems.items()
    ]
    assert not told, "\n".join(told)


@needs_rtl
def test_random_networks(rng: np.random.Generator, tmp_path: Path) -> None:
    """Outside reference, golden model, C++ and RTL are equal, and each frame ends when the model of time says."""
    first = int(rng.integers(1 << 31))
    print(f"seeds from {first} on")
    assert_sound(list(range(first, first + SHORT)), tmp_path)


LISTED = run.listed_seeds()


@needs_rtl
@pytest.mark.parametrize("seeds", [LISTED[i : i + SHORT] for i in range(0, len(LISTED), SHORT)], ids=str)
def test_seeds_that_failed_once(seeds: list[int], tmp_path: Path) -> None:
    assert_sound(seeds, tmp_path)


def test_golden_model_of_many_networks(rng: np.random.Generator) -> None:
    """Cheap: no tool is needed."""
    for seed in map(int, rng.integers(1 << 31, size=20)):
        network = draw_network(seed)
        problem = network.golden_problem(network.golden())
        assert not problem, f"make fuzz SEED={seed}\n{problem}\n{network.describe()}"


def test_a_seed_is_one_network() -> None:
    for seed in range(12):
        first, again = draw_network(seed), draw_network(seed)
        assert not difference(first.x, again.x)
        assert first.describe() == again.describe()
        assert first.pipeline.folding == again.pipeline.folding


def test_the_draw_has_everything() -> None:
    """Each op, blocks of taps, packing, codebooks, FIFOs and both doors are among a few hundred networks."""
    networks = [draw_network(seed) for seed in range(100)]
    stages = [stage for network in networks for stage in network.pipeline.stages]
    modules = {stage.module for stage in stages}
    macs = [stage.parameters for stage in stages if "CodeBits" in stage.parameters]
    assert modules >= {"dense", "conv2d", "conv_transpose2d", "requantize", "lookup", "upsample", "reshape"}
    assert {values["CodeBits"] for values in macs} >= {1, 2, 3, 4, 8, 16}
    assert {values["InBits"] for values in macs} >= set(range(2, 17))
    assert {values["Packing"] for values in macs} >= {1, 2, 3}
    assert {values["UseCodebook"] for values in macs} == {0, 1}
    assert any(values.get("TapRows", 1) * values.get("TapCols", 1) > 1 for values in macs)
    assert any(values.get("RestRows", 1) * values.get("RestCols", 1) > 1 for values in macs)
    assert any(network.pipeline.sizes.fifos for network in networks)
    assert modules >= {"stream_fork", "add", "concat", "slice", "constant"}
    forks = [len(stage.outputs) for stage in stages if stage.module == "stream_fork"]
    assert {2, 3} <= set(forks)
    assert any(len(network.pipeline.inputs) > 1 for network in networks)
    assert any(len(network.pipeline.outputs) > 1 for network in networks)
    assert {network.about.split()[0].strip(",") for network in networks} == {"chain", "graph", "torch"}


def test_a_module_far_from_its_hardware_is_found(rng: np.random.Generator) -> None:
    """At 16 bits the bound is narrow: one wrong weight of a layer shows."""
    found = tried = 0
    while tried < 6:
        drawn = draw_quantized(rng, 4)
        if drawn.options["weight_bits"] < 16 or drawn.options["activation_bits"] < 16:
            continue
        golden = drawn.graph.run(drawn.x)
        assert not drawn.problem(golden)
        exact, error = drawn.bound()
        tried += 1
        found += bool(drawn.problem(golden + 0.1 * exact[0].std()))
        assert (np.abs(golden - exact) <= error * 1.001 + 1e-9 * np.abs(exact).max()).all()
    assert found >= 4, "the bound is too wide to show an error of a tenth"


# -- what is wrong is found -------------------------------------------------------------------------------------------


def wrong_layer(rng: np.random.Generator, seed: int = 1) -> Network:
    """A transposed convolution whose reference, C++ and RTL each have a bug of their own."""
    network = draw_network(seed)
    op = ConvTranspose2d(integers(rng, (4, 4, 4, 4)), 8, stride=(2, 2), padding=(1, 1))
    pipeline = single("layer", op, (3, 3, 4), S8, 2, 2).pipeline()
    x = draw_frames(rng, pipeline.graph.input, 4)

    def write(folder: Path) -> None:
        write_hls(pipeline, folder / "hls", name=network.name)
        write_rtl(pipeline, folder / "rtl", name=network.name)
        break_file(folder / "hls" / "kernels" / "mac_engine.h", "= before + sum[l];", "= before - sum[l];")
        mutant = next(m for m in MUTANTS if m.design == "transposed" and m.file == "mac_array")
        break_file(folder / "rtl" / "kernels" / f"{mutant.file}.sv", mutant.old, mutant.new)

    golden = pipeline.graph.run_stream(x).astype(np.int64)
    wrong = golden.copy()
    wrong[0, 0, 0, 0] += 1
    return replace(network, pipeline=pipeline, x=x, write=write, golden_problem=lambda y: difference(y, wrong))


def break_file(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@needs_rtl
def test_bugs_are_found(rng: np.random.Generator, tmp_path: Path) -> None:
    """A wrong reference, a bug in the C++ and one in the RTL are told apart."""
    network = wrong_layer(rng)
    (problems,) = check([network], tmp_path).values()
    assert [problem.partition(":")[0] for problem in problems] == ["golden model", "C++", "RTL"]


def fake_work(monkeypatch: pytest.MonkeyPatch, fail: set[int], crash: set[int]) -> list[list[int]]:
    """Workers that find `fail` and end with an error where `crash` is among the seeds; gives the batches they got."""
    batches: list[list[int]] = []

    def work(self: run.Workers, arguments: list[str]) -> tuple[int, str, str]:
        seeds = [int(seed) for seed in arguments[1:]]
        batches.append(seeds)
        if crash & set(seeds):
            return 1, "", "Traceback\n  File\ngan2hls.errors.ToolError: it broke\n  here"
        return 0, json.dumps({seed: ["RTL: differs", "a network"] for seed in seeds if seed in fail}), ""

    monkeypatch.setattr(run.Workers, "_run", work)
    return batches


def test_failing_seeds_are_told_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = fake_work(monkeypatch, {3}, {6})
    text = io.StringIO()
    kept = tmp_path / "seeds.txt"
    kept.write_text("# for people\n3  # known\n")
    tally = run.fuzz(iter([[1, 2, 3, 4], [5, 6, 7, 8]]), 1, Console(file=text), keep=kept)
    assert (tally.checked, set(tally.failures)) == (8, {3, 6})
    assert batches == [[1, 2, 3, 4], [5, 6, 7, 8], [5, 6], [5], [6], [7, 8]]
    assert run.listed_seeds(kept) == [3, 6]
    assert "6  # gan2hls.errors.ToolError: it broke" in kept.read_text()
    assert "again: make fuzz SEED=3" in text.getvalue()
    assert "RTL: differs\na network" in text.getvalue()


def test_time_ends_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 30)
    monkeypatch.setattr(run.time, "monotonic", lambda: next(clock))
    batches = list(run.new_batches(1.4, 7))
    assert batches == [list(range(7, 17)), list(range(17, 27))]


def test_ctrl_c_ends_with_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_work(monkeypatch, {1}, set())

    def batches():
        yield [1]
        raise KeyboardInterrupt

    text = io.StringIO()
    tally = run.fuzz(batches(), 1, Console(file=text), keep=None)
    assert "stopped" in text.getvalue()
    assert str(tally).endswith("failed")
