"""Convolution against torch's own."""

import numpy as np

from gan2hls.ir import IntType
from gan2hls.ops import Conv2d
from tests.ops.contract import Case, OpContract, single
from tests.ops.mac_cases import S8, U8, draw_case, draw_weights, integers, sizes


def make(rng: np.random.Generator) -> tuple[Conv2d, tuple[int, int]]:
    kernel, channels = sizes(rng, 2, 5), sizes(rng, 2, 6)
    stride = sizes(rng, 2, 4)
    padding = [int(rng.integers(0, size + 1)) for size in kernel]
    weights = draw_weights(rng, (*kernel, *channels))
    op = Conv2d(**weights, stride=(stride[0], stride[1]), padding=(padding[0], padding[1]))
    height, width = sizes(rng, 2, 7)
    return op, (height, width)


class TestConv2d(OpContract):
    def draw(self, rng: np.random.Generator) -> Case:
        return draw_case(rng, make)

    def corners(self, rng: np.random.Generator) -> list[Case]:
        def op(*shape: int, bits: int = 8, **options) -> Conv2d:
            return Conv2d(integers(rng, shape, bits), bits, **options)

        binary = Conv2d(rng.integers(0, 2, (3, 3, 5, 2)), 1, codebook=(-1, 1), padding=(1, 1))
        ternary = Conv2d(rng.integers(0, 4, (3, 3, 2, 3)), 2, codebook=(0, 1, -1, -8), stride=(2, 2), padding=(1, 1))
        return [
            single("same size", op(3, 3, 4, 4, padding=(1, 1)), (4, 4, 4), U8, 2, 4),
            single("rows that nobody reads", op(1, 1, 3, 2, stride=(3, 3)), (6, 5, 3), S8, 2, 2),
            single("ring smaller than a row", op(1, 1, 2, 2, stride=(2, 3)), (5, 7, 2), S8, 1, 1),
            single("kernel larger than the image", op(5, 4, 2, 3, padding=(3, 2)), (2, 2, 2), S8, 2, 1),
            single("pixels without taps", op(1, 2, 3, 2, stride=(2, 3), padding=(2, 4)), (3, 3, 3), S8, 1, 3),
            single("1x1 input", op(1, 1, 6, 5), (1, 1, 6), IntType(2, False), 3, 4),
            single("bound by loading", op(2, 2, 1, 4, stride=(4, 4)), (7, 6, 1), S8, 4, 1),
            single(
                "16 bits", op(2, 3, 3, 3, stride=(1, 2), padding=(1, 0), bits=16), (3, 5, 3), IntType(16, False), 3, 3
            ),
            single("1-bit weights", binary, (3, 4, 5), U8, 2, 3),
            single("2-bit codebook", ternary, (5, 3, 2), IntType(5, True), 2, 2),
            single("all taps at once", op(3, 3, 3, 4, padding=(1, 1)), (5, 4, 3), U8, 2, 3, taps=(3, 3)),
            single(
                "block of taps, one channel",
                op(3, 4, 1, 3, stride=(2, 1), padding=(1, 2)),
                (5, 6, 1),
                S8,
                3,
                1,
                taps=(2, 3),
            ),
            single("rest of two taps", op(4, 3, 5, 3, padding=(2, 1)), (4, 5, 5), S8, 2, 4, rest=(1, 3)),
            single(
                "blocks and rests",
                op(4, 3, 5, 4, stride=(1, 2), padding=(2, 1), bits=4),
                (4, 6, 5),
                U8,
                4,
                3,
                2,
                taps=(1, 2),
                rest=(3, 1),
            ),
            single("blocks and rests of 1-bit weights", binary, (3, 4, 5), U8, 2, 3, taps=(2, 2), rest=(3, 2)),
            single(
                "blocks, rests and pixels without taps",
                op(1, 2, 3, 2, stride=(2, 3), padding=(2, 4)),
                (3, 5, 3),
                S8,
                2,
                2,
                taps=(1, 2),
                rest=(1, 2),
            ),
            single(
                "blocks bound by loading", op(2, 2, 3, 2, stride=(4, 4)), (7, 6, 3), U8, 2, 2, taps=(2, 2), rest=(2, 2)
            ),
        ]
