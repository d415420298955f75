"""Folding: how many input and output channels of each op work at once, and the pipeline of kernels that results.

`choose_folding` gives every MAC op the cheapest (PE, SIMD) that meets a common number of cycles a frame, the smallest
that a multiplier budget allows. `make_pipeline` puts the kernels in a row, with lane converters where neighbours
disagree and buffers that keep the kernels from waiting for each other; both backends only render what it says.
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np

from gan2hls.buffers import size_buffers
from gan2hls.errors import UserError, raise_problems
from gan2hls.ir import Fold, Graph, Op, TensorType
from gan2hls.ops.mac import MacOp, groups
from gan2hls.pipeline import STREAM_DEPTH, Folding, Pipeline, Stage, Stream

__all__ = ["STREAM_DEPTH", "Fold", "Folding", "Pipeline", "Stage", "Stream", "choose_folding", "make_pipeline"]


def choose_folding(
    graph: Graph,
    *,
    multipliers: int = 64,
    given: Mapping[str, Fold | tuple[int, int] | Mapping[str, int]] | None = None,
) -> Folding:
    """A fold for every node: what is `given`, and for the rest the fastest balanced choice within a multiplier budget.

    Args:
        graph: the integer graph.
        multipliers: weight multipliers that all MAC ops may take together, those of `given` included.
        given: node name → `Fold`, (pe, simd) or {"pe": …, "simd": …, "packing": …}.

    Raises:
        UserError: an unknown node, pe or simd below 1 or above the channels, packing above pe, or a budget below one
            multiplier a MAC op.
    """
    fixed = _read_given(graph, given or {})
    options: dict[str, list[tuple[int, int, Fold]]] = {}
    for node, tensor, _ in graph.steps():
        if isinstance(node.op, MacOp):
            fold = fixed.get(node.name)
            only = [(node.op.multipliers(fold), node.op.cycles(tensor, fold), fold)] if fold else None
            options[node.name] = only or list(_pareto(node.op, tensor))
    least = sum(choices[0][0] for choices in options.values())
    if least > multipliers:
        raise UserError(f"{multipliers} multipliers are too few: the network needs at least {least} with this folding")
    chosen = _balance(options, multipliers)
    busy = [node.op.cycles(tensor, chosen[node.name]) for node, tensor, _ in graph.steps() if node.name in chosen]
    return _complete(graph, {**fixed, **chosen}, max(busy, default=0))


def _read_given(graph: Graph, given: Mapping[str, Fold | tuple[int, int] | Mapping[str, int]]) -> Folding:
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
        if not 1 <= fold.packing <= (fold.pe if isinstance(op, MacOp) else 1):
            accepted = "use 1 to pe" if isinstance(op, MacOp) else f"{op.stem} has no weights to pack"
            problems.append(f"folding of {name}: packing {fold.packing} is not supported; {accepted}")
        if not isinstance(op, MacOp) and op.stem != "reshape" and fold.pe != fold.simd:
            differ = f"pe {fold.pe} and simd {fold.simd} differ"
            problems.append(f"folding of {name}: {differ}; {op.stem} has one number of lanes")
    raise_problems(problems)
    return fixed


def _fold(wanted: tuple[int, int] | Mapping[str, int]) -> Fold:
    return Fold(**wanted) if isinstance(wanted, Mapping) else Fold(*wanted)


def _pareto(op: MacOp, tensor: TensorType) -> Iterator[tuple[int, int, Fold]]:
    """(multipliers, cycles, fold) of the folds that no other beats, multipliers rising, cycles falling."""
    most = op.largest_fold(tensor)
    out_groups = np.array([groups(most.pe, pe) for pe in range(1, most.pe + 1)])
    steps = np.array([op.steps(tensor, simd) for simd in range(1, most.simd + 1)])
    words = np.array([tensor.pixels * groups(tensor.channels, simd) for simd in range(1, most.simd + 1)])
    cycles = np.maximum(np.multiply.outer(out_groups, steps), words)  # as op.cycles says, for all folds at once
    cost = np.multiply.outer(np.arange(1, most.pe + 1), np.arange(1, most.simd + 1))
    best = None
    for index in np.lexsort((cycles.ravel(), cost.ravel())):
        value = int(cycles.flat[index])
        if best is None or value < best:
            best = value
            pe, simd = divmod(int(index), most.simd)
            yield int(cost.flat[index]), value, Fold(pe + 1, simd + 1)


def _balance(options: Mapping[str, list[tuple[int, int, Fold]]], budget: int) -> Folding:
    """Smallest common cycle bound whose cheapest folds fit the budget, by bisection over the bounds that occur."""
    bounds = sorted({cycles for choices in options.values() for _, cycles, _ in choices})

    def cheapest(bound: int) -> dict[str, tuple[int, int, Fold]] | None:
        picked = {name: next((c for c in choices if c[1] <= bound), None) for name, choices in options.items()}
        if any(choice is None for choice in picked.values()):
            return None
        found = {name: choice for name, choice in picked.items() if choice is not None}
        return found if sum(choice[0] for choice in found.values()) <= budget else None

    low, high = 0, len(bounds) - 1
    while low < high:
        middle = (low + high) // 2
        if cheapest(bounds[middle]):
            high = middle
        else:
            low = middle + 1
    result = cheapest(bounds[low]) if bounds else {}
    assert result is not None
    return {name: choice[2] for name, choice in result.items()}


def _complete(graph: Graph, chosen: Folding, target: int) -> Folding:
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
            fold = Fold(wanted, wanted)
            lanes, burst = wanted, 1
        folding[node.name] = fold
    return folding


def _shortest_group(op: MacOp, tensor: TensorType, fold: Fold) -> int:
    rows, columns = op.walks(tensor)
    return max(1, int(rows.count.min()) * int(columns.count.min()) * groups(tensor.channels, fold.simd))


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
    names: set[str] = set()

    def stream(tensor: TensorType, lanes: int) -> Stream:
        kind = tensor.int_type
        return Stream(f"stream_{len(streams)}", tensor.pixels, tensor.channels, lanes, kind.bits, kind.signed)

    for node, tensor, output in graph.steps():
        fold = folding[node.name]
        if not streams:
            streams.append(stream(tensor, fold.simd))
        elif streams[-1].lanes != fold.simd:
            stages.append(_converter(_unique(f"{node.name}_lanes", names), tensor, streams[-1].lanes, fold.simd))
            streams.append(stream(tensor, fold.simd))
        parameters = node.op.kernel_parameters(tensor, fold)
        memories = node.op.memories(tensor, fold)
        cycles = node.op.cycles(tensor, fold)
        stages.append(Stage(_unique(node.name, names), node.op.stem, parameters, memories, cycles, node.name))
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


def _unique(name: str, taken: set[str]) -> str:
    """A C and SystemVerilog identifier for `name` that is not taken yet."""
    base = "u_" + re.sub(r"\W", "_", name)
    candidate, count = base, 1
    while candidate in taken:
        count += 1
        candidate = f"{base}_{count}"
    taken.add(candidate)
    return candidate
