"""The kernel of `Dense`, `Conv2d` and `ConvTranspose2d` (`mac_engine`): exact integer products, tap by tap.

It spends, on each output pixel and for each group of `pe` output channels, one cycle per existing tap and full group of
`simd` input channels. Input channels that remain, because `simd` does not divide them, are gathered from several taps
into one cycle; where a layer has few channels, so are the full groups (`Fold`):

    cycles(pixel) = ceil(out_channels / pe) · max(1, full · blocks(tap_rows, tap_columns)
                                                     + blocks(rest_rows, rest_columns) where channels remain)

with full = floor(in_channels / simd) and, of a pixel's rows · columns taps, blocks(n, m) = ceil(rows / n) ·
ceil(columns / m). A frame takes the sum over its pixels, or as many cycles as it has input beats if they are more.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from gan2hls.counting import Machine, Shape, Tally, Values
from gan2hls.integers import ceil_div, clog2, signed_bits
from gan2hls.kernels.base import Fold, Kernel, Memory
from gan2hls.kernels.iterations import Iterations
from gan2hls.kernels.mac_counts import count_mac
from gan2hls.kernels.mac_hls import in_banks
from gan2hls.kernels.mac_loop import MacLoop
from gan2hls.kernels.mac_rules import Timetable, mac_engine
from gan2hls.kernels.rules import Rule
from gan2hls.kernels.walk import AxisWalk

BLOCK_RAM_WIDTHS = {512: 36, 1024: 18, 2048: 9}
"""Words of a block RAM of 18 kbit → bits of each: what ECP5, Gowin, Nexus and, in halves of theirs, AMD have.

Deeper and narrower ones lack a ninth of the bits, so that synthesis makes deep memories of these, and multiplexers."""

FLAT_BANKS = 8
"""Banks of a weight memory above which the choice among them takes one register more (`weight_memory.sv`)."""

_ROUND_TRIP = 4
"""Cycles of `mac_engine.sv` from a pixel's last step, which makes room, to the first step of one that needs what comes
there: one each for the step's addresses, the release, the arrival and the walker's start."""


def block_rams(words: int, bits: int, depth: int) -> int:
    """Block RAMs of 18 kbit that `words` words of `bits` bits take in banks of `depth` words."""
    full, remainder = divmod(words, depth)
    count = full * ceil_div(bits, BLOCK_RAM_WIDTHS[depth])
    if remainder:
        narrowest = next(size for size in BLOCK_RAM_WIDTHS if size >= min(remainder, depth))
        count += ceil_div(bits, BLOCK_RAM_WIDTHS[narrowest])
    return count


@dataclass(frozen=True, eq=False)
class Weights:
    """What a MAC kernel multiplies with.

    Args:
        codes: (kernel_height, kernel_width, in_channels, out_channels) stored weights: the integers themselves, or
            indices into the codebook.
        code_bits: bits of a stored code.
        codebook: the 2^code_bits signed integers that the codes stand for, or None.
    """

    codes: np.ndarray
    code_bits: int
    codebook: tuple[int, ...] | None = None

    @cached_property
    def values(self) -> np.ndarray:
        """Integer weights, (kernel_height, kernel_width, in_channels, out_channels)."""
        if self.codebook is None:
            return self.codes
        return np.asarray(self.codebook, dtype=np.int64)[self.codes]

    @property
    def bits(self) -> int:
        """Bits of a weight's value, signed."""
        if self.codebook is None:
            return self.code_bits
        return signed_bits(min(self.codebook), max(self.codebook))

    @cached_property
    def symmetric(self) -> bool:
        """No weight has the most negative value of its bits."""
        return int(self.values.min()) > -(1 << (self.bits - 1))


