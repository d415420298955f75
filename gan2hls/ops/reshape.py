"""Reshape: the same NHWC elements in the same order under another shape; in a stream only the pixel boundaries move."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.ir import Fold, Op, TensorType
from gan2hls.ops.mac import groups


@dataclass(frozen=True, eq=False)
class Reshape(Op):
    """New `shape` (height, width, channels) of as many elements."""

    stem: ClassVar[str] = "reshape"
    shape: tuple[int, int, int]

    def verify(self, tensor: TensorType) -> Iterator[str]:
        if min(self.shape) < 1 or int(np.prod(self.shape)) != tensor.elements:
            yield f"shape {self.shape} does not have the {tensor.elements} elements of the input {tensor.shape}"

    def output_type(self, tensor: TensorType) -> TensorType:
        return TensorType(self.shape, tensor.int_type, tensor.scale)

    def reference(self, x: np.ndarray, tensor: TensorType) -> np.ndarray:
        return np.ascontiguousarray(x).reshape(len(x), *self.shape)

    def cycles(self, tensor: TensorType, fold: Fold) -> int:
        height, width, channels = self.shape
        return max(tensor.pixels * groups(tensor.channels, fold.simd), height * width * groups(channels, fold.pe))

    def kernel_parameters(self, tensor: TensorType, fold: Fold) -> dict[str, int]:
        return {
            "Elements": tensor.elements,
            "InChannels": tensor.channels,
            "OutChannels": self.shape[2],
            "InLanes": fold.simd,
            "OutLanes": fold.pe,
            "Bits": tensor.int_type.bits,
        }
