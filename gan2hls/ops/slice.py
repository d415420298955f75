"""Slice: some of the channels of a tensor; a split is one for each part."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.ir import Fold, Tensors, TensorType
from gan2hls.kernels import Port
from gan2hls.kernels.slice import SliceKernel
from gan2hls.ops.joining import AlignedOp


@dataclass(frozen=True)
class Slice(AlignedOp):
    """Channels `start` to `stop` - 1.

    Beats pass whole or not at all: the lanes divide `start`. So channels 3 to 66 of 67 come 3 a beat at most, and the
    pixel takes 23 cycles.
    """

    stem: ClassVar[str] = "slice"
    start: int
    stop: int

    def verify(self, tensor: TensorType) -> Iterator[str]:
        if not 0 <= self.start < self.stop <= tensor.channels:
            yield f"channels {self.start} to {self.stop} are not supported; the input has {tensor.channels}"

    def output_type(self, tensor: TensorType) -> TensorType:
        return TensorType((*tensor.shape[:2], self.stop - self.start), tensor.int_type, tensor.scale)

    def reference(self, x: np.ndarray, tensor: TensorType) -> np.ndarray:
        return x[..., self.start : self.stop]

    def possible_lanes(self, tensors: Tensors) -> Sequence[int]:
        (tensor,) = tensors
        return [n for n in range(1, (self.start or tensor.channels) + 1) if self.start % n == 0]

    def kernel(self, tensors: Tensors, fold: Fold) -> SliceKernel:
        (tensor,) = tensors
        ports = Port.of(tensor, fold.pe), Port.of(self.output_type(tensor), fold.pe)
        return SliceKernel(ports[:1], ports[1:], self.start)

    @property
    def detail(self) -> str:
        return f"{self.start}:{self.stop}"
