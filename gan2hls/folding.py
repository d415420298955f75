"""Folding: how many input and output channels of each op work at once.

`choose_folding` lists, for every MAC op, the folds that no other beats in multipliers and cycles, and gives all of them
the cheapest that meet one common number of cycles a frame; the ops between them get as many lanes as keep up.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gan2hls.config import convert
from gan2hls.errors import UserError, raise_problems, shown
from gan2hls.ir import Choice, Flow, Fold, Graph
from gan2hls.pipeline import Folding
from gan2hls.targets import Family

SLACK = 0.05
"""How much slower than the fastest folding a more efficient one may be."""

NO_FLOW = Flow(lanes=1, burst=1, next_lanes=0)
"""What nothing comes before."""

Given = Mapping[str, Fold | tuple[int, int] | Mapping[str, int]]


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
    for node, tensors, _ in graph.steps():
        found = list(node.op.folds(tensors, family))
        if found and node.name in fixed:
            kernel = node.op.kernel(tensors, fixed[node.name])
            found = [Choice(kernel.multipliers, kernel.cycles, fixed[node.name])]
        if found:
            options[node.name] = found

    def complete(chosen: Folding) -> Folding:
        busy = [
            node.op.kernel(tensors, chosen[node.name]).cycles
            for node, tensors, _ in graph.steps()
            if node.name in chosen
        ]
        return _complete(graph, {**fixed, **chosen}, max(busy, default=0), family)

    if interval is not None:
        return complete({name: _cheapest(name, choices, interval) for name, choices in options.items()})
    if dsps is None:
        return complete(_balance(options, multipliers, graph.macs(), slack))
    least = sum(choices[0].multipliers for choices in options.values())
    for budget in range(dsps, least - 1, -1):
        folding = complete(_balance(options, budget, graph.macs(), slack))
        needed = sum(node.op.kernel(tensors, folding[node.name]).multipliers for node, tensors, _ in graph.steps())
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
    for node, tensors, _ in graph.steps():
        choices = () if node.name in fixed else tuple(node.op.folds(tensors, None))
        fold = fixed.get(node.name, node.op.largest_fold(tensors))
        fewest[node.name] = choices[-1].cycles if choices else node.op.kernel(tensors, fold).cycles
    return fewest


def read_given(graph: Graph, given: Given) -> Folding:
    """Folds as they are given, each possible for its node.

    Raises:
        UserError: unknown nodes, or folds that their ops can not have; all of them at once.
    """
    problems: list[str] = []
    fixed: Folding = {}
    for name, wanted in given.items():
        if (fold := _fold(name, wanted, problems)) is not None:
            fixed[name] = fold
    known = {node.name: (node.op, tensors) for node, tensors, _ in graph.steps()}
    for name, fold in fixed.items():
        if name not in known:
            problems.append(f"folding: no node {name!r}; the graph has {', '.join(known)}")
            continue
        op, tensors = known[name]
        problems += [f"folding of {name}: {problem}" for problem in op.fold_problems(tensors, fold)]
    raise_problems(problems)
    return fixed


def _fold(name: str, wanted: Any, problems: list[str]) -> Fold | None:
    """A fold with whole numbers and no unknown field, or a problem more."""
    accepted = [field.name for field in dataclasses.fields(Fold)]
    values: Any = dataclasses.asdict(wanted) if isinstance(wanted, Fold) else wanted
    if isinstance(values, tuple | list) and len(values) == 2:
        values = {"pe": values[0], "simd": values[1]}
    if not isinstance(values, Mapping) or not {"pe", "simd"} <= values.keys():
        problems.append(f"folding of {name}: expected (pe, simd), two integers, got {shown(wanted)}")
        return None
    if unknown := [key for key in values if key not in accepted]:
        problems.append(f"folding of {name}: unknown field {unknown[0]!r} (accepted: {', '.join(accepted)})")
        return None
    wrong: list[str] = []
    numbers = {key: convert(int, value, f"folding of {name}: {key}", wrong) for key, value in values.items()}
    problems += wrong
    return None if wrong else Fold(**numbers)


def _balance(options: Mapping[str, list[Choice]], budget: int, macs: int, slack: float) -> Folding:
    """The most efficient folding within a budget among those almost as fast as the fastest.

    The network is as fast as its slowest layer, so that each layer takes the cheapest fold that meets a bound common to
    all; every bound that is some fold's number of cycles is tried.
    """
    if not options:
        return {}
    least = sum(choices[0].multipliers for choices in options.values())
    if least > budget:
        raise UserError(f"{budget} multipliers are too few: the network needs at least {least} with this folding")
    bounds = np.unique([choice.cycles for choices in options.values() for choice in choices])
    fastest = max(choices[-1].cycles for choices in options.values())
    bounds = bounds[bounds >= fastest]
    costs = np.zeros(len(bounds), dtype=np.int64)
    for choices in options.values():
        cycles = np.array([choice.cycles for choice in choices])[::-1]  # rising
        cost = np.array([choice.multipliers for choice in choices])[::-1]
        costs += cost[np.searchsorted(cycles, bounds, side="right") - 1]
    bounds, costs = bounds[costs <= budget], costs[costs <= budget]
    near = bounds <= bounds[0] * (1 + slack)
    best = int(np.argmax(macs / (bounds[near] * costs[near])))
    return {name: _cheapest(name, choices, int(bounds[best])) for name, choices in options.items()}


def _cheapest(name: str, choices: list[Choice], interval: int) -> Fold:
    fold = next((choice.fold for choice in choices if choice.cycles <= interval), None)
    if fold is None:
        raise UserError(f"{name} takes at least {choices[-1].cycles} cycles a frame; {interval} are wanted")
    return fold


def _complete(graph: Graph, chosen: Folding, target: int, family: Family | None) -> Folding:
    """Lanes for the ops that have no folds to choose among."""
    folding: Folding = {}
    flows = {node.name: NO_FLOW for node in graph.nodes if not node.inputs}
    # A node without inputs has the lanes of what takes it, which is folded first.
    for node, tensors, _ in sorted(graph.steps(), key=lambda step: not step[0].inputs):
        before = max((flows[name] for name in node.inputs), key=lambda flow: flow.lanes / flow.burst, default=NO_FLOW)
        known = {**chosen, **folding}
        next_lanes = max((known[user].simd for user in graph.users[node.name] if user in known), default=0)
        flow = replace(before, next_lanes=next_lanes)
        fold = chosen[node.name] if node.name in chosen else node.op.follow(tensors, flow, target, family)
        folding[node.name] = fold
        flows[node.name] = Flow(fold.pe, node.op.kernel(tensors, fold).shortest_burst, 0)
    return folding
