"""What `Dense`, `Conv2d` and `ConvTranspose2d` share: exact integer products, and the folds of their kernel."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from gan2hls.integers import ceil_div
from gan2hls.ir import Choice, Fold, IntType, Op, Tensors, TensorType, signed_bits
from gan2hls.kernels import Port
from gan2hls.kernels.mac import MacKernel, Weights
from gan2hls.kernels.walk import AxisWalk
from gan2hls.targets import Family

PACKED_BITS = 64
"""Bits that the products which share a multiplier may take: what `packed_multiply.h` simulates in a native integer, and
more than any hardware multiplier gives."""


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

    kernel_class: ClassVar[type[MacKernel]]
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
    def stored(self) -> Weights:
        """The weights as the kernel has them."""
        return Weights(self.codes, self.code_bits, self.codebook)

    @property
    def weights(self) -> np.ndarray:
        """Integer weights, (kernel_height, kernel_width, in_channels, out_channels)."""
        return self.stored.values

    @property
    def weight_bits(self) -> int:
        """Bits of a weight's value, signed."""
        return self.stored.bits

    @property
    def symmetric(self) -> bool:
        """No weight has the most negative value of its bits."""
        return self.stored.symmetric

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

    def kernel(self, tensors: Tensors, fold: Fold) -> MacKernel:
        (tensor,) = tensors
        result = self.output_type(tensor)
        rows, columns = self.walks(tensor)
        return self.kernel_class(
            (Port.of(tensor, fold.simd),),
            (Port.of(result, fold.pe),),
            self.stored,
            rows,
            columns,
            fold,
            self.geometry(tensor, fold),
        )

    def geometry(self, tensor: TensorType, fold: Fold) -> dict[str, int]:
        """The kernel's parameters of shape, stride and padding."""
        return {}

    # -- folding ------------------------------------------------------------------------------------------------------

    def packing(self, tensor: TensorType, family: Family | None) -> int:
        """Output channels that share a multiplier of a family; 1 for None."""
        kind = tensor.int_type
        if family is None:
            return 1
        products = family.products(kind.bits, self.weight_bits, signed=kind.signed, symmetric=self.symmetric)
        return min(products, self.most_packing(tensor))

    def folds(self, tensors: Tensors, family: Family | None) -> Iterator[Choice]:
        """The folds that no other beats, multipliers rising, cycles falling."""
        (tensor,) = tensors
        best = None
        found = sorted(self._worth_a_thought(tensor, self.packing(tensor, family)), key=lambda choice: choice[:3])
        for multipliers, cycles, _, fold in found:
            if best is None or cycles < best:
                best = cycles
                yield Choice(multipliers, cycles, fold)

    def _worth_a_thought(self, tensor: TensorType, packing: int) -> Iterator[tuple[int, int, int, Fold]]:
        """Multipliers, cycles as the kernel has them, copies of the ring, and fold, of all that may be the best.

        More PEs than it takes for a number of groups are not, nor are several taps at once while there are output
        channels left that could work instead: these need no second copy of ring and weights.
        """
        out_channels, channels = self.codes.shape[3], tensor.channels
        rows, columns = self.walks(tensor)
        empty = int((np.multiply.outer(rows.count, columns.count) == 0).sum())
        blocks = [  # steps a frame over blocks of taps of each size, fewest first
            (int(rows.blocks(y).sum()) * int(columns.blocks(x).sum()), y * x, y, x)
            for y in range(1, max(1, int(rows.count.max())) + 1)
            for x in range(1, max(1, int(columns.count.max())) + 1)
        ]
        fewest = sorted(blocks)
        widths = sorted({ceil_div(out_channels, count) for count in range(1, out_channels + 1)})
        for steps, taps, tap_rows, tap_columns in blocks:
            for simd in range(1, channels + 1):
                full, rest = divmod(channels, simd)
                left, copies, rest_rows, rest_columns = 0, 1, 1, 1
                if rest:
                    left, copies, rest_rows, rest_columns = next(b for b in fewest if b[1] * rest <= taps * simd)
                group = full * steps + left + empty
                words = tensor.pixels * ceil_div(channels, simd)
                for pe in widths if taps == 1 else [out_channels]:
                    pack = min(packing, pe)
                    fold = Fold(pe, simd, pack, tap_rows, tap_columns, rest_rows, rest_columns)
                    cycles = max(ceil_div(out_channels, pe) * group, words)
                    yield ceil_div(pe, pack) * fold.lanes, cycles, taps + copies, fold

    def _mac_fold_problems(self, tensors: Tensors, fold: Fold) -> Iterator[str]:
        (tensor,) = tensors
        if not 1 <= fold.packing <= fold.pe:
            yield f"packing {fold.packing} is not supported; use 1 to pe"
        if 1 <= fold.simd <= tensor.channels and (problem := self.fold_problem(tensor, fold)):
            yield problem

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

    # -- for people ---------------------------------------------------------------------------------------------------

    @property
    def weight_type(self) -> str:
        value = IntType(self.weight_bits, True)
        return str(value) if self.codebook is None else f"{IntType(self.code_bits, False)}→{value}"

    @property
    def stored_weight_bits(self) -> int:
        return self.code_bits

    @property
    def weight_memory_bits(self) -> int:
        return self.codes.size * self.code_bits + len(self.codebook or ()) * self.weight_bits


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

    def geometry(self, tensor: TensorType, fold: Fold) -> dict[str, int]:
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
        }

    @property
    def detail(self) -> str:
        stride = str(self.stride[0]) if self.stride[0] == self.stride[1] else "×".join(map(str, self.stride))
        return f"{self.codes.shape[0]}×{self.codes.shape[1]}, stride {stride}"
