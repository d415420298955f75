"""Convolution (cross-correlation, as torch): y[o] = Σ x[o·stride - padding + k]·w[k] per axis, zero padding skipped."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.ir import TensorType, carrier
from gan2hls.kernels.mac import Conv2dKernel, MacKernel
from gan2hls.kernels.walk import AxisWalk, convolution_axis
from gan2hls.ops.mac import ConvolutionOp


@dataclass(frozen=True, eq=False)
class Conv2d(ConvolutionOp):
    """Convolution as torch defines it, dilation 1, groups 1.

    Output size per axis: (in + 2·padding - kernel) // stride + 1.
    """

    stem: ClassVar[str] = "conv2d"
    kernel_class: ClassVar[type[MacKernel]] = Conv2dKernel

    def output_size(self, tensor: TensorType) -> tuple[int, int]:
        height, width = (
            (tensor.shape[axis] + 2 * self.padding[axis] - self.codes.shape[axis]) // self.stride[axis] + 1
            for axis in (0, 1)
        )
        return height, width

    def walks(self, tensor: TensorType) -> tuple[AxisWalk, AxisWalk]:
        size = self.output_size(tensor)
        rows, columns = (
            convolution_axis(
                tensor.shape[axis], size[axis], self.codes.shape[axis], self.stride[axis], self.padding[axis]
            )
            for axis in (0, 1)
        )
        return rows, columns

    def reference(self, x: np.ndarray, tensor: TensorType) -> np.ndarray:
        """A matrix product per tap, over the input pixels that this tap meets."""
        dtype = carrier(self.bound(tensor))
        (height, width), (stride_y, stride_x), (pad_y, pad_x) = self.output_size(tensor), self.stride, self.padding
        padded = np.pad(x.astype(dtype, copy=False), ((0, 0), (pad_y, pad_y), (pad_x, pad_x), (0, 0)))
        weights = self.weights.astype(dtype)
        result = np.zeros((len(x), height, width, self.codes.shape[3]), dtype=dtype)
        for ky in range(self.codes.shape[0]):
            for kx in range(self.codes.shape[1]):
                rows = slice(ky, ky + (height - 1) * stride_y + 1, stride_y)
                columns = slice(kx, kx + (width - 1) * stride_x + 1, stride_x)
                result += padded[:, rows, columns] @ weights[ky, kx]
        return result
