"""`concat`: pixels of several streams, their channels one after the other."""

from itertools import pairwise
from typing import ClassVar

import numpy as np

from gan2hls.counting import Machine, Tally, Values
from gan2hls.integers import ceil_div, clog2
from gan2hls.kernels import rules
from gan2hls.kernels.base import Kernel
from gan2hls.kernels.iterations import Iterations


class ConcatKernel(Kernel):
    """Beats of input 0, then those of input 1, and so on, pixel by pixel.

    All ports have equal lanes, which divide the channels of each input but the last, so that beats pass as they are.
    """

    module: ClassVar[str] = "concat"

    @property
    def pixel_beats(self) -> tuple[int, ...]:
        """Beats of each input's pixel."""
        return tuple(ceil_div(port.channels, port.lanes) for port in self.inputs)

    @property
    def lists(self) -> dict[str, tuple[int, ...]]:
        return {"PixelBeats": self.pixel_beats}

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "Inputs": len(self.inputs),
            "Pixels": self.output.pixels,
            "Lanes": self.output.lanes,
            "Bits": self.output.bits,
        }

    def iterations(self) -> Iterations:
        """A word is read from the input whose turn it is, and written; all pixels are alike."""
        starts = np.cumsum((0, *self.pixel_beats))
        reads = tuple(np.arange(start, end) for start, end in pairwise(starts))
        beats = int(starts[-1])
        return Iterations(reads, (np.arange(beats),), beats, self.output.pixels)

    def rules(self) -> tuple[rules.Rule, ...]:
        return rules.interleave(self.pixel_beats)

    @staticmethod
    def count(values: Values, tally: Tally) -> Machine:
        inputs, most = values["Inputs"], max(values["PixelBeats"])
        tally.registers(inputs)  # which one is selected
        tally.functions(3, inputs)
        tally.functions(2 * inputs)  # whether it has a beat
        tally.counter(most)
        tally.functions(inputs, clog2(most))  # beats of the next one's pixel
        tally.functions(clog2(most))
        tally.skid_buffer(values["Lanes"] * values["Bits"], inputs=2 * inputs)
        return Machine.COUNTED
