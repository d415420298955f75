"""Nearest-neighbour upsampling against torch's own."""

import numpy as np

from gan2hls.ir import IntType
from gan2hls.ops import Upsample
from tests.ops.contract import Case, OpContract, draw_type, single


class TestUpsample(OpContract):
    def draw(self, rng: np.random.Generator) -> Case:
        height, width, channels = (int(value) for value in rng.integers(1, 6, 3))
        factor = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
        lanes = int(rng.integers(1, channels + 1))
        return single("random", Upsample(factor), (height, width, channels), draw_type(rng, 1, 16), lanes)

    def corners(self, rng: np.random.Generator) -> list[Case]:
        s8 = IntType(8, True)
        return [
            single("twice", Upsample((2, 2)), (4, 4, 4), s8, 2),
            single("as it is", Upsample((1, 1)), (3, 3, 2), s8),
            single("one pixel", Upsample((3, 5)), (1, 1, 3), IntType(1, False), 3),
            single("rows only", Upsample((3, 1)), (2, 5, 3), s8, 2),
            single("columns only", Upsample((1, 3)), (3, 2, 5), IntType(11, False), 2),
        ]
