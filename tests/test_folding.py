"""Folding: budgets hold, requests hold or are refused by name, and the pipeline fits together."""

import re

import numpy as np
import pytest

from gan2hls.errors import UserError
from gan2hls.folding import Pipeline, choose_folding, make_pipeline
from gan2hls.ir import Fold, Graph, IntType, Node, Op, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense, Requantize, Reshape, Upsample
from gan2hls.ops.mac import MacOp

S8 = IntType(8, True)


def requantize(channels: int) -> Requantize:
    return Requantize(np.full(channels, 3), np.zeros(channels, int), 8, -128, 127, S8, 1.0)


def weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-128, 128, shape)


@pytest.fixture
def graph(rng: np.random.Generator) -> Graph:
    ops: dict[str, Op] = {
        "project": Dense(weights(rng, 1, 1, 10, 64), 8),
        "project.out": requantize(64),
        "image": Reshape((2, 2, 16)),
        "up.1": ConvTranspose2d(weights(rng, 4, 4, 16, 12), 8, stride=(2, 2), padding=(1, 1)),
        "up.1.out": requantize(12),
        "double": Upsample((2, 2)),
        "last": Conv2d(weights(rng, 3, 3, 12, 3), 8, padding=(1, 1)),
        "last.out": requantize(3),
    }
    nodes = tuple(Node(name, op) for name, op in ops.items())
    return Graph(TensorType((1, 1, 10), S8, 1.0), nodes, (10,), (3, 8, 8)).verify()


def multipliers(graph: Graph, pipeline: Pipeline) -> int:
    folds = [pipeline.folding[node.name] for node in graph.nodes if isinstance(node.op, MacOp)]
    return sum(fold.pe * fold.simd for fold in folds)


