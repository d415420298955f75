"""Add: the exact sum of integers that mean the same, some bits wider, y = x[0] + x[1] + …"""

from dataclasses import dataclass
from typing import ClassVar

from gan2hls.ops.joining import SumOp


@dataclass(frozen=True)
class Add(SumOp):
    """The sum of two tensors or more, of equal shapes, types and scales."""

    stem: ClassVar[str] = "add"
    arity: ClassVar[tuple[int, int | None]] = (2, None)
    subtracts: ClassVar[bool] = False
