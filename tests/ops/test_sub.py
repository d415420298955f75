"""Sub over pairs of inputs, and of a constant."""

import numpy as np

from gan2hls.ir import IntType, Node
from gan2hls.ops import Constant, Sub
from tests.ops.contract import GraphCase, draw_type
from tests.ops.join_contract import U8, JoinContract, draw_shape, joined, tensor


class TestSub(JoinContract):
    def draw(self, rng: np.random.Generator) -> GraphCase:
        shape, kind = draw_shape(rng), draw_type(rng, 1, 16)
        return joined("random", Sub(), [tensor(shape, kind)] * 2, int(rng.integers(1, shape[2] + 1)))

    def corners(self, rng: np.random.Generator) -> list[GraphCase]:
        x = tensor((2, 3, 4), U8)
        minus = (Node("one", Constant(np.full(x.shape, 1), x)), Node("join", Sub(), ("one", "x")))
        return [
            joined("1 bit", Sub(), [tensor((2, 3, 3), IntType(1, True))] * 2, 2),
            GraphCase("from a constant", {"x": x}, minus, {"one": 4, "join": 2}),
        ]
