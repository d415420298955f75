"""Kernels with streams between them: what folding makes of a graph, and what both backends render."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from gan2hls.errors import Gan2HlsError, raise_problems
from gan2hls.ir import Fold, Graph
from gan2hls.kernels import Fifo, Kernel, Memory, Port
from gan2hls.names import unique_identifier

Folding = dict[str, Fold]
"""A `Fold` for every node that computes, by node name."""

STREAM_DEPTH = 2
"""Beats that a stream holds without a FIFO: what the skid buffer at a kernel's output holds."""


@dataclass(frozen=True)
class Stream:
    """A stream from one stage to another, or through a port of the design: its name, and what goes through it."""

    name: str
    port: Port

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


@dataclass(frozen=True, eq=False)
class Stage:
    """An instance in the top module.

    Attributes:
        name: of the instance.
        kernel: what it is an instance of.
        node: the node that it computes, "" for what lies between two.
        inputs, outputs: names of the streams at the kernel's ports, in their order.
    """

    name: str
    kernel: Kernel
    node: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

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


@dataclass(frozen=True)
class Sizes:
    """Sizes of the buffers that may grow.

    Attributes:
        rings: input pixels that each ring holds, by the name of its stage.
        fifos: beats that the FIFO in a stream holds, by the stream's name; a stream without one holds the two beats of
            the kernel that writes it.
        streams: words that each stream of the C++ holds, by name, of those that hold more than `STREAM_DEPTH`; None
            where nobody has sought them.
    """

    rings: dict[str, int] = field(default_factory=dict)
    fifos: dict[str, int] = field(default_factory=dict)
    streams: dict[str, int] | None = None


