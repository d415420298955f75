"""Table look-up against a dictionary, and the tables of tanh and sigmoid against decimal arithmetic."""

import math
from decimal import ROUND_FLOOR, Decimal, localcontext

import numpy as np
import pytest

from gan2hls.activations import scalar_function
from gan2hls.ir import IntType
from gan2hls.ops import Lookup
from gan2hls.ops.lookup import function_table
from tests.ops.contract import Case, OpContract, draw_type, single


def draw_table(rng: np.random.Generator, kind: IntType, output: IntType) -> Lookup:
    return Lookup(rng.integers(output.min, output.max + 1, 1 << kind.bits), output, 1.0)


class TestLookup(OpContract):
    def draw(self, rng: np.random.Generator) -> Case:
        height, width, channels = (int(value) for value in rng.integers(1, 7, 3))
        kind, output = draw_type(rng, 1, 10), draw_type(rng, 1, 16)
        lanes = int(rng.integers(1, channels + 1))
        return single("random", draw_table(rng, kind, output), (height, width, channels), kind, lanes)

    def corners(self, rng: np.random.Generator) -> list[Case]:
        s8, s12, u1 = IntType(8, True), IntType(12, True), IntType(1, False)
        tanh = Lookup(function_table(math.tanh, s8, 2**-5, s8, 2**-7), s8, 2**-7, "tanh")
        return [
            single("tanh", tanh, (4, 4, 3), s8, 3),
            single("12 bits", draw_table(rng, s12, IntType(16, True)), (8, 8, 3), s12, 2),
            single("1 bit", draw_table(rng, u1, u1), (3, 3, 2), u1),
        ]


@pytest.mark.parametrize("function", ["tanh", "sigmoid"])
@pytest.mark.parametrize("kind", [IntType(8, True), IntType(12, True), IntType(9, False)], ids=str)
def test_function_table(function: str, kind: IntType) -> None:
    output, scale, output_scale = IntType(8, True), 2.0**-6, 2.0**-7
    table = function_table(scalar_function(function, {}).compute, kind, scale, output, output_scale)
    with localcontext() as context:
        context.prec = 40
        for x, got in zip(range(kind.min, kind.max + 1), table.tolist(), strict=True):
            value = Decimal(x) * Decimal(scale)
            real = (2 * value).exp() if function == "tanh" else value.exp()
            real = (real - 1) / (real + 1) if function == "tanh" else real / (real + 1)
            rounded = (real / Decimal(output_scale) + Decimal("0.5")).to_integral_value(ROUND_FLOOR)
            assert got == min(max(int(rounded), output.min), output.max), (function, x)
