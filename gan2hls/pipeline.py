"""A row of kernels with streams between them: what folding makes of a graph, and what both backends render."""

from dataclasses import dataclass
from functools import cached_property

from gan2hls.ir import Fold, Graph
from gan2hls.kernels import Fifo, Kernel, Memory, Port

Folding = dict[str, Fold]
"""A `Fold` for every node of a graph, by node name."""

STREAM_DEPTH = 2
"""Beats that a stream holds: what the skid buffer at a kernel's output holds."""


@dataclass(frozen=True)
class Stream:
    """A stream between stages: what goes through it, and how many beats it holds."""

    name: str
    port: Port
    depth: int = STREAM_DEPTH

    @property
    def pixels(self) -> int:
        return self.port.pixels

    @property
    def channels(self) -> int:
        return self.port.channels

    @property
    def lanes(self) -> int:
        return self.port.lanes

    @property
    def bits(self) -> int:
        return self.port.bits

    @property
    def signed(self) -> bool:
        return self.port.signed

    @property
    def beats(self) -> int:
        """Beats a frame."""
        return self.port.beats

    @property
    def fifo(self) -> "Stage | None":
        """The FIFO in it, where it is deeper than the kernel before it holds."""
        if self.depth <= STREAM_DEPTH:
            return None
        return Stage(f"u_{self.name}_fifo", Fifo((self.port,), (self.port,), self.depth - STREAM_DEPTH))


@dataclass(frozen=True, eq=False)
class Stage:
    """An instance in the top module: its kernel, and the `node` that it computes ("" for what lies between two)."""

    name: str
    kernel: Kernel
    node: str = ""

    @property
    def module(self) -> str:
        return self.kernel.module

    @property
    def parameters(self) -> dict[str, int]:
        return self.kernel.parameters

    @property
    def memories(self) -> dict[str, Memory]:
        return self.kernel.memories

    @property
    def cycles(self) -> int:
        """Busy cycles a frame."""
        return self.kernel.cycles


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Stages in a row: `streams[i]` feeds `stages[i]`, which feeds `streams[i + 1]`."""

    graph: Graph
    folding: Folding
    stages: tuple[Stage, ...]
    streams: tuple[Stream, ...]

    @property
    def input(self) -> Stream:
        return self.streams[0]

    @property
    def output(self) -> Stream:
        return self.streams[-1]

    @cached_property
    def interval_cycles(self) -> int:
        """Cycles from frame to frame in steady state: those of the slowest stage."""
        return max(stage.cycles for stage in self.stages)

    @property
    def mac_multipliers(self) -> int:
        """Multipliers that multiply weights."""
        return sum(stage.kernel.multipliers for stage in self.stages if stage.kernel.weighted)

    @property
    def other_multipliers(self) -> int:
        """Multipliers of requantization."""
        return sum(stage.kernel.multipliers for stage in self.stages if not stage.kernel.weighted)

    @property
    def utilization(self) -> float:
        """Useful multiply-accumulates per cycle and weight multiplier, at most 1 unless multipliers are packed."""
        return self.graph.macs() / (self.interval_cycles * self.mac_multipliers) if self.mac_multipliers else 0.0
