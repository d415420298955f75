"""Sub: the exact difference of integers that mean the same, a bit wider and signed, y = x[0] - x[1]."""

from dataclasses import dataclass
from typing import ClassVar

from gan2hls.ops.joining import SumOp


@dataclass(frozen=True)
class Sub(SumOp):
    """The first tensor less the second, of equal shapes, types and scales."""

    stem: ClassVar[str] = "sub"
    arity: ClassVar[tuple[int, int | None]] = (2, 2)
    subtracts: ClassVar[bool] = True
