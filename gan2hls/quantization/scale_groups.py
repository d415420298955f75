"""Scale groups: what meets at a sum or a concatenation needs one format, so that integers can be added as they are.

What only moves values keeps their format. So formats belong to groups of values, found by union-find over the edges of
sums, concatenations, reshapes, upsampling and slices; a group's sources are the inputs and blocks that give its values.
Where a value has other readers, too, it may instead keep a format of its own and be requantized on its way to the join:
`with_branches` puts an identity block there, which takes the value out of the group.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from gan2hls.quantization.blocks import Block, Step, Steps


@dataclass(frozen=True)
class GroupChoice:
    """How a group got its formats, with the errors of the output that were measured for both ways.

    Args:
        sources: inputs and blocks that give its values.
        common_error: mean squared error of the output with one format for all of them.
        own_error: the same with formats of their own and a requantization on branches.
        branches: names of the blocks that requantize a branch; none where the format is common.
    """

    sources: tuple[str, ...]
    common_error: float
    own_error: float
    branches: tuple[str, ...]


@dataclass(frozen=True)
class Groups:
    """Which values of some steps have one format.

    Args:
        of: the sources of the group of each value, in order.
    """

    of: dict[str, tuple[str, ...]]

    @property
    def several(self) -> tuple[tuple[str, ...], ...]:
        """The groups of more than one source."""
        return tuple(dict.fromkeys(sources for sources in self.of.values() if len(sources) > 1))


def linked(step: Step) -> tuple[str, ...]:
    """Values that a step needs in one format: those that a sum reads; what is moved, before and behind it."""
    if isinstance(step, Block):
        return step.inputs if step.sums else ()
    return (*step.inputs, step.name)


def scale_groups(steps: Steps) -> Groups:
    """Find the groups of all values."""
    parent = {name: name for name in (*steps.inputs, *(step.name for step in steps.steps))}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for step in steps.steps:
        for name in linked(step):
            parent[root(name)] = root(linked(step)[0])
    sources: dict[str, list[str]] = {}
    for name in (*steps.inputs, *(block.name for block in steps.blocks)):
        sources.setdefault(root(name), []).append(name)
    return Groups({name: tuple(sources[root(name)]) for name in parent})


def is_join(step: Step) -> bool:
    """Whether values of several ways meet in it."""
    return len(step.inputs) > 1


def branches(steps: Steps, sources: Sequence[str], groups: Groups) -> tuple[tuple[str, str], ...]:
    """Give the edges (value, join) of a group whose value has other readers, too."""
    users = steps.users
    return tuple(
        (name, step.name)
        for step in steps.steps
        if is_join(step)
        for name in dict.fromkeys(step.inputs)
        if groups.of[name] == tuple(sources) and users[name] > step.inputs.count(name)
    )


def branch_name(value: str, join: str) -> str:
    """Name of the block that requantizes a value on its way to a join."""
    return f"{join}.{value}"


def with_branches(steps: Steps, edges: Sequence[tuple[str, str]]) -> Steps:
    """Give the steps with an identity block, which requantizes, on each edge (value, join)."""
    shapes = {**steps.inputs, **{step.name: step.out_shape for step in steps.steps}}
    made: list[Step] = []
    for step in steps.steps:
        renamed = {value: branch_name(value, join) for value, join in edges if join == step.name}
        for value, name in renamed.items():
            shape = shapes[value]
            ones = torch.ones(shape[0], dtype=torch.float64)
            made.append(Block(name, (name,), (value,), shape, shape, None, ones, torch.zeros_like(ones)))
        made.append(replace(step, inputs=tuple(renamed.get(name, name) for name in step.inputs)) if renamed else step)
    return replace(steps, steps=tuple(made))
