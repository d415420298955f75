"""`fifo`: beats that wait between two kernels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gan2hls.counting import Feature, Machine, Shape, Tally, Values
from gan2hls.integers import clog2
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

    def shapes(self) -> Iterator[Shape]:
        """All beats but the one at the output, with their `tlast`; few are registers."""
        if self.depth > 2:
            yield Shape("buffer", self.depth - 1, self.parameters["Bits"] + 1, written=True)

    @staticmethod
    def count(values: Values, tally: Tally) -> Machine:
        depth, width = values["Depth"], values["Bits"]
        counters = 2 * clog2(depth - 1) + 2 * clog2(depth + 1) if depth > 2 else 0
        tally.both(Feature.COUNTERS, counters)
        if depth <= 2:
            tally.flip_flops[Feature.SKID_BUFFER] += depth * (width + 1)
            tally.luts[Feature.SKID_BUFFER] += (depth - 1) * width
        tally.store()
        return Machine.FIFO
