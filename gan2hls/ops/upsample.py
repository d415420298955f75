"""Nearest-neighbour upsampling by integers: y[oy, ox] = x[oy // fy, ox // fx]."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.ir import Fold, Op, Tensors, TensorType
from gan2hls.kernels import Port
from gan2hls.kernels.upsample import UpsampleKernel


@dataclass(frozen=True, eq=False)
class Upsample(Op):
    """Each pixel repeated `factor` = (vertical, horizontal) times."""

    stem: ClassVar[str] = "upsample"
    factor: tuple[int, int]

    def verify(self, tensor: TensorType) -> Iterator[str]:
        if min(self.factor) < 1:
            yield f"factor {self.factor} is not supported; use integers of 1 or more"

    def output_type(self, tensor: TensorType) -> TensorType:
        height, width, channels = tensor.shape
        return TensorType((height * self.factor[0], width * self.factor[1], channels), tensor.int_type, tensor.scale)

    def reference(self, x: np.ndarray, tensor: TensorType) -> np.ndarray:
        return x.repeat(self.factor[0], axis=1).repeat(self.factor[1], axis=2)

    def kernel(self, tensors: Tensors, fold: Fold) -> UpsampleKernel:
        (tensor,) = tensors
        ports = Port.of(tensor, fold.pe), Port.of(self.output_type(tensor), fold.pe)
        return UpsampleKernel(ports[:1], ports[1:], tensor.shape[:2], self.factor)

    @property
    def detail(self) -> str:
        return f"×{self.factor[0]}×{self.factor[1]}"
