"""Buffers: the smallest rings and FIFOs with which no kernel makes another one wait for long.

A pipeline can be as fast as its slowest kernel, if the kernels' rhythms meet through buffers that are large enough: one
gives its beats in bursts, row by row, when another one still needs the row before; and where two branches meet again,
what takes the shorter one waits for the longer one. The exact model of time (`schedule`) tells how large, from the
outputs to the inputs: the streams of each kernel are buffered as little as keeps it and all that follow it, what enters
them always waiting, from taking longer than the slowest kernel. A branch that waits for ever takes infinitely long.

A larger part is never faster than a smaller one within it. So a search first looks no further than a few kernels, which
gives sizes that are needed at least, and most often are enough: the whole pipeline is run once to see that. Only where
it is not, the sizes are sought anew with all that follows.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property

from gan2hls.network import Network, StandstillError
from gan2hls.pipeline import Pipeline, Sizes, Stage
from gan2hls.schedule import MOST_FRAMES, Run, timed_network

_LATE = 1 << 40
"""A cycle by which all buffers are full, if nothing leaves the pipeline before."""

FEW_FRAMES = 5
"""Frames after which a pipeline that has not settled is watched as it drains from full buffers instead."""


def size_buffers(pipeline: Pipeline) -> Pipeline:
    """The pipeline with rings and FIFOs that let frames follow each other as fast as its slowest kernel takes them.

    Args:
        pipeline: with the rings that each kernel needs if its input always waits.

    Raises:
        StandstillError: no buffers keep two branches that meet again from waiting for each other.
    """
    return pipeline.with_sizes(find_sizes(pipeline))


def find_sizes(pipeline: Pipeline) -> Sizes:
    """The sizes that `size_buffers` gives a pipeline, whose own FIFOs do not count."""
    return _Sizing(pipeline.with_sizes(Sizes(pipeline.sizes.rings))).found()


@dataclass(frozen=True)
class _Knob:
    """The size of one buffer."""

    sizes: dict[str, int]
    name: str
    least: int
    most: int

    def set(self, size: int) -> None:
        self.sizes[self.name] = size


@dataclass(frozen=True)
class _Step:
    """A step of the search: stages that are new, from `first` on, before those of the steps before, from `after` on.

    `end` is where the search need not look further at first.
    """

    first: int
    after: int
    end: int
    knobs: list[_Knob] = field(default_factory=list)


class _Sizing:
    """The search: sizes grow until every part of the pipeline, from some stage to the outputs, meets `target`.

    Attributes:
        stages: without FIFOs, each after those that feed it.
        target: cycles a frame.
        sizes: found so far.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.stages = pipeline.stages
        self.target = pipeline.interval_cycles
        self.sizes = Sizes(dict(pipeline.sizes.rings), {})
        self._known: dict[bytes, float] = {}
        self._readers = {name: index for index, stage in enumerate(self.stages) for name in stage.inputs}

    def found(self) -> Sizes:
        steps, done = self._steps, 0
        while True:
            for step in steps[done:]:
                self._set(step.knobs)
                if not self._meet(step, step.end):
                    break
            failing = self._first_failing(done)
            if failing is None:
                break
            step = steps[failing]
            self._set(step.knobs)
            if not self._meet(step, len(self.stages)):
                self.target = max(self.target, self._reached(step))  # no buffer helps beyond that
                self._set(step.knobs)
                self._meet(step, len(self.stages))
            done = failing + 1
        return Sizes(dict(self.sizes.rings), {name: size for name, size in self.sizes.fifos.items() if size})

    @staticmethod
    def _set(knobs: list[_Knob], most: bool = False) -> None:
        for knob in knobs:
            knob.set(knob.most if most else knob.least)

    def _first_failing(self, done: int) -> int | None:
        """The first step whose stages, and all that follow, miss the target; those before `done` meet it."""
        low, high = done, len(self._steps)
        if low == high or self._interval(self._steps[-1].first) <= self.target:
            return None
        high -= 1  # it fails; those below low do not
        while low < high:
            middle = (low + high) // 2
            if self._interval(self._steps[middle].first) > self.target:
                high = middle
            else:
                low = middle + 1
        return high

    def _reached(self, step: _Step) -> int:
        """Cycles a frame with the largest buffers.

        Raises:
            StandstillError: they do not come to an end.
        """
        self._set(step.knobs, most=True)
        network = self._network(step.first)
        interval = self._interval_of(network)
        if interval == math.inf:
            Run(network).frame()
        return int(interval)

    # -- parts --------------------------------------------------------------------------------------------------------

    @cached_property
    def _steps(self) -> list[_Step]:
        """From the outputs to the inputs: stages that hold rows, and what lies behind each of them."""
        heads = [i for i, stage in enumerate(self.stages) if i == 0 or stage.kernel.holds_rows]
        return [self._step(first, after) for first, after in zip(heads, [*heads[1:], len(self.stages)], strict=True)][::-1]

    def _step(self, first: int, after: int) -> _Step:
        new = self.stages[first:after]
        streams = [name for stage in new for name in stage.outputs if name in self._readers]
        reach = max([after - 1, *(self._readers[name] for name in streams)])
        forks = [stage for stage in new if len(stage.outputs) > 1]
        reach = max([reach, *map(self._meeting, forks)])
        heads = [i for i, stage in enumerate(self.stages) if stage.kernel.holds_rows and i > reach]
        end = min(heads, default=len(self.stages) - 1) + 1
        frames = 2
        if forks:
            frames += sum(stage.kernel.holds_rows for stage in self.stages[first:end])
        return _Step(first, after, end, self._knobs(streams, frames))

    def _knobs(self, names: list[str], frames: int) -> list[_Knob]:
        """FIFOs from wide to narrow, then rings: they are made small in this order, and the rings give most."""
        streams = sorted((self.pipeline.streams[name] for name in names), key=lambda s: s.lanes * s.bits, reverse=True)
        knobs = [_Knob(self.sizes.fifos, stream.name, 0, frames * stream.beats) for stream in streams]
        for name in names:
            reader = self.stages[self._readers[name]]
            if ring := reader.kernel.ring_pixels:
                most = ring + frames * self.pipeline.streams[name].pixels
                knobs.append(_Knob(self.sizes.rings, reader.name, ring, most))
        return knobs

    def _meeting(self, fork: Stage) -> int:
        """The last of the stages in which two branches of a fork meet first, or the fork's last reader."""
        below = [self._followers(name) for name in fork.outputs if name in self._readers]
        meetings = [min(a & b) for i, a in enumerate(below) for b in below[:i] if a & b]
        return max(meetings, default=0)

    def _followers(self, stream: str) -> set[int]:
        found: set[int] = set()
        pending = [self._readers[stream]]
        while pending:
            index = pending.pop()
            if index not in found:
                found.add(index)
                pending += [self._readers[name] for name in self.stages[index].outputs if name in self._readers]
        return found

    # -- time ---------------------------------------------------------------------------------------------------------

    def _network(self, first: int, end: int | None = None, start: int = 0) -> Network:
        return timed_network(self.pipeline, self.stages[first:end], self.sizes, start)

    def _interval(self, first: int, end: int | None = None) -> float:
        """Cycles a frame of the stages from `first` on, before `end`, once they have settled."""
        return self._interval_of(self._network(first, end))

    def _interval_of(self, network: Network) -> float:
        if network.key not in self._known:
            self._known[network.key] = _settled(network)
        return self._known[network.key]

    def _runs(self, first: int, end: int) -> bool:
        """Whether a frame comes to its end."""
        try:
            Run(self._network(first, end)).frame()
        except StandstillError:
            return False
        return True

    # -- search -------------------------------------------------------------------------------------------------------

    def _meet(self, step: _Step, end: int) -> bool:
        """Enlarge rings, or else the FIFOs before them as well, as far as it takes; whether any size is enough."""
        first, knobs = step.first, step.knobs
        if self._interval(first, end) <= self.target:
            return True
        rings = [knob for knob in knobs if knob.sizes is self.sizes.rings]
        for tried in (rings or knobs[-1:], knobs):  # mostly the first is enough
            self._set(tried, most=True)
            if self._interval(first, end) <= self.target:
                break
        else:
            self._set(knobs)
            return False
        for knob in tried:
            knob.set(knob.least)
            if (interval := self._interval(first, end)) > self.target:
                self._grow(knob, interval, first, end)
        return True

    def _grow(self, knob: _Knob, interval: float, first: int, end: int) -> None:
        """Set the smallest size that meets the target; `interval` is what the least one gives.

        Intervals fall with the size, ever slower and in straight pieces, so that the line through two sizes that are
        too small meets the target at a size that is too small as well, or at the one that is sought.
        """
        small, enough = knob.least, knob.most
        if interval == math.inf:
            small = self._last_standstill(knob, first, end)
        step, guess, met = 1, small + 1, False
        while enough - small > 1:
            knob.set(size := min(max(guess, small + 1), enough - 1))
            found = self._interval(first, end)
            if found <= self.target:
                guess = (small + size) // 2 if met else size - 1  # the one before is mostly too small
                enough, met = size, True
            else:
                fall = (interval - found) / (size - small) if interval < math.inf else 0
                step *= 2
                guess = size + (math.ceil((found - self.target) / fall) if fall > 0 else step)
                small, interval = size, found
        knob.set(enough)

    def _last_standstill(self, knob: _Knob, first: int, end: int) -> int:
        """The largest size with which the first frame never ends."""
        small, runs, step = knob.least, knob.most, 1
        while runs - small > 1:
            size = min(small + step, (small + runs) // 2)
            knob.set(size)
            if self._runs(first, end):
                runs = size
            else:
                small, step = size, 2 * step
        return small


def _settled(network: Network) -> float:
    """Cycles a frame, infinite if it never ends."""
    run = Run(network)
    try:
        if run.settle(FEW_FRAMES):
            return run.interval
        # Kernels that are almost equally fast take many frames to fill the buffers between them, or to drain them.
        late = Run(network.starting(_LATE))
        late.settle(MOST_FRAMES)
    except StandstillError:
        return math.inf
    return max(run.interval, late.interval)
