"""Running what reads values by name: layers of a float model, and the blocks and steps that they become."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch

from gan2hls.errors import UserError, raise_problems


class Step(Protocol):
    """What has a name, reads values by name and computes another one: a layer, or what becomes of layers."""

    @property
    def name(self) -> str: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...

    def forward(self, *xs: Any, **_: Any) -> torch.Tensor: ...


def run_steps(
    steps: Sequence[Step], values: Mapping[str, torch.Tensor], outputs: Sequence[str]
) -> dict[str, torch.Tensor]:
    """Compute steps in order from the values that they need, and give the outputs by name.

    Each value is freed behind its last user.
    """
    kept = dict(values)
    left = Counter(name for step in steps for name in step.inputs)
    left.update(outputs)
    for step in steps:
        kept[step.name] = step.forward(*(kept[name] for name in step.inputs))
        left.subtract(step.inputs)
        for name in step.inputs:
            if left[name] <= 0:
                kept.pop(name, None)
    return {name: kept[name] for name in outputs}


def by_name(values: Any, names: Sequence[str], what: str = "the model") -> dict[str, Any]:
    """Give an array, or a mapping of arrays by name, as a mapping that has exactly these names.

    Raises:
        UserError: names that there are not, or that are missing; one array where several are needed.
    """
    accepted = ", ".join(names)
    if not isinstance(values, Mapping):
        if len(names) != 1:
            raise UserError(f"{what} takes {len(names)} inputs; give a mapping with an array for each of {accepted}")
        return {names[0]: values}
    problems = [f"unknown input {name!r} (accepted: {accepted})" for name in values if name not in names]
    problems += [f"input {name!r} is missing" for name in names if name not in values]
    raise_problems(problems, f"{what} does not take these inputs:")
    return {name: values[name] for name in names}
