"""`upsample`: a ring of two rows, each read as often as its pixels are repeated."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan2hls.counting import Feature, Machine, Shape, Tally, Values
from gan2hls.integers import ceil_div, clog2
from gan2hls.kernels.base import Kernel
from gan2hls.kernels.iterations import Iterations
from gan2hls.kernels.rules import NEVER, Offer, Rule, Take, Track, Waits


@dataclass(frozen=True, eq=False)
class Repeat(Rule):
    """taken, output taken → entered, released: words of a row read into a register before a skid buffer.

    A row of `width` pixels of `words` words is walked `rows` times, each of its pixels `columns` times. `entered` gets
    the cycle in which each word leaves the register for the skid buffer, less one; `released` that in which each pixel
    is read for the last time.
    """

    code = 15
    width: int
    words: int
    rows: int
    columns: int

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.width, self.words, self.rows, self.columns)

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (taken, departed), (entered, released) = reads, writes
        arrived, word = NEVER, 0
        while True:
            for beat in range(self.rows * self.width * self.columns * self.words):
                pixel_beat = beat % (self.columns * self.words)
                walk = beat // (self.width * self.columns * self.words)
                read = arrived
                if walk == 0 and pixel_beat < self.words:
                    if len(taken) <= word:
                        yield taken, word + 1
                    read = max(read, taken[word] + 1)
                    word += 1
                if walk == self.rows - 1 and pixel_beat == self.columns * self.words - 1:
                    released.append(read)
                if (out := len(entered)) >= 2:
                    if len(departed) < out - 1:
                        yield departed, out - 1
                    read = max(read, departed[out - 2])
                arrived = read + 1
                entered.append(arrived)


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

    def iterations(self) -> Iterations:
        """A word is written in each, and read where its pixel is seen for the first time; all rows are alike."""
        words, (height, width) = ceil_div(self.input.channels, self.input.lanes), self.size
        beats = np.arange(self.output.beats // height).reshape(self.factor[0], width, self.factor[1], words)
        return Iterations((beats[0, :, 0].ravel(),), (beats.ravel(),), beats.size, height)

    def rules(self) -> tuple[Rule, ...]:
        words, width = ceil_div(self.input.channels, self.input.lanes), self.size[1]
        return (
            Take(("in0.offered", "released"), ("in0.taken",), room=2 * width * words, group=words),
            Repeat(("in0.taken", "out0.taken"), ("entered", "released"), width, words, *self.factor),
            Offer(("entered", "out0.taken"), ("out0.offered",)),
        )

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