@dataclass(frozen=True, eq=False)
class MacKernel(Kernel):
    """A MAC op under a fold.

    Args:
        weights: stored weights.
        rows, columns: tap tables.
        fold: pe, simd, packing, taps and rest.
        geometry: the module's parameters of shape, stride and padding.
        ring: input pixels that its ring holds; None for the fewest with which it keeps its `cycles`.
    """

    weighted: ClassVar[bool] = True
    holds_rows: ClassVar[bool] = True
    weights: Weights
    rows: AxisWalk
    columns: AxisWalk
    fold: Fold
    geometry: Mapping[str, int]
    ring: int | None = None

    @property
    def parameters(self) -> dict[str, int]:
        return {
            **self.geometry,
            "InChannels": self.input.channels,
            "OutChannels": self.output.channels,
            "Pe": self.fold.pe,
            "Simd": self.fold.simd,
            "InBits": self.input.bits,
            "InSigned": int(self.input.signed),
            "CodeBits": self.weights.code_bits,
            "WeightBits": self.weights.bits,
            "UseCodebook": int(self.weights.codebook is not None),
            "OutBits": self.output.bits,
            "RingPixels": self.ring_pixels,
            "BankWords": self.bank_words,
            "Packing": self.fold.packing,
            "Symmetric": int(self.weights.symmetric),
        }

    @property
    def multipliers(self) -> int:
        return ceil_div(self.fold.pe, self.fold.packing) * self.fold.lanes

    # -- time ---------------------------------------------------------------------------------------------------------

    @property
    def _out_groups(self) -> int:
        return ceil_div(self.output.channels, self.fold.pe)

    @property
    def _pixel_words(self) -> int:
        return ceil_div(self.input.channels, self.fold.simd)

    @cached_property
    def pixel_steps(self) -> np.ndarray:
        """Cycles of each output pixel for one group of output channels, (height, width)."""
        fold = self.fold
        full, remaining = divmod(self.input.channels, fold.simd)
        steps = full * np.multiply.outer(self.rows.blocks(fold.tap_rows), self.columns.blocks(fold.tap_columns))
        if remaining:
            steps += np.multiply.outer(self.rows.blocks(fold.rest_rows), self.columns.blocks(fold.rest_columns))
        return np.maximum(1, steps)

    @property
    def cycles(self) -> int:
        return max(self._out_groups * int(self.pixel_steps.sum()), self.input.beats)  # a word is taken in a cycle

    @property
    def shortest_burst(self) -> int:
        return int(self.pixel_steps.min())

    @cached_property
    def windows(self) -> tuple[np.ndarray, np.ndarray]:
        """Per output pixel in raster order: input pixels that must have arrived, and those freed before it."""
        rows, columns, width = self.rows, self.columns, self.columns.in_size
        row_start, column_start = rows.first_needed, columns.first_needed
        row_start[0] = column_start[0] = 0  # inputs that nobody reads are freed with the first that somebody does
        leaves = row_start[1:] > row_start[:-1]
        freed = row_start[:-1, None] * width + leaves[:, None] * column_start[None, :-1]
        last = (rows.input + rows.count - 1)[:, None] * width + (columns.input + columns.count)[None, :]
        used = np.multiply.outer(rows.count, columns.count) > 0
        return np.where(used, last, 1).ravel(), freed.ravel()

    @property
    def ring_pixels(self) -> int:
        return self.least_ring if self.ring is None else self.ring

    def with_ring(self, pixels: int) -> "MacKernel":
        made = copy(self)  # with all that is known already, none of which depends on the ring
        object.__setattr__(made, "ring", pixels)
        return made

    @cached_property
    def least_ring(self) -> int:
        """Pixels of the smallest input ring with which frames follow each other every `cycles`.

        It holds each pixel's window, and so much more that the words of later windows arrive while earlier pixels
        compute. All times are exact: `_ROUND_TRIP` cycles are lost between a pixel's end, which makes room, and the
        start of the one that needs what comes there.
        """
        per_pixel, frame = self._pixel_words, self.input.beats
        need, held = (pixels * per_pixel for pixels in self.windows)
        busy = self._out_groups * self.pixel_steps.ravel()
        frames = 3 + ceil_div(_ROUND_TRIP, int(busy.sum()))
        need, held = (np.add.outer(frame * np.arange(frames), words).ravel() for words in (need, held))
        busy = np.tile(busy, frames)
        ends = busy.cumsum()
        words = [int((need - held).max())]
        if int(ends[-1]) >= frames * frame:
            # Computing never waits: what pixel q holds until its end leaves room for pixel p's window, less one word
            # for each cycle that is left between that end and p's start. What is freed later grows with q, so that of
            # those too near to p for any word the first counts.
            near = np.searchsorted(ends, ends[:-1] - _ROUND_TRIP)
            words.append(int((need[1:] - held[near]).max()))
            earlier = np.concatenate([[np.iinfo(np.int64).max // 2], np.minimum.accumulate(held - ends)])
            words.append(int((need[1:] - ends[:-1] - earlier[near]).max()) + _ROUND_TRIP)
        else:
            # Loading never waits: a word comes in every cycle, and each pixel ends as early as that allows.
            ends = ends + np.maximum.accumulate(need - (ends - busy))
            words.append(int((ends - held).max()) + _ROUND_TRIP)
        return ceil_div(max(words), per_pixel)

    @property
    def delay(self) -> int:
        """Moves from a step to the beat that its sum leaves with."""
        banks = ceil_div(self.weight_words, self.bank_words)
        choice = 2 * (banks > 1) + (banks > FLAT_BANKS)
        packed = self.fold.packing > 1
        multiplier = (self.weights.codebook is not None or not packed) + 2 * packed
        # step 1, ring 2, taps that do not exist 1, product 1, adder tree, sum 1
        return 6 + clog2(self.fold.lanes) + multiplier + choice

    @cached_property
    def _timetable(self) -> Timetable:
        need, held = self.windows
        freed = np.append(held[1:] * self._pixel_words, self.input.beats)
        return Timetable(need * self._pixel_words, freed, self.pixel_steps.ravel())

    def rules(self) -> tuple[Rule, ...]:
        return mac_engine(self._timetable, self.ring_pixels * self._pixel_words, self._out_groups, self.delay)

    @cached_property
    def _loop(self) -> MacLoop:
        need, held = (pixels * self._pixel_words for pixels in self.windows)
        used = np.multiply.outer(self.rows.count, self.columns.count).ravel() > 0
        steps = self.pixel_steps.ravel()
        return MacLoop(np.where(used, need, 0), held, steps, self._out_groups, self.input.beats)

    def in_cpp(self) -> "MacKernel":
        """Its ring holds what a pixel and the next one need: what comes early waits in the stream before it."""
        return self.with_ring(ceil_div(self._loop.most_held, self._pixel_words))

    @cached_property
    def _iterations(self) -> Iterations:
        return self._loop.iterations(self.ring_pixels * self._pixel_words)

    def iterations(self) -> Iterations:
        return self._iterations

    @property
    def cpp_parameters(self) -> dict[str, int]:
        return {"Iterations": self._iterations.count}

    # -- memories -----------------------------------------------------------------------------------------------------

    @property
    def memory_names(self) -> tuple[str, ...]:
        return ("weights",) if self.weights.codebook is None else ("weights", "codebook")

    @property
    def weight_words(self) -> int:
        """Words of the weight memory."""
        height, width, *_ = self.weights.codes.shape
        return height * width * self._pixel_words * self._out_groups

    @cached_property
    def bank_words(self) -> int:
        """Depth of the banks of the weight memory: as few banks as go with almost as few block RAMs as possible."""
        bits = self.fold.pe * self.fold.lanes * self.weights.code_bits
        counts = {depth: block_rams(self.weight_words, bits, depth) for depth in BLOCK_RAM_WIDTHS}
        least = min(counts.values())
        return max(depth for depth, count in counts.items() if count <= 1.05 * least)

    @cached_property
    def memories(self) -> dict[str, Memory]:
        """Weight words by group of output channels: of each tap's full groups of input channels, then of its rest.

        A word holds the codes of the taps that a step takes at once, from its own tap on in the order of the walk;
        0 beyond the kernel, and in lanes that are not used. Such lanes have no input.
        """
        fold, weights = self.fold, self.weights
        height, width, in_channels, out_channels = weights.codes.shape
        full, remaining = divmod(in_channels, fold.simd)
        out_groups = self._out_groups
        codes = np.zeros((height, width, in_channels, out_groups * fold.pe), dtype=np.int64)
        codes[..., :out_channels] = weights.codes
        codes = codes.reshape(height, width, in_channels, out_groups, fold.pe)
        main = self._blocks(codes[:, :, : full * fold.simd], fold.tap_rows, fold.tap_columns)
        main = main.reshape(*main.shape[:4], full, fold.simd, out_groups, fold.pe)
        # (block row, block column, ky, kx, group, channel, out group, pe) -> (out group, word, pe, lane)
        words = main.transpose(6, 2, 3, 4, 7, 0, 1, 5).reshape(out_groups, -1, fold.pe, fold.lanes)
        if remaining:
            last = self._blocks(codes[:, :, full * fold.simd :], fold.rest_rows, fold.rest_columns)
            last = last.transpose(5, 2, 3, 6, 0, 1, 4).reshape(out_groups, height * width, fold.pe, -1)
            unused = fold.lanes - last.shape[3]
            words = np.concatenate([words, np.pad(last, ((0, 0), (0, 0), (0, 0), (0, unused)))], axis=1)
        memory = Memory(words.reshape(-1, fold.pe * fold.lanes), weights.code_bits, weights.codebook is None)
        if weights.codebook is None:
            return {"weights": memory}
        return {"weights": memory, "codebook": Memory(np.asarray(weights.codebook)[:, None], weights.bits, True)}

    def cpp_memory(self, name: str) -> np.ndarray:
        words = super().cpp_memory(name)
        return in_banks(words, self.weights.code_bits) if name == "weights" else words

    def _blocks(self, codes: np.ndarray, rows: int, columns: int) -> np.ndarray:
        """(rows, columns, *codes.shape): [i, j, ky, kx] has the codes of the tap that is i rows and j columns on."""
        blocks = np.zeros((rows, columns, *codes.shape), dtype=codes.dtype)
        for i, j in np.ndindex(rows, columns):
            to_y, from_y = _overlap(codes.shape[0], i * self.rows.step)
            to_x, from_x = _overlap(codes.shape[1], j * self.columns.step)
            blocks[i, j, to_y, to_x] = codes[from_y, from_x]
        return blocks

    # -- what an estimate counts --------------------------------------------------------------------------------------

    def shapes(self) -> Iterator[Shape]:
        """A ring for each tap of a step, those of remaining channels, banks of weights, a codebook for each lane."""
        fold, memories = self.fold, self.memories
        full, rest = divmod(self.input.channels, fold.simd)
        ring = Shape("ring", self.ring_pixels * full, fold.simd * self.input.bits, written=True)
        yield from [ring] * (fold.tap_rows * fold.tap_columns)
        if rest:
            ring = Shape("ring", self.ring_pixels, rest * self.input.bits, written=True)
            yield from [ring] * (fold.rest_rows * fold.rest_columns)
        for start in range(0, self.weight_words, self.bank_words):
            yield memories["weights"].shape("weights", slice(start, start + self.bank_words))
        if "codebook" in memories:
            yield from [memories["codebook"].shape("constants")] * (fold.pe * fold.lanes)

    @staticmethod
    def count(values: Values, tally: Tally) -> Machine:
        return count_mac(values, tally)


def _overlap(size: int, shift: int) -> tuple[slice, slice]:
    """Indices k of an axis for which k + shift is one too, and those sums."""
    low = max(0, -shift)
    high = max(low, min(size, size - shift))
    return slice(low, high), slice(low + shift, high + shift)


class DenseKernel(MacKernel):
    """A matrix product."""

    module: ClassVar[str] = "dense"


class Conv2dKernel(MacKernel):
    """A convolution."""

    module: ClassVar[str] = "conv2d"


class ConvTranspose2dKernel(MacKernel):
    """A transposed convolution."""

    module: ClassVar[str] = "conv_transpose2d"
