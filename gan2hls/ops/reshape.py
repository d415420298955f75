"""Reshape: the same NHWC elements in the same order under another shape; in a stream only the pixel boundaries move."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.ir import Flow, Fold, Op, Tensors, TensorType
from gan2hls.kernels import Port
from gan2hls.kernels.regroup import ReshapeKernel
from gan2hls.targets import Family


@dataclass(frozen=True, eq=False)
class Reshape(Op):
    """New `shape` (height, width, channels) of as many elements."""

    stem: ClassVar[str] = "reshape"
    converts_lanes: ClassVar[bool] = True
    shape: tuple[int, int, int]

    def verify(self, tensor: TensorType) -> Iterator[str]:
        if min(self.shape) < 1 or int(np.prod(self.shape)) != tensor.elements:
            yield f"shape {self.shape} does not have the {tensor.elements} elements of the input {tensor.shape}"

    def output_type(self, tensor: TensorType) -> TensorType:
        return TensorType(self.shape, tensor.int_type, tensor.scale)

    def reference(self, x: np.ndarray, tensor: TensorType) -> np.ndarray:
        return np.ascontiguousarray(x).reshape(len(x), *self.shape)

    def kernel(self, tensors: Tensors, fold: Fold) -> ReshapeKernel:
        (tensor,) = tensors
        return ReshapeKernel((Port.of(tensor, fold.simd),), (Port.of(self.output_type(tensor), fold.pe),))

    def follow(self, tensors: Tensors, before: Flow, target: int, family: Family | None) -> Fold:
        """The lanes of what comes before, and at its output those of what follows, where it has chosen."""
        return Fold(before.next_lanes or min(before.lanes, self.shape[2]), before.lanes)
