"""Concat: the channels of several tensors one after the other."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gan2hls.ir import Fold, Tensors, TensorType
from gan2hls.kernels import Port
from gan2hls.kernels.concat import ConcatKernel
from gan2hls.ops.joining import AlignedOp, exact, join_problems, shapes


@dataclass(frozen=True)
class Concat(AlignedOp):
    """Tensors of equal height, width, type and scale.

    Beats pass whole: the lanes divide the channels of each input but the last, whose pixel may end with a padded beat.
    So 64 + 3 channels may have 64 lanes, 2 beats a pixel, but 3 + 64 have 3 at most and take 23; channels in another
    order are the weights of what follows in another order.
    """

    stem: ClassVar[str] = "concat"
    arity: ClassVar[tuple[int, int | None]] = (2, None)

    def verify(self, *tensors: TensorType) -> Iterator[str]:
        if len({tensor.shape[:2] for tensor in tensors}) > 1:
            yield f"its inputs have different heights or widths: {shapes(tensors)}"
        yield from join_problems(tensors)

    def output_type(self, *tensors: TensorType) -> TensorType:
        first = tensors[0]
        channels = sum(tensor.channels for tensor in tensors)
        return TensorType((*first.shape[:2], channels), first.int_type, first.scale)

    def reference(self, *args: Any) -> np.ndarray:
        count = len(args) // 2
        xs = exact(args[:count], args[count].int_type.magnitude)
        frames = max(len(x) for x in xs)  # a constant is one frame
        return np.concatenate([np.broadcast_to(x, (frames, *x.shape[1:])) for x in xs], axis=3)

    def possible_lanes(self, tensors: Tensors) -> Sequence[int]:
        meet = math.gcd(*(tensor.channels for tensor in tensors[:-1]))
        return [lanes for lanes in range(1, meet + 1) if meet % lanes == 0]

    def kernel(self, tensors: Tensors, fold: Fold) -> ConcatKernel:
        ports = tuple(Port.of(tensor, fold.pe) for tensor in tensors)
        return ConcatKernel(ports, (Port.of(self.output_type(*tensors), fold.pe),))
