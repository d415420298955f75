"""Add, Sub, Concat, Slice and Constant over pairs and triples of inputs, forks among them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan2hls.errors import UserError
from gan2hls.folding import choose_folding
from gan2hls.ir import Flow, Fold, Graph, Input, IntType, Node, Op, TensorType
from gan2hls.ops import Add, Concat, Constant, Conv2d, Requantize, Slice, Sub
from tests.ops.contract import GraphCase, OpContract, draw_type

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


# -- what is refused, and lanes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "tensors", "problems"),
    [
        (
            Add(),
            [tensor((2, 2, 3), S8), tensor((2, 1, 3), U8, 0.25)],
            [
                "its inputs have different shapes: 2×2×3, 2×1×3",
                "input 2 has scale 0.25, input 1 0.5; requantize one of them",
                "input 2 is u8, input 1 s8; requantize one of them",
            ],
        ),
        (
            Sub(),
            [tensor((2, 2, 3), S8), tensor((2, 2, 3), S8, None)],
            ["input 2 has a scale for each channel; requantize it first"],
        ),
        (
            Add(),
            [tensor((1, 1, 1), IntType(63, True))] * 2,
            [
                "the result from -9223372036854775808 to 9223372036854775806 does not fit 63 bits; "
                "requantize the inputs to fewer"
            ],
        ),
        (
            Concat(),
            [tensor((2, 2, 3), S8), tensor((2, 1, 5), S8)],
            ["its inputs have different heights or widths: 2×2×3, 2×1×5"],
        ),
        (Slice(2, 4), [tensor((2, 2, 3), S8)], ["channels 2 to 4 are not supported; the input has 3"]),
        (Slice(1, 1), [tensor((2, 2, 3), S8)], ["channels 1 to 1 are not supported; the input has 3"]),
        (Constant(np.zeros((1, 1, 2), int), tensor((1, 1, 3), S8)), [],
         ["the values have shape (1, 1, 2), their type (1, 1, 3)"]),
        (Constant(np.full((1, 1, 1), 0.5), tensor((1, 1, 1), S8)), [], ["the values are float64; use integers"]),
        (Constant(np.full((1, 1, 1), 128), tensor((1, 1, 1), S8)), [],
         ["values from 128 to 128 do not fit s8: -128 to 127"]),
    ],
)  # fmt: skip
def test_what_does_not_meet_is_refused(op: Op, tensors: list[TensorType], problems: list[str]) -> None:
    assert list(op.verify(*tensors)) == problems


def test_a_join_in_a_graph_is_refused_by_name() -> None:
    nodes = (
        Node("a", Input(tensor((1, 1, 2), S8))), Node("b", Input(tensor((1, 1, 2), U8))), Node("sum", Add(), ("a", "b"))
    )  # fmt: skip
    with pytest.raises(UserError) as raised:
        Graph(nodes, ("sum",), {"a": (2,), "b": (2,), "sum": (2,)}).verify()
    assert str(raised.value) == "sum (Add): input 2 is u8, input 1 s8; requantize one of them"


@pytest.mark.parametrize(
    ("op", "channels", "possible", "refused"),
    [
        (Concat(), (64, 3), [1, 2, 4, 8, 16, 32, 64], 3),
        (Concat(), (3, 64), [1, 3], 2),
        (Concat(), (12, 8, 5), [1, 2, 4], 3),
        (Slice(6, 9), (12,), [1, 2, 3, 6], 4),
        (Slice(0, 3), (5,), [1, 2, 3, 4, 5], 6),
    ],
)
def test_lanes_pass_beats_whole(
    op: Concat | Slice, channels: tuple[int, ...], possible: list[int], refused: int
) -> None:
    tensors = tuple(tensor((2, 2, count), S8) for count in channels)
    assert list(op.possible_lanes(tensors)) == possible
    for lanes in possible:
        assert not list(op.fold_problems(tensors, Fold(lanes, lanes)))
    (problem,) = op.fold_problems(tensors, Fold(refused, refused))
    assert problem.startswith(f"pe {refused} is not supported; use 1 or ")


def test_lanes_are_as_few_as_keep_up() -> None:
    x = tensor((4, 4, 64), S8)
    slow = Flow(lanes=1, burst=8, next_lanes=0)
    assert Add().follow((x, x), slow, 10_000, None) == Fold(1, 1)
    assert Add().follow((x, x), slow, 16 * 13, None) == Fold(5, 5)
    assert Concat().follow((x, x), slow, 16 * 64, None) == Fold(2, 2)
    assert Concat().follow((x, x), Flow(5, 1, 0), 10_000, None) == Fold(8, 8)
    assert Concat().follow((tensor((4, 4, 3), S8), x), slow, 1, None) == Fold(3, 3)  # the most that there are
    assert Slice(32, 64).follow((x,), slow, 16 * 16, None) == Fold(4, 4)
    constant = Constant(np.zeros(x.shape, int), x)
    assert constant.follow((), replace(slow, next_lanes=6), 10_000, None) == Fold(6, 6)
    assert constant.follow((), slow, 16 * 8, None) == Fold(8, 8)


@pytest.mark.parametrize(("fold", "lanes"), [((1, 1), 1), ((6, 3), 3), ((6, 6), 6)])
def test_a_constant_has_the_lanes_of_what_takes_it(fold: tuple[int, int], lanes: int) -> None:
    x = tensor((2, 2, 6), S8)
    six = np.ones(6, dtype=np.int64)
    nodes = (
        Node("x", Input(x)), Node("c", Constant(np.ones(x.shape, int), x)),
        Node("conv", Conv2d(np.ones((1, 1, 6, 6), int), 8), ("x",)),
        Node("narrow", Requantize(six, 0 * six, 4, -128, 127, S8, 0.5), ("conv",)),
        Node("sum", Add(), ("narrow", "c")),
    )  # fmt: skip
    graph = Graph(nodes, ("sum",), {"x": (6, 2, 2), "sum": (6, 2, 2)}).verify()
    folding = choose_folding(graph, given={"conv": fold})
    assert folding["c"] == folding["sum"] == Fold(lanes, lanes)


def test_constants_are_saved(tmp_path: Path) -> None:
    x = tensor((1, 2, 3), S8)
    nodes = (
        Node("x", Input(x)), Node("c", Constant(np.arange(6).reshape(1, 2, 3), x)), Node("part", Slice(1, 3), ("x",)),
        Node("other", Slice(0, 2), ("c",)), Node("difference", Sub(), ("part", "other")),
        Node("both", Concat(), ("difference", "difference")),
    )  # fmt: skip
    graph = Graph(nodes, ("both",), {"x": (3, 1, 2), "both": (4, 1, 2)}).verify()
    graph.save(tmp_path / "graph")
    again = Graph.load(tmp_path / "graph")
    frames = np.arange(12).reshape(2, 3, 1, 2)
    assert np.array_equal(again.run_integers(frames), graph.run_integers(frames))
