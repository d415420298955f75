"""What a kernel is: an instance of a module of `hw/rtl` and of the function of the same name in `hw/hls`."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from gan2hls.counting import Machine, Shape, Tally, Values
from gan2hls.integers import ceil_div
from gan2hls.kernels.iterations import Iterations
from gan2hls.kernels.rules import Rule
from gan2hls.tensors import TensorType


@dataclass(frozen=True)
class Fold:
    """How much of an op works at once: `simd` input channels and `pe` output channels a cycle.

    The rest is for MAC ops. `packing` output channels share each hardware multiplier, where its ports are wide enough.
    A step takes its `simd` channels from `tap_rows` × `tap_columns` neighbouring taps. The channels that remain where
    `simd` does not divide them come in steps of their own, from `rest_rows` × `rest_columns` taps.

    A requantization makes each product of `parts` multipliers, 1 or 2, with a register behind each.
    """

    pe: int = 1
    simd: int = 1
    packing: int = 1
    tap_rows: int = 1
    tap_columns: int = 1
    rest_rows: int = 1
    rest_columns: int = 1
    parts: int = 1

    @property
    def lanes(self) -> int:
        """Products that each PE makes a cycle."""
        return self.simd * self.tap_rows * self.tap_columns

    def __str__(self) -> str:
        """As 6×8; with what is not 1: 6×8 taps 1×2 rest 1×3 packed 2."""
        text = f"{self.pe}×{self.simd}"
        if self.tap_rows * self.tap_columns > 1:
            text += f" taps {self.tap_rows}×{self.tap_columns}"
        if self.rest_rows * self.rest_columns > 1:
            text += f" rest {self.rest_rows}×{self.rest_columns}"
        return text + (f" packed {self.packing}" if self.packing > 1 else "")


@dataclass(frozen=True)
class Choice:
    """A fold among which a budget chooses: the hardware multipliers that it takes, and busy cycles a frame."""

    multipliers: int
    cycles: int
    fold: Fold


@dataclass(frozen=True, eq=False)
class Memory:
    """Content of a kernel's read-only memory: `words` (depth, elements a word), each element of `bits` bits."""

    words: np.ndarray
    bits: int
    signed: bool

    def shape(self, kind: str, words: slice = slice(None), reads: int = 1) -> Shape:
        """What synthesis stores of some of the words: no bits that are the same in all of them."""
        codes = self.words[words].astype(np.int64) & ((1 << self.bits) - 1)
        varying = np.bitwise_or.reduce(codes, axis=0) & ~np.bitwise_and.reduce(codes, axis=0)
        return Shape(kind, len(codes), int(sum(int(value).bit_count() for value in np.ravel(varying))), reads)


@dataclass(frozen=True)
class Port:
    """A kernel's side of a stream: `pixels` a frame, `lanes` of `channels` channels a beat, elements of `bits` bits."""

    pixels: int
    channels: int
    lanes: int
    bits: int
    signed: bool

    @staticmethod
    def of(tensor: TensorType, lanes: int) -> "Port":
        """The port through which a tensor goes, `lanes` channels a beat."""
        return Port(tensor.pixels, tensor.channels, lanes, tensor.int_type.bits, tensor.int_type.signed)

    @property
    def beats(self) -> int:
        """Beats a frame."""
        return self.pixels * ceil_div(self.channels, self.lanes)


@dataclass(frozen=True, eq=False)
class Kernel(ABC):
    """An instance of one hardware module: it says once all that the rest asks about it.

    Attributes:
        module: `hw/rtl/<module>.sv` and `hw/hls/<module>.h`.
        weighted: whether its multipliers multiply weights.
        holds_rows: whether it holds rows of pixels, which makes it give its beats in bursts.
        inputs, outputs: its ports; of several, port 0 has the lowest bits of the module's buses.

    A subclass that names its module registers itself by that.
    """

    registry: ClassVar[dict[str, type["Kernel"]]] = {}
    module: ClassVar[str]
    weighted: ClassVar[bool] = False
    holds_rows: ClassVar[bool] = False
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "module" in cls.__dict__:
            Kernel.registry[cls.module] = cls

    @property
    def input(self) -> Port:
        """The first input, which is the only one of most kernels."""
        return self.inputs[0]

    @property
    def output(self) -> Port:
        """The first output, which is the only one of all kernels but a fork."""
        return self.outputs[0]

    @property
    @abstractmethod
    def parameters(self) -> dict[str, int]:
        """Parameters of the module, as in docs/architecture.md."""

    @property
    def lists(self) -> dict[str, tuple[int, ...]]:
        """Parameters that are several integers, one for each port: 32 bits each in RTL, an array in C++."""
        return {}

    @property
    def cpp_parameters(self) -> dict[str, int]:
        """Parameters that the C++ has beside."""
        return {}

    def cpp_memory(self, name: str) -> np.ndarray:
        """The words of a memory as the C++ has them: (depth, elements a word), or in more dimensions."""
        return self.memories[name].words

    @cached_property
    def memories(self) -> dict[str, Memory]:
        """Read-only memories by name, in the order of the module's parameters."""
        return {}

    @property
    def memory_names(self) -> tuple[str, ...]:
        """Names of its memories, which may be large."""
        return tuple(self.memories)

    @property
    def cycles(self) -> int:
        """Clock cycles that it is busy for one frame: the beats of the port that has most of them."""
        return max(port.beats for port in self.inputs + self.outputs)

    @property
    def shortest_burst(self) -> int:
        """Cycles between an output pixel's groups of `output.lanes` channels where they follow each other fastest."""
        return 1

    @property
    def multipliers(self) -> int:
        """Hardware multipliers."""
        return 0

    @property
    def ring_pixels(self) -> int:
        """Input pixels that its ring holds, which may grow (`with_ring`); 0 without a ring."""
        return 0

    def with_ring(self, pixels: int) -> "Kernel":
        """The same kernel with a ring of another size."""
        raise AssertionError(f"{self.module} has no ring")

    def in_cpp(self) -> "Kernel":
        """The kernel with the ring that its C++ has."""
        return self

    def iterations(self) -> Iterations:
        """Which iterations of the C++'s loop read and write each beat; by default beat k is moved in iteration k."""
        return Iterations.of_beats(self.cycles, len(self.inputs), len(self.outputs))

    @abstractmethod
    def rules(self) -> tuple[Rule, ...]:
        """Time: how the tracks of its streams, and of its own, grow (`rules`)."""

    # -- what an estimate counts --------------------------------------------------------------------------------------

    def shapes(self) -> Iterator[Shape]:
        """Its memories in the order of the RTL; by default those that are only read, each through one port."""
        for memory in self.memories.values():
            yield memory.shape("constants")

    def counted(self, tally: Tally) -> Machine:
        """Count what it takes on the tally's family, and say whose coefficients that goes by."""
        return self.count({**self.parameters, **self.lists}, tally)

    @staticmethod
    @abstractmethod
    def count(values: Values, tally: Tally) -> Machine:
        """Count what an instance of these parameters takes, the tally's memories included.

        It follows from the parameters alone, so that figures of long ago can be counted anew.

        Args:
            values: `parameters` and `lists`.

        Returns:
            The kind of kernel whose coefficients it goes by: `Machine.COUNTED` where none are fitted for it.
        """
