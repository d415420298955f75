"""Which taps an output position of a convolution or transposed convolution uses, one axis at a time.

The kernel of a MAC op walks, for each output row and column, only the taps that meet an existing input. Along an axis
they are a run of consecutive inputs: `count` taps, the first at kernel index `kernel` and input index `input`, each
next one input further and `step` kernel indices on. `hw/hls/mac_engine.h` and `hw/rtl/pixel_generator.sv` compute the
same table.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class AxisWalk:
    """Tables over the output positions of one axis: arrays of ints of length `out_size`."""

    in_size: int
    count: np.ndarray
    kernel: np.ndarray
    input: np.ndarray
    step: int

    def blocks(self, size: int) -> np.ndarray:
        """Blocks of at most `size` neighbouring taps that each output's taps make."""
        return -(-self.count // size)

    @property
    def first_needed(self) -> np.ndarray:
        """First input that this or any later output needs, `in_size` if none: never falling, `out_size + 1` long."""
        starts = np.where(self.count > 0, self.input, self.in_size)
        later = np.minimum.accumulate(starts[::-1])[::-1]
        return np.append(later, self.in_size)


def transposed_axis(in_size: int, out_size: int, kernel: int, stride: int, padding: int) -> AxisWalk:
    """Taps of a transposed convolution: input i meets output o at tap k = o + padding - i·stride, 0 ≤ k < kernel."""
    position = np.arange(out_size) + padding
    low = np.maximum(0, -((kernel - 1 - position) // stride))
    high = np.minimum(in_size - 1, position // stride)
    return AxisWalk(in_size, np.maximum(0, high - low + 1), position - low * stride, low, -stride)


def convolution_axis(in_size: int, out_size: int, kernel: int, stride: int, padding: int) -> AxisWalk:
    """Taps of a convolution: output o reads input i = o·stride - padding + k, 0 ≤ k < kernel."""
    position = np.arange(out_size) * stride - padding
    low = np.maximum(0, position)
    high = np.minimum(in_size - 1, position + kernel - 1)
    return AxisWalk(in_size, np.maximum(0, high - low + 1), low - position, low, 1)
