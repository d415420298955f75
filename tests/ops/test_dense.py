"""Fully connected layer against torch's own."""

import numpy as np

from gan2hls.ir import IntType
from gan2hls.ops import Dense
from tests.ops.contract import Case, OpContract, single
from tests.ops.mac_cases import S8, U8, draw_case, draw_weights, integers


def make(rng: np.random.Generator) -> tuple[Dense, tuple[int, int]]:
    channels = [int(value) for value in rng.integers(1, 20, 2)]
    return Dense(**draw_weights(rng, (1, 1, *channels))), (1, 1)


class TestDense(OpContract):
    def draw(self, rng: np.random.Generator) -> Case:
        return draw_case(rng, make)

    def corners(self, rng: np.random.Generator) -> list[Case]:
        def op(inputs: int, outputs: int, bits: int = 8) -> Dense:
            return Dense(integers(rng, (1, 1, inputs, outputs), bits), bits)

        binary = Dense(rng.integers(0, 2, (1, 1, 12, 8)), 1, codebook=(-1, 1))
        symmetric = Dense(np.maximum(integers(rng, (1, 1, 3, 4), 16), 1 - (1 << 15)), 16)
        return [
            single("largest packed product", symmetric, (1, 1, 3), IntType(16, True), 4, 2, 2),  # 64 bits
            single("one to one", op(1, 1), (1, 1, 1), S8),
            single("all at once", op(9, 7), (1, 1, 9), U8, 7, 9),
            single("nothing divides", op(11, 7), (1, 1, 11), S8, 3, 4),
            single("bound by loading", op(13, 2), (1, 1, 13), S8, 2, 2),
            single("smallest bits", op(6, 5, bits=1), (1, 1, 6), IntType(1, False), 2, 2),
            single("largest bits", op(6, 4, bits=16), (1, 1, 6), IntType(16, True), 1, 6),
            single("1-bit weights", binary, (1, 1, 12), IntType(2, True), 4, 5),
        ]
