"""Running what reads values by name: layers of a float model, and the blocks and steps that they become."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch


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
