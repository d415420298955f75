"""Folding: budgets hold, requests hold or are refused by name, and the pipeline fits together."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import gan2hls
from gan2hls.assembly import make_pipeline
from gan2hls.errors import UserError
from gan2hls.folding import choose_folding
from gan2hls.ir import Fold, Graph, IntType, Node, Op, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense, Requantize, Reshape, Upsample
from gan2hls.ops.mac import MacOp
from gan2hls.pipeline import Pipeline
from gan2hls.targets import FAMILIES

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
    return Graph.chain(TensorType((1, 1, 10), S8, 1.0), nodes, (10,), (3, 8, 8)).verify()


def multipliers(graph: Graph, pipeline: Pipeline) -> int:
    folds = [pipeline.folding[node.name] for node in graph.computed if isinstance(node.op, MacOp)]
    return sum(fold.pe * fold.simd * fold.tap_rows * fold.tap_columns for fold in folds)


@pytest.mark.parametrize("budget", [3, 4, 7, 16, 50, 64, 200, 1000, 100_000])
def test_the_budget_holds_and_more_is_never_slower(graph: Graph, budget: int) -> None:
    pipeline = make_pipeline(graph, choose_folding(graph, multipliers=budget, slack=0))
    assert multipliers(graph, pipeline) == pipeline.mac_multipliers <= budget
    assert 0 < pipeline.utilization <= 1
    fewer = make_pipeline(graph, choose_folding(graph, multipliers=max(3, budget // 2), slack=0))
    macs = [stage.cycles for stage in pipeline.stages if is_mac(graph, stage.node)]
    fewer_macs = [stage.cycles for stage in fewer.stages if is_mac(graph, stage.node)]
    assert max(macs) <= max(fewer_macs)


def is_mac(graph: Graph, node: str) -> bool:
    return bool(node) and isinstance(graph.node(node).op, MacOp)


def every_fold(op: MacOp, tensor: TensorType) -> Iterator[Fold]:
    """All folds that the op can have, tap blocks included."""
    most = op.largest_fold((tensor,))
    for pe, simd in itertools.product(range(1, most.pe + 1), range(1, most.simd + 1)):
        for taps in itertools.product(range(1, 4), repeat=4):
            if not op.fold_problem(tensor, fold := Fold(pe, simd, 1, *taps)):
                yield fold


def test_no_balanced_choice_is_better(rng: np.random.Generator) -> None:
    """All pairs of folds of two small layers, tried one by one."""
    ops = (Conv2d(weights(rng, 3, 2, 4, 3), 8, padding=(1, 1)), requantize(3), Conv2d(weights(rng, 2, 2, 3, 2), 8))
    nodes = tuple(Node(f"op{index}", op) for index, op in enumerate(ops))
    graph = Graph.chain(TensorType((4, 4, 4), S8, 1.0), nodes, (4, 4, 4), (2, 3, 4)).verify()
    types = list(graph.types.values())

    def cost_of(index: int, fold: Fold) -> tuple[int, int]:
        kernel = ops[index].kernel((types[index],), fold)
        return kernel.multipliers, kernel.cycles

    costs = [{cost_of(i, fold) for fold in every_fold(ops[i], types[i])} for i in (0, 2)]
    pairs = [(a[0] + b[0], max(a[1], b[1])) for a in costs[0] for b in costs[1]]
    for budget in (2, 5, 9, 14, 22, 60):
        fastest = min(cycles for cost, cycles in pairs if cost <= budget)
        for slack in (0, 0.05, 0.5):
            folding = choose_folding(graph, multipliers=budget, slack=slack)
            found = [cost_of(i, folding[f"op{i}"]) for i in (0, 2)]
            cost, cycles = sum(pair[0] for pair in found), max(pair[1] for pair in found)
            assert cost <= budget
            assert cycles <= fastest * (1 + slack)
            near = [pair for pair in pairs if pair[0] <= budget and pair[1] <= fastest * (1 + slack)]
            best = min(multipliers * interval for multipliers, interval in near)
            # several taps at once are not tried while output channels could work instead: at most a little is lost
            assert cost * cycles <= best * 1.05


@pytest.mark.parametrize("interval", [4000, 900, 300, 200])
def test_a_wanted_interval_is_met_with_as_few_multipliers_as_it_takes(graph: Graph, interval: int) -> None:
    folding = choose_folding(graph, interval=interval)
    for node, tensors, _ in graph.steps():
        if isinstance(node.op, MacOp):
            chosen = node.op.kernel(tensors, folding[node.name])
            assert chosen.cycles <= interval
            others = (
                node.op.kernel(tensors, Fold(pe, simd))
                for pe in range(1, node.op.codes.shape[3] + 1)
                for simd in range(1, tensors[0].channels + 1)
            )
            assert not [k for k in others if k.multipliers < chosen.multipliers and k.cycles <= interval]
    assert make_pipeline(graph, folding).interval_cycles <= interval


def test_an_interval_that_nothing_reaches(graph: Graph) -> None:
    with pytest.raises(UserError, match=r"takes at least \d+ cycles a frame; 10 are wanted"):
        choose_folding(graph, interval=10)


def test_products_share_the_multipliers_of_a_family(rng: np.random.Generator) -> None:
    """As many as the ports allow, one bit more of room where no weight has the most negative value."""
    codes = np.clip(weights(rng, 4, 4, 6, 6), -7, 7)
    for low, family, expected in ((-8, "ecp5", 1), (-7, "ecp5", 2), (-8, "xcup", 2)):
        codes[0, 0, 0, 0] = low
        op = ConvTranspose2d(codes, 4, stride=(2, 2), padding=(1, 1))
        graph = Graph.chain(
            TensorType((4, 4, 6), IntType(10, True), 1.0), (Node("up", op),), (6, 4, 4), (6, 8, 8)
        ).verify()
        fold = choose_folding(graph, multipliers=9, family=FAMILIES[family])["up"]
        assert fold.packing == min(expected, fold.pe)


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
    assert set(folding) == {node.name for node in graph.computed}


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "unknown": ({"up.2": (1, 1)}, "folding: no node 'up.2'; the graph has project, project.out, image, up.1"),
    "pe": ({"up.1": (13, 1)}, "folding of up.1: pe 13 is not supported; use 1 to 12, its output channels"),
    "simd": ({"last": (1, 13)}, "folding of last: simd 13 is not supported; use 1 to 12, its input channels"),
    "packing": ({"last": Fold(2, 1, 3)}, "folding of last: packing 3 is not supported; use 1 to pe"),
    "zero": ({"last": (0, 1)}, "folding of last: pe 0 is not supported; use 1 to 3"),
    "lanes": ({"last.out": (1, 2)}, "folding of last.out: pe 1 and simd 2 differ; requantize has one number of"),
    "form": ({"last": 3}, "folding of last: expected (pe, simd), two integers, got 3"),
    "key": ({"last": {"pe": 1, "lanes": 2}}, "folding of last: expected (pe, simd), two integers, got"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_is_refused_by_name(graph: Graph, name: str) -> None:
    given, message = REFUSED[name]
    with pytest.raises(UserError, match=re.escape(message)):
        choose_folding(graph, given=given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bits", "low", "packing", "most", "needs"),
    [
        (16, -(1 << 15), 3, 1, 97),
        (16, -(1 << 15), 2, 1, 65),
        (16, -7, 3, 2, 96),
        (8, -128, 4, 3, 65),
        (4, -8, 8, 7, 65),
    ],
)
def test_more_products_than_64_bits_hold_are_refused(
    bits: int, low: int, packing: int, most: int, needs: int, tmp_path: Path
) -> None:
    codes = np.arange(8).reshape(1, 1, 1, 8) % 7
    codes[0, 0, 0, 0] = low
    graph = Graph.chain(
        TensorType((1, 1, 1), IntType(bits, True), 1.0), (Node("fc", Dense(codes, bits)),), (1, 1, 1), (8, 1, 1)
    )
    ((_, tensors, _),) = graph.steps()
    assert graph.node("fc").op.most_packing(*tensors) == most
    reason = f"packing {packing} is not supported; use 1 to {most}: its products take {needs} bits of 64"
    with pytest.raises(UserError, match=f"^folding of fc: {reason}$"):
        gan2hls.build(graph, tmp_path / "out", folding={"fc": {"pe": 8, "simd": 1, "packing": packing}})
    assert not (tmp_path / "out").exists()
    gan2hls.build(graph, tmp_path / "out", folding={"fc": {"pe": 8, "simd": 1, "packing": most}})


def test_no_family_packs_more_than_can_be() -> None:
    for family, in_bits, weight_bits in itertools.product(FAMILIES.values(), range(1, 40), range(1, 19)):
        op = Dense(np.zeros((1, 1, 1, 40), int), 1, codebook=(-(1 << (weight_bits - 1)), 0))
        assert op.weight_bits == weight_bits
        tensor = TensorType((1, 1, 1), IntType(in_bits, True), 1.0)
        products = family.products(in_bits, weight_bits, signed=True, symmetric=True)
        assert products <= op.most_packing(tensor)


def test_all_that_is_wrong_is_said_at_once(graph: Graph) -> None:
    with pytest.raises(UserError, match=r"(?s)up\.2.*pe 13"):
        choose_folding(graph, given={"up.2": (1, 1), "up.1": (13, 1)})


def test_stages_and_streams_fit_together(graph: Graph) -> None:
    pipeline = make_pipeline(graph, choose_folding(graph, multipliers=50, given={"up.1": (5, 3), "last": (2, 5)}))
    assert len(pipeline.streams) == len(pipeline.stages) + 1
    names = [item.name for item in (*pipeline.stages, *pipeline.streams.values())]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]\w*", name) for name in names)
    converters = 0
    for stage in pipeline.kernels:
        before, after = (pipeline.streams[name] for (name,) in (stage.inputs, stage.outputs))
        if stage.module == "width_converter":
            converters += 1
            assert before.lanes != after.lanes
            assert (stage.parameters["InLanes"], stage.parameters["OutLanes"]) == (before.lanes, after.lanes)
            assert (before.channels, before.pixels, before.bits) == (after.channels, after.pixels, after.bits)
            assert stage.cycles == max(before.beats, after.beats)
        else:
            assert (before.lanes, after.lanes) == (pipeline.folding[stage.node].simd, pipeline.folding[stage.node].pe)
        assert stage.cycles >= max(before.beats, after.beats)
    assert converters >= 2
    assert [stage.node for stage in pipeline.stages if stage.node] == [node.name for node in graph.computed]
    assert pipeline.interval_cycles == max(stage.cycles for stage in pipeline.stages)


def test_names_that_are_alike_stay_apart(rng: np.random.Generator) -> None:
    names = ("a.b", "a_b", "a b")
    nodes = tuple(Node(name, Upsample((1, 1))) for name in names)
    graph = Graph.chain(TensorType((2, 2, 4), S8, 1.0), nodes, (4, 2, 2), (4, 2, 2)).verify()
    folding = {"a.b": Fold(1, 1), "a_b": Fold(2, 2), "a b": Fold(3, 3)}
    stages = make_pipeline(graph, folding).stages
    assert len({stage.name for stage in stages}) == len(stages) == 5


def test_a_graph_without_products_needs_no_multipliers() -> None:
    graph = Graph.chain(TensorType((2, 2, 4), S8, 1.0), (Node("up", Upsample((2, 2))),), (4, 2, 2), (4, 4, 4)).verify()
    pipeline = make_pipeline(graph, choose_folding(graph, multipliers=0))
    assert pipeline.mac_multipliers == 0
    assert pipeline.utilization == 0


def test_multipliers_of_requantization_are_counted_apart(graph: Graph) -> None:
    pipeline = make_pipeline(graph, choose_folding(graph, multipliers=8))
    lanes = [fold.pe for name, fold in pipeline.folding.items() if name.endswith("out")]
    assert pipeline.other_multipliers == sum(lanes)
