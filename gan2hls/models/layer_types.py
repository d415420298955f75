"""The layer types of an architecture: how each is made, and its arguments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


class Reshape(nn.Module):
    """Give each element of the batch another shape: (n, ...) -> (n, *shape), in the same order."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape((-1, *self.shape))

    def extra_repr(self) -> str:
        return f"shape={self.shape}"


class Affine(nn.Module):
    """`x · scale + offset` with two numbers, as (x + 1) / 2 behind a tanh."""

    def __init__(self, scale: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.offset

    def extra_repr(self) -> str:
        return f"scale={self.scale}, offset={self.offset}"


class Add(nn.Module):
    """The sum of its inputs."""

    def forward(self, *xs: Tensor) -> Tensor:
        total = xs[0]
        for x in xs[1:]:
            total = total + x
        return total


class Sub(nn.Module):
    """The first input less the second one."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        return x - other


class Concat(nn.Module):
    """The channels of its inputs one after the other."""

    def forward(self, *xs: Tensor) -> Tensor:
        return torch.cat(xs, 1)


class Slice(nn.Module):
    """The channels from `start` up to, but without, `stop`."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.start : self.stop]

    def extra_repr(self) -> str:
        return f"start={self.start}, stop={self.stop}"


MOST_SIZE, MOST_NUMBER = 1 << 24, 1e6
"""Of an argument: channels, pixels or taps, and what is no whole number; torch multiplies sizes without looking."""


def _is_int(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST_SIZE


def _is_size(value: Any, least: int) -> bool:
    if isinstance(value, list | tuple):
        return len(value) == 2 and all(_is_int(item, least) for item in value)
    return _is_int(value, least)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST_NUMBER


def is_shape(value: Any) -> bool:
    """Whether a value is a list of sizes."""
    return isinstance(value, list | tuple) and len(value) > 0 and all(_is_int(item, 1) for item in value)


@dataclass(frozen=True)
class _Kind:
    accepts: Callable[[Any], bool]
    words: str


_COUNT = _Kind(lambda v: _is_int(v, 1), f"an integer of at least 1, up to {MOST_SIZE:,}")
_INDEX = _Kind(lambda v: _is_int(v, 0), f"an integer of at least 0, up to {MOST_SIZE:,}")
_AXIS = _Kind(lambda v: _is_int(v, -MOST_SIZE), "an integer")
_SIZE = _Kind(lambda v: _is_size(v, 1), f"an integer of at least 1, up to {MOST_SIZE:,}, or [height, width]")
_PAD = _Kind(lambda v: _is_size(v, 0), f"an integer of at least 0, up to {MOST_SIZE:,}, or [height, width]")
_FLAG = _Kind(lambda v: isinstance(v, bool), "true or false")
_NUMBER = _Kind(_is_number, f"a finite number, up to {MOST_NUMBER:,.0f}")
_CHANCE = _Kind(lambda v: _is_number(v) and 0 <= v <= 1, "a number from 0 to 1")
_POSITIVE = _Kind(lambda v: _is_number(v) and v > 0, f"a number above 0, up to {MOST_NUMBER:,.0f}")
_SHAPE = _Kind(is_shape, f"a list of integers of at least 1, up to {MOST_SIZE:,}")
_GELU = _Kind(lambda v: v in ("none", "tanh"), "'none' or 'tanh'")
_NEAREST = _Kind(lambda v: v == "nearest", "'nearest'")
_DIM_ONE = _Kind(lambda v: v == 1 and not isinstance(v, bool), "1")

_CONV = {"in_channels": _COUNT, "out_channels": _COUNT, "kernel_size": _SIZE}
_CONV_OPTIONS = {"stride": _SIZE, "padding": _PAD, "dilation": _SIZE, "groups": _COUNT, "bias": _FLAG}
_NORM_OPTIONS = {"eps": _POSITIVE, "momentum": _CHANCE, "affine": _FLAG, "track_running_stats": _FLAG}
_IN_PLACE = {"inplace": _FLAG}


@dataclass(frozen=True)
class _Type:
    make: Callable[..., nn.Module]
    required: Mapping[str, _Kind]
    optional: Mapping[str, _Kind]
    arity: tuple[int, int | None] = (1, 1)


LAYER_TYPES: Mapping[str, _Type] = {
    "Linear": _Type(nn.Linear, {"in_features": _COUNT, "out_features": _COUNT}, {"bias": _FLAG}),
    "ConvTranspose2d": _Type(nn.ConvTranspose2d, _CONV, {**_CONV_OPTIONS, "output_padding": _PAD}),
    "Conv2d": _Type(nn.Conv2d, _CONV, _CONV_OPTIONS),
    "BatchNorm1d": _Type(nn.BatchNorm1d, {"num_features": _COUNT}, _NORM_OPTIONS),
    "BatchNorm2d": _Type(nn.BatchNorm2d, {"num_features": _COUNT}, _NORM_OPTIONS),
    "ReLU": _Type(nn.ReLU, {}, _IN_PLACE),
    "LeakyReLU": _Type(nn.LeakyReLU, {}, {"negative_slope": _NUMBER, **_IN_PLACE}),
    "PReLU": _Type(nn.PReLU, {}, {"num_parameters": _COUNT, "init": _NUMBER}),
    "Tanh": _Type(nn.Tanh, {}, {}),
    "Sigmoid": _Type(nn.Sigmoid, {}, {}),
    "ReLU6": _Type(nn.ReLU6, {}, _IN_PLACE),
    "Hardtanh": _Type(nn.Hardtanh, {}, {"min_val": _NUMBER, "max_val": _NUMBER, **_IN_PLACE}),
    "ELU": _Type(nn.ELU, {}, {"alpha": _POSITIVE, **_IN_PLACE}),
    "SELU": _Type(nn.SELU, {}, _IN_PLACE),
    "CELU": _Type(nn.CELU, {}, {"alpha": _POSITIVE, **_IN_PLACE}),
    "SiLU": _Type(nn.SiLU, {}, _IN_PLACE),
    "GELU": _Type(nn.GELU, {}, {"approximate": _GELU}),
    "Softplus": _Type(nn.Softplus, {}, {"beta": _POSITIVE, "threshold": _NUMBER}),
    "Hardswish": _Type(nn.Hardswish, {}, _IN_PLACE),
    "Hardsigmoid": _Type(nn.Hardsigmoid, {}, _IN_PLACE),
    "LogSigmoid": _Type(nn.LogSigmoid, {}, {}),
    "Softsign": _Type(nn.Softsign, {}, {}),
    "Mish": _Type(nn.Mish, {}, _IN_PLACE),
    "Tanhshrink": _Type(nn.Tanhshrink, {}, {}),
    "Affine": _Type(Affine, {}, {"scale": _NUMBER, "offset": _NUMBER}),
    "Upsample": _Type(nn.Upsample, {"scale_factor": _SIZE}, {"mode": _NEAREST}),
    "Unflatten": _Type(nn.Unflatten, {"unflattened_size": _SHAPE}, {"dim": _DIM_ONE}),
    "Flatten": _Type(nn.Flatten, {}, {"start_dim": _AXIS, "end_dim": _AXIS}),
    "Reshape": _Type(Reshape, {"shape": _SHAPE}, {}),
    "Add": _Type(Add, {}, {}, (2, None)),
    "Sub": _Type(Sub, {}, {}, (2, 2)),
    "Concat": _Type(Concat, {}, {}, (2, None)),
    "Slice": _Type(Slice, {"start": _INDEX, "stop": _COUNT}, {}),
    "Identity": _Type(nn.Identity, {}, {}),
    "Dropout": _Type(nn.Dropout, {}, {"p": _CHANCE, **_IN_PLACE}),
    "Dropout2d": _Type(nn.Dropout2d, {}, {"p": _CHANCE, **_IN_PLACE}),
}
"""The accepted layer types: how each is made, its required and optional arguments, fewest and most inputs."""

DEFAULTS: Mapping[str, Mapping[str, Any]] = {"Unflatten": {"dim": 1}}
"""Arguments that torch requires and for which we accept one value only."""
