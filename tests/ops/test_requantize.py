"""Requantize against its formula in plain Python fractions."""

import numpy as np

from gan2hls.ir import IntType
from gan2hls.ops import Requantize
from gan2hls.ops.requantize import MULTIPLIER_BITS
from tests.ops.contract import Case, OpContract, draw_type, single

S20 = IntType(20, True)


def draw_factors(rng: np.random.Generator, channels: int, power_of_two: bool) -> np.ndarray:
    bits = int(rng.integers(2, MULTIPLIER_BITS + 1))
    if power_of_two:
        return 1 << rng.integers(0, bits - 1, channels)
    return rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), channels)


def draw_op(rng: np.random.Generator, channels: int, kind: IntType, most_bits: int = 12) -> Requantize:
    """A shift and biases that leave something between saturation at either end, at least now and then."""
    output = draw_type(rng, 1, most_bits)
    multiplier = draw_factors(rng, channels, bool(rng.integers(2)))
    product = kind.magnitude * int(np.abs(multiplier).max())
    shift = max(0, min(40, product.bit_length() - output.bits + int(rng.integers(-2, 3))))
    offset = 1 << max(1, product.bit_length() - int(rng.integers(0, 6)))
    low, high = sorted(int(value) for value in rng.integers(output.min, output.max + 1, 2))
    if rng.integers(2):
        low, high = output.min, output.max
    negative = {}
    if rng.integers(2):
        negative = {
            "negative_multiplier": draw_factors(rng, channels, False),
            "negative_bias": rng.integers(-offset, offset + 1, channels),
        }
    bias = rng.integers(-offset, offset + 1, channels)
    return Requantize(multiplier, bias, shift, low, high, output, 1.0, **negative)


class TestRequantize(OpContract):
    random_references = 150
    random_designs = 7

    def draw(self, rng: np.random.Generator) -> Case:
        height, width, channels = (int(value) for value in rng.integers(1, 7, 3))
        kind = draw_type(rng, 2, 30)
        lanes = int(rng.integers(1, channels + 1))
        return single("random", draw_op(rng, channels, kind), (height, width, channels), kind, lanes)

    def corners(self, rng: np.random.Generator) -> list[Case]:
        def op(multiplier, bias, shift: int, low: int, high: int, bits: int = 8, *negative) -> Requantize:
            output = IntType(bits, low < 0)
            arrays = [np.array(values) for values in negative]
            return Requantize(np.array(multiplier), np.array(bias), shift, low, high, output, 1.0, *arrays)

        leaky = op([77, -131071, 0], [-5000, 999, -1], 14, -128, 127, 8, [-3, 40000, 7], [11, -(2**20), 2**14])
        shifted_leaky = op([1, 256, 4096], [3, -70000, 1 << 30], 10, -2048, 2047, 12, [51, -25, 131071], [0, 7, -9])
        return [
            single("no shift", op([1, -1, 3], [0, 5, -7], 0, -128, 127), (3, 3, 3), IntType(7, True), 2),
            single("halves", op([1, 1, -1, -1], [0, 1, 0, -1], 1, -128, 127), (4, 5, 4), IntType(6, True), 4),
            single("ReLU to 1 bit", op([3, 17], [1, -90], 8, 0, 1, 1), (4, 4, 2), IntType(10, True)),
            single("saturates everything", op([131071, -131072], [0, 0], 0, -3, 2, 3), (2, 3, 2), S20, 2),
            single("leaky, m negative and 0", leaky, (3, 3, 3), S20, 3),
            single("leaky, shifts for m", shifted_leaky, (3, 3, 3), IntType(19, False), 2),
            single("powers of two", op([1, 2, 65536], [0, -3, 2**33], 12, -128, 127), (3, 2, 3), IntType(24, True), 1),
            single("wide", op([131071, -131072], [2**45, -(2**45)], 47, -128, 127), (2, 2, 2), IntType(40, True), 2),
        ]
