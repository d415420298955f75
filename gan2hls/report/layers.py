"""The ops of a pipeline in numbers, a row each: for the terminal, for the page, for JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from gan2hls.errors import printable
from gan2hls.ir import IntType, Node, Tensors, TensorType
from gan2hls.pipeline import Pipeline


@dataclass(frozen=True)
class LayerRow:
    """One op of the pipeline in numbers.

    Attributes:
        name: of the node.
        type: class name of the op.
        inputs: names of the ops, or of the network's inputs, whose results it takes.
        detail: kernel and stride of a convolution, function of a table; "" elsewhere.
        input_shape, output_shape: (height, width, channels).
        input_type, output_type: integer types.
        weight_type: of a stored weight, e.g. "s8", or "u4→s8" for 4-bit codes of 8-bit values; "" without weights.
        macs: useful multiply-accumulates a frame.
        parameters: stored constants (weights, multipliers, biases, table entries), without padding.
        pe, simd: output and input channels a cycle.
        packing: output channels that share a hardware multiplier.
        taps, rest: (rows, columns) of taps a cycle: of full groups of channels, and of those that remain.
        multipliers: hardware multipliers.
        cycles: busy clock cycles a frame, by the cycle model.
        share: cycles / interval, at most 1.
        utilization: macs / (cycles · multipliers), above 1 where products share multipliers; None without MACs.
        limiting: no other stage takes more cycles.
    """

    name: str
    type: str
    inputs: tuple[str, ...]
    detail: str
    input_shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]
    input_type: IntType
    output_type: IntType
    weight_type: str
    macs: int
    parameters: int
    pe: int
    simd: int
    packing: int
    taps: tuple[int, int]
    rest: tuple[int, int]
    multipliers: int
    cycles: int
    share: float
    utilization: float | None
    limiting: bool

    @property
    def fold(self) -> str:
        """PE × SIMD, as 6×8; with several taps at once 6×8·1×2, with two products to a multiplier 6×8/2."""
        taps = f"·{times(self.taps)}" if self.taps != (1, 1) else ""
        return f"{self.pe}×{self.simd}{taps}" + (f"/{self.packing}" if self.packing > 1 else "")

    @property
    def is_mac(self) -> bool:
        return self.utilization is not None


def layer_rows(pipeline: Pipeline) -> list[LayerRow]:
    """One row for each op node, in order; lane converters, which compute nothing, have none."""
    return [_layer_row(pipeline, *step) for step in pipeline.graph.steps()]


def _layer_row(pipeline: Pipeline, node: Node, tensors: Tensors, output: TensorType) -> LayerRow:
    op, fold = node.op, pipeline.folding[node.name]
    kernel, macs, interval = op.kernel(tensors, fold), op.macs(*tensors), pipeline.interval_cycles
    tensor = tensors[0] if tensors else output
    arrays = [getattr(op, field.name) for field in fields(op)]  # type: ignore[arg-type]
    return LayerRow(
        name=node.name,
        type=type(op).__name__,
        inputs=node.inputs,
        detail=op.detail,
        input_shape=tensor.shape,
        output_shape=output.shape,
        input_type=tensor.int_type,
        output_type=output.int_type,
        weight_type=op.weight_type,
        macs=macs,
        parameters=sum(value.size for value in arrays if isinstance(value, np.ndarray)),
        pe=fold.pe,
        simd=fold.simd,
        packing=fold.packing,
        taps=(fold.tap_rows, fold.tap_columns),
        rest=(fold.rest_rows, fold.rest_columns),
        multipliers=kernel.multipliers,
        cycles=kernel.cycles,
        share=kernel.cycles / interval,
        utilization=macs / (kernel.cycles * kernel.multipliers) if kernel.weighted else None,
        limiting=kernel.cycles == interval,
    )


def _compact(number: int) -> str:
    """Exact below a million; a terminal has no room for more."""
    return f"{number:,}" if number < 1_000_000 else f"{number / 1e6:,.4g} M"


def times(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes))


def layer_table(pipeline: Pipeline) -> Table:
    """The layers for a terminal of 100 columns: MAC ops bright, all others dim, the slowest ones marked with ◀."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column("layer", overflow="fold")  # the only column that gives way: long names go on in the next line
    table.add_column("op", no_wrap=True)
    for heading in ("output", "in·w→out", "MACs", "PE×SIMD", "mult", "cycles", "share", "used"):
        table.add_column(heading, no_wrap=True, justify="right")
    for row in layer_rows(pipeline):
        types = "·".join(filter(None, (str(row.input_type), row.weight_type))) + f"→{row.output_type}"
        cells = (
            row.name,
            row.type,
            times(row.output_shape),
            types,
            _compact(row.macs) if row.macs else "",
            row.fold,
            f"{row.multipliers:,}" if row.multipliers else "",
            f"{row.cycles:,}",
            f"{row.share:.0%} {'◀' if row.limiting else ' '}",
            "" if row.utilization is None else f"{row.utilization:.0%}",
        )
        style = "bold yellow" if row.limiting else "" if row.is_mac else "dim"
        table.add_row(*(Text(printable(cell)) for cell in cells), style=style)  # Text: a name in brackets is no markup
    return table


def row_values(row: LayerRow) -> dict[str, Any]:
    """A row as JSON values; types as text, e.g. "s8"."""
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    plain = {name: str(value) if isinstance(value, IntType) else value for name, value in values.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
