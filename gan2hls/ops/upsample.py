"""Nearest-neighbour upsampling by integers: y[oy, ox] = x[oy // fy, ox // fx]."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.ir import Fold, Op, TensorType
from gan2hls.ops.mac import groups


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

    def cycles(self, tensor: TensorType, fold: Fold) -> int:
        return self.output_type(tensor).pixels * groups(tensor.channels, fold.simd)

    def kernel_parameters(self, tensor: TensorType, fold: Fold) -> dict[str, int]:
        return {
            "InHeight": tensor.shape[0],
            "InWidth": tensor.shape[1],
            "Channels": tensor.channels,
            "Lanes": fold.pe,
            "Bits": tensor.int_type.bits,
            "FactorHeight": self.factor[0],
            "FactorWidth": self.factor[1],
        }
