"""What values the float model has on calibration samples, tensor by tensor."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gan2hls.errors import UserError
from gan2hls.frontends.running import run_steps
from gan2hls.ir import IntType
from gan2hls.quantization.blocks import Block, Step, Steps
from gan2hls.quantization.config import QuantizeConfig
from gan2hls.quantization.quantizers import Format

CALIBRATION_CHUNK = 32
"""Samples that go through the float model at a time."""
KEPT_VALUES = 1 << 16
"""Values kept of each tensor and chunk for percentiles and squared errors."""

_NEAR = (0.6, 0.72, 0.85, 1.0, 1.18, 1.4)
"""Around the magnitude that is best for a tensor alone: what is best for the output is seldom far from it."""
_FINER, _FINER_STEPS = 0.94, 40
"""Of the magnitudes among which that is looked for; the last one is 1/11 of the largest."""


class Observer:
    """Extremes, and a random part, of all values of one tensor."""

    def __init__(self, seed: int = 0) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.lowest, self.highest = 0.0, 0.0
        self.parts: list[Tensor] = []

    @staticmethod
    def of_all(observers: Iterable["Observer"]) -> "Observer":
        """One observer of all that several have seen."""
        found = list(observers)
        if len(found) == 1:
            return found[0]
        merged = Observer()
        merged.lowest, merged.highest = min(o.lowest for o in found), max(o.highest for o in found)
        merged.parts = [part for observer in found for part in observer.parts]
        return merged

    def see(self, values: Tensor) -> None:
        """Take in values of any shape."""
        flat = values.flatten()
        self.lowest, self.highest = min(self.lowest, float(flat.min())), max(self.highest, float(flat.max()))
        if len(flat) > KEPT_VALUES:
            flat = flat[torch.randint(len(flat), (KEPT_VALUES,), generator=self.generator)]
        self.parts.append(flat.clone())

    @property
    def samples(self) -> Tensor:
        """The values that were kept, (n,)."""
        return torch.cat(self.parts)

    def magnitudes(self, config: QuantizeConfig, kind: IntType, few: bool = False) -> list[float]:
        """Give the magnitudes that a format may be made to hold: one, or with "auto" all (or a few) that are tried."""
        largest = max(-self.lowest, self.highest) if kind.signed else self.highest
        if config.method == "minmax":
            return [largest]
        values = self.samples.abs() if kind.signed else self.samples.clamp(min=0)
        percentile = float(np.percentile(values.numpy(), config.percentile))
        if config.method == "percentile":
            return [percentile]
        nearest = _least_error_magnitude(values, largest, kind)
        near = (1.0,) if few else _NEAR
        return [largest, percentile, *(min(largest, nearest * factor) for factor in near)]


def _least_error_magnitude(values: Tensor, largest: float, kind: IntType) -> float:
    """Give the magnitude with which the format has the least squared error of the values alone."""
    if largest <= 0:
        return largest
    kept = values[:: max(1, len(values) // KEPT_VALUES)]
    tried = [largest * _FINER**i for i in range(_FINER_STEPS)]
    formats = [Format(kind, magnitude / kind.max) for magnitude in tried]
    errors = [float(torch.square(format_.fake_quantize(kept) - kept).sum()) for format_ in formats]
    return tried[errors.index(min(errors))]


def result_of(name: str) -> str:
    """Under what the result of a table is observed; under the block's name stands what enters it."""
    return f"{name}()"


@dataclass(frozen=True)
class _Watched:
    """A step whose values are seen on the way."""

    step: Step
    observed: Mapping[str, Observer]

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.step.inputs

    def forward(self, *xs: Tensor) -> Tensor:
        if not isinstance(self.step, Block):
            return self.step.forward(*xs)
        before = self.step.before_activation(*xs)
        x = self.step.activate(before)
        if not bool(torch.isfinite(x).all()):
            raise UserError(f"{self.name}: gives NaN or infinite values for the calibration samples")
        table = self.step.activation.has_table
        self.observed[self.name].see(before if table else x)
        if table:
            self.observed[result_of(self.name)].see(x)
        return x


def calibrate(steps: Steps, samples: Mapping[str, Tensor]) -> dict[str, Observer]:
    """Run the float model; observe each input, and what each block quantizes.

    Raises:
        UserError: a block overflows.
    """
    tables = [result_of(block.name) for block in steps.blocks if block.activation.has_table]
    names = [*steps.inputs, *(step.name for step in steps.steps), *tables]
    observed = {name: Observer(seed) for seed, name in enumerate(names)}
    watched = [_Watched(step, observed) for step in steps.steps]
    chunks = zip(*(values.split(CALIBRATION_CHUNK) for values in samples.values()), strict=True)
    with torch.no_grad():
        for chunk in chunks:
            values = dict(zip(samples, chunk, strict=True))
            for name, value in values.items():
                observed[name].see(value)
            run_steps(watched, values, steps.outputs)
    return observed
