"""When each beat of a pipeline moves: the exact cycles of the hardware, without simulating a cycle.

The kernels' rules (`kernels.rules`) are put together from the input to the output; the beat that leaves the pipeline
pulls, kernel by kernel, what must have happened before it. An input that is always valid and an output that is always
ready give what `simulate.RtlRun` counts, exactly. Cycles are counted from the one that takes the first input beat.
"""

import math
from dataclasses import dataclass

import numpy as np

from gan2hls.kernels import Beats
from gan2hls.kernels.rules import fifo, source, watched
from gan2hls.pipeline import STREAM_DEPTH, Pipeline, Stream

MOST_FRAMES = 8
"""Frames in which the rhythm of a pipeline is looked for."""


def row(pipeline: Pipeline) -> list[Stream]:
    """The streams of stages in a row, from the input to the output."""
    return [pipeline.streams[name] for stage in pipeline.stages for name in stage.inputs] + [pipeline.output]


def _stream(up: Beats, depth: int) -> Beats:
    """A stream of `depth` beats: the kernel before it holds `STREAM_DEPTH` of them, a FIFO the rest."""
    return fifo(up, depth - STREAM_DEPTH) if depth > STREAM_DEPTH else up


class Model:
    """The rules of a pipeline's kernels, ready to be put together with buffers of any size."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.streams = row(pipeline)

    def run(self, buffers: "Buffers", first: int = 0, start: int = 0) -> "Run":
        """Start the stages from `first` on, with input that always waits.

        Args:
            buffers: sizes of the rings and streams.
            first: index of the first stage; those before it are left out.
            start: cycle from which on output is taken; a late one lets all buffers fill first.
        """
        logs: list[tuple[list[int], int]] = []
        beats = source()
        for index, stage in enumerate(self.pipeline.stages[first:], first):
            if index > first or first == 0:
                beats = _stream(beats, buffers.depths[index])
            log: list[int] = []
            beats = stage.kernel.rule(beats, buffers.rings[index], log)
            if stage.kernel.logged:
                logs.append((log, stage.kernel.logged))
            if index + 1 < len(self.pipeline.stages):
                logs.append(([], self.streams[index + 1].beats))
                beats = watched(beats, logs[-1][0])
        return Run(_stream(beats, buffers.depths[-1]), self.pipeline.output.beats, logs, start)


@dataclass
class Buffers:
    """Input pixels that each stage's ring holds, 0 without one, and beats that each stream holds."""

    rings: list[int]
    depths: list[int]

    @staticmethod
    def of(pipeline: Pipeline) -> "Buffers":
        rings = [stage.kernel.ring_pixels for stage in pipeline.stages]
        return Buffers(rings, [STREAM_DEPTH] * len(row(pipeline)))


class Run:
    """Frames going through a pipeline whose output is always ready.

    Attributes:
        finished: cycles in which the frames' last beats were taken.
    """

    def __init__(self, output: Beats, beats: int, logs: list[tuple[list[int], int]], start: int) -> None:
        self.finished: list[int] = []
        self._pull = output.send
        self._start = start
        self._taken: list[int] = []
        self._rhythms = [*logs, (self._taken, beats)]  # cycles, and how many a frame

    def frame(self) -> None:
        """One frame more."""
        pull, taken, start = self._pull, self._taken, self._start
        cycle = max(pull(taken[-1] if taken else None), start)
        for _ in range(self._rhythms[-1][1] - 1):
            taken.append(cycle)
            cycle = pull(cycle)
            if cycle < start:
                cycle = start
        taken.append(cycle)
        self.finished.append(cycle)

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
    def interval(self) -> int:
        """Cycles between the last two frames."""
        return self.finished[-1] - self.finished[-2]

    @property
    def steady(self) -> bool:
        """Whether all kernels did the same in their last two frames, later by one number of cycles.

        Then they will do so for ever: what happens depends on no more of the past than that. All means each beat of
        each stream: a frame may end as long after the one before as that one did, and yet find the kernels between
        further on than that one found them.
        """
        shifts: set[int] = set()
        for cycles, count in self._rhythms:
            end = len(cycles) // count * count
            if end < 2 * count:
                return False
            last = np.array(cycles[end - 2 * count : end]).reshape(2, count)
            shifts.update(np.unique(last[1] - last[0]).tolist())
        return len(shifts) == 1


@dataclass(frozen=True)
class Prediction:
    """Time that a pipeline takes, its input always valid and its output always ready, in clock cycles.

    Attributes:
        latency_cycles: from the clock edge that takes the first input beat to the one that takes the last output beat
            of the first frame.
        interval_cycles: from one frame's last output beat to the next one's, between the last two frames predicted.
        finished: when each frame's last output beat is taken, counted from the first input beat.
        steady: whether all kernels did the same in the last two frames, and so will for ever.
        busy: by stage, the share of the interval in which it works.
    """

    latency_cycles: int
    interval_cycles: int
    finished: tuple[int, ...]
    steady: bool
    busy: dict[str, float]

    def end(self, frame: int) -> int | None:
        """When a frame's last output beat is taken, also beyond those predicted; None where that is not known."""
        beyond = frame + 1 - len(self.finished)
        if beyond <= 0:
            return self.finished[frame]
        return self.finished[-1] + beyond * self.interval_cycles if self.steady else None


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
        Gan2HlsError: the pipeline comes to a standstill because a ring is too small.
    """
    run = Model(pipeline).run(Buffers.of(pipeline))
    if frames is None:
        run.settle(most, least, within)
    else:
        for _ in range(max(2, frames)):
            run.frame()
    busy = {stage.name: stage.cycles / run.interval for stage in pipeline.kernels}
    return Prediction(run.finished[0], run.interval, tuple(run.finished), len(run.finished) > 2 and run.steady, busy)
