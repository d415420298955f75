"""When each beat of a pipeline moves: the exact cycles of the hardware, without simulating a cycle.

The kernels' rules (`kernels.rules`) are put together by the streams that they share (`network`) and run frame by frame.
Inputs that are always valid and outputs that are always ready give what `simulate.RtlRun` counts, exactly. Cycles are
counted from the one that takes the first beat of any input.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gan2hls.engine import make_engine
from gan2hls.integers import ceil_div
from gan2hls.kernels import Fifo
from gan2hls.network import Network, Part, StandstillError, Stream
from gan2hls.pipeline import Pipeline, Sizes, Stage

MOST_FRAMES = 8
"""Frames in which the rhythm of a pipeline is looked for."""

MANY_FRAMES = 16
"""Frames after which a pipeline that has not settled is judged by the later half of them; more where many are on their
way at once."""

_LATE = 1 << 40
"""A cycle by which all buffers are full, if nothing leaves the pipeline before."""


def timed_network(pipeline: Pipeline, stages: Sequence[Stage], sizes: Sizes, start: int = 0) -> Network:
    """Some stages as a network: what enters from outside always waits, and what leaves is always taken.

    Args:
        pipeline: to which they belong.
        stages: of it, no FIFOs.
        sizes: of the rings and FIFOs, in place of the pipeline's own. A FIFO goes in front of the stage, or the output
            of the design, that reads the stream.
        start: cycle before which nothing leaves.
    """
    streams: dict[str, Stream] = {}
    numbers: dict[str, int] = {}
    parts: list[Part] = []

    def number(name: str, beats: int) -> int:
        if name not in streams:
            numbers[name] = len(streams)
            streams[name] = Stream(name, beats)
        return numbers[name]

    def read(name: str) -> int:
        """The stream as its reader sees it."""
        stream = pipeline.streams[name]
        index = number(name, stream.beats)
        if depth := sizes.fifos.get(name):
            behind = number(f"{name}_out", stream.beats)
            fifo = Fifo((stream.port,), (stream.port,), depth)
            parts.append(Part(f"u_{name}_fifo", fifo.rules(), (index,), (behind,)))
            return behind
        return index

    for stage in stages:
        inputs = tuple(read(name) for name in stage.inputs)
        ring = sizes.rings.get(stage.name, 0)
        kernel = stage.kernel.with_ring(ring) if ring else stage.kernel
        outputs = tuple(number(name, pipeline.streams[name].beats) for name in stage.outputs)
        parts.append(Part(stage.name, kernel.rules(), inputs, outputs))
    for name in pipeline.outputs.values():
        if name in streams:
            read(name)
    return Network(list(streams.values()), parts, start)


class Run:
    """Frames going through a network.

    Attributes:
        network: what runs.
        finished: cycles in which the last beat of each frame was taken, that of the last output.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.finished: list[int] = []
        self._engine = make_engine(network)

    def frame(self) -> None:
        """One frame more.

        Raises:
            StandstillError: it never ends.
        """
        self._engine.frame()
        frame = len(self.finished)  # an output may be further
        self.finished.append(max(ends[frame] for ends in self.ends.values()))

    def settle(self, most: int, least: int = 3, within: float = math.inf) -> bool:
        """Run until the last two frames are alike; whether they are.

        It ends without that after `most` frames, or with the first that ends after `within` cycles, but not before
        there are `least`.
        """
        while (count := len(self.finished)) < least or (count < most and self.finished[-1] <= within):
            self.frame()
            if len(self.finished) > 2 and self.steady:
                return True
        return False

    @property
    def ends(self) -> dict[str, list[int]]:
        """By output stream, the cycle in which the last beat of each frame was taken."""
        return {self.network.streams[sink].name: self._engine.ends(2 * sink + 1) for sink in self.network.sinks}

    @property
    def begun(self) -> int:
        """The cycle in which the first beat of any input was taken."""
        return min(self._engine.first(2 * stream + 1) for stream in self.network.sources)

    @property
    def interval(self) -> int:
        """Cycles between the last two frames."""
        return self.finished[-1] - self.finished[-2]

    @property
    def steady(self) -> bool:
        """Whether all kernels did the same in their last two frames, later by one number of cycles.

        Then they will do so for ever: what happens depends on no more of the past than that, or on the last few frames
        where buffers hold more than one. All means each beat of each stream: a frame may end as long after the one
        before as that one did, and yet find the kernels between further on than that one found them.
        """
        shifts: set[int] = set()
        for track in self.network.compared:
            alike, shift = self._engine.alike(track)
            shifts.add(shift)
            if len(shifts) > 1 or alike < self.network.memory[track]:
                return False
        return True


