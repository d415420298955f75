"""Requantize: the only place where wide integers become narrow ones.

Per channel c, with arithmetic shift, round half up (AP_RND) and saturation (AP_SAT):

    t = x·m[c] + b[c];   if leaky and t < 0: t = x·mn[c] + bn[c]
    y = clamp((t + 2^(s-1)) >> s, low, high)            (no rounding term where s = 0)

Hardware does not compute the first product for its sign: t < 0 is `(x < threshold[c]) != flip[c]`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from gan2hls.ir import Flow, Fold, IntType, Op, Tensors, TensorType, carrier, signed_bits
from gan2hls.kernels import Port
from gan2hls.kernels.requantize import RequantizeKernel
from gan2hls.targets import Family

MULTIPLIER_BITS = 18
"""Signed bits of a multiplier: one DSP port."""


@dataclass(frozen=True, eq=False)
class Requantize(Op):
    """Scale, add, round, saturate, per channel.

    Args:
        multiplier, bias: (channels,) integers m and b.
        shift: s, one for the layer, 0 to 47.
        low, high: saturation bounds; low = 0 is ReLU.
        output: type of the result.
        scale: real value of one output step.
        negative_multiplier, negative_bias: (channels,) mn and bn of LeakyReLU, or None.
    """

    stem: ClassVar[str] = "requantize"
    most_parts: ClassVar[int] = 2
    multiplier: np.ndarray
    bias: np.ndarray
    shift: int
    low: int
    high: int
    output: IntType
    scale: float
    negative_multiplier: np.ndarray | None = None
    negative_bias: np.ndarray | None = None

    @property
    def leaky(self) -> bool:
        return self.negative_multiplier is not None

    def _arrays(self) -> dict[str, np.ndarray]:
        names = ("multiplier", "bias", "negative_multiplier", "negative_bias")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def verify(self, tensor: TensorType) -> Iterator[str]:
        if (self.negative_multiplier is None) != (self.negative_bias is None):
            yield "negative_multiplier and negative_bias go together"
            return
        for name, values in self._arrays().items():
            if values.shape != (tensor.channels,):
                yield f"{name} has shape {values.shape}; the input has {tensor.channels} channels"
                return
            if "multiplier" in name and signed_bits(int(values.min()), int(values.max())) > MULTIPLIER_BITS:
                yield f"{name} from {values.min()} to {values.max()} does not fit {MULTIPLIER_BITS} signed bits"
        if not 0 <= self.shift <= 47:
            yield f"shift {self.shift} is not supported; use 0 to 47"
        elif self.bound(tensor) >= 1 << 62:
            yield "x·m + b needs more than 63 bits; use a smaller shift or fewer accumulator bits"
        if not self.output.min <= self.low <= self.high <= self.output.max:
            kind = self.output
            yield f"low {self.low} and high {self.high} do not fit {kind}: {kind.min} to {kind.max}"

    def output_type(self, tensor: TensorType) -> TensorType:
        return TensorType(tensor.shape, self.output, self.scale)

    def bound(self, tensor: TensorType) -> int:
        """Upper bound of |t| and of what is added to round it."""
        factors = [int(np.abs(v).max()) for n, v in self._arrays().items() if "multiplier" in n]
        offsets = [int(np.abs(v).max()) for n, v in self._arrays().items() if "bias" in n]
        return tensor.int_type.magnitude * max(factors) + max(offsets) + (1 << self.shift)

    def reference(self, x: np.ndarray, tensor: TensorType) -> np.ndarray:
        result = carrier(self.output.magnitude)
        if self.bound(tensor) >= 1 << 53:
            return self._reference_int64(x.astype(np.int64)).astype(result)
        positive = self._scaled(x, self.multiplier, self.bias)
        if self.leaky:
            assert self.negative_multiplier is not None
            assert self.negative_bias is not None
            negative = positive < self._half
            positive = np.where(negative, self._scaled(x, self.negative_multiplier, self.negative_bias), positive)
        np.floor(positive, out=positive)
        np.clip(positive, self.low, self.high, out=positive)
        return positive.astype(result)

    @property
    def _half(self) -> float:
        return 0.5 if self.shift else 0.0

    def _scaled(self, x: np.ndarray, multiplier: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """(x·m + b)·2^-s + ½ in float64; exact, for a power of two changes no mantissa."""
        step = 0.5**self.shift
        result = x * (multiplier * step)
        result += bias * step + self._half
        return result

    def _reference_int64(self, x: np.ndarray) -> np.ndarray:
        total = x * self.multiplier + self.bias
        if self.leaky:
            total = np.where(total < 0, x * self.negative_multiplier + self.negative_bias, total)
        half = (1 << self.shift) >> 1
        return np.clip((total + half) >> self.shift, self.low, self.high)

    @cached_property
    def use_multiplier(self) -> bool:
        """False where every m is a power of two, so that hardware shifts left instead."""
        m = self.multiplier
        return not bool(((m > 0) & (m & (m - 1) == 0)).all())

    def sign_test(self, tensor: TensorType) -> tuple[np.ndarray, np.ndarray]:
        """`threshold`, `flip` per channel with (x·m + b < 0) == ((x < threshold) != flip) for all x of that type."""
        kind = tensor.int_type
        threshold = np.empty(tensor.channels, dtype=np.int64)
        for channel, (m, b) in enumerate(zip(self.multiplier.tolist(), self.bias.tolist(), strict=True)):
            if m > 0:
                value = -(b // m)  # ceil(-b / m)
            elif m < 0:
                value = b // -m + 1
            else:
                value = kind.max + 1 if b < 0 else kind.min
            threshold[channel] = min(max(value, kind.min), kind.max + 1)
        return threshold, (self.multiplier < 0).astype(np.int64)

    def kernel(self, tensors: Tensors, fold: Fold) -> RequantizeKernel:
        (tensor,) = tensors
        arrays = self._arrays()
        factors = np.concatenate([v for n, v in arrays.items() if "multiplier" in n])
        offsets = np.concatenate([v for n, v in arrays.items() if "bias" in n])
        multiplier_bits = signed_bits(int(factors.min()), int(factors.max()))
        bias_bits = signed_bits(int(offsets.min()), int(offsets.max()))
        first = self.multiplier if self.use_multiplier else np.log2(self.multiplier).astype(np.int64)
        constants = {"multiplier": (first, multiplier_bits, True), "bias": (self.bias, bias_bits, True)}
        if self.negative_multiplier is not None and self.negative_bias is not None:
            threshold, flip = self.sign_test(tensor)
            constants["negative_multiplier"] = (self.negative_multiplier, multiplier_bits, True)
            constants["negative_bias"] = (self.negative_bias, bias_bits, True)
            constants["threshold"] = (threshold, tensor.int_type.bits + 2, True)
            constants["flip"] = (flip, 1, False)
        return RequantizeKernel(
            (Port.of(tensor, fold.pe),),
            (Port.of(self.output_type(tensor), fold.pe),),
            constants,
            self.shift,
            self.low,
            self.high,
            self.use_multiplier,
            fold.parts,
        )

    def follow(self, tensors: Tensors, before: Flow, target: int, family: Family | None) -> Fold:
        """As few lanes as keep up; products that are wider than the family's multipliers have two parts."""
        wide = family is not None and tensors[0].int_type.bits > family.factor_bits
        return replace(super().follow(tensors, before, target, family), parts=1 + wide)
