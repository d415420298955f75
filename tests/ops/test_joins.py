"""Ops with several inputs: what they refuse, how they are folded and saved."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan2hls.errors import UserError
from gan2hls.folding import choose_folding
from gan2hls.ir import Flow, Fold, Graph, Input, IntType, Node, Op, TensorType
from gan2hls.ops import Add, Concat, Constant, Conv2d, Requantize, Slice, Sub
from tests.ops.join_contract import S8, U8, tensor


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


def test_an_output_that_never_changes_is_refused() -> None:
    x = tensor((1, 1, 2), S8)
    nodes = (
        Node("x", Input(x)), Node("c", Constant(np.ones(x.shape, int), x)), Node("part", Slice(0, 1), ("c",)),
        Node("sum", Add(), ("x", "c")),
    )  # fmt: skip
    with pytest.raises(UserError) as raised:
        Graph(nodes, ("part", "sum"), {"x": (2,), "part": (1,), "sum": (2,)}).verify()
    assert str(raised.value) == (
        "output 'part' depends on no input: every frame of it would be the same, and nothing would end it"
    )


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
