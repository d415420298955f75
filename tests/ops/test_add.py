"""Add over pairs and triples of inputs, a value twice and a constant."""

import numpy as np

from gan2hls.ir import IntType, Node
from gan2hls.ops import Add, Constant
from tests.ops.contract import GraphCase, draw_type
from tests.ops.join_contract import S8, JoinContract, draw_shape, joined, tensor


class TestAdd(JoinContract):
    def draw(self, rng: np.random.Generator) -> GraphCase:
        shape, kind, count = draw_shape(rng), draw_type(rng, 1, 16), int(rng.integers(2, 4))
        lanes = int(rng.integers(1, shape[2] + 1))
        return joined("random", Add(), [tensor(shape, kind)] * count, lanes)

    def corners(self, rng: np.random.Generator) -> list[GraphCase]:
        x = tensor((3, 2, 5), S8)
        constant = Constant(rng.integers(-128, 128, x.shape), x)
        with_constant = (Node("bias", constant), Node("join", Add(), ("x", "bias")))
        twice = (Node("join", Add(), ("x", "x")),)
        return [
            joined("1 bit", Add(), [tensor((2, 3, 3), IntType(1, True))] * 2, 2),
            joined("1 bit unsigned", Add(), [tensor((1, 1, 1), IntType(1, False))] * 3, 1),
            joined("4 of 40 bits", Add(), [tensor((2, 2, 3), IntType(40, True))] * 4, 3),
            GraphCase("a constant", {"x": x}, with_constant, {"bias": 2, "join": 2}),
            GraphCase("a value twice", {"x": x}, twice, {"join": 2}),
        ]
