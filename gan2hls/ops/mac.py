"""What `Dense`, `Conv2d` and `ConvTranspose2d` share: exact integer products, walked tap by tap by one kind of kernel.

The kernel spends, on each output pixel and for each group of `pe` output channels, one cycle per existing tap and full
group of `simd` input channels. Input channels that remain, because `simd` does not divide them, are gathered from
several taps into one cycle; where a layer has few channels, so are the full groups (`Fold`):

    cycles(pixel) = ceil(out_channels / pe) · max(1, full · blocks(tap_rows, tap_columns)
                                                     + blocks(rest_rows, rest_columns) where channels remain)

with full = floor(in_channels / simd) and, of a pixel's rows · columns taps, blocks(n, m) = ceil(rows / n) ·
ceil(columns / m). A frame takes the sum over its pixels, or as many cycles as it has input beats if they are more.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gan2hls.ir import Fold, IntType, Memory, Op, TensorType, signed_bits
from gan2hls.ops.walk import AxisWalk

BLOCK_RAM_WIDTHS = {512: 36, 1024: 18, 2048: 9}
"""Words of a block RAM of 18 kbit → bits of each: what ECP5, Gowin, Nexus and, in halves of theirs, AMD have.

Deeper and narrower ones lack a ninth of the bits, so that synthesis makes deep memories of these, and multiplexers."""

PACKED_BITS = 64
"""Bits that the products which share a multiplier may take: what `packed_multiply.h` simulates in a native integer, and
more than any hardware multiplier gives."""

FLAT_BANKS = 8
"""Banks of a weight memory above which the choice among them takes one register more (`weight_memory.sv`)."""

_ROUND_TRIP = 4
"""Cycles of `mac_engine.sv` from a pixel's last step, which makes room, to the first step of one that needs what comes
there: one each for the step's addresses, the release, the arrival and the walker's start."""


def block_rams(words: int, bits: int, depth: int) -> int:
    """Block RAMs of 18 kbit that `words` words of `bits` bits take in banks of `depth` words."""
    full, rest = divmod(words, depth)
    narrowest = next(size for size in BLOCK_RAM_WIDTHS if size >= min(rest, depth)) if rest else depth
    return full * groups(bits, BLOCK_RAM_WIDTHS[depth]) + bool(rest) * groups(bits, BLOCK_RAM_WIDTHS[narrowest])


def groups(channels: int, lanes: int) -> int:
    """Beats that `channels` channels take at `lanes` lanes."""
    return -(-channels // lanes)


@dataclass(frozen=True, eq=False)
class MacOp(Op):
    """Base of the multiply-accumulate ops.

    Args:
        codes: (kernel_height, kernel_width, in_channels, out_channels) stored weights: the integers themselves, or
            indices into the codebook.
        code_bits: bits of a stored code, 1 to 16.
        codebook: the 2^code_bits signed integers that the codes stand for, or None.
        weight_scale: real value of one weight step, None where it differs from channel to channel; metadata.
    """

    codes: np.ndarray
    code_bits: int
    codebook: tuple[int, ...] | None = None
    weight_scale: float | None = None

    @abstractmethod
    def walks(self, tensor: TensorType) -> tuple[AxisWalk, AxisWalk]:
        """Tap tables of the rows and of the columns."""

    @abstractmethod
    def output_size(self, tensor: TensorType) -> tuple[int, int]:
        """Height and width of the result."""

    @cached_property
    def weights(self) -> np.ndarray:
        """Integer weights, (kernel_height, kernel_width, in_channels, out_channels)."""
        if self.codebook is None:
            return self.codes
        return np.asarray(self.codebook, dtype=np.int64)[self.codes]

    @property
    def weight_bits(self) -> int:
        """Bits of a weight's value, signed."""
        if self.codebook is None:
            return self.code_bits
        return signed_bits(min(self.codebook), max(self.codebook))

    @cached_property
    def symmetric(self) -> bool:
        """No weight has the most negative value of its bits."""
        return int(self.weights.min()) > -(1 << (self.weight_bits - 1))

    @cached_property
    def _sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Per output channel, the sums of the negative and of the positive weights over all taps and inputs."""
        flat = self.weights.reshape(-1, self.weights.shape[-1])
        return np.minimum(flat, 0).sum(0), np.maximum(flat, 0).sum(0)

    def accumulator_range(self, kind: IntType) -> tuple[int, int]:
        """Smallest and largest accumulator that the actual weights can give for any input of type `kind`."""
        negative, positive = self._sums
        low = negative * kind.max + positive * kind.min
        high = positive * kind.max + negative * kind.min
        return min(0, int(low.min())), max(0, int(high.max()))

    def bound(self, tensor: TensorType) -> int:
        """Upper bound of the magnitude of every partial sum: max over channels of Σ|w|·max|x|."""
        negative, positive = self._sums
        return int((positive - negative).max()) * tensor.int_type.magnitude

    def verify(self, tensor: TensorType) -> Iterator[str]:
        if self.codes.ndim != 4 or 0 in self.codes.shape:
            expected = "(kernel_height, kernel_width, in_channels, out_channels), none 0"
            yield f"weights have shape {self.codes.shape}; expected {expected}"
            return
        if not 1 <= self.code_bits <= 16:
            yield f"{self.code_bits}-bit weights are not supported; use 1 to 16 bits"
            return
        kind = IntType(self.code_bits, self.codebook is None)
        if self.codebook is not None and len(self.codebook) != 1 << self.code_bits:
            yield f"a codebook of {self.code_bits}-bit codes has {1 << self.code_bits} values, not {len(self.codebook)}"
        elif self.codes.min() < kind.min or self.codes.max() > kind.max:
            yield f"weights from {self.codes.min()} to {self.codes.max()} do not fit {kind}: {kind.min} to {kind.max}"
        elif self.weight_bits > 18:
            yield f"codebook values of {self.weight_bits} bits are not supported; use at most 18"
        elif signed_bits(*self.accumulator_range(tensor.int_type)) > 48:
            yield "the accumulator needs more than 48 bits; use fewer weight or activation bits"
        if tensor.channels != self.codes.shape[2]:
            yield f"takes {self.codes.shape[2]} input channels, the input has {tensor.channels}"
        elif not self._size_problem(tensor) and min(self.output_size(tensor)) < 1:
            yield f"an input of {tensor.shape[0]}×{tensor.shape[1]} gives an output of {self.output_size(tensor)}"
        if self._size_problem(tensor):
            yield self._size_problem(tensor)

    def _size_problem(self, tensor: TensorType) -> str:
        return ""

    def output_type(self, tensor: TensorType) -> TensorType:
        bits = signed_bits(*self.accumulator_range(tensor.int_type))
        both = tensor.scale is not None and self.weight_scale is not None
        scale = tensor.scale * self.weight_scale if both else None  # type: ignore[operator]
        return TensorType((*self.output_size(tensor), self.codes.shape[3]), IntType(bits, True), scale)

    def macs(self, tensor: TensorType) -> int:
        rows, columns = self.walks(tensor)
        return int(rows.count.sum()) * int(columns.count.sum()) * self.codes.shape[2] * self.codes.shape[3]

    def multipliers(self, fold: Fold) -> int:
        return groups(fold.pe, fold.packing) * fold.lanes

    def pixel_steps(self, tensor: TensorType, fold: Fold) -> np.ndarray:
        """Cycles of each output pixel for one group of output channels, (height, width)."""
        rows, columns = self.walks(tensor)
        full, rest = divmod(tensor.channels, fold.simd)
        steps = full * np.multiply.outer(rows.blocks(fold.tap_rows), columns.blocks(fold.tap_columns))
        if rest:
            steps += np.multiply.outer(rows.blocks(fold.rest_rows), columns.blocks(fold.rest_columns))
        return np.maximum(1, steps)

    def cycles(self, tensor: TensorType, fold: Fold) -> int:
        words = tensor.pixels * groups(tensor.channels, fold.simd)  # one is taken in a cycle
        return max(groups(self.codes.shape[3], fold.pe) * int(self.pixel_steps(tensor, fold).sum()), words)

    def packed_bits(self, tensor: TensorType, packing: int) -> int:
        """Signed bits of the product that `packing` output channels share (`packed_multiply.sv`)."""
        kind = tensor.int_type
        pitch = kind.bits + self.weight_bits
        return kind.bits + (not kind.signed) + pitch * (packing - 1) + self.weight_bits + (not self.symmetric)

    def most_packing(self, tensor: TensorType) -> int:
        """Output channels that can share a multiplier: as many as fit `PACKED_BITS`, 1 at least."""
        room = PACKED_BITS - self.packed_bits(tensor, 1)
        return 1 + max(0, room // (tensor.int_type.bits + self.weight_bits))

    def fold_problem(self, tensor: TensorType, fold: Fold) -> str:
        """What is wrong with the taps or packing of a fold whose pe and simd are right, "" if nothing."""
        if fold.packing > (limit := self.most_packing(tensor)):
            bits = f"its products take {self.packed_bits(tensor, fold.packing)} bits of {PACKED_BITS}"
            return f"packing {fold.packing} is not supported; use 1 to {limit}: {bits}"
        most = tuple(max(1, int(walk.count.max())) for walk in self.walks(tensor))
        rest = tensor.channels % fold.simd
        for what, values in (("tap", (fold.tap_rows, fold.tap_columns)), ("rest", (fold.rest_rows, fold.rest_columns))):
            for axis, value, limit in zip(("rows", "columns"), values, most, strict=True):
                if not 1 <= value <= limit:
                    return f"{what}_{axis} {value} is not supported; use 1 to {limit}, the taps that a pixel has"
        if fold.rest_rows * fold.rest_columns * max(1, rest) > (fold.lanes if rest else 1):
            taken = f"{fold.rest_rows}×{fold.rest_columns} taps of the {rest} channels that remain"
            return (
                f"{taken} do not fit into {fold.lanes} lanes" if rest else f"simd {fold.simd} leaves no channels over"
            )
        return ""

    def ring_pixels(self, tensor: TensorType, fold: Fold) -> int:
        """Pixels of the smallest input ring with which frames follow each other every `cycles`.

        It holds each pixel's window, and so much more that the words of later windows arrive while earlier pixels
        compute. All times are exact: `_ROUND_TRIP` cycles are lost between a pixel's end, which makes room, and the
        start of the one that needs what comes there.
        """
        per_pixel = groups(tensor.channels, fold.simd)
        frame = tensor.pixels * per_pixel
        need, held = (pixels * per_pixel for pixels in self.windows(tensor))
        busy = groups(self.codes.shape[3], fold.pe) * self.pixel_steps(tensor, fold).ravel()
        frames = 3 + groups(_ROUND_TRIP, int(busy.sum()))
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
        return groups(max(words), per_pixel)

    def windows(self, tensor: TensorType) -> tuple[np.ndarray, np.ndarray]:
        """Per output pixel in raster order: input pixels that must have arrived, and those freed before it."""
        rows, columns = self.walks(tensor)
        width = tensor.shape[1]
        row_start, column_start = rows.first_needed, columns.first_needed
        row_start[0] = column_start[0] = 0  # inputs that nobody reads are freed with the first that somebody does
        leaves = row_start[1:] > row_start[:-1]
        freed = row_start[:-1, None] * width + leaves[:, None] * column_start[None, :-1]
        last = (rows.input + rows.count - 1)[:, None] * width + (columns.input + columns.count)[None, :]
        used = np.multiply.outer(rows.count, columns.count) > 0
        return np.where(used, last, 1).ravel(), freed.ravel()

    def _common_parameters(self, tensor: TensorType, fold: Fold) -> dict[str, int]:
        return {
            "InChannels": tensor.channels,
            "OutChannels": self.codes.shape[3],
            "Pe": fold.pe,
            "Simd": fold.simd,
            "InBits": tensor.int_type.bits,
            "InSigned": int(tensor.int_type.signed),
            "CodeBits": self.code_bits,
            "WeightBits": self.weight_bits,
            "UseCodebook": int(self.codebook is not None),
            "OutBits": self.output_type(tensor).int_type.bits,
            "RingPixels": self.ring_pixels(tensor, fold),
            "BankWords": self.bank_words(fold),
            "Packing": fold.packing,
            "Symmetric": int(self.symmetric),
        }

    def weight_words(self, fold: Fold) -> int:
        """Words of the weight memory."""
        height, width, channels, out_channels = self.codes.shape
        return height * width * groups(channels, fold.simd) * groups(out_channels, fold.pe)

    def bank_words(self, fold: Fold) -> int:
        """Depth of the banks of the weight memory: as few banks as go with almost as few block RAMs as possible."""
        words = self.weight_words(fold)
        counts = {depth: block_rams(words, fold.pe * fold.lanes * self.code_bits, depth) for depth in BLOCK_RAM_WIDTHS}
        least = min(counts.values())
        return max(depth for depth, count in counts.items() if count <= 1.05 * least)

    def memories(self, tensor: TensorType, fold: Fold) -> dict[str, Memory]:
        """Weight words by group of output channels: of each tap's full groups of input channels, then of its rest.

        A word holds the codes of the taps that a step takes at once, from its own tap on in the order of the walk;
        0 beyond the kernel, and in lanes that are not used. Such lanes have no input.
        """
        height, width, in_channels, out_channels = self.codes.shape
        full, rest = divmod(in_channels, fold.simd)
        out_groups = groups(out_channels, fold.pe)
        codes = np.zeros((height, width, in_channels, out_groups * fold.pe), dtype=np.int64)
        codes[..., :out_channels] = self.codes
        codes = codes.reshape(height, width, in_channels, out_groups, fold.pe)
        main = self._blocks(tensor, codes[:, :, : full * fold.simd], fold.tap_rows, fold.tap_columns)
        main = main.reshape(*main.shape[:4], full, fold.simd, out_groups, fold.pe)
        # (block row, block column, ky, kx, group, channel, out group, pe) -> (out group, word, pe, lane)
        words = main.transpose(6, 2, 3, 4, 7, 0, 1, 5).reshape(out_groups, -1, fold.pe, fold.lanes)
        if rest:
            last = self._blocks(tensor, codes[:, :, full * fold.simd :], fold.rest_rows, fold.rest_columns)
            last = last.transpose(5, 2, 3, 6, 0, 1, 4).reshape(out_groups, height * width, fold.pe, -1)
            unused = fold.lanes - last.shape[3]
            words = np.concatenate([words, np.pad(last, ((0, 0), (0, 0), (0, 0), (0, unused)))], axis=1)
        memory = Memory(words.reshape(-1, fold.pe * fold.lanes), self.code_bits, self.codebook is None)
        if self.codebook is None:
            return {"weights": memory}
        return {"weights": memory, "codebook": Memory(np.asarray(self.codebook)[:, None], self.weight_bits, True)}

    def _blocks(self, tensor: TensorType, codes: np.ndarray, rows: int, columns: int) -> np.ndarray:
        """(rows, columns, *codes.shape): [i, j, ky, kx] has the codes of the tap that is i rows and j columns on."""
        steps = tuple(walk.step for walk in self.walks(tensor))
        blocks = np.zeros((rows, columns, *codes.shape), dtype=codes.dtype)
        for i, j in np.ndindex(rows, columns):
            to_y, from_y = _overlap(codes.shape[0], i * steps[0])
            to_x, from_x = _overlap(codes.shape[1], j * steps[1])
            blocks[i, j, to_y, to_x] = codes[from_y, from_x]
        return blocks


def _overlap(size: int, shift: int) -> tuple[slice, slice]:
    """Indices k of an axis for which k + shift is one too, and those sums."""
    low = max(0, -shift)
    high = max(low, min(size, size - shift))
    return slice(low, high), slice(low + shift, high + shift)


@dataclass(frozen=True, eq=False)
class ConvolutionOp(MacOp):
    """What both convolutions share: stride and padding as (vertical, horizontal)."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    def verify(self, tensor: TensorType) -> Iterator[str]:
        if min(self.stride) < 1:
            yield f"stride {self.stride} is not supported; use 1 or more"
        elif min(self.padding) < 0:
            yield f"padding {self.padding} is not supported; use 0 or more"
        else:
            yield from super().verify(tensor)

    def kernel_parameters(self, tensor: TensorType, fold: Fold) -> dict[str, int]:
        out_height, out_width = self.output_size(tensor)
        return {
            "InHeight": tensor.shape[0],
            "InWidth": tensor.shape[1],
            "OutHeight": out_height,
            "OutWidth": out_width,
            "KernelHeight": self.codes.shape[0],
            "KernelWidth": self.codes.shape[1],
            "StrideHeight": self.stride[0],
            "StrideWidth": self.stride[1],
            "PadHeight": self.padding[0],
            "PadWidth": self.padding[1],
            "TapRows": fold.tap_rows,
            "TapCols": fold.tap_columns,
            "RestRows": fold.rest_rows,
            "RestCols": fold.rest_columns,
            **self._common_parameters(tensor, fold),
        }
