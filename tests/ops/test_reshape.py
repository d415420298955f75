"""Reshape: the elements of a frame, one after the other, stay the same."""

import numpy as np

from gan2hls.ir import IntType
from gan2hls.ops import Reshape
from tests.ops.contract import Case, OpContract, draw_type, single


class TestReshape(OpContract):
    def draw(self, rng: np.random.Generator) -> Case:
        while True:
            height, width, channels = (int(value) for value in rng.integers(1, 7, 3))
            elements = height * width * channels
            out_height, out_channels = int(rng.integers(1, 5)), int(rng.integers(1, 10))
            if elements % (out_height * out_channels) == 0:
                break
        op = Reshape((out_height, elements // (out_height * out_channels), out_channels))
        pe, simd = int(rng.integers(1, out_channels + 1)), int(rng.integers(1, channels + 1))
        return single("random", op, (height, width, channels), draw_type(rng, 1, 16), pe, simd)

    def corners(self, rng: np.random.Generator) -> list[Case]:
        s8 = IntType(8, True)
        return [
            single("vector to pixels", Reshape((2, 2, 4)), (1, 1, 16), s8, 2, 2),
            single("vector to pixels, nothing divides", Reshape((2, 3, 5)), (1, 1, 30), s8, 3, 4),
            single("pixels to vector", Reshape((1, 1, 24)), (2, 3, 4), s8, 5, 3),
            single("same channels", Reshape((3, 2, 7)), (2, 3, 7), s8, 3, 3),
            single("wider", Reshape((2, 2, 6)), (4, 1, 6), IntType(1, False), 6, 1),
            single("padded beats in bursts", Reshape((3, 5, 4)), (4, 3, 5), s8, 3, 4),
        ]
