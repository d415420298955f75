"""Number formats of activations, and the registry of weight quantizers.

Rounding is half up everywhere, as in hardware: floor(x + 0.5).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gan2hls.ir import IntType

SHARES = tuple(0.87**i for i in range(12))
"""Of the largest weight, that a scale may hold; the last one is 0.22."""
HALVES = (1.0, 0.5, 0.25, 0.125)
"""The same, with powers of two."""


class _RoundHalfUp(torch.autograd.Function):
    """floor(x + 0.5); the gradient passes as if nothing had been rounded (straight-through estimator)."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return torch.floor(x + 0.5)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return gradient


def round_half_up(x: Tensor) -> Tensor:
    """Round half up, with a straight-through gradient."""
    return _RoundHalfUp.apply(x)


@dataclass(frozen=True)
class Format:
    """How a tensor of activations is stored: real value = integer × scale."""

    int_type: IntType
    scale: float

    def fake_quantize(self, x: Tensor) -> Tensor:
        """Give the nearest real values that the format holds, in the dtype of `x`."""
        steps = round_half_up(x / self.scale)
        return torch.clamp(steps, self.int_type.min, self.int_type.max) * self.scale


def power_of_two_below_and_above(scale: Tensor) -> tuple[Tensor, Tensor]:
    """Give the neighbouring powers of two of positive scales, largest not above and smallest not below."""
    exponent = torch.log2(scale.double())
    return torch.exp2(torch.floor(exponent)), torch.exp2(torch.ceil(exponent))


def activation_format(samples: Tensor, largest: float, int_type: IntType, power_of_two: bool) -> Format:
    """Choose the scale for values up to `largest` in magnitude.

    Args:
        samples: values to be stored, for the choice between two powers of two by squared error.
        largest: magnitude that should still fit; 0 if all values are 0.
        int_type: type of the integers.
        power_of_two: whether the scale must be one.
    """
    if largest <= 0:
        return Format(int_type, 1.0)
    scale = largest / int_type.max
    if not power_of_two:
        return Format(int_type, scale)
    pair = power_of_two_below_and_above(torch.tensor(scale, dtype=torch.float64))
    formats = [Format(int_type, float(choice)) for choice in pair]
    values = samples.double()
    return min(formats, key=lambda choice: float(torch.square(choice.fake_quantize(values) - values).sum()))


@dataclass(frozen=True)
class WeightRequest:
    """What is asked of a weight quantizer.

    Args:
        bits: of a stored code, 1 to 16.
        per_channel: a scale for each output channel, or one for all.
        power_of_two: whether scales must be powers of two.
        scale: the given scale of all channels, or None to choose.
        spread_bits: with powers of two, the smallest scale is at least the largest · 2^-spread_bits. Channels with
            weights that small have outputs that small, so they lose nothing that their common output scale would keep.
        error: gives the mean squared error (channels,) that weights cause in the layer's result on calibration samples;
            None where there are no samples.
    """

    bits: int
    per_channel: bool = True
    power_of_two: bool = False
    scale: float | None = None
    spread_bits: int = 16
    error: Callable[["QuantizedWeight"], Tensor] | None = None


@dataclass(frozen=True, eq=False)
class QuantizedWeight:
    """Integer weights of a layer, one row for each output channel.

    Args:
        codes: (channels, weights of a channel) int64: the integers, or with a codebook indices into it.
        bits: of a code.
        scale: (channels,) float64, positive: real value of one integer step.
        codebook: the 2^bits integers that codes stand for, or None.
    """

    codes: Tensor
    bits: int
    scale: Tensor
    codebook: tuple[int, ...] | None = None

    @property
    def integers(self) -> Tensor:
        """(channels, weights of a channel) int64."""
        return self.codes if self.codebook is None else torch.tensor(self.codebook)[self.codes]

    @property
    def reals(self) -> Tensor:
        """(channels, weights of a channel) float64: integers × scale."""
        return self.integers * self.scale[:, None]


WeightQuantizer = Callable[[Tensor, WeightRequest], QuantizedWeight]

WEIGHT_QUANTIZERS: dict[str, WeightQuantizer] = {}
"""By the name that a configuration uses. A quantizer takes real weights (channels, weights of a channel) in float64."""


