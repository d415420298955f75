"""The drawing of the network: tensors as boxes from left to right, cycles as bars. All coordinates of its SVG.

A column is a layer and the ops that follow it alone; columns stand in the order of their depth. What goes to the next
column is an arrow, what goes further an arc over those between.
"""

import math
from collections import Counter
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

MIDDLE, BELOW, BARS_TOP, BARS_BOTTOM = 146, 218, 278, 358
"""Heights of the boxes' middles, of the text below them, and of the bars; all lower by the arcs, if there are any."""

ARCS_TOP, ARC_HEIGHT, CORNER = 96, 16, 8
"""Where arcs begin, below the text above the boxes; what each row of them takes; and the radius of their corners."""


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

    `arrow` runs from the box before to this one's; None where nothing goes there.
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
    """The network from left to right; `width` × `height` SVG units, shown `min_width` to `max_width` pixels wide.

    `arcs` are paths over the boxes, for which all is `over` units lower.
    """

    width: int
    height: int
    min_width: int
    max_width: int
    blocks: list[Block]
    arcs: list[str]
    over: int

    @property
    def middle(self) -> int:
        return MIDDLE + self.over

    @property
    def below(self) -> int:
        return BELOW + self.over

    @property
    def bars_top(self) -> int:
        return BARS_TOP + self.over

    @property
    def bars_bottom(self) -> int:
        return BARS_BOTTOM + self.over


@dataclass(frozen=True)
class Step:
    """An op as it is drawn; `detail`, `weights` and `fold` are lines of text or "", `share` is of the interval.

    `inputs` are the names of what enters it: ops, or inputs of the network.
    """

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
    inputs: tuple[str, ...]


@dataclass
class _Column:
    """Ops that are drawn as one, the last of which gives the tensor; none for an input of the network."""

    name: str
    shape: tuple[int, int, int]
    output: str
    steps: list[Step]
    depth: int


def draw(pipeline: Pipeline) -> Drawing:
    """A box for each input, one for each layer with weights, upsampling and join, with the ops that follow it alone."""
    types = pipeline.graph.input_types
    inputs = [_Column(name, tensor.shape, str(tensor.int_type), [], 0) for name, tensor in types.items()]
    return _draw([_step(row) for row in layer_rows(pipeline)], inputs)


def draw_point(layers: Sequence[LayerPoint]) -> Drawing:
    """The same of a point of a sweep, which does not tell its input."""
    slowest = max(layer.cycles for layer in layers)
    drawn = [layer for layer in layers if layer.type not in HELPERS]
    before = [(), *((layer.name,) for layer in drawn)]  # what a point says that does not tell
    return _draw([_step_of(layer, slowest, last) for layer, last in zip(drawn, before, strict=False)], [])


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
        inputs=row.inputs,
    )


def _step_of(layer: LayerPoint, slowest: int, before: tuple[str, ...]) -> Step:
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
        inputs=before if layer.inputs is None else layer.inputs,
    )


def _draw(steps: Sequence[Step], inputs: Sequence[_Column]) -> Drawing:
    """Columns, and what goes from one to another; without `inputs` the first columns come from nowhere."""
    columns, at = _columns(steps, inputs)
    place = {id(column): index for index, column in enumerate(columns)}
    edges = {
        (place[id(at[name])], index)
        for index, column in enumerate(columns)
        for name in (column.steps[0].inputs if column.steps else ())
        if name in at
    }
    far = sorted(edge for edge in edges if edge[1] - edge[0] > 1)
    rows = _rows(far)
    over = ARC_HEIGHT * (max(rows.values()) + 2) if rows else 0
    boxes = _boxes([column.shape for column in columns], MIDDLE + over)
    blocks = [
        _block(index, column, boxes[index], boxes[index - 1] if (index - 1, index) in edges else None, over)
        for index, column in enumerate(columns)
    ]
    count = len(blocks)
    height = max(rows.values(), default=0)
    arcs = [_arc(edge, ARCS_TOP + ARC_HEIGHT * (height - rows[edge]), MIDDLE + over) for edge in far]
    return Drawing(COLUMN_WIDTH * count, HEIGHT + over, MIN_WIDTH * count, MAX_WIDTH * count, blocks, arcs, over)


def _columns(steps: Sequence[Step], inputs: Sequence[_Column]) -> tuple[list[_Column], dict[str, _Column]]:
    """Columns in the order of their depth, and in which one each op and input is."""
    at = {column.name: column for column in inputs}
    users = Counter(name for step in steps for name in step.inputs)
    columns = list(inputs)
    for step in steps:
        before = [at[name] for name in step.inputs if name in at]
        if len(before) == 1 and before[0].steps and _follows(step, before[0].steps[-1], users):
            column = before[0]
            column.steps.append(step)
            column.shape, column.output = step.shape, step.output
        else:
            depth = 1 + max((column.depth for column in before), default=-1 if not inputs else 0)
            column = _Column(step.name, step.shape, step.output, [step], depth)
            columns.append(column)
        at[step.name] = column
    return sorted(columns, key=lambda column: column.depth), at


