"""Add and Sub: exact sums and differences of integers that mean the same, so that the result is some bits wider.

Add: y = x[0] + x[1] + …        Sub: y = x[0] - x[1]
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gan2hls.integers import signed_bits
from gan2hls.ir import Fold, IntType, Op, Tensors, TensorType
from gan2hls.kernels import Port
from gan2hls.kernels.add import AddKernel
from gan2hls.ops.joining import exact, join_problems, shapes


class _Sum(Op):
    """What both are: the inputs but the first are added, or subtracted."""

    subtracts: ClassVar[bool]

    def verify(self, *tensors: TensorType) -> Iterator[str]:
        if len({tensor.shape for tensor in tensors}) > 1:
            yield f"its inputs have different shapes: {shapes(tensors)}"
        yield from join_problems(tensors)
        low, high = self._range(tensors)
        if signed_bits(low, high) > 63:
            yield f"the result from {low} to {high} does not fit 63 bits; requantize the inputs to fewer"

    def _range(self, tensors: Tensors) -> tuple[int, int]:
        """Least and largest result."""
        kind, others = tensors[0].int_type, len(tensors) - 1
        if self.subtracts:
            return kind.min - others * kind.max, kind.max - others * kind.min
        return kind.min * len(tensors), kind.max * len(tensors)

    def output_type(self, *tensors: TensorType) -> TensorType:
        low, high = self._range(tensors)
        kind = IntType(signed_bits(low, high), True) if low < 0 else IntType(high.bit_length(), False)
        return TensorType(tensors[0].shape, kind, tensors[0].scale)

    def reference(self, *args: Any) -> np.ndarray:
        count = len(args) // 2
        first, *others = exact(args[:count], self.output_type(*args[count:]).int_type.magnitude)
        total = first
        for x in others:
            total = total - x if self.subtracts else total + x
        return total

    def kernel(self, tensors: Tensors, fold: Fold) -> AddKernel:
        ports = tuple(Port.of(tensor, fold.pe) for tensor in tensors)
        return AddKernel(ports, (Port.of(self.output_type(*tensors), fold.pe),), self.subtracts)


@dataclass(frozen=True)
class Add(_Sum):
    """The sum of two tensors or more, of equal shapes, types and scales."""

    stem: ClassVar[str] = "add"
    arity: ClassVar[tuple[int, int | None]] = (2, None)
    subtracts: ClassVar[bool] = False


@dataclass(frozen=True)
class Sub(_Sum):
    """The first tensor less the second, of equal shapes, types and scales."""

    stem: ClassVar[str] = "sub"
    arity: ClassVar[tuple[int, int | None]] = (2, 2)
    subtracts: ClassVar[bool] = True