@dataclass(frozen=True)
class Prediction:
    """Time that a pipeline takes, its inputs always valid and its outputs always ready, in clock cycles.

    Attributes:
        latency_cycles: from the clock edge that takes the first input beat, of any input, to the one that takes the
            last output beat, of all outputs, of the first frame.
        interval_cycles: from one frame's last output beat to the next one's, between the last two frames predicted.
        finished: when each frame's last output beat is taken, counted from the first input beat.
        steady: whether all kernels did the same in the last two frames, and so will for ever.
        busy: by stage, the share of the interval in which it works.
        ends: by output of the graph, what `finished` is for that output alone.
    """

    latency_cycles: int
    interval_cycles: int
    finished: tuple[int, ...]
    steady: bool
    busy: dict[str, float]
    ends: dict[str, tuple[int, ...]]

    def end(self, frame: int, output: str | None = None) -> int | None:
        """When a frame's last beat, of one or all outputs, is taken, also beyond those predicted; None where that is
        not known."""
        ends = self.finished if output is None else self.ends[output]
        beyond = frame + 1 - len(ends)
        if beyond <= 0:
            return ends[frame]
        return ends[-1] + beyond * self.interval_cycles if self.steady else None


def predict(
    pipeline: Pipeline, frames: int | None = None, *, most: int = MOST_FRAMES, least: int = 3, within: float = math.inf
) -> Prediction:
    """Exact latency and interval of a pipeline's RTL.

    Args:
        pipeline: kernels and buffers.
        frames: how many follow each other, at least 2; by default as many as the interval needs to settle.
        most, least, within: how long it may take to settle: at most so many frames, and no further one after `within`
            cycles, but so many at least.

    Raises:
        StandstillError: kernels wait for each other for ever, because a buffer is too small.
    """
    run = Run(timed_network(pipeline, pipeline.stages, Sizes()))
    if frames is None:
        run.settle(most, least, within)
    else:
        for _ in range(max(2, frames)):
            run.frame()
    busy = {stage.name: stage.cycles for stage in pipeline.kernels}
    return predicted(run, busy, {name: run.ends[stream] for name, stream in pipeline.outputs.items()})


def predicted(run: Run, busy: Mapping[str, int], ends: Mapping[str, Sequence[int]]) -> Prediction:
    """What a run says.

    Args:
        run: of two frames at least.
        busy: by stage, cycles a frame in which it works.
        ends: by output of the graph, when its frames ended in the run.
    """
    begun = run.begun
    return Prediction(
        run.finished[0] - begun,
        run.interval,
        tuple(cycle - begun for cycle in run.finished),
        len(run.finished) > 2 and run.steady,
        {name: cycles / run.interval for name, cycles in busy.items()},
        {name: tuple(cycle - begun for cycle in cycles) for name, cycles in ends.items()},
    )


@dataclass(frozen=True)
class Enough:
    """Intervals alike that are taken for an answer, so many in a row, each of more cycles than `above`.

    Frames may leave late by the same number of cycles while buffers fill, and in time once these are full; or in time,
    and late once something that waited for long is there. Both are rare, and some pipelines take long to run.
    """

    count: int
    above: float = 0

    def holds(self, finished: Sequence[int]) -> bool:
        """Whether frames that ended in these cycles say so."""
        intervals = [after - before for before, after in pairwise(finished[-self.count - 1 :])]
        return len(intervals) == self.count and len(set(intervals)) == 1 and intervals[0] > self.above


def paced_interval(network: Network, target: int, enough: Enough | None) -> float:
    """Cycles from frame to frame if they enter no faster than the target; infinite if none ever ends.

    An input that always waits would in time fill all buffers in front of the slowest kernel, which takes many frames if
    others are almost as slow. Frames that enter at the pace that is wanted show at once whether they leave at it.

    Args:
        network: some stages, or all that follow one.
        target: cycles from frame to frame.
        enough: what is taken for an answer before all is steady; None: nothing.
    """
    return _settled(Run(network.with_ends(period=target)), target, enough)


def free_interval(network: Network, target: int) -> float:
    """Cycles from frame to frame with inputs that always wait; infinite if none ever ends."""
    run = Run(network)
    interval = _settled(run, target)
    if interval == math.inf or run.steady:
        return interval
    # Kernels that are almost equally fast take many frames to fill the buffers between them, or to drain them.
    late = Run(network.with_ends(start=_LATE))
    drained = _settled(late, target)
    return drained if late.steady else max(interval, drained)


def _settled(run: Run, target: int, enough: Enough | None = None) -> float:
    """Cycles between frames once these follow each other steadily.

    Args:
        run: no frame has gone through it.
        target, enough: as `paced_interval` has them.
    """
    try:
        run.frame()
        most = MANY_FRAMES + 2 * ceil_div(run.finished[0] - run.network.start, target)
        while len(run.finished) < most:
            run.frame()
            if len(run.finished) > 2 and run.steady:
                return run.interval
            if enough and enough.holds(run.finished):
                return run.interval
    except StandstillError:
        return math.inf
    return (run.finished[-1] - run.finished[-1 - most // 2]) / (most // 2)  # long and short ones may take turns
