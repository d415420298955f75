"""Buffers are as large as the model of time says it takes; the fuzz holds the model against Verilator."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import gan2hls
from gan2hls.assembly import make_pipeline
from gan2hls.backends.rtl import write_rtl
from gan2hls.folding import choose_folding
from gan2hls.ir import Fold, Graph, IntType, Node, TensorType
from gan2hls.models import latents, shipped_generator
from gan2hls.network import StandstillError
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense, Requantize, Reshape
from gan2hls.pipeline import Pipeline, Sizes
from gan2hls.schedule import Run, predict, timed_network
from gan2hls.simulate import RtlDesign, simulate_rtl
from tests.fuzz.chains import describe, draw_chain, draw_folding, least_ring, with_fifo, with_ring

MANY_FRAMES = 20
"""Enough for the buffers between kernels of almost the same speed to fill."""
S6 = IntType(6, True)


def simulated(pipelines: list[Pipeline], folder: Path, rng: np.random.Generator, frames: int) -> list[tuple[int, int]]:
    """(latency, interval) that Verilator counts, and equal outputs."""
    designs = []
    for index, pipeline in enumerate(pipelines):
        kind = pipeline.graph.input.int_type
        x = rng.integers(kind.min, kind.max + 1, (frames, *pipeline.graph.input.shape))
        write_rtl(pipeline, folder / f"case{index}", name=f"case{index}")
        designs.append(RtlDesign(folder / f"case{index}", f"case{index}", pipeline, x))
    runs = simulate_rtl(designs, log=folder / "rtl.log", stalls=False, optimize=False)
    for design, run in zip(designs, runs, strict=True):
        np.testing.assert_array_equal(run.outputs, design.pipeline.graph.run_stream(design.x))
    return [(run.latency_cycles, run.interval_cycles or 0) for run in runs]


def draw_pipeline(rng: np.random.Generator) -> Pipeline:
    graph = draw_chain(rng)
    return make_pipeline(graph, draw_folding(rng, graph))


# -- buffers ----------------------------------------------------------------------------------------------------------


def shrunk(pipeline: Pipeline) -> Iterator[tuple[str, Pipeline]]:
    """The pipeline with one word or beat less in one buffer, for each that is larger than its kernel alone needs."""
    for stage, words in pipeline.sizes.rings.items():
        if words > least_ring(pipeline, stage):
            yield f"ring of {stage}", with_ring(pipeline, stage, words - 1)
    for stream, depth in pipeline.sizes.fifos.items():
        yield f"FIFO in {stream}", with_fifo(pipeline, stream, depth - 1)


def test_buffers_are_as_large_as_it_takes_and_no_larger(rng: np.random.Generator) -> None:
    assert_sizes(rng)


def test_frames_that_leave_late_while_buffers_fill_cost_nothing() -> None:
    """Among these is a pipeline whose frames leave too late at first, by the same each time."""
    assert_sizes(np.random.default_rng(1997513420))


def assert_sizes(rng: np.random.Generator) -> None:
    """Frames follow each other as fast as the slowest kernel takes them; one word less anywhere costs cycles."""
    tried = 0
    while tried < 8:  # most pipelines are fast enough with the least buffers
        pipeline = draw_pipeline(rng)
        slowest = max(stage.cycles for stage in pipeline.stages)
        assert predict(pipeline, MANY_FRAMES).interval_cycles == slowest, describe(pipeline)
        for what, smaller in shrunk(pipeline):
            tried += 1
            ends = predict(smaller, MANY_FRAMES).finished[-11:]  # ten intervals, as long and short ones may take turns
            assert ends[-1] - ends[0] > 10 * slowest, f"{what} is too large:\n{describe(pipeline)}"


def alone(pipeline: Pipeline, name: str, ring: int) -> float:
    """Mean interval of a MAC kernel whose input always waits and whose output is always taken; infinite if it hangs."""
    stage = next(made for made in pipeline.stages if made.name == name)
    run = Run(timed_network(pipeline, [stage], Sizes({name: ring})))
    try:
        for _ in range(40):
            run.frame()
    except StandstillError:
        return math.inf
    return (run.finished[-1] - run.finished[15]) / 24


def test_the_least_ring_is_the_least(rng: np.random.Generator) -> None:
    """`MacKernel.least_ring`, by formula, is the smallest that keeps the cycles; one pixel less costs some."""
    tried = 0
    while tried < 60:
        pipeline = draw_pipeline(rng)
        for name in pipeline.sizes.rings:
            tried += 1
            cycles = next(stage.cycles for stage in pipeline.stages if stage.name == name)
            least = least_ring(pipeline, name)
            assert alone(pipeline, name, least) == cycles, describe(pipeline)
            assert least == 1 or alone(pipeline, name, least - 1) > cycles, describe(pipeline)


def test_a_rhythm_of_two_frames_is_not_steady(rng: np.random.Generator) -> None:
    """Rings and output alone look steady after 24, 26, 24 cycles, when it is the frame after next that is alike."""
    dense = Dense(rng.integers(-8, 8, (1, 1, 12, 45)), 4)
    narrow = Requantize(np.full(45, 3), np.zeros(45, int), 6, -32, 31, S6, 1.0)
    layer = ConvTranspose2d(rng.integers(-8, 8, (4, 4, 5, 3)), 4, padding=(2, 2))
    nodes = tuple(Node(f"op{i}", op) for i, op in enumerate((dense, narrow, Reshape((3, 3, 5)), layer)))
    graph = Graph.chain(TensorType((1, 1, 12), S6, 1.0), nodes, (12, 1, 1), (3, 2, 2)).verify()
    pipeline = make_pipeline(graph, choose_folding(graph, multipliers=57))
    ring, words = list(pipeline.sizes.rings.items())[-1]
    # With the ring that is found, two frames take a cycle more while the buffers fill; with one more pixel, none does.
    assert np.diff(predict(pipeline, MANY_FRAMES).finished)[4:].tolist() == [24] * (MANY_FRAMES - 5)
    wide = with_ring(pipeline, ring, words + 1)
    model = predict(wide, MANY_FRAMES)
    assert set(np.diff(model.finished)) == {pipeline.interval_cycles} == {24}
    assert predict(wide, most=MANY_FRAMES).steady and predict(pipeline, most=MANY_FRAMES).steady
    tight = with_ring(wide, ring, words + 1 - 2)
    assert set(np.diff(predict(tight, MANY_FRAMES).finished)) == {24, 26}
    assert not predict(tight, most=MANY_FRAMES).steady


def test_a_ring_that_is_too_small_is_told() -> None:
    op = Conv2d(np.ones((2, 2, 1, 1), int), 2)
    graph = Graph.chain(TensorType((4, 4, 1), S6, 1.0), (Node("op", op),), (1, 4, 4), (1, 3, 3)).verify()
    pipeline = make_pipeline(graph, {"op": Fold(1, 1)})
    assert predict(with_ring(pipeline, "u_op", 6)).interval_cycles >= pipeline.interval_cycles
    with pytest.raises(StandstillError, match="comes to a standstill: u_op waits for room in its ring of 5 words$"):
        predict(with_ring(pipeline, "u_op", 5))


def test_prediction(rng: np.random.Generator) -> None:
    pipeline = draw_pipeline(rng)
    model = predict(pipeline, 4)
    assert len(model.finished) == 4
    assert model.finished[0] == model.latency_cycles
    assert model.finished[3] - model.finished[2] == model.interval_cycles
    assert list(model.busy) == [stage.name for stage in pipeline.kernels]
    assert 0 < min(model.busy.values()) <= max(model.busy.values()) <= 1


@pytest.fixture(scope="module")
def shipped() -> Graph:
    return gan2hls.quantize(gan2hls.load(shipped_generator()[0]), latents(64, (64, 1, 1), 0))


@pytest.mark.parametrize("multipliers", [32, 64, 128, 512, 1024])
def test_frames_follow_each_other_as_fast_as_the_slowest_kernel(shipped: Graph, multipliers: int) -> None:
    pipeline = make_pipeline(shipped, choose_folding(shipped, multipliers=multipliers))
    assert predict(pipeline).interval_cycles == max(stage.cycles for stage in pipeline.stages)


def test_one_pixel_less_costs_cycles(shipped: Graph) -> None:
    pipeline = make_pipeline(shipped, choose_folding(shipped, multipliers=64))
    smaller = list(shrunk(pipeline))
    assert len(smaller) == 3
    for _, other in smaller:
        assert predict(other).interval_cycles > pipeline.interval_cycles


def test_the_shipped_generator(shipped: Graph, rng: np.random.Generator, tmp_path: Path) -> None:
    pipelines = [make_pipeline(shipped, choose_folding(shipped, multipliers=budget)) for budget in (128, 1024)]
    expected = [(model.latency_cycles, model.interval_cycles) for model in (predict(p, 3) for p in pipelines)]
    assert simulated(pipelines, tmp_path, rng, 3) == expected
