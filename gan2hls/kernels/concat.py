"""`concat`: pixels of several streams, their channels one after the other."""

from typing import ClassVar

from gan2hls.counting import Machine, Tally, Values
from gan2hls.integers import ceil_div, clog2
from gan2hls.kernels.base import Beats, Kernel


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

    def rule(self, up: Beats, ring_pixels: int, log: list[int]) -> Beats:
        """It belongs into no row."""
        raise NotImplementedError

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
