"""Transposed convolution against torch's own."""

import numpy as np

from gan2hls.ir import IntType
from gan2hls.ops import ConvTranspose2d
from tests.ops.contract import Case, OpContract, single
from tests.ops.mac_cases import S8, U8, draw_case, draw_weights, integers, sizes


def make(rng: np.random.Generator) -> tuple[ConvTranspose2d, tuple[int, int]]:
    kernel, channels = sizes(rng, 2, 5), sizes(rng, 2, 6)
    stride = sizes(rng, 2, 4)
    padding = [int(rng.integers(0, size + 1)) for size in kernel]
    extra = [int(rng.integers(0, step)) for step in stride]
    op = ConvTranspose2d(
        **draw_weights(rng, (*kernel, *channels)),
        stride=(stride[0], stride[1]),
        padding=(padding[0], padding[1]),
        output_padding=(extra[0], extra[1]),
    )
    height, width = sizes(rng, 2, 5)
    return op, (height, width)


class TestConvTranspose2d(OpContract):
    def draw(self, rng: np.random.Generator) -> Case:
        return draw_case(rng, make)

    def corners(self, rng: np.random.Generator) -> list[Case]:
        def op(*shape: int, bits: int = 8, **options) -> ConvTranspose2d:
            return ConvTranspose2d(integers(rng, shape, bits), bits, **options)

        binary = ConvTranspose2d(
            rng.integers(0, 2, (3, 3, 4, 3)), 1, codebook=(-1, 1), stride=(2, 2), padding=(1, 1), output_padding=(1, 1)
        )
        ternary = ConvTranspose2d(
            rng.integers(0, 4, (4, 4, 3, 4)), 2, codebook=(0, 1, -1, 7), stride=(2, 2), padding=(1, 1)
        )
        return [
            single("DCGAN layer", op(4, 4, 4, 4, stride=(2, 2), padding=(1, 1)), (4, 4, 4), S8, 2, 2),
            single("stride > kernel", op(2, 1, 3, 2, stride=(3, 3), output_padding=(2, 1)), (3, 2, 3), S8, 2, 3),
            single("1x1 input", op(4, 4, 5, 3, stride=(1, 1)), (1, 1, 5), U8, 3, 2),
            single("one channel", op(3, 3, 1, 1, stride=(2, 2)), (3, 4, 1), IntType(2, True)),
            single("cropped", op(5, 4, 2, 2, stride=(2, 3), padding=(4, 3)), (5, 4, 2), S8, 1, 2),
            single(
                "rectangular",
                op(2, 5, 3, 5, stride=(3, 1), padding=(0, 2), bits=16),
                (2, 5, 3),
                IntType(16, True),
                5,
                2,
            ),
            single("1-bit weights", binary, (3, 3, 4), U8, 3, 4),
            single("2-bit codebook", ternary, (2, 3, 3), IntType(4, False), 3, 2),
            single("2-bit weights", op(3, 2, 3, 4, bits=2), (2, 3, 3), S8, 3, 2),
            single("W8A8, 2 packed", op(4, 4, 4, 4, stride=(2, 2), padding=(1, 1)), (2, 2, 4), S8, 4, 2, 2),
            single("W4A8, 2 packed of 3", op(3, 3, 3, 3, bits=4), (2, 2, 3), U8, 3, 3, 2),
            single("W4A4, 3 packed of 5", op(3, 3, 3, 5, bits=4), (2, 2, 3), IntType(4, True), 5, 2, 3),
            single("codebook, 2 packed", ternary, (2, 3, 3), IntType(4, False), 3, 2, 2),
            single(
                "all taps of a DCGAN layer",
                op(4, 4, 3, 3, stride=(2, 2), padding=(1, 1)),
                (4, 5, 3),
                U8,
                3,
                3,
                taps=(2, 2),
            ),
            single("column of taps", op(4, 3, 2, 2, stride=(1, 2)), (5, 3, 2), S8, 2, 1, taps=(3, 1)),
            single("rest of two taps", op(3, 4, 4, 3, stride=(1, 1), padding=(1, 2)), (4, 3, 4), S8, 2, 3, rest=(3, 1)),
            single(
                "blocks and rests, 2 packed",
                op(4, 4, 5, 4, stride=(2, 1), padding=(1, 2), bits=4),
                (3, 5, 5),
                S8,
                4,
                3,
                2,
                taps=(2, 1),
                rest=(1, 3),
            ),
            single("blocks and rests of 1-bit weights", binary, (3, 3, 4), U8, 3, 3, taps=(2, 1), rest=(2, 2)),
            single(
                "blocks and rests of a codebook",
                ternary,
                (3, 4, 3),
                IntType(4, False),
                4,
                2,
                2,
                taps=(1, 2),
                rest=(2, 2),
            ),
            single(
                "blocks, rests and stride > kernel",
                op(2, 4, 3, 2, stride=(3, 3), output_padding=(2, 1)),
                (3, 4, 3),
                S8,
                2,
                2,
                taps=(1, 2),
                rest=(1, 2),
            ),
        ]
