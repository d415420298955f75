"""Slice of some channels, and a split whose parts meet again."""

import numpy as np

from gan2hls.ir import Node, TensorType
from gan2hls.ops import Concat, Slice
from tests.ops.contract import GraphCase, draw_type
from tests.ops.join_contract import S8, JoinContract, draw_shape, tensor


class TestSlice(JoinContract):
    def draw(self, rng: np.random.Generator) -> GraphCase:
        (height, width, _), kind, lanes = draw_shape(rng), draw_type(rng, 1, 16), int(rng.integers(1, 4))
        start = lanes * int(rng.integers(0, 4))
        stop = start + int(rng.integers(1, 7))
        channels = max(lanes, stop + int(rng.integers(0, 6)))
        return self.sliced("random", tensor((height, width, channels), kind), Slice(start, stop), lanes)

    @staticmethod
    def sliced(label: str, x: TensorType, op: Slice, lanes: int) -> GraphCase:
        return GraphCase(label, {"x": x}, (Node("slice", op, ("x",)),), {"slice": lanes})

    def corners(self, rng: np.random.Generator) -> list[GraphCase]:
        x = tensor((2, 3, 7), S8)
        swapped = (
            Node("low", Slice(0, 4), ("x",)), Node("high", Slice(4, 7), ("x",)),
            Node("join", Concat(), ("low", "high")),
        )  # fmt: skip
        return [
            self.sliced("all", x, Slice(0, 7), 3),
            self.sliced("the first", x, Slice(0, 1), 7),
            self.sliced("the last", x, Slice(6, 7), 3),
            GraphCase("a split", {"x": x}, swapped, {"low": 2, "high": 2, "join": 2}, {"stream_2": 16, "stream_1": 16}),
        ]
