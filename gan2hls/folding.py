"""Folding: how many input and output channels of each op work at once, and the pipeline of kernels that results.

`choose_folding` lists, for every MAC op, the folds that no other beats in multipliers and cycles, and gives all of them
the cheapest that meet one common number of cycles a frame. `make_pipeline` puts the kernels in a row, with lane
converters where neighbours disagree and buffers that keep the kernels from waiting for each other; both backends only
render what it says.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from gan2hls.buffers import size_buffers
from gan2hls.errors import UserError, raise_problems
from gan2hls.ir import Fold, Graph, Op, TensorType
from gan2hls.names import unique_identifier
from gan2hls.ops.mac import MacOp, groups
from gan2hls.pipeline import STREAM_DEPTH, Folding, Pipeline, Stage, Stream
from gan2hls.targets import Family

__all__ = ["STREAM_DEPTH", "Fold", "Folding", "Pipeline", "Stage", "Stream", "choose_folding", "make_pipeline"]

SLACK = 0.05
"""How much slower than the fastest folding a more efficient one may be."""

Given = Mapping[str, Fold | tuple[int, int] | Mapping[str, int]]
Choice = tuple[int, int, Fold]
"""Multipliers, cycles a frame, and the fold that takes them."""


def choose_folding(
    graph: Graph,
    *,
    multipliers: int = 64,
    dsps: int | None = None,
    interval: int | None = None,
    family: Family | None = None,
    slack: float = SLACK,
    given: Given | None = None,
) -> Folding:
    """A fold for every node: what is `given`, and for the rest the most efficient choice that the budget allows.

    Efficient is what makes most of its multipliers: useful multiply-accumulates / (interval · multipliers), the
    interval being the cycles of the slowest layer. Of all foldings within the budget, the most efficient is taken of
    those that are at most `slack` slower than the fastest; with a wanted interval, the cheapest that meets it. A budget
    of all multipliers, `dsps`, is kept by giving the MAC ops the most with which requantization still fits.

    Args:
        graph: the integer graph.
        multipliers: hardware multipliers that all MAC ops may take together, those of `given` included; no limit where
            an interval or `dsps` are wanted.
        dsps: hardware multipliers of all ops together, requantization included.
        interval: cycles from frame to frame that are wanted at most.
        family: what the multipliers are: as many products as its ports allow then share each (`Family.products`).
        slack: share by which the interval may exceed the fastest.
        given: node name → `Fold`, (pe, simd) or a mapping of the fields of `Fold`.

    Raises:
        UserError: an unknown node, a fold that its op can not have, a budget below one multiplier a MAC op, or an
            interval that no folding reaches.
    """
    fixed = read_given(graph, given or {})
    options: dict[str, list[Choice]] = {}
    for node, tensor, _ in graph.steps():
        if isinstance(node.op, MacOp):
            fold = fixed.get(node.name)
            only = [(node.op.multipliers(fold), node.op.cycles(tensor, fold), fold)] if fold else None
            options[node.name] = only or list(_pareto(node.op, tensor, _packing(node.op, tensor, family)))

    def complete(chosen: Folding) -> Folding:
        busy = [node.op.cycles(tensor, chosen[node.name]) for node, tensor, _ in graph.steps() if node.name in chosen]
        return _complete(graph, {**fixed, **chosen}, max(busy, default=0), family)

    if interval is not None:
        return complete({name: _cheapest(name, choices, interval) for name, choices in options.items()})
    if dsps is None:
        return complete(_balance(options, multipliers, graph.macs(), slack))
    least = sum(choices[0][0] for choices in options.values())
    for budget in range(dsps, least - 1, -1):
        folding = complete(_balance(options, budget, graph.macs(), slack))
        needed = sum(node.op.multipliers(folding[node.name]) for node in graph.nodes)
        if needed <= dsps:
            return folding
    raise UserError(f"{dsps} hardware multipliers are too few: MACs need at least {least}, and requantization its own")


def fewest_cycles(graph: Graph, given: Given | None = None) -> dict[str, int]:
    """Cycles a frame of each node under the fastest fold that it can have, or the one that is `given`.

    Raises:
        UserError: an unknown node, or a fold that its op can not have.
    """
    fixed = read_given(graph, given or {})
    fewest = {}
    for node, tensor, _ in graph.steps():
        if node.name not in fixed and isinstance(node.op, MacOp):
            fewest[node.name] = min(cycles for _, cycles, *_ in _folds(node.op, tensor, 1))
        else:
            fewest[node.name] = node.op.cycles(tensor, fixed.get(node.name, node.op.largest_fold(tensor)))
    return fewest


def read_given(graph: Graph, given: Given) -> Folding:
    """Folds as they are given, each possible for its node.

    Raises:
        UserError: unknown nodes, or folds that their ops can not have; all of them at once.
    """
    problems = []
    fixed: Folding = {}
    for name, wanted in given.items():
        try:
            fixed[name] = wanted if isinstance(wanted, Fold) else _fold(wanted)
        except TypeError:
            problems.append(f"folding of {name}: expected pe and simd, got {wanted!r}")
    known = {node.name: (node.op, tensor) for node, tensor, _ in graph.steps()}
    for name, fold in fixed.items():
        if name not in known:
            problems.append(f"folding: no node {name!r}; the graph has {', '.join(known)}")
            continue
        op, tensor = known[name]
        most = op.largest_fold(tensor)
        for what, value, limit, side in (("pe", fold.pe, most.pe, "output"), ("simd", fold.simd, most.simd, "input")):
            if not 1 <= value <= limit:
                accepted = f"use 1 to {limit}, its {side} channels"
                problems.append(f"folding of {name}: {what} {value} is not supported; {accepted}")
        if not 1 <= fold.parts <= (2 if op.stem == "requantize" else 1):
            accepted = "use 1 or 2" if op.stem == "requantize" else f"{op.stem} has no wide products"
            problems.append(f"folding of {name}: parts {fold.parts} is not supported; {accepted}")
        if not 1 <= fold.packing <= (fold.pe if isinstance(op, MacOp) else 1):
            accepted = "use 1 to pe" if isinstance(op, MacOp) else f"{op.stem} has no weights to pack"
            problems.append(f"folding of {name}: packing {fold.packing} is not supported; {accepted}")
        taps = (fold.tap_rows, fold.tap_columns, fold.rest_rows, fold.rest_columns)
        if not isinstance(op, MacOp) and taps != (1, 1, 1, 1):
            problems.append(f"folding of {name}: {op.stem} has no taps")
        if isinstance(op, MacOp) and 1 <= fold.simd <= most.simd and (problem := op.fold_problem(tensor, fold)):
            problems.append(f"folding of {name}: {problem}")
        if not isinstance(op, MacOp) and op.stem != "reshape" and fold.pe != fold.simd:
            differ = f"pe {fold.pe} and simd {fold.simd} differ"
            problems.append(f"folding of {name}: {differ}; {op.stem} has one number of lanes")
    raise_problems(problems)
    return fixed


def _fold(wanted: tuple[int, int] | Mapping[str, int]) -> Fold:
    return Fold(**wanted) if isinstance(wanted, Mapping) else Fold(*wanted)


def _packing(op: MacOp, tensor: TensorType, family: Family | None) -> int:
    kind = tensor.int_type
    if family is None:
        return 1
    products = family.products(kind.bits, op.weight_bits, signed=kind.signed, symmetric=op.symmetric)
    return min(products, op.most_packing(tensor))


def _pareto(op: MacOp, tensor: TensorType, packing: int) -> Iterator[Choice]:
    """The folds that no other beats, multipliers rising, cycles falling."""
    best = None
    for cost, cycles, _, fold in sorted(_folds(op, tensor, packing), key=lambda choice: choice[:3]):
        if best is None or cycles < best:
            best = cycles
            yield cost, cycles, fold


def _folds(op: MacOp, tensor: TensorType, packing: int) -> Iterator[tuple[int, int, int, Fold]]:
    """Multipliers, cycles as `MacOp.cycles` says, copies of the ring, and fold, of all that are worth a thought.

    More PEs than it takes for a number of groups are not, nor are several taps at once while there are output channels
    left that could work instead: these need no second copy of ring and weights.
    """
    out_channels, channels = op.codes.shape[3], tensor.channels
    rows, columns = op.walks(tensor)
    empty = int((np.multiply.outer(rows.count, columns.count) == 0).sum())
    blocks = [  # steps a frame over blocks of taps of each size, fewest first
        (int(rows.blocks(y).sum()) * int(columns.blocks(x).sum()), y * x, y, x)
        for y in range(1, max(1, int(rows.count.max())) + 1)
        for x in range(1, max(1, int(columns.count.max())) + 1)
    ]
    fewest = sorted(blocks)
    widths = sorted({groups(out_channels, count) for count in range(1, out_channels + 1)})
    for steps, taps, tap_rows, tap_columns in blocks:
        for simd in range(1, channels + 1):
            full, rest = divmod(channels, simd)
            left, copies, rest_rows, rest_columns = 0, 1, 1, 1
            if rest:
                left, copies, rest_rows, rest_columns = next(b for b in fewest if b[1] * rest <= taps * simd)
            group = full * steps + left + empty
            words = tensor.pixels * groups(channels, simd)
            for pe in widths if taps == 1 else [out_channels]:
                pack = min(packing, pe)
                fold = Fold(pe, simd, pack, tap_rows, tap_columns, rest_rows, rest_columns)
                yield op.multipliers(fold), max(groups(out_channels, pe) * group, words), taps + copies, fold


def _balance(options: Mapping[str, list[Choice]], budget: int, macs: int, slack: float) -> Folding:
    """The most efficient folding within a budget among those almost as fast as the fastest.

    The network is as fast as its slowest layer, so that each layer takes the cheapest fold that meets a bound common to
    all; every bound that is some fold's number of cycles is tried.
    """
    if not options:
        return {}
    least = sum(choices[0][0] for choices in options.values())
    if least > budget:
        raise UserError(f"{budget} multipliers are too few: the network needs at least {least} with this folding")
    bounds = np.unique([cycles for choices in options.values() for _, cycles, _ in choices])
    fastest = max(choices[-1][1] for choices in options.values())
    bounds = bounds[bounds >= fastest]
    costs = np.zeros(len(bounds), dtype=np.int64)
    for choices in options.values():
        cycles = np.array([choice[1] for choice in choices])[::-1]  # rising
        cost = np.array([choice[0] for choice in choices])[::-1]
        costs += cost[np.searchsorted(cycles, bounds, side="right") - 1]
    bounds, costs = bounds[costs <= budget], costs[costs <= budget]
    near = bounds <= bounds[0] * (1 + slack)
    best = int(np.argmax(macs / (bounds[near] * costs[near])))
    return {name: _cheapest(name, choices, int(bounds[best])) for name, choices in options.items()}


def _cheapest(name: str, choices: list[Choice], interval: int) -> Fold:
    fold = next((fold for _, cycles, fold in choices if cycles <= interval), None)
    if fold is None:
        raise UserError(f"{name} takes at least {choices[-1][1]} cycles a frame; {interval} are wanted")
    return fold


def _complete(graph: Graph, chosen: Folding, target: int, family: Family | None) -> Folding:
    """Lanes for the ops without weights: as few as keep up with what comes before and with `target` cycles a frame."""
    folding: Folding = {}
    burst = 1  # cycles in which the stage before gives its smallest burst of `lanes` channels
    lanes = 1
    for index, (node, tensor, output) in enumerate(graph.steps()):
        if isinstance(node.op, MacOp):
            fold = chosen[node.name]
            lanes, burst = fold.pe, _shortest_group(node.op, tensor, fold)
        elif node.name in chosen:
            fold = chosen[node.name]
            lanes, burst = fold.pe, 1
        elif node.op.stem == "reshape":
            fold = Fold(_next_lanes(graph, index, chosen, min(lanes, output.channels)), lanes)
            lanes, burst = fold.pe, 1
        else:
            wanted = _fewest_lanes(node.op, tensor, target, groups(min(lanes, tensor.channels), burst))
            wide = node.op.stem == "requantize" and family is not None and tensor.int_type.bits > family.factor_bits
            fold = Fold(wanted, wanted, parts=1 + wide)
            lanes, burst = wanted, 1
        folding[node.name] = fold
    return folding


def _shortest_group(op: MacOp, tensor: TensorType, fold: Fold) -> int:
    return int(op.pixel_steps(tensor, fold).min())


def _next_lanes(graph: Graph, index: int, chosen: Folding, otherwise: int) -> int:
    following = graph.nodes[index + 1 : index + 2]
    return chosen[following[0].name].simd if following and following[0].name in chosen else otherwise


def _fewest_lanes(op: Op, tensor: TensorType, target: int, least: int) -> int:
    lanes = least
    while lanes < tensor.channels and op.cycles(tensor, Fold(lanes, lanes)) > target:
        lanes += 1
    return lanes


def make_pipeline(graph: Graph, folding: Folding) -> Pipeline:
    """Kernels and streams of a graph under a folding that names every node (`choose_folding`)."""
    stages: list[Stage] = []
    streams: list[Stream] = []
    names = {f"u_stream_{index}_fifo" for index in range(2 * len(graph.nodes) + 1)}  # what the RTL calls its FIFOs

    def stream(tensor: TensorType, lanes: int) -> Stream:
        kind = tensor.int_type
        return Stream(f"stream_{len(streams)}", tensor.pixels, tensor.channels, lanes, kind.bits, kind.signed)

    for node, tensor, output in graph.steps():
        fold = folding[node.name]
        if not streams:
            streams.append(stream(tensor, fold.simd))
        elif streams[-1].lanes != fold.simd:
            stages.append(
                _converter(unique_identifier(f"{node.name}_lanes", names), tensor, streams[-1].lanes, fold.simd)
            )
            streams.append(stream(tensor, fold.simd))
        parameters = node.op.kernel_parameters(tensor, fold)
        memories = node.op.memories(tensor, fold)
        cycles = node.op.cycles(tensor, fold)
        stages.append(
            Stage(unique_identifier(node.name, names, memories), node.op.stem, parameters, memories, cycles, node.name)
        )
        streams.append(stream(output, fold.pe))
    return size_buffers(Pipeline(graph, folding, tuple(stages), tuple(streams)))


def _converter(name: str, tensor: TensorType, in_lanes: int, out_lanes: int) -> Stage:
    parameters = {
        "Pixels": tensor.pixels,
        "Channels": tensor.channels,
        "InLanes": in_lanes,
        "OutLanes": out_lanes,
        "Bits": tensor.int_type.bits,
    }
    cycles = tensor.pixels * groups(tensor.channels, min(in_lanes, out_lanes))
    return Stage(name, "width_converter", parameters, {}, cycles)
