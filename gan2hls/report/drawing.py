"""The drawing of the network: tensors as boxes from left to right, cycles as bars. All coordinates of its SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gan2hls.pipeline import Pipeline
from gan2hls.report.layers import LayerRow, layer_rows, times
from gan2hls.report.points import HELPERS, LayerPoint

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


@dataclass(frozen=True)
class Step:
    """An op as it is drawn; `detail`, `weights` and `fold` are lines of text or "", `share` is of the interval."""

    name: str
    type: str
    detail: str
    weights: str
    shape: tuple[int, int, int]
    output: str
    fold: str
    cycles: int
    share: float
    is_mac: bool
    limiting: bool


def draw(pipeline: Pipeline) -> Drawing:
    """A box for the input, one for each layer with weights and each upsampling, with the ops that follow it."""
    tensor = next(iter(pipeline.graph.input_types.values()))
    return _draw([_step(row) for row in layer_rows(pipeline)], (tensor.shape, str(tensor.int_type)))


def draw_point(layers: Sequence[LayerPoint]) -> Drawing:
    """The same of a point of a sweep, which does not tell its input."""
    slowest = max(layer.cycles for layer in layers)
    return _draw([_step_of(layer, slowest) for layer in layers if layer.type not in HELPERS], None)


def _step(row: LayerRow) -> Step:
    weights = f"{row.weight_type} weights" if row.weight_type else ""
    return Step(
        name=row.name,
        type=row.type,
        detail=row.detail,
        weights=weights,
        shape=row.output_shape,
        output=str(row.output_type),
        fold=f"PE {row.pe} × SIMD {row.simd}",
        cycles=row.cycles,
        share=row.share,
        is_mac=row.is_mac,
        limiting=row.limiting,
    )


def _step_of(layer: LayerPoint, slowest: int) -> Step:
    return Step(
        name=layer.name,
        type=layer.type,
        detail="",
        weights="" if layer.weight_bits is None else f"{layer.weight_bits}-bit weights",
        shape=layer.shape,
        output=f"{layer.output_bits} bits",
        fold=f"fold {layer.fold}" if layer.fold else "",
        cycles=layer.cycles,
        share=layer.cycles / slowest if slowest else 0.0,
        is_mac=layer.weight_bits is not None,
        limiting=layer.cycles == slowest,
    )


def _draw(steps: Sequence[Step], source: tuple[tuple[int, int, int], str] | None) -> Drawing:
    """`source` is shape and type of the input, None where it is not told."""
    groups: list[list[Step]] = [[]] if source else []
    for step in steps:
        if len(groups) <= (source is not None) or step.is_mac or step.type == "Upsample":
            groups.append([])
        groups[-1].append(step)
    ends = [(group[-1].shape, group[-1].output) if group else source for group in groups]
    tensors = [end for end in ends if end]
    boxes = _boxes([shape for shape, _ in tensors])
    blocks = [
        _block(index, groups[index], tensor, boxes[index], boxes[index - 1] if index else None)
        for index, tensor in enumerate(tensors)
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


def _block(
    index: int, group: list[Step], tensor: tuple[tuple[int, int, int], str], box: Box, before: Box | None
) -> Block:
    centre = COLUMN_WIDTH * (index + 0.5)
    main = group[0] if group else None
    return Block(
        centre=centre,
        title=", ".join(f"{row.name} ({row.type})" for row in group) or "input",
        above=_above(group, main),
        box=box,
        arrow=(before.right + 5, box.left - 5) if before else None,
        below=[times(tensor[0]), tensor[1]],
        bars=_bars(group, centre),
        cycles=f"{max(row.cycles for row in group):,} cycles" if group else "",
        folding=_shorten(main.fold, 24) if main else "",
        limiting=any(row.limiting for row in group),
    )


def _log_share(size: int, largest: int) -> float:
    """0 for 1, 1 for the largest: 4×4 and 64×64 must both be seen."""
    return math.log2(size) / math.log2(largest) if largest > 1 else 1.0


def _above(group: list[Step], main: Step | None) -> list[str]:
    if main is None:
        return ["input"]
    rest = ", ".join((row.detail or row.type).lower() for row in group if row is not main)
    lines = [main.type, main.detail, main.weights, f"+ {rest}" if rest else ""]
    return [_shorten(main.name, 18), *(_shorten(line, 24) for line in lines if line)]


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _bars(group: list[Step], centre: float) -> list[Bar]:
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
