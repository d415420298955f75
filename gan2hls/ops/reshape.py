"""Reshape: the same NHWC elements in the same order under another shape; in a stream only the pixel boundaries move."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.ir import Fold, Op, TensorType


def _beats(elements: int, channels: int, lanes: int) -> list[int]:
    """Elements in each beat of a frame."""
    full, rest = divmod(channels, lanes)
    return ([lanes] * full + [rest] * (rest > 0)) * (elements // channels)


def _gearbox_interval(puts: list[int], takes: list[int], room: int) -> int:
    """Cycles a frame of `hw/rtl/gearbox.sv` between sides that never stall.

    Its buffer is small and padded beats come in bursts: it takes a beat in while it holds `room` elements at most, and
    gives one as soon as it holds the beat's elements.
    """
    level = put = taken = cycle = 0
    ends: list[int] = []
    while len(ends) < 4:  # steady from the second frame on
        into = puts[put % len(puts)] if level <= room else 0
        out = takes[taken % len(takes)] if level >= takes[taken % len(takes)] else 0
        level += into - out
        put += into > 0
        taken += out > 0
        cycle += 1
        if out and taken % len(takes) == 0:
            ends.append(cycle)
    return ends[-1] - ends[-2]


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
        """The beats of the side that has more of them; more only where the pixels change and beats are padded."""
        sides = ((tensor.channels, fold.simd), (self.shape[2], fold.pe))
        puts, takes = (_beats(tensor.elements, channels, lanes) for channels, lanes in sides)
        if tensor.channels == self.shape[2] or all(channels % lanes == 0 for channels, lanes in sides):
            return max(len(puts), len(takes))
        return _gearbox_interval(puts, takes, fold.pe + min(fold.pe, fold.simd) - 1)

    def kernel_parameters(self, tensor: TensorType, fold: Fold) -> dict[str, int]:
        return {
            "Elements": tensor.elements,
            "InChannels": tensor.channels,
            "OutChannels": self.shape[2],
            "InLanes": fold.simd,
            "OutLanes": fold.pe,
            "Bits": tensor.int_type.bits,
        }
