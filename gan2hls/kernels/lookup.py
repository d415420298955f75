"""`lookup`: a table that each lane reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from gan2hls.counting import Feature, Machine, Shape, Tally, Values
from gan2hls.kernels import rules
from gan2hls.kernels.base import Kernel, Memory


@dataclass(frozen=True, eq=False)
class LookupKernel(Kernel):
    """A table look-up, its ports of equal lanes.

    Args:
        table: (2^input bits,) results by the two's complement bit pattern of x.
    """

    module: ClassVar[str] = "lookup"
    table: np.ndarray

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "Beats": self.cycles,
            "Lanes": self.output.lanes,
            "InBits": self.input.bits,
            "InSigned": int(self.input.signed),
            "OutBits": self.output.bits,
            "OutSigned": int(self.output.signed),
        }

    @cached_property
    def memories(self) -> dict[str, Memory]:
        return {"table": Memory(self.table[:, None], self.output.bits, self.output.signed)}

    def rules(self) -> tuple[rules.Rule, ...]:
        return rules.registers(2)

    def shapes(self) -> Iterator[Shape]:
        """A copy for each two lanes, with a port for each."""
        lanes = self.output.lanes
        for lane in range(0, lanes, 2):
            yield self.memories["table"].shape("constants", reads=min(2, lanes - lane))

    @staticmethod
    def count(values: Values, tally: Tally) -> Machine:
        width = values["Lanes"] * values["OutBits"]
        tally.flip_flops[Feature.SKID_BUFFER] += 2 * width
        tally.luts[Feature.SKID_BUFFER] += width
        tally.flip_flops[Feature.VALUES] += width
        tally.store()
        return Machine.LOOKUP
