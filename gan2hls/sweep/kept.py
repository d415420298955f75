"""What an outcome that was kept must be before it is believed: somebody may have edited it, checksum and all."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gan2hls.arrays import npz_array
from gan2hls.config import from_mapping
from gan2hls.errors import UserError, raise_problems
from gan2hls.ir import Fold
from gan2hls.report.points import Quality
from gan2hls.sweep.graphs import read_graph
from gan2hls.synth.result import SynthResult, Usage


@dataclass(frozen=True)
class _Layer:
    """As `results` makes a `LayerPoint` of."""

    stage: str
    cycles: int
    fold: str
    usage: Usage
    name: str
    type: str
    weight_bits: int | None
    macs: int
    shape: list[int]
    output_bits: int
    inputs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Cycles:
    latency_cycles: int
    interval_cycles: int | None

    def __post_init__(self) -> None:
        wrong = [
            name for name, value in vars(self).items() if name.endswith("_cycles") and value is not None and value < 1
        ]
        raise_problems(f"{name} is below 1" for name in wrong)


@dataclass(frozen=True)
class _Estimated(_Cycles):
    folding: dict[str, Fold]
    usage: Usage
    mac_multipliers: int
    problems: list[str]
    layers: list[_Layer]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.interval_cycles is None:
            raise UserError("interval_cycles is missing")


@dataclass(frozen=True)
class _Simulated(_Cycles):
    images: int
    values: int


@dataclass(frozen=True)
class _Quantized:
    quality: Quality


def _check_quantized(values: Any, files: dict[str, bytes]) -> None:
    from_mapping(_Quantized, values, "values")
    read_graph(files)
    if "images.npz" not in files:
        raise UserError("images.npz is missing")
    real, golden = (npz_array(files["images.npz"], "images.npz", name, name) for name in ("real", "golden"))
    if real.shape != golden.shape or real.dtype != np.float32 or golden.dtype != np.float32 or not real.size:
        raise UserError("images.npz: other images than there should be")
    if not (np.isfinite(real).all() and np.isfinite(golden).all()):
        raise UserError("images.npz: NaN or infinite values")


_CHECKS: dict[str, Callable[[Any, dict[str, bytes]], object]] = {
    "quantize": _check_quantized,
    "estimate": lambda values, files: from_mapping(_Estimated, values, "values"),
    "synth": lambda values, files: SynthResult.from_values(values),
    "cosim": lambda values, files: from_mapping(_Simulated, values, "values"),
}
"""By kind of the task."""


def check_outcome(kind: str, values: Any, files: dict[str, bytes]) -> None:
    """See that values and files can be what a task of this kind gave.

    Raises:
        UserError: they can not.
    """
    if not isinstance(values, dict):
        raise UserError("its values are no table")
    _check_finite(values)
    if kind in _CHECKS:
        _CHECKS[kind](values, files)


def _check_finite(values: Any) -> None:
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
        elif isinstance(value, float) and not math.isfinite(value):
            raise UserError("a number that is not finite")
