"""Lookup: any function of a narrow integer as a table, y = table[x - smallest x]."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.ir import Fold, IntType, Op, Tensors, TensorType, carrier
from gan2hls.kernels import Port
from gan2hls.kernels.lookup import LookupKernel

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

    def kernel(self, tensors: Tensors, fold: Fold) -> LookupKernel:
        (tensor,) = tensors
        by_pattern = np.roll(self.table, tensor.int_type.min)  # signed: non-negative x first
        return LookupKernel((Port.of(tensor, fold.pe),), (Port.of(self.output_type(tensor), fold.pe),), by_pattern)

    @property
    def detail(self) -> str:
        return self.function
