"""When each word of the C++ moves under an HLS tool's schedule, without a tool: interval, latency and standstills.

A process is its loop: an iteration a cycle, and one that finds a stream empty or full holds the whole loop
(`kernels.iterations`). Streams have the depths of the C++, which are not those of the RTL. Kernels are determinate and
the graph has no cycle, so if this schedule runs on, every other one does, that of C simulation among them (G. Kahn,
"The semantics of a simple language for parallel programming", 1974). The registers of a loop's pipeline, which only a
tool's scheduling tells, are not counted: they make the latency longer, and not the interval.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

from gan2hls.kernels import Iterations, Kernel
from gan2hls.kernels.iterations import process
from gan2hls.network import Network, Part, Stream
from gan2hls.pipeline import STREAM_DEPTH, Pipeline, Stage
from gan2hls.schedule import MOST_FRAMES, Prediction, Run, predicted

STANDSTILL = "the C++"
"""What comes to a standstill, in messages."""


class HlsModel:
    """The processes of a pipeline's C++, as parts of timed networks.

    Attributes:
        pipeline: without FIFOs, which are no processes.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline.without_fifos()

    @cached_property
    def kernels(self) -> dict[str, Kernel]:
        """The kernels as the C++ has them, by stage."""
        return {stage.name: stage.kernel.in_cpp() for stage in self.pipeline.stages}

    @cached_property
    def iterations(self) -> dict[str, Iterations]:
        """What each process does, by stage."""
        return {name: kernel.iterations() for name, kernel in self.kernels.items()}

    @cached_property
    def interval_cycles(self) -> int:
        """Iterations a frame of the process that has most: no streams make frames follow each other faster."""
        ports = [stream.beats for stream in self.pipeline.streams.values()]
        return max([*ports, *(one.count for one in self.iterations.values())])

    def network(self, stages: Sequence[Stage], depths: Mapping[str, int]) -> Network:
        """Some stages as a network: what enters from outside always waits, and what leaves is always taken.

        Args:
            stages: of the pipeline.
            depths: words that streams hold, by name; those that are not named hold `STREAM_DEPTH`.
        """
        streams: dict[str, Stream] = {}
        numbers: dict[str, int] = {}
        parts: list[Part] = []

        def number(name: str, beats: int) -> int:
            if name not in streams:
                numbers[name] = len(streams)
                streams[name] = Stream(name, beats)
            return numbers[name]

        def part(
            name: str, iterations: Iterations, inputs: Sequence[str], outputs: Sequence[str], beats: int = 0
        ) -> None:
            held = [depths.get(output, STREAM_DEPTH) for output in outputs]
            ins, outs = (
                tuple(number(n, beats or self.pipeline.streams[n].beats) for n in names) for names in (inputs, outputs)
            )
            parts.append(Part(name, process(iterations, held), ins, outs))

        for stage in stages:
            part(stage.name, self.iterations[stage.name], stage.inputs, stage.outputs)
        for buses, entering in ((self.pipeline.slaves, True), (self.pipeline.masters, False)):
            for bus in buses:
                if bus.stream.name in streams:
                    ends = (bus.prefix,), (bus.stream.name,)
                    ins, outs = ends if entering else ends[::-1]
                    part(bus.prefix, Iterations.of_beats(bus.stream.beats), ins, outs, bus.stream.beats)
        return Network(list(streams.values()), parts, what=STANDSTILL)


def predict_hls(pipeline: Pipeline, frames: int | None = None) -> Prediction:
    """Latency and interval of a pipeline's C++ under an HLS tool's schedule.

    Args:
        pipeline: with the depths of its streams (`hls_depths.size_streams`); without, all hold `STREAM_DEPTH`.
        frames: how many follow each other, at least 2; by default as many as the interval needs to settle.

    Returns:
        As `schedule.predict`, the latency up to the cycle after that in which the last output beat is written.

    Raises:
        StandstillError: processes wait for each other for ever, because a stream holds too little.
    """
    return predict_model(HlsModel(pipeline), pipeline.depths or {}, frames)


def predict_model(model: HlsModel, depths: Mapping[str, int], frames: int | None = None) -> Prediction:
    """The same of a model whose streams hold so many words."""
    run = Run(model.network(model.pipeline.stages, depths))
    if frames is None:
        run.settle(MOST_FRAMES)
    else:
        for _ in range(max(2, frames)):
            run.frame()
    busy = {name: one.count for name, one in model.iterations.items()}
    return predicted(run, busy, {bus.name: run.ends[bus.prefix] for bus in model.pipeline.masters})
