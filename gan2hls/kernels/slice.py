"""`slice`: some of the channels of a stream."""

from dataclasses import dataclass
from typing import ClassVar

from gan2hls.kernels.base import Beats, Kernel


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

    def rule(self, up: Beats, ring_pixels: int, log: list[int]) -> Beats:
        """It belongs into no row."""
        raise NotImplementedError