@dataclass(frozen=True)
class Bus:
    """A port of the design: `<prefix>_tdata` and so on in SystemVerilog, the parameter `<prefix>` in C++.

    Attributes:
        prefix: `s_axis` or `m_axis` of the only input or output, else with the name's identifier behind.
        name: of the graph's input or output.
        stream: inside of the design.
    """

    prefix: str
    name: str
    stream: Stream


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Stages and streams; each stream has one writer and one reader, the design's ports among them.

    Attributes:
        graph: what is computed.
        folding: how each node is folded.
        stages: each after those that feed it.
        streams: by name; the port of a stream is that of its writer, or of its reader where it enters the design.
        inputs, outputs: the stream of each of the graph's inputs and outputs, by its name there.
        depths: `Sizes.streams`.
    """

    graph: Graph
    folding: Folding
    stages: tuple[Stage, ...]
    streams: Mapping[str, Stream]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    depths: Mapping[str, int] | None = None

    def verify(self) -> "Pipeline":
        """Return the pipeline, each stream of which has one writer and one reader that agree in what goes through it.

        Raises:
            Gan2HlsError: it has not, which is a fault of gan2hls.
        """
        problems: list[str] = []
        writers, readers = dict.fromkeys(self.inputs.values(), "input"), dict.fromkeys(self.outputs.values(), "output")
        for stage in self.stages:
            for found, names, ports in (
                (readers, stage.inputs, stage.kernel.inputs),
                (writers, stage.outputs, stage.kernel.outputs),
            ):
                if len(names) != len(ports):
                    problems.append(f"{stage.name} has {len(ports)} ports and {len(names)} streams")
                for name, port in zip(names, ports, strict=False):
                    if name in found:
                        problems.append(f"{name} belongs to {found[name]} and to {stage.name}")
                    found[name] = stage.name
                    if name not in self.streams or self.streams[name].port != port:
                        problems.append(f"{stage.name} has {port} where {self.streams.get(name)} is")
            problems += [
                f"{stage.name} reads {name} before it is written" for name in stage.inputs if name not in writers
            ]
        for name in self.streams:
            if name not in writers or name not in readers:
                problems.append(f"{name} is written by {writers.get(name)} and read by {readers.get(name)}")
        if problems:
            raise Gan2HlsError("\n".join(["the pipeline is not sound:", *problems]))
        return self

    @property
    def input(self) -> Stream:
        """The stream of the only input."""
        assert len(self.inputs) == 1
        return self.streams[next(iter(self.inputs.values()))]

    @property
    def output(self) -> Stream:
        """The stream of the only output."""
        assert len(self.outputs) == 1
        return self.streams[next(iter(self.outputs.values()))]

    @cached_property
    def slaves(self) -> tuple[Bus, ...]:
        """The ports through which frames enter, in the order of the graph's inputs."""
        return self._buses("s_axis", self.inputs)

    @cached_property
    def masters(self) -> tuple[Bus, ...]:
        """The ports through which frames leave, in the order of the graph's outputs."""
        return self._buses("m_axis", self.outputs)

    def _buses(self, side: str, names: Mapping[str, str]) -> tuple[Bus, ...]:
        taken: set[str] = set()
        buses = []
        for name, stream in names.items():
            prefix = side if len(names) == 1 else side + unique_identifier(name, taken).removeprefix("u")
            buses.append(Bus(prefix, name, self.streams[stream]))
        return tuple(buses)

    @property
    def kernels(self) -> tuple[Stage, ...]:
        """The stages without the FIFOs, which keep what others make."""
        return tuple(stage for stage in self.stages if not isinstance(stage.kernel, Fifo))

    # -- buffers ------------------------------------------------------------------------------------------------------

    @property
    def sizes(self) -> Sizes:
        """Sizes of the rings and FIFOs, and of the streams of the C++."""
        rings = {stage.name: stage.kernel.ring_pixels for stage in self.stages if stage.kernel.ring_pixels}
        fifos = {stage.inputs[0]: stage.kernel.depth for stage in self.stages if isinstance(stage.kernel, Fifo)}
        return Sizes(rings, fifos, None if self.depths is None else dict(self.depths))

    def with_sizes(self, sizes: Sizes) -> "Pipeline":
        """The pipeline with rings, FIFOs and streams of these sizes, and no other FIFOs.

        Raises:
            UserError: a size for what the pipeline has not, below 0, or of a stream below `STREAM_DEPTH`.
        """
        bare = self.without_fifos()
        rings = {stage.name for stage in bare.stages if stage.kernel.ring_pixels}
        depths = sizes.streams or {}
        unknown = [*(sizes.rings.keys() - rings), *((sizes.fifos.keys() | depths.keys()) - bare.streams.keys())]
        raise_problems(f"sizes: {name!r} is no buffer of the pipeline" for name in sorted(unknown))
        given = {**sizes.rings, **sizes.fifos}
        raise_problems(f"sizes: {name} can not hold {size}" for name, size in given.items() if size < 0)
        low = {name: depth for name, depth in depths.items() if depth < STREAM_DEPTH}
        raise_problems(f"sizes: stream {name} of the C++ can not hold {depth}" for name, depth in low.items())
        stages: list[Stage] = []
        streams = dict(bare.streams)

        def fifo(name: str) -> str:
            """What is read in place of the stream, and the FIFO between the two."""
            if not (depth := sizes.fifos.get(name)):
                return name
            port, behind = bare.streams[name].port, f"{name}_out"
            stages.append(Stage(f"u_{name}_fifo", Fifo((port,), (port,), depth), "", (name,), (behind,)))
            streams[behind] = Stream(behind, port)
            return behind

        for stage in bare.stages:
            read = tuple(map(fifo, stage.inputs))
            ring = sizes.rings.get(stage.name)
            kernel = stage.kernel.with_ring(ring) if ring and ring != stage.kernel.ring_pixels else stage.kernel
            stages.append(replace(stage, kernel=kernel, inputs=read))
        outputs = {name: fifo(stream) for name, stream in bare.outputs.items()}
        made = replace(bare, stages=tuple(stages), streams=streams, outputs=outputs, depths=sizes.streams)
        return made.verify()

    def without_fifos(self) -> "Pipeline":
        """The pipeline without FIFOs."""
        before = {stage.outputs[0]: stage.inputs[0] for stage in self.stages if isinstance(stage.kernel, Fifo)}
        stages = tuple(
            replace(stage, inputs=tuple(before.get(name, name) for name in stage.inputs)) for stage in self.kernels
        )
        streams = {name: stream for name, stream in self.streams.items() if name not in before}
        outputs = {name: before.get(stream, stream) for name, stream in self.outputs.items()}
        return replace(self, stages=stages, streams=streams, outputs=outputs)

    # -- figures ------------------------------------------------------------------------------------------------------

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
