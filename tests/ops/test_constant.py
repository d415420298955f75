"""A constant at either side of what takes it."""

import numpy as np

from gan2hls.ir import Node, TensorType
from gan2hls.ops import Concat, Constant, Sub
from tests.ops.contract import GraphCase, draw_type
from tests.ops.join_contract import S8, JoinContract, draw_shape, tensor


def constant(rng: np.random.Generator, kind: TensorType) -> Constant:
    return Constant(rng.integers(kind.int_type.min, kind.int_type.max + 1, kind.shape), kind)


class TestConstant(JoinContract):
    def draw(self, rng: np.random.Generator) -> GraphCase:
        x = tensor(draw_shape(rng), draw_type(rng, 1, 16))
        lanes = {name: int(rng.integers(1, x.channels + 1)) for name in ("constant", "join")}
        nodes = (Node("constant", constant(rng, x)), Node("join", Sub(), ("constant", "x")))
        return GraphCase("random", {"x": x}, nodes, lanes)

    def corners(self, rng: np.random.Generator) -> list[GraphCase]:
        x, one = tensor((2, 3, 4), S8), tensor((1, 1, 1), S8)
        first = (Node("constant", constant(rng, x)), Node("join", Concat(), ("constant", "x")))
        single = (Node("constant", constant(rng, one)), Node("join", Concat(), ("constant", "x")))
        return [
            GraphCase("before", {"x": x}, first, {"constant": 2, "join": 2}),
            GraphCase("one word", {"x": one}, single, {"constant": 1, "join": 1}),
        ]