def weight_quantizer(name: str) -> Callable[[WeightQuantizer], WeightQuantizer]:
    """Register a weight quantizer under a name."""

    def register(function: WeightQuantizer) -> WeightQuantizer:
        WEIGHT_QUANTIZERS[name] = function
        return function

    return register


@weight_quantizer("symmetric")
def symmetric(weight: Tensor, request: WeightRequest) -> QuantizedWeight:
    """Uniform steps, as many above zero as below: integers in ±(2^(bits-1) - 1), the largest weight on the last.

    One bit gives ±1 with the mean magnitude as scale, which has the least squared error (XNOR-Net, Rastegari 2016,
    eq. 6). A given scale uses the whole two's complement range, as those who trained with it did. Channels of zeros
    get the scale 1.
    """
    if request.scale is not None:
        return _at_scale(weight, torch.full((len(weight),), request.scale, dtype=torch.float64), request)
    return _at_scale(weight, _symmetric_scale(weight, request), request)


@weight_quantizer("least_error")
def least_error(weight: Tensor, request: WeightRequest) -> QuantizedWeight:
    """As "symmetric", but with a share of that scale, which clips the largest weights and gives the others finer steps.

    Of `SHARES`, or of halves with powers of two, the one with the least error is taken: the error of the layer's result
    where samples tell it, else that of the weights.
    """
    if request.scale is not None:
        return symmetric(weight, request)
    error = request.error or (lambda made: torch.square(made.reals - weight).mean(1))
    top = _symmetric_scale(weight, request)
    used = (weight != 0).any(1)
    scale, least = top, torch.full_like(top, math.inf)
    for share in HALVES if request.power_of_two else SHARES:
        tried = torch.where(used, _with_spread(top * share, used, request), 1.0)
        found = error(_at_scale(weight, tried, request))
        if not request.per_channel:
            found = found.sum().expand_as(found)
        scale, least = torch.where(found < least, tried, scale), torch.minimum(found, least)
    return _at_scale(weight, _with_spread(scale, used, request), request)


def _at_scale(weight: Tensor, scale: Tensor, request: WeightRequest) -> QuantizedWeight:
    if request.bits == 1:
        return QuantizedWeight((weight >= 0).long(), 1, scale, codebook=(-1, 1))
    return QuantizedWeight(_symmetric_codes(weight, scale, request), request.bits, scale)


def _with_spread(scale: Tensor, used: Tensor, request: WeightRequest) -> Tensor:
    """Keep powers of two of the channels that are used within the spread that the requantizer can hold."""
    if not request.power_of_two or not bool(used.any()):
        return scale
    return scale.clamp(min=float(scale[used].max()) * math.ldexp(1.0, -request.spread_bits))


def _symmetric_codes(weight: Tensor, scale: Tensor, request: WeightRequest) -> Tensor:
    limit = (1 << (request.bits - 1)) - 1
    lowest = -limit if request.scale is None else -limit - 1
    return round_half_up(weight / scale[:, None]).clamp(lowest, limit).long()


def _symmetric_scale(weight: Tensor, request: WeightRequest) -> Tensor:
    rows = weight if request.per_channel else weight.reshape(1, -1)
    if request.bits == 1:
        scale = rows.abs().mean(1)
    else:
        scale = rows.abs().amax(1) / ((1 << (request.bits - 1)) - 1)
    used = scale > 0
    if request.power_of_two and bool(used.any()):
        below, above = power_of_two_below_and_above(torch.where(used, scale, 1.0))
        errors = [_squared_error(rows, choice, request) for choice in (below, above)]
        scale = torch.where(errors[0] < errors[1], below, above)
        scale = _with_spread(scale, used, request)
    return torch.where(used, scale, 1.0).expand(len(weight)).clone()


def _squared_error(rows: Tensor, scale: Tensor, request: WeightRequest) -> Tensor:
    if request.bits == 1:
        integers = torch.where(rows >= 0, 1, -1)
    else:
        integers = _symmetric_codes(rows, scale, request)
    return torch.square(integers * scale[:, None] - rows).sum(1)
