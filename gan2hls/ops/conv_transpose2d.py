"""Transposed convolution: y[o] = Σ x[i]·w[k] over k = o + padding - i·stride, per axis; no zero is inserted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.ir import TensorType, carrier
from gan2hls.kernels.mac import ConvTranspose2dKernel, MacKernel
from gan2hls.kernels.walk import AxisWalk, transposed_axis
from gan2hls.ops.mac import ConvolutionOp


@dataclass(frozen=True, eq=False)
class ConvTranspose2d(ConvolutionOp):
    """Transposed convolution as torch defines it, dilation 1, groups 1.

    Output size per axis: (in - 1)·stride - 2·padding + kernel + output_padding.
    """

    stem: ClassVar[str] = "conv_transpose2d"
    kernel_class: ClassVar[type[MacKernel]] = ConvTranspose2dKernel
    output_padding: tuple[int, int] = (0, 0)

    def verify(self, tensor: TensorType) -> Iterator[str]:
        if any(not 0 <= extra < stride for extra, stride in zip(self.output_padding, self.stride, strict=True)):
            yield f"output_padding {self.output_padding} is not supported; use 0 to stride - 1 (stride {self.stride})"
        yield from super().verify(tensor)

    def output_size(self, tensor: TensorType) -> tuple[int, int]:
        height, width = (
            (tensor.shape[axis] - 1) * self.stride[axis]
            - 2 * self.padding[axis]
            + self.codes.shape[axis]
            + self.output_padding[axis]
            for axis in (0, 1)
        )
        return height, width

    def walks(self, tensor: TensorType) -> tuple[AxisWalk, AxisWalk]:
        size = self.output_size(tensor)
        rows, columns = (
            transposed_axis(
                tensor.shape[axis], size[axis], self.codes.shape[axis], self.stride[axis], self.padding[axis]
            )
            for axis in (0, 1)
        )
        return rows, columns

    def reference(self, x: np.ndarray, tensor: TensorType) -> np.ndarray:
        """One matrix product gives each input pixel's part through each tap; the taps are then added in place."""
        dtype = carrier(self.bound(tensor))
        count, in_height, in_width, in_channels = x.shape
        kernel_height, kernel_width, _, out_channels = self.codes.shape
        weights = self.weights.transpose(2, 0, 1, 3).reshape(in_channels, -1).astype(dtype)
        parts = x.reshape(-1, in_channels).astype(dtype, copy=False) @ weights
        parts = parts.reshape(count, in_height, in_width, kernel_height, kernel_width, out_channels)
        (height, width), (stride_y, stride_x) = self.output_size(tensor), self.stride
        pad_y, pad_x = self.padding
        full_height = max((in_height - 1) * stride_y + kernel_height, pad_y + height)
        full_width = max((in_width - 1) * stride_x + kernel_width, pad_x + width)
        full = np.zeros((count, full_height, full_width, out_channels), dtype=dtype)
        for ky in range(kernel_height):
            for kx in range(kernel_width):
                rows = slice(ky, ky + (in_height - 1) * stride_y + 1, stride_y)
                columns = slice(kx, kx + (in_width - 1) * stride_x + 1, stride_x)
                full[:, rows, columns] += parts[:, :, :, ky, kx]
        return full[:, pad_y : pad_y + height, pad_x : pad_x + width]
