"""What an op is: one integer operation that knows its mathematics and its kernel, not its printers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gan2hls.integers import ceil_div
from gan2hls.kernels import Choice, Fold, Kernel
from gan2hls.targets import Family
from gan2hls.tensors import TensorType

Tensors = tuple[TensorType, ...]
"""Types of the tensors that enter an op, in order."""


@dataclass(frozen=True)
class Flow:
    """How the neighbours of an op work.

    Attributes:
        lanes, burst: channels a beat of what comes before, and cycles between its beats where they are fewest.
        next_lanes: channels a beat that the op behind takes, 0 where it has not chosen.
    """

    lanes: int
    burst: int
    next_lanes: int


class Op(ABC):
    """One integer operation.

    A subclass is a frozen dataclass whose fields are JSON values, `IntType`s, `TensorType`s and integer arrays, names
    its `stem` (`hw/hls/<stem>.h`, `hw/rtl/<stem>.sv`) and registers itself by that.

    What is mathematics takes the tensors one by one, so that an op of one input writes `verify(self, tensor)` and
    `reference(self, x, tensor)`; what is hardware takes them as one tuple.
    """

    stem: ClassVar[str]
    arity: ClassVar[tuple[int, int | None]] = (1, 1)
    """Fewest and most inputs; None: no limit."""
    most_parts: ClassVar[int] = 1
    """Most multipliers that a product may be made of (`Fold.parts`)."""
    converts_lanes: ClassVar[bool] = False
    """Whether it may have other lanes at its output than at its input."""
    registry: ClassVar[dict[str, type["Op"]]] = {}

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "stem" in cls.__dict__:
            Op.registry[cls.stem] = cls

    @abstractmethod
    def verify(self, *args: Any, **kwargs: Any) -> Iterator[str]:
        """Yield what is wrong with the op, or with it on inputs of these types (`*tensors`)."""

    @abstractmethod
    def output_type(self, *args: Any, **kwargs: Any) -> TensorType:
        """Type of the result for inputs of these types (`*tensors`)."""

    @abstractmethod
    def reference(self, *args: Any, **kwargs: Any) -> np.ndarray:
        """The op on integers (n, height, width, channels), exactly, in any carrier: `*xs`, then their types."""

    @abstractmethod
    def kernel(self, tensors: Tensors, fold: Fold) -> Kernel:
        """The hardware of the op on inputs of these types, folded so."""

    def macs(self, *args: Any, **kwargs: Any) -> int:
        """Useful multiply-accumulates a frame for inputs of these types: an existing input times an existing tap."""
        return 0

    def arity_problem(self, inputs: int) -> str:
        """What is wrong with so many inputs, "" if nothing."""
        least, most = self.arity
        if least <= inputs and (most is None or inputs <= most):
            return ""
        accepted = f"{least} or more" if most is None else f"{least}" if least == most else f"{least} to {most}"
        return f"takes {accepted} input{'s' * (most != 1)}, got {inputs}"

    # -- folding ------------------------------------------------------------------------------------------------------

    def folds(self, tensors: Tensors, family: Family | None) -> Iterator[Choice]:
        """The folds among which a budget of multipliers chooses, none beaten by another in multipliers and cycles.

        None at all (the default) where the lanes follow from the neighbours' (`follow`).

        Args:
            tensors: types of the inputs.
            family: whose multipliers take as many products as their ports allow; None: one.
        """
        return iter(())

    def follow(self, tensors: Tensors, before: Flow, target: int, family: Family | None) -> Fold:
        """The fold of an op without `folds`: as few lanes as keep up with what comes before and with `target` cycles.

        Args:
            tensors: types of the inputs.
            before: how the neighbours work; of several inputs, the one that brings most.
            target: cycles a frame.
            family: as for `folds`.
        """
        most = self.largest_fold(tensors).pe
        lanes = ceil_div(min(before.lanes, most), before.burst)
        while lanes < most and self.kernel(tensors, Fold(lanes, lanes)).cycles > target:
            lanes += 1
        return Fold(lanes, lanes)

    def largest_fold(self, tensors: Tensors) -> Fold:
        """The largest `pe` and `simd` that make sense."""
        return Fold(self.output_type(*tensors).channels, max(tensor.channels for tensor in tensors))

    def fold_problems(self, tensors: Tensors, fold: Fold) -> Iterator[str]:
        """Yield what is wrong with a fold of this op."""
        most = self.largest_fold(tensors)
        for what, value, limit, side in (("pe", fold.pe, most.pe, "output"), ("simd", fold.simd, most.simd, "input")):
            if not 1 <= value <= limit:
                yield f"{what} {value} is not supported; use 1 to {limit}, its {side} channels"
        if not 1 <= fold.parts <= self.most_parts:
            accepted = f"{self.stem} has no wide products" if self.most_parts == 1 else f"use 1 or {self.most_parts}"
            yield f"parts {fold.parts} is not supported; {accepted}"
        yield from self._mac_fold_problems(tensors, fold)

    def _mac_fold_problems(self, tensors: Tensors, fold: Fold) -> Iterator[str]:
        """What is wrong with the fields of a fold that only multipliers of weights have."""
        if fold.packing != 1:
            yield f"packing {fold.packing} is not supported; {self.stem} has no weights to pack"
        if (fold.tap_rows, fold.tap_columns, fold.rest_rows, fold.rest_columns) != (1, 1, 1, 1):
            yield f"{self.stem} has no taps"
        if fold.pe != fold.simd and not self.converts_lanes:
            yield f"pe {fold.pe} and simd {fold.simd} differ; {self.stem} has one number of lanes"

    # -- for people ---------------------------------------------------------------------------------------------------

    @property
    def detail(self) -> str:
        """What sets it apart from others of its kind in a table of layers; "" where nothing does."""
        return ""

    @property
    def weight_type(self) -> str:
        """Of a stored weight, e.g. "s8", or "u4→s8" for 4-bit codes of 8-bit values; "" without weights."""
        return ""

    @property
    def stored_weight_bits(self) -> int | None:
        """Bits of one stored weight; None without weights."""
        return None

    @property
    def weight_memory_bits(self) -> int:
        """Bits of all stored weights, without padding."""
        return 0
