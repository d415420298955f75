"""What the tests of ops with several inputs share: graphs of them, and results in plain Python integers."""

import numpy as np

from gan2hls.ir import IntType, Node, TensorType
from gan2hls.ops import Add, Concat, Constant, Slice, Sub
from tests.ops.contract import GraphCase, OpContract

S8, U8 = IntType(8, True), IntType(8, False)


def tensor(shape: tuple[int, int, int], kind: IntType, scale: float | None = 0.5) -> TensorType:
    return TensorType(shape, kind, scale)


def draw_shape(rng: np.random.Generator) -> tuple[int, int, int]:
    height, width, channels = (int(value) for value in rng.integers(1, 6, 3))
    return height, width, channels


def joined(label: str, op: Add | Sub | Concat, tensors: list[TensorType], lanes: int) -> GraphCase:
    """One op on an input for each of its own."""
    inputs = {f"x{index}": tensor for index, tensor in enumerate(tensors)}
    return GraphCase(label, inputs, (Node("join", op, tuple(inputs)),), {"join": lanes})


class JoinContract(OpContract):
    """The result, element by element in plain Python integers; `x` is a mapping."""

    def outside(self, case: GraphCase, x: dict[str, np.ndarray]) -> np.ndarray:
        frames = len(next(iter(x.values())))
        results = {name: values.tolist() for name, values in x.items()}
        for node in case.nodes:
            taken = [results[name] for name in node.inputs]
            if isinstance(node.op, Constant):
                results[node.name] = [node.op.values.tolist()] * frames
                continue
            results[node.name] = [
                [
                    [outside_pixel(node.op, [operand[n][y][column] for operand in taken])
                     for column in range(len(taken[0][n][y]))]
                    for y in range(len(taken[0][n]))
                ]
                for n in range(frames)
            ]  # fmt: skip
        return np.array(results[case.nodes[-1].name], dtype=np.int64)


def outside_pixel(op: Add | Sub | Concat | Slice, pixels: list[list[int]]) -> list[int]:
    """The result's channels for those of each input."""
    if isinstance(op, Add):
        return [sum(channels) for channels in zip(*pixels, strict=True)]
    if isinstance(op, Sub):
        return [a - b for a, b in zip(*pixels, strict=True)]
    if isinstance(op, Concat):
        return [channel for pixel in pixels for channel in pixel]
    assert isinstance(op, Slice)
    (pixel,) = pixels
    return pixel[op.start : op.stop]
