"""Buffers where branches part and meet: as small as they may be, and where none is large enough, one error says so."""

import numpy as np
import pytest

from gan2hls import sizing
from gan2hls.assembly import make_pipeline
from gan2hls.ir import Fold, Graph, Input, IntType, Node, TensorType
from gan2hls.network import StandstillError
from gan2hls.ops import Add, Conv2d, Requantize
from gan2hls.pipeline import Pipeline, Sizes
from gan2hls.schedule import predict
from tests.fuzz.chains import Limits, describe, draw_folding, with_fifo
from tests.fuzz.graphs import draw_graph
from tests.test_schedule import shrunk

S4 = IntType(4, True)
MANY_FRAMES = 200
SMALL = Limits(channels=4, side=5, kernel=3, stride=2, elements=400)


def mean_interval(pipeline: Pipeline) -> float:
    """Of the later half of many frames, as long and short intervals may take turns; infinite at a standstill."""
    try:
        ends = predict(pipeline, MANY_FRAMES).finished
    except StandstillError:
        return float("inf")
    return (ends[-1] - ends[MANY_FRAMES // 2 - 1]) / (MANY_FRAMES // 2)


def test_branches_keep_the_pace_of_the_slowest_kernel(rng: np.random.Generator) -> None:
    for _ in range(12):
        graph = draw_graph(rng, SMALL)
        pipeline = make_pipeline(graph, draw_folding(rng, graph))
        # What lies in buffers may leave a little faster, for a hundred small frames and more.
        assert mean_interval(pipeline) <= pipeline.interval_cycles, describe(pipeline)


@pytest.mark.parametrize("seed", range(12))
def test_one_beat_or_pixel_less_costs_cycles(seed: int) -> None:
    """In any buffer, or everything stands still."""
    rng = np.random.default_rng(seed)
    graph = draw_graph(rng, SMALL)
    pipeline = make_pipeline(graph, draw_folding(rng, graph))
    for what, smaller in shrunk(pipeline):
        assert mean_interval(smaller) > pipeline.interval_cycles, f"{what} is too large:\n{describe(pipeline)}"


def residual(rows: int, layers: int) -> Graph:
    """Convolutions of 3×3 beside a skip, and their sum."""
    nodes = [Node("x", Input(TensorType((rows, 8, 1), S4, 1.0)))]
    source = "x"
    for index in range(layers):
        nodes.append(Node(f"conv{index}", Conv2d(np.ones((3, 3, 1, 1), int), 4, padding=(1, 1)), (source,)))
        narrow = Requantize(np.full(1, 3), np.zeros(1, int), 6, -8, 7, S4, 1.0)
        nodes.append(Node(f"narrow{index}", narrow, (f"conv{index}",)))
        source = f"narrow{index}"
    nodes.append(Node("sum", Add(), ("x", source)))
    return Graph(tuple(nodes), ("sum",), {"x": (1, rows, 8), "sum": (1, rows, 8)}).verify()


def pipeline_of(graph: Graph, sizes: Sizes | None = None) -> Pipeline:
    return make_pipeline(graph, {node.name: Fold(1, 1) for node in graph.computed}, sizes)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_skip_holds_what_its_convolutions_hold(layers: int) -> None:
    """About a row and some pixels a layer, whatever the height; a beat less is a standstill or slower."""
    for rows in (8, 16):
        pipeline = pipeline_of(residual(rows, layers))
        assert mean_interval(pipeline) == pipeline.interval_cycles
        (stream, depth), *others = [(name, size) for name, size in pipeline.sizes.fifos.items() if size > 4]
        assert not others
        assert 8 * layers < depth < 24 * layers
        assert mean_interval(with_fifo(pipeline, stream, depth - 1)) > pipeline.interval_cycles


def test_a_skip_that_is_too_small_is_told() -> None:
    pipeline = pipeline_of(residual(8, 2))
    with pytest.raises(
        StandstillError, match=r"^the pipeline comes to a standstill: .*u_sum waits for beat 0 of "
    ) as told:
        predict(pipeline.with_sizes(Sizes(pipeline.sizes.rings)))
    assert "u_x_fork waits for room in" in str(told.value)


def test_branches_that_no_buffer_reconciles_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search ends with who waits for whom, and with the largest buffer that it tried, whatever is asked of it."""

    def set_small(knob: sizing.Knob, size: int) -> None:
        knob.sizes[knob.name] = size if knob.ring else min(size, 3)

    monkeypatch.setattr(sizing.Knob, "set", set_small)
    with pytest.raises(StandstillError, match=r"u_sum waits for beat 0 of .*; a buffer of [\d,]+ in \w+ does not help"):
        pipeline_of(residual(8, 2))


def test_sizes_that_are_given_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    found = pipeline_of(residual(8, 1)).sizes
    monkeypatch.setattr("gan2hls.assembly.size_buffers", lambda pipeline: pytest.fail("searched"))
    assert pipeline_of(residual(8, 1), found).sizes == found


def test_frames_end_at_each_output() -> None:
    """A result on the way leaves before the last one does; a frame is finished when both have left."""
    graph = residual(8, 1)
    graph = Graph(graph.nodes, ("narrow0", "sum"), {**graph.ports, "narrow0": (1, 8, 8)}).verify()
    model = predict(pipeline_of(graph), 4)
    assert list(model.ends) == ["narrow0", "sum"]
    assert list(model.finished) == [max(ends) for ends in zip(*model.ends.values(), strict=True)]
    assert model.end(10, "sum") == model.ends["sum"][-1] + 7 * model.interval_cycles
