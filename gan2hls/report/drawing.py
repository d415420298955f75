"""The drawing of the network: tensors as boxes from left to right, cycles as bars. All coordinates of its SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan2hls.folding import Pipeline
from gan2hls.ir import TensorType
from gan2hls.report.layers import LayerRow, layer_rows, times

COLUMN_WIDTH, HEIGHT = 150, 404
MIN_WIDTH, MAX_WIDTH = 132, 190
"""Pixels that a column may take on the page."""

FACE, DEPTH = 78, 46
"""Largest face and largest depth of a box."""

MIDDLE, BARS_TOP, BARS_BOTTOM = 146, 278, 358


@dataclass(frozen=True)
class Bar:
    """Cycles of one op: a rectangle, `kind` "mac", "other" or "limiting"."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


@dataclass(frozen=True)
class Box:
    """A tensor: the points of its three visible faces, and where it begins and ends."""

    front: str
    top: str
    side: str
    left: float
    right: float


@dataclass(frozen=True)
class Block:
    """A column: lines of text on the ops, the tensor they give as a box, lines on it, and bars of cycles.

    `arrow` runs from the box before to this one's; the first has none.
    """

    centre: float
    title: str
    above: list[str]
    box: Box
    arrow: tuple[float, float] | None
    below: list[str]
    bars: list[Bar]
    cycles: str
    folding: str
    limiting: bool


@dataclass(frozen=True)
class Drawing:
    """The network from left to right; `width` × `height` SVG units, shown `min_width` to `max_width` pixels wide."""

    width: int
    height: int
    min_width: int
    max_width: int
    blocks: list[Block]
    middle: int = MIDDLE
    bars_top: int = BARS_TOP
    bars_bottom: int = BARS_BOTTOM


def draw(pipeline: Pipeline) -> Drawing:
    """A box for the input, one for each layer with weights and each upsampling, with the ops that follow it."""
    groups: list[list[LayerRow]] = [[]]
    for row in layer_rows(pipeline):
        if len(groups) == 1 or row.is_mac or row.type == "Upsample":
            groups.append([])
        groups[-1].append(row)
    ends = np.cumsum([len(group) for group in groups])
    shown = [pipeline.graph.types[end] for end in ends]
    boxes = _boxes([tensor.shape for tensor in shown])
    blocks = [
        _block(index, groups[index], tensor, boxes[index], boxes[index - 1] if index else None)
        for index, tensor in enumerate(shown)
    ]
    count = len(blocks)
    return Drawing(COLUMN_WIDTH * count, HEIGHT, MIN_WIDTH * count, MAX_WIDTH * count, blocks)


def _boxes(shapes: Sequence[tuple[int, int, int]]) -> list[Box]:
    """Boxes of tensors (height, width, channels) in columns from left to right, sizes on one logarithmic scale."""
    largest, deepest = max(max(shape[:2]) for shape in shapes), max(shape[2] for shape in shapes)
    boxes = []
    for index, shape in enumerate(shapes):
        height, width = (10 + (FACE - 10) * _log_share(size, largest) for size in shape[:2])
        depth = 4 + (DEPTH - 4) * _log_share(shape[2], deepest)
        dx, dy = 0.8 * depth, 0.5 * depth
        x0, y0 = COLUMN_WIDTH * (index + 0.5) - (width + dx) / 2, MIDDLE - (height - dy) / 2
        x1, y1 = x0 + width, y0 + height
        front = _points((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        top = _points((x0, y0), (x0 + dx, y0 - dy), (x1 + dx, y0 - dy), (x1, y0))
        side = _points((x1, y0), (x1 + dx, y0 - dy), (x1 + dx, y1 - dy), (x1, y1))
        boxes.append(Box(front, top, side, x0, x1 + dx))
    return boxes


def _points(*corners: tuple[float, float]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _block(index: int, group: list[LayerRow], tensor: TensorType, box: Box, before: Box | None) -> Block:
    centre = COLUMN_WIDTH * (index + 0.5)
    main = group[0] if group else None
    return Block(
        centre=centre,
        title=", ".join(f"{row.name} ({row.type})" for row in group) or "input",
        above=_above(group, main),
        box=box,
        arrow=(before.right + 5, box.left - 5) if before else None,
        below=[times(tensor.shape), str(tensor.int_type)],
        bars=_bars(group, centre),
        cycles=f"{max(row.cycles for row in group):,} cycles" if group else "",
        folding=f"PE {main.pe} × SIMD {main.simd}" if main else "",
        limiting=any(row.limiting for row in group),
    )


def _log_share(size: int, largest: int) -> float:
    """0 for 1, 1 for the largest: 4×4 and 64×64 must both be seen."""
    return math.log2(size) / math.log2(largest) if largest > 1 else 1.0


def _above(group: list[LayerRow], main: LayerRow | None) -> list[str]:
    if main is None:
        return ["input"]
    rest = ", ".join((row.detail or row.type).lower() for row in group if row is not main)
    weights = f"{main.weight_type} weights" if main.weight_type else ""
    lines = [main.type, main.detail, weights, f"+ {rest}" if rest else ""]
    return [_shorten(main.name, 18), *(_shorten(line, 24) for line in lines if line)]


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _bars(group: list[LayerRow], centre: float) -> list[Bar]:
    widths = [26 if row.is_mac else 12 for row in group]
    x = centre - (sum(widths) + 4 * (len(widths) - 1)) / 2
    bars = []
    for row, width in zip(group, widths, strict=True):
        height = max(1.0, row.share * (BARS_BOTTOM - BARS_TOP))
        kind = "limiting" if row.limiting else "mac" if row.is_mac else "other"
        title = f"{row.name} ({row.type}): {row.cycles:,} cycles, {row.share:.1%} of the interval"
        bars.append(Bar(x, BARS_BOTTOM - height, width, height, kind, title))
        x += width + 4
    return bars
