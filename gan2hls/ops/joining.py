"""What ops of several inputs, and ops whose beats pass whole, have in common."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from gan2hls.integers import carrier, ceil_div, signed_bits
from gan2hls.ir import Flow, Fold, IntType, Op, Tensors, TensorType
from gan2hls.kernels import Port
from gan2hls.kernels.add import AddKernel
from gan2hls.targets import Family


def join_problems(tensors: Tensors) -> Iterator[str]:
    """What keeps inputs from meeting: integers that mean something else."""
    first = tensors[0]
    for number, tensor in enumerate(tensors, 1):
        if tensor.scale is None:
            yield f"input {number} has a scale for each channel; requantize it first"
        elif first.scale is not None and tensor.scale != first.scale:
            yield f"input {number} has scale {tensor.scale:g}, input 1 {first.scale:g}; requantize one of them"
        if tensor.int_type != first.int_type:
            yield f"input {number} is {tensor.int_type}, input 1 {first.int_type}; requantize one of them"


def shapes(tensors: Sequence[TensorType]) -> str:
    """The shapes of all inputs, for a message."""
    return ", ".join("×".join(map(str, tensor.shape)) for tensor in tensors)


def exact(xs: Sequence[np.ndarray], bound: int) -> list[np.ndarray]:
    """Arrays in a carrier that is exact up to `bound`."""
    return [x.astype(carrier(bound), copy=False) for x in xs]


class SumOp(Op):
    """What Add and Sub are: the inputs but the first are added, or subtracted, exactly."""

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


class AlignedOp(Op):
    """An op through which beats pass whole, so that its lanes divide the channels up to where tensors meet."""

    @abstractmethod
    def possible_lanes(self, tensors: Tensors) -> Sequence[int]:
        """The lanes that it may have, rising."""

    def follow(self, tensors: Tensors, before: Flow, target: int, family: Family | None) -> Fold:
        """As few of the possible lanes as keep up with what comes before and with `target`; the most, if none do."""
        possible = self.possible_lanes(tensors)
        least = ceil_div(min(before.lanes, possible[-1]), before.burst)
        enough = (n for n in possible if n >= least and self.kernel(tensors, Fold(n, n)).cycles <= target)
        lanes = next(enough, possible[-1])
        return Fold(lanes, lanes)

    def largest_fold(self, tensors: Tensors) -> Fold:
        most = self.possible_lanes(tensors)[-1]
        return Fold(most, most)

    def fold_problems(self, tensors: Tensors, fold: Fold) -> Iterator[str]:
        possible = self.possible_lanes(tensors)
        if fold.pe not in possible:
            yield f"pe {fold.pe} is not supported; use {' or '.join(map(str, possible))}: beats pass {self.stem} whole"
        if fold.parts != 1:
            yield f"parts {fold.parts} is not supported; {self.stem} has no wide products"
        yield from self._mac_fold_problems(tensors, fold)