@pytest.mark.parametrize("budget", [3, 4, 7, 16, 50, 64, 200, 1000, 100_000])
def test_the_budget_holds_and_more_is_never_slower(graph: Graph, budget: int) -> None:
    pipeline = make_pipeline(graph, choose_folding(graph, multipliers=budget))
    assert multipliers(graph, pipeline) == pipeline.mac_multipliers <= budget
    assert 0 < pipeline.utilization <= 1
    fewer = make_pipeline(graph, choose_folding(graph, multipliers=max(3, budget // 2)))
    macs = [stage.cycles for stage in pipeline.stages if is_mac(graph, stage.node)]
    fewer_macs = [stage.cycles for stage in fewer.stages if is_mac(graph, stage.node)]
    assert max(macs) <= max(fewer_macs)


def is_mac(graph: Graph, node: str) -> bool:
    return bool(node) and isinstance(graph.node(node).op, MacOp)


def test_no_balanced_choice_is_better(rng: np.random.Generator) -> None:
    """All folds of two small layers, tried one by one."""
    ops = (Conv2d(weights(rng, 3, 3, 4, 5), 8, padding=(1, 1)), requantize(5), Conv2d(weights(rng, 1, 1, 5, 2), 8))
    nodes = tuple(Node(f"op{index}", op) for index, op in enumerate(ops))
    graph = Graph(TensorType((4, 4, 4), S8, 1.0), nodes, (4, 4, 4), (2, 4, 4)).verify()
    types = graph.types
    for budget in (2, 5, 9, 14, 22):
        best = min(
            max(ops[0].cycles(types[0], Fold(a, b)), ops[2].cycles(types[2], Fold(c, d)))
            for a in range(1, 6) for b in range(1, 5) for c in range(1, 3) for d in range(1, 6)
            if a * b + c * d <= budget
        )  # fmt: skip
        folding = choose_folding(graph, multipliers=budget)
        assert max(ops[i].cycles(types[i], folding[f"op{i}"]) for i in (0, 2)) == best


def test_a_budget_that_is_too_small(graph: Graph) -> None:
    with pytest.raises(UserError, match="2 multipliers are too few: the network needs at least 3 with this folding"):
        choose_folding(graph, multipliers=2)
    with pytest.raises(UserError, match="64 multipliers are too few: the network needs at least 194"):
        choose_folding(graph, given={"up.1": (12, 16)})


@pytest.mark.parametrize("given", [Fold(4, 8), (4, 8), {"pe": 4, "simd": 8}], ids=["fold", "pair", "mapping"])
def test_what_is_given_holds(graph: Graph, given: object) -> None:
    folding = choose_folding(graph, given={"up.1": given, "last.out": (2, 2)})  # type: ignore[dict-item]
    assert folding["up.1"] == Fold(4, 8)
    assert folding["last.out"] == Fold(2, 2)
    assert set(folding) == {node.name for node in graph.nodes}


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "unknown": ({"up.2": (1, 1)}, "folding: no node 'up.2'; the graph has project, project.out, image, up.1"),
    "pe": ({"up.1": (13, 1)}, "folding of up.1: pe 13 is not supported; use 1 to 12, its output channels"),
    "simd": ({"last": (1, 13)}, "folding of last: simd 13 is not supported; use 1 to 12, its input channels"),
    "packing": ({"last": Fold(2, 1, 3)}, "folding of last: packing 3 is not supported; use 1 to pe"),
    "zero": ({"last": (0, 1)}, "folding of last: pe 0 is not supported; use 1 to 3"),
    "lanes": ({"last.out": (1, 2)}, "folding of last.out: pe 1 and simd 2 differ; requantize has one number of"),
    "form": ({"last": 3}, "folding of last: expected pe and simd, got 3"),
    "key": ({"last": {"pe": 1, "lanes": 2}}, "folding of last: expected pe and simd"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_is_refused_by_name(graph: Graph, name: str) -> None:
    given, message = REFUSED[name]
    with pytest.raises(UserError, match=re.escape(message)):
        choose_folding(graph, given=given)  # type: ignore[arg-type]


def test_all_that_is_wrong_is_said_at_once(graph: Graph) -> None:
    with pytest.raises(UserError, match=r"(?s)up\.2.*pe 13"):
        choose_folding(graph, given={"up.2": (1, 1), "up.1": (13, 1)})


def test_stages_and_streams_fit_together(graph: Graph) -> None:
    pipeline = make_pipeline(graph, choose_folding(graph, multipliers=50, given={"up.1": (5, 3), "last": (2, 5)}))
    assert len(pipeline.streams) == len(pipeline.stages) + 1
    names = [item.name for item in (*pipeline.stages, *pipeline.streams)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]\w*", name) for name in names)
    converters = 0
    for stage, before, after in zip(pipeline.stages, pipeline.streams, pipeline.streams[1:], strict=False):
        if stage.stem == "width_converter":
            converters += 1
            assert before.lanes != after.lanes
            assert (stage.parameters["InLanes"], stage.parameters["OutLanes"]) == (before.lanes, after.lanes)
            assert (before.channels, before.pixels, before.bits) == (after.channels, after.pixels, after.bits)
            assert stage.cycles == max(before.beats, after.beats)
        else:
            assert (before.lanes, after.lanes) == (pipeline.folding[stage.node].simd, pipeline.folding[stage.node].pe)
        assert stage.cycles >= max(before.beats, after.beats)
    assert converters >= 2
    assert [stage.node for stage in pipeline.stages if stage.node] == [node.name for node in graph.nodes]
    assert pipeline.interval_cycles == max(stage.cycles for stage in pipeline.stages)


def test_names_that_are_alike_stay_apart(rng: np.random.Generator) -> None:
    names = ("a.b", "a_b", "a b")
    nodes = tuple(Node(name, Upsample((1, 1))) for name in names)
    graph = Graph(TensorType((2, 2, 4), S8, 1.0), nodes, (4, 2, 2), (4, 2, 2)).verify()
    folding = {"a.b": Fold(1, 1), "a_b": Fold(2, 2), "a b": Fold(3, 3)}
    stages = make_pipeline(graph, folding).stages
    assert len({stage.name for stage in stages}) == len(stages) == 5


def test_a_graph_without_products_needs_no_multipliers() -> None:
    graph = Graph(TensorType((2, 2, 4), S8, 1.0), (Node("up", Upsample((2, 2))),), (4, 2, 2), (4, 4, 4)).verify()
    pipeline = make_pipeline(graph, choose_folding(graph, multipliers=0))
    assert pipeline.mac_multipliers == 0
    assert pipeline.utilization == 0


def test_multipliers_of_requantization_are_counted_apart(graph: Graph) -> None:
    pipeline = make_pipeline(graph, choose_folding(graph, multipliers=8))
    lanes = [fold.pe for name, fold in pipeline.folding.items() if name.endswith("out")]
    assert pipeline.other_multipliers == sum(lanes)
