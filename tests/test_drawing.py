"""The drawing of a network: columns in the order of their depth, arrows to the next one, arcs over those between."""

import re

import numpy as np

from gan2hls.assembly import convert, fork, number, place
from gan2hls.budget import Budget
from gan2hls.ir import IntType
from gan2hls.ops import Add, Concat
from gan2hls.report.drawing import COLUMN_WIDTH, Drawing, draw
from tests.fuzz.graphs import Builder

S8 = IntType(8, True)


def drawn(builder: Builder, *outputs: str) -> Drawing:
    graph = builder.graph(outputs)
    return draw(number(convert(fork(place(graph, Budget(multipliers=500).fold(graph, 100.0))))))


def spans(drawing: Drawing) -> list[tuple[int, int]]:
    """The columns that each arc begins and ends at."""
    found = []
    for arc in drawing.arcs:
        left, right = re.match(r"M([\d.]+) \d+V\d+q0 -8 8 -8H([\d.]+)q", arc).groups()  # type: ignore[union-attr]
        found.append((int(float(left) // COLUMN_WIDTH), int((float(right) + 8) // COLUMN_WIDTH)))
    return found


def test_a_chain_has_no_arcs(rng: np.random.Generator) -> None:
    builder = Builder(rng)
    result = builder.input((4, 4, 3), S8)
    for channels in (5, 2):
        result = builder.convolution(result, channels, S8)
    drawing = drawn(builder, result)
    assert (len(drawing.blocks), drawing.arcs, drawing.over) == (3, [], 0)
    assert [block.arrow is not None for block in drawing.blocks] == [False, True, True]


def test_a_skip_is_an_arc_over_what_it_skips(rng: np.random.Generator) -> None:
    builder = Builder(rng)
    start = builder.convolution(builder.input((4, 4, 3), S8), 4, S8)
    inner = builder.convolution(start, 4, S8)
    total = builder.requantize(builder.put(Add(), start, builder.convolution(inner, 4, S8)), S8)
    last = builder.put(Concat(), total, start)
    drawing = drawn(builder, last)
    # input, start, inner, its convolution, the sum, the concatenation
    assert len(drawing.blocks) == 6
    assert spans(drawing) == [(1, 4), (1, 5)]
    assert all(block.arrow for block in drawing.blocks[1:])
    tops = [int(re.findall(r"V(\d+)q", arc)[0]) for arc in drawing.arcs]
    assert tops[1] < tops[0], "the longer arc runs above the shorter one"
    assert drawing.over > 0 and drawing.bars_bottom < drawing.height


def test_columns_stand_by_depth_whatever_the_order_of_the_nodes(rng: np.random.Generator) -> None:
    builder = Builder(rng)
    first, second = (builder.input((3, 3, 2), S8) for _ in range(2))
    deep = builder.convolution(builder.convolution(first, 2, S8), 2, S8)
    shallow = builder.convolution(second, 2, S8)
    drawing = drawn(builder, builder.put(Add(), deep, shallow))
    assert [block.above[0] for block in drawing.blocks[:2]] == ["input", "input"]
    names = [block.above[0] for block in drawing.blocks[2:]]
    assert names[1].startswith("conv2d") and names[0].startswith("conv2d") and names[-1].startswith("add")
    assert spans(drawing) == [(0, 2), (1, 3), (2, 4), (3, 5)]
    assert [block.arrow is not None for block in drawing.blocks] == [False, False, False, False, False, True]
