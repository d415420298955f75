"""Lookup: any function of a narrow integer as a table, y = table[x - smallest x]."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.ir import Fold, IntType, Memory, Op, TensorType, carrier
from gan2hls.ops.mac import groups

TABLE_BITS = 12
"""Most bits of a table's input."""


def function_table(
    function: Callable[[float], float], kind: IntType, scale: float, output: IntType, output_scale: float
) -> np.ndarray:
    """Table of a function over all integers of type `kind`, round half up, saturated: (2^bits,) integers."""
    values = [function(x * scale) / output_scale for x in range(kind.min, kind.max + 1)]
    return np.array([min(max(math.floor(v + 0.5), output.min), output.max) for v in values], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Lookup(Op):
    """Table look-up.

    Args:
        table: (2^input bits,) results in the order of rising x.
        output: type of the results.
        scale: real value of one output step.
        function: what the table holds; for people.
    """

    stem: ClassVar[str] = "lookup"
    table: np.ndarray
    output: IntType
    scale: float
    function: str = "table"

    def verify(self, tensor: TensorType) -> Iterator[str]:
        bits = tensor.int_type.bits
        if bits > TABLE_BITS:
            yield f"an input of {bits} bits is not supported; requantize to {TABLE_BITS} bits at most"
        elif self.table.shape != (1 << bits,):
            yield f"the table has shape {self.table.shape}; an input of {bits} bits needs ({1 << bits},)"
        elif self.table.min() < self.output.min or self.table.max() > self.output.max:
            yield f"table values from {self.table.min()} to {self.table.max()} do not fit {self.output}"

    def output_type(self, tensor: TensorType) -> TensorType:
        return TensorType(tensor.shape, self.output, self.scale)

    def reference(self, x: np.ndarray, tensor: TensorType) -> np.ndarray:
        table = self.table.astype(carrier(self.output.magnitude))
        return table[x.astype(np.intp) - tensor.int_type.min]

    def cycles(self, tensor: TensorType, fold: Fold) -> int:
        return tensor.pixels * groups(tensor.channels, fold.simd)

    def kernel_parameters(self, tensor: TensorType, fold: Fold) -> dict[str, int]:
        return {
            "Beats": self.cycles(tensor, fold),
            "Lanes": fold.pe,
            "InBits": tensor.int_type.bits,
            "InSigned": int(tensor.int_type.signed),
            "OutBits": self.output.bits,
            "OutSigned": int(self.output.signed),
        }

    def memories(self, tensor: TensorType, fold: Fold) -> dict[str, Memory]:
        by_pattern = np.roll(self.table, tensor.int_type.min)  # signed: non-negative x first
        return {"table": Memory(by_pattern[:, None], self.output.bits, self.output.signed)}
