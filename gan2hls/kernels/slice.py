"""`slice`: some of the channels of a stream."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.counting import Machine, Tally, Values
from gan2hls.integers import ceil_div, clog2
from gan2hls.kernels import rules
from gan2hls.kernels.base import Kernel
from gan2hls.kernels.iterations import Iterations


@dataclass(frozen=True, eq=False)
class SliceKernel(Kernel):
    """Channels from `start` on, as many as the output has; lanes are equal, and divide `start`."""

    module: ClassVar[str] = "slice"
    start: int

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "Pixels": self.input.pixels,
            "Channels": self.input.channels,
            "Start": self.start,
            "Stop": self.start + self.output.channels,
            "Lanes": self.input.lanes,
            "Bits": self.input.bits,
        }

    def iterations(self) -> Iterations:
        """Each word is read, and written if it is kept; all pixels are alike."""
        beats = ceil_div(self.input.channels, self.input.lanes)
        kept = self.start // self.input.lanes + np.arange(ceil_div(self.output.channels, self.output.lanes))
        return Iterations((np.arange(beats),), (kept,), beats, self.input.pixels)

    def rules(self) -> tuple[rules.Rule, ...]:
        start, stop = self.start, self.start + self.output.channels
        beats = [ceil_div(channels, self.input.lanes) for channels in (start, stop, self.input.channels)]
        return rules.select(*beats)

    @staticmethod
    def count(values: Values, tally: Tally) -> Machine:
        beats = ceil_div(values["Channels"], values["Lanes"])
        tally.counter(beats)
        tally.functions(clog2(beats), 3)  # whether it is the first or last one that is kept, and the last of all
        tally.counter(values["Pixels"])
        tally.functions(clog2(values["Pixels"]))
        tally.registers(2)  # whether a beat is kept, and whether the pixel is the last one
        tally.skid_buffer(values["Lanes"] * values["Bits"])
        return Machine.COUNTED
