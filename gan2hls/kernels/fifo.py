"""`fifo`: beats that wait between two kernels."""

from dataclasses import dataclass
from typing import ClassVar

from gan2hls.kernels import rules
from gan2hls.kernels.base import Kernel


@dataclass(frozen=True, eq=False)
class Fifo(Kernel):
    """A FIFO of `depth` beats in a stream."""

    module: ClassVar[str] = "fifo"
    depth: int

    @property
    def parameters(self) -> dict[str, int]:
        return {"Depth": self.depth, "Bits": self.input.lanes * self.input.bits}

    def rules(self) -> tuple[rules.Rule, ...]:
        return rules.fifo(self.depth)
