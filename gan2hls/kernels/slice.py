"""`slice`: some of the channels of a stream."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.integers import ceil_div
from gan2hls.kernels import rules
from gan2hls.kernels.base import Kernel, Reads


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

    def reads(self) -> tuple[Reads, ...]:
        pixel_beats = ceil_div(self.input.channels, self.input.lanes)
        kept = self.start // self.input.lanes + np.arange(ceil_div(self.output.channels, self.output.lanes))
        return (Reads.exactly(np.add.outer(np.arange(self.input.pixels) * pixel_beats, kept + 1).ravel()),)

    def rules(self) -> tuple[rules.Rule, ...]:
        start, stop = self.start, self.start + self.output.channels
        beats = [ceil_div(channels, self.input.lanes) for channels in (start, stop, self.input.channels)]
        return rules.select(*beats)
