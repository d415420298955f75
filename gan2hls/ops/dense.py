"""Fully connected layer: y[o] = Σ x[i]·w[i, o]; the 1×1 case of the MAC kernel."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.ir import TensorType, carrier
from gan2hls.kernels.mac import DenseKernel, MacKernel
from gan2hls.kernels.walk import AxisWalk, convolution_axis
from gan2hls.ops.mac import MacOp


@dataclass(frozen=True, eq=False)
class Dense(MacOp):
    """Fully connected layer on a vector, which is one pixel of `in_channels` channels; codes are (1, 1, in, out)."""

    stem: ClassVar[str] = "dense"
    kernel_class: ClassVar[type[MacKernel]] = DenseKernel

    def verify(self, tensor: TensorType) -> Iterator[str]:
        if self.codes.shape[:2] != (1, 1):
            yield f"weights have shape {self.codes.shape}; expected (1, 1, in_channels, out_channels)"
        elif tensor.pixels != 1:
            yield f"takes a vector, the input is {tensor.shape}; put a Reshape before it"
        else:
            yield from super().verify(tensor)

    def output_size(self, tensor: TensorType) -> tuple[int, int]:
        return 1, 1

    def walks(self, tensor: TensorType) -> tuple[AxisWalk, AxisWalk]:
        axis = convolution_axis(1, 1, 1, 1, 0)
        return axis, axis

    def reference(self, x: np.ndarray, tensor: TensorType) -> np.ndarray:
        dtype = carrier(self.bound(tensor))
        return x.astype(dtype, copy=False) @ self.weights[0, 0].astype(dtype)
