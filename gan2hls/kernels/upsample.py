"""`upsample`: a ring of two rows, each read as often as its pixels are repeated."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from gan2hls.counting import Feature, Machine, Shape, Tally, Values
from gan2hls.integers import ceil_div, clog2
from gan2hls.kernels.base import Beats, Kernel
from gan2hls.kernels.rules import NEVER


@dataclass(frozen=True, eq=False)
class UpsampleKernel(Kernel):
    """Each pixel of an image of `size` = (height, width) repeated `factor` = (vertical, horizontal) times."""

    module: ClassVar[str] = "upsample"
    holds_rows: ClassVar[bool] = True
    size: tuple[int, int]
    factor: tuple[int, int]

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "InHeight": self.size[0],
            "InWidth": self.size[1],
            "Channels": self.input.channels,
            "Lanes": self.input.lanes,
            "Bits": self.input.bits,
            "FactorHeight": self.factor[0],
            "FactorWidth": self.factor[1],
        }

    def rule(self, up: Beats, ring_pixels: int, log: list[int]) -> Beats:
        """A ring of two rows, read word by word into a register before a skid buffer."""
        pixel_beats = ceil_div(self.input.channels, self.input.lanes)
        width, (factor_height, factor_width) = self.size[1], self.factor
        ring = 2 * width * pixel_beats
        before, last = NEVER, NEVER
        entered = NEVER  # when the word before left the register
        read = NEVER
        released: list[int] = []  # when each pixel was read for the last time
        words = 0
        taken: Any = None
        while True:
            for walk in range(factor_height):
                for _ in range(width):
                    for repeat in range(factor_width):
                        for _ in range(pixel_beats):
                            read = entered
                            if walk == repeat == 0:
                                taken = up.send(taken)
                                if words >= ring:
                                    taken = max(taken, released[(words - ring) // pixel_beats] + 1)
                                words += 1
                                read = max(read, taken + 1)
                            entered = max(read, before) + 1
                            before, last = last, (yield max(entered, last) + 1)
                    if walk == factor_height - 1:
                        released.append(read)

    def shapes(self) -> Iterator[Shape]:
        """Two rows."""
        words = 2 * self.size[1] * ceil_div(self.input.channels, self.input.lanes)
        yield Shape("buffer", words, self.input.lanes * self.input.bits, written=True)

    @staticmethod
    def count(values: Values, tally: Tally) -> Machine:
        lanes = values["Lanes"]
        width = lanes * values["Bits"]
        tally.flip_flops[Feature.SKID_BUFFER] += 2 * width
        tally.luts[Feature.SKID_BUFFER] += width
        beats = ceil_div(values["Channels"], lanes)
        words = 2 * values["InWidth"] * beats
        counters = 3 * clog2(words) + 2 * clog2(words + 1)
        counters += sum(
            clog2(n)
            for n in (values["FactorWidth"], beats, values["InWidth"], values["InHeight"], values["FactorHeight"])
        )
        tally.both(Feature.COUNTERS, counters)
        tally.store()
        return Machine.UPSAMPLE
