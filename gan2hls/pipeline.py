"""A row of kernels with streams between them: what folding makes of a graph, and what both backends render."""

from dataclasses import dataclass
from functools import cached_property

from gan2hls.ir import Fold, Graph, Memory
from gan2hls.ops.mac import MacOp, groups

Folding = dict[str, Fold]
"""A `Fold` for every node of a graph, by node name."""

STREAM_DEPTH = 2
"""Beats that a stream holds: what the skid buffer at a kernel's output holds."""


@dataclass(frozen=True)
class Stream:
    """A stream between stages: `pixels` a frame, `lanes` of `channels` channels a beat, `depth` beats deep."""

    name: str
    pixels: int
    channels: int
    lanes: int
    bits: int
    signed: bool
    depth: int = STREAM_DEPTH

    @property
    def beats(self) -> int:
        """Beats a frame."""
        return self.pixels * groups(self.channels, self.lanes)


@dataclass(frozen=True, eq=False)
class Stage:
    """A kernel instance: its `stem`, the `node` that it computes ("" for a converter), its busy `cycles` a frame."""

    name: str
    stem: str
    parameters: dict[str, int]
    memories: dict[str, Memory]
    cycles: int
    node: str = ""


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
        return sum(n.op.multipliers(self.folding[n.name]) for n in self.graph.nodes if isinstance(n.op, MacOp))

    @property
    def other_multipliers(self) -> int:
        """Multipliers of requantization."""
        return sum(n.op.multipliers(self.folding[n.name]) for n in self.graph.nodes if not isinstance(n.op, MacOp))

    @property
    def utilization(self) -> float:
        """Useful multiply-accumulates per cycle and weight multiplier, at most 1 unless multipliers are packed."""
        return self.graph.macs() / (self.interval_cycles * self.mac_multipliers) if self.mac_multipliers else 0.0
