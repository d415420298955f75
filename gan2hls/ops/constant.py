"""Constant: a tensor that is always the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.integers import carrier
from gan2hls.ir import Flow, Fold, Op, Tensors, TensorType
from gan2hls.kernels import Port
from gan2hls.kernels.constant import ConstantKernel
from gan2hls.targets import Family


@dataclass(frozen=True, eq=False)
class Constant(Op):
    """`values` (height, width, channels), integers of type `type`."""

    stem: ClassVar[str] = "constant"
    arity: ClassVar[tuple[int, int | None]] = (0, 0)
    values: np.ndarray
    type: TensorType

    def verify(self) -> Iterator[str]:
        kind = self.type.int_type
        if self.values.shape != self.type.shape:
            yield f"the values have shape {self.values.shape}, their type {self.type.shape}"
        elif not np.issubdtype(self.values.dtype, np.integer):
            yield f"the values are {self.values.dtype}; use integers"
        elif self.values.min() < kind.min or self.values.max() > kind.max:
            yield f"values from {self.values.min()} to {self.values.max()} do not fit {kind}: {kind.min} to {kind.max}"

    def output_type(self) -> TensorType:
        return self.type

    def reference(self) -> np.ndarray:
        """One frame, which is every frame."""
        return self.values[None].astype(carrier(self.type.int_type.magnitude))

    def follow(self, tensors: Tensors, before: Flow, target: int, family: Family | None) -> Fold:
        """The lanes of what takes it, where that has chosen, or more, as far as `target` asks for."""
        lanes = max(1, min(before.next_lanes, self.type.channels))
        while lanes < self.type.channels and self.kernel(tensors, Fold(lanes, lanes)).cycles > target:
            lanes += 1
        return Fold(lanes, lanes)

    def largest_fold(self, tensors: Tensors) -> Fold:
        return Fold(self.type.channels, self.type.channels)

    def kernel(self, tensors: Tensors, fold: Fold) -> ConstantKernel:
        values = self.values.reshape(self.type.pixels, self.type.channels)
        return ConstantKernel((), (Port.of(self.type, fold.pe),), values)