def _follows(step: Step, before: Step, users: Counter[str]) -> bool:
    """Whether an op is drawn with the one before it, which nothing else takes its input from."""
    alone = step.inputs == (before.name,) and users[before.name] == 1
    return alone and not step.is_mac and step.type != "Upsample"


def _rows(edges: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """A row for each arc, 0 the lowest, so that none crosses another one of its row; short ones below."""
    rows: dict[tuple[int, int], int] = {}
    for edge in sorted(edges, key=lambda edge: (edge[1] - edge[0], edge)):
        taken = {row for (left, right), row in rows.items() if left < edge[1] and edge[0] < right}
        rows[edge] = next(row for row in range(len(edges)) if row not in taken)
    return rows


def _arc(edge: tuple[int, int], top: float, middle: int) -> str:
    """From the right of one box over those between to the left of another."""
    left, right = COLUMN_WIDTH * (edge[0] + 0.5) + COLUMN_WIDTH * 0.42, COLUMN_WIDTH * (edge[1] + 0.5 - 0.42)
    return (
        f"M{left:.1f} {middle}V{top + CORNER}q0 {-CORNER} {CORNER} {-CORNER}H{right - CORNER:.1f}"
        f"q{CORNER} 0 {CORNER} {CORNER}V{middle - 6}m-4 -5l4 5l4 -5"
    )


def _boxes(shapes: Sequence[tuple[int, int, int]], middle: int) -> list[Box]:
    """Boxes of tensors (height, width, channels) in columns from left to right, sizes on one logarithmic scale."""
    largest, deepest = max(max(shape[:2]) for shape in shapes), max(shape[2] for shape in shapes)
    boxes = []
    for index, shape in enumerate(shapes):
        height, width = (10 + (FACE - 10) * _log_share(size, largest) for size in shape[:2])
        depth = 4 + (DEPTH - 4) * _log_share(shape[2], deepest)
        dx, dy = 0.8 * depth, 0.5 * depth
        x0, y0 = COLUMN_WIDTH * (index + 0.5) - (width + dx) / 2, middle - (height - dy) / 2
        x1, y1 = x0 + width, y0 + height
        front = _points((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        top = _points((x0, y0), (x0 + dx, y0 - dy), (x1 + dx, y0 - dy), (x1, y0))
        side = _points((x1, y0), (x1 + dx, y0 - dy), (x1 + dx, y1 - dy), (x1, y1))
        boxes.append(Box(front, top, side, x0, x1 + dx))
    return boxes


def _points(*corners: tuple[float, float]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _block(index: int, column: _Column, box: Box, before: Box | None, over: int) -> Block:
    centre, group = COLUMN_WIDTH * (index + 0.5), column.steps
    main = group[0] if group else None
    return Block(
        centre=centre,
        title=", ".join(f"{row.name} ({row.type})" for row in group) or f"input {column.name}",
        above=_above(column),
        box=box,
        arrow=(before.right + 5, box.left - 5) if before else None,
        below=[times(column.shape), column.output],
        bars=_bars(group, centre, over),
        cycles=f"{max(row.cycles for row in group):,} cycles" if group else "",
        folding=_shorten(main.fold, 24) if main else "",
        limiting=any(row.limiting for row in group),
    )


def _log_share(size: int, largest: int) -> float:
    """0 for 1, 1 for the largest: 4×4 and 64×64 must both be seen."""
    return math.log2(size) / math.log2(largest) if largest > 1 else 1.0


def _above(column: _Column) -> list[str]:
    if not column.steps:
        return ["input"] if column.name == "input" else ["input", _shorten(column.name, 18)]
    main, *others = column.steps
    rest = ", ".join((row.detail or row.type).lower() for row in others)
    lines = [main.type, main.detail, main.weights, f"+ {rest}" if rest else ""]
    return [_shorten(main.name, 18), *(_shorten(line, 24) for line in lines if line)]


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _bars(group: list[Step], centre: float, over: int) -> list[Bar]:
    widths = [26 if row.is_mac else 12 for row in group]
    x = centre - (sum(widths) + 4 * (len(widths) - 1)) / 2
    bars = []
    for row, width in zip(group, widths, strict=True):
        height = max(1.0, row.share * (BARS_BOTTOM - BARS_TOP))
        kind = "limiting" if row.limiting else "mac" if row.is_mac else "other"
        title = f"{row.name} ({row.type}): {row.cycles:,} cycles, {row.share:.1%} of the interval"
        bars.append(Bar(x, BARS_BOTTOM + over - height, width, height, kind, title))
        x += width + 4
    return bars
