"""Concat over pairs and triples of inputs, a value twice and a constant."""

import numpy as np

from gan2hls.ir import Node
from gan2hls.ops import Concat, Constant
from tests.ops.contract import GraphCase, draw_type
from tests.ops.join_contract import S8, JoinContract, draw_shape, joined, tensor


class TestConcat(JoinContract):
    def draw(self, rng: np.random.Generator) -> GraphCase:
        (height, width, _), kind, count = draw_shape(rng), draw_type(rng, 1, 16), int(rng.integers(2, 4))
        lanes = int(rng.integers(1, 4))
        channels = [*(lanes * int(n) for n in rng.integers(1, 4, count - 1)), int(rng.integers(1, 8))]
        return joined("random", Concat(), [tensor((height, width, c), kind) for c in channels], lanes)

    def corners(self, rng: np.random.Generator) -> list[GraphCase]:
        wide, narrow = tensor((2, 2, 8), S8), tensor((2, 2, 3), S8)
        constant = Constant(rng.integers(-128, 128, narrow.shape), narrow)
        with_constant = (Node("rest", constant), Node("join", Concat(), ("x", "rest")))
        twice = (Node("join", Concat(), ("x", "x")),)
        return [
            joined("narrow last", Concat(), [wide, narrow], 4),
            joined("narrow first", Concat(), [narrow, wide], 3),
            joined("one lane more", Concat(), [narrow, narrow, wide], 3),
            GraphCase("a constant", {"x": wide}, with_constant, {"rest": 3, "join": 4}),
            GraphCase("a value twice", {"x": wide}, twice, {"join": 2}, {"stream_2": 8}),
        ]
