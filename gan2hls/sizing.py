"""The search for buffers: as little as keeps every part of a pipeline from taking longer than its slowest kernel.

It goes from the outputs to the inputs: the streams of each kernel are buffered as little as keeps it and all that
follow it, what enters them always waiting, at the target. A branch that waits for ever takes infinitely long. How long
a part takes is a timed network's to say (`Sizing._network`), so that both languages share the search.

A larger part is never faster than a smaller one within it. So a search first looks no further than a few kernels, which
gives sizes that are needed at least, and mostly enough; where they are not, they are sought anew with all that follows.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from gan2hls.kernels import Port
from gan2hls.network import Network, StandstillError
from gan2hls.network import Stream as TimedStream
from gan2hls.pipeline import Pipeline, Sizes, Stage, Stream
from gan2hls.schedule import Enough, Run, free_interval, paced_interval

IN_FLIGHT = 32
"""Beats that a kernel's registers hold, at most: with small frames they are many frames."""

MANY_BEATS = 2_000_000
"""Beats a frame of all streams together, with which a pipeline is too large to fill all of its buffers."""


@dataclass(frozen=True)
class Knob:
    """The size of one buffer.

    Attributes:
        sizes: where it is set, by `name`.
        least, most: between which it may be.
        ring: whether it is a ring, no FIFO.
        like: what goes through it.
        forked: whether it is a FIFO behind a fork, where nothing else holds what the branch can not take yet.
    """

    sizes: dict[str, int]
    name: str
    least: int
    most: int
    ring: bool = False
    forked: bool = False
    like: Port | None = None

    def set(self, size: int) -> None:
        self.sizes[self.name] = size

    @property
    def size(self) -> int:
        return self.sizes.get(self.name, 0)

    @property
    def first_try(self) -> "Knob":
        """The same with a part of the room: a FIFO of several frames takes as many frames more to settle."""
        return replace(self, most=self.least + (self.most - self.least + 15) // 16)

    @property
    def from_here(self) -> "Knob":
        """The same, that only grows from what it is set to."""
        return replace(self, least=self.size)


@dataclass(frozen=True)
class Step:
    """A step of the search: a stage that holds rows and what lies behind it, up to the stages of the step before.

    Attributes:
        first: index of its first stage.
        end: index of the stage before which the search ends at first.
        knobs: the buffers in the streams that its stages write.
    """

    first: int
    end: int
    knobs: list[Knob]

    def set(self, most: bool = False) -> None:
        """Make all its buffers as small, or as large, as they may be."""
        for knob in self.knobs:
            knob.set(knob.most if most else knob.least)

    @property
    def forked(self) -> list[Knob]:
        return [knob for knob in self.knobs if knob.forked]

    @property
    def choices(self) -> list[list[Knob]]:
        """Which buffers grow: mostly the first are enough, and the last ones are all."""
        rings = [knob for knob in self.knobs if knob.ring]
        if not self.forked:
            return [rings or self.knobs[-1:], self.knobs]
        some = [rings, self.forked, [*self.forked, *rings], self.knobs]
        return [[knob.first_try for knob in knobs] for knobs in some] + some


class Sizing(ABC):
    """The search: sizes grow until every part of the pipeline, from some stage to the outputs, meets `target`.

    Attributes:
        stages: without FIFOs, each after those that feed it.
        target: cycles a frame.
        sizes: found so far.
    """

    def __init__(self, pipeline: Pipeline, target: int, rings: Mapping[str, int]) -> None:
        self.pipeline = pipeline
        self.stages = pipeline.stages
        self.target = target
        self._told_above: float = target  # cycles a frame, above which a few alike are taken for an answer
        self.sizes = Sizes(dict(rings), {})
        self._known: dict[tuple[Hashable, bool], float] = {}
        self._found: dict[Port | str | None, int] = {}
        self._readers = {name: index for index, stage in enumerate(self.stages) for name in stage.inputs}

    def found(self) -> Sizes:
        steps = self._steps
        done = met = 0  # steps that are met with all that follows, and that are met as far as they look
        while True:
            for step in steps[met:]:
                step.set()
                if not self._meet(step, step.end):
                    break
                met += 1
            failing = self._first_failing(done)
            if failing is None:
                return Sizes(dict(self.sizes.rings), {name: size for name, size in self.sizes.fifos.items() if size})
            self._enlarge(steps[failing])
            done = failing + 1
            # What comes before larger buffers may do with smaller ones; a search of that takes as long as all before.
            met = max(met, done) if self._is_large else done

    @property
    def _is_large(self) -> bool:
        return _beats(self.pipeline.streams.values()) > MANY_BEATS

    def _first_failing(self, done: int) -> int | None:
        """The first step whose stages, and all that follow, miss the target; those before `done` meet it."""
        last = len(self._steps) - 1
        if done > last or (not self._is_large and self._interval(self._steps[last].first) <= self.target):
            return None
        # Short ones first: of a large pipeline, those near the inputs take long.
        low, high = done, done
        while self._interval(self._steps[high].first) <= self.target:
            if high == last:
                return None
            low, high = high + 1, min(last, 4 * (high - done) + done + 1)
        middle = high - 1  # mostly it is the last one of all
        while low < high:
            if self._interval(self._steps[middle].first) > self.target:
                high = middle
            else:
                low = middle + 1
            middle = (low + high) // 2
        return high

    def _enlarge(self, step: Step) -> None:
        """Meet the target with all that follows; where no size does, the target is what the largest give.

        Raises:
            StandstillError: these do not come to an end.
        """
        if self._is_large and self._enlarge_within(step):
            return
        if step.forked:
            grown = replace(step, knobs=[knob.from_here for knob in step.knobs])
            if self._meet(grown, None):
                self._trim(step.knobs, step.first, None)
                return
        step.set()
        if self._meet(step, None):
            return
        step.set(most=True)
        interval = self._interval(step.first)
        if interval == math.inf:
            self._tell(step)
        self.target = math.ceil(interval)
        self._known.clear()
        step.set()
        self._meet(step, None)

    def _enlarge_within(self, step: Step) -> bool:
        """The same by windows that look further and further; whether the target is met with all that follows."""
        heads = [i for i, stage in enumerate(self.stages) if stage.kernel.holds_rows and i >= step.end]
        for end in (head + 1 for head in heads):
            if self._interval(step.first, end) > self.target:
                step.set()
                if not self._meet(step, end):
                    return False
                if self._interval(step.first) <= self.target:
                    return True
        return False

    def _tell(self, step: Step) -> None:
        try:
            Run(self._network(step.first, None)).frame()
        except StandstillError as error:
            largest = max(step.knobs, key=lambda knob: knob.most)
            raise StandstillError(f"{error}; a buffer of {largest.most:,} in {largest.name} does not help") from None

    # -- parts --------------------------------------------------------------------------------------------------------

    @cached_property
    def _steps(self) -> list[Step]:
        """From the outputs to the inputs: stages that hold rows, and what lies behind each of them."""
        heads = [i for i, stage in enumerate(self.stages) if i == 0 or stage.kernel.holds_rows]
        ends = [*heads[1:], len(self.stages)]
        return [self._step(first, after) for first, after in zip(heads, ends, strict=True)][::-1]

    def _step(self, first: int, after: int) -> Step:
        new = self.stages[first:after]
        streams = [name for stage in new for name in stage.outputs if name in self._readers]
        forks = [stage for stage in new if len(stage.outputs) > 1]
        reach = max([after - 1, *(self._readers[name] for name in streams), *map(self._meeting, forks)])
        heads = [i for i, stage in enumerate(self.stages) if stage.kernel.holds_rows and i > reach]
        end = min(heads, default=len(self.stages) - 1) + 1
        # Between two branches there may be as many frames as the longer one has kernels that wait for a whole one.
        frames = 2 + sum(stage.kernel.holds_rows for stage in self.stages[first:end]) if forks else 2
        forked = {name for stage in forks for name in stage.outputs if not self._ring_behind(name)}
        flight = IN_FLIGHT * (end - first) if forks else 0
        fifos = self._fifos([self.pipeline.streams[name] for name in streams], frames, flight, forked)
        return Step(first, end, [*fifos, *self._rings(streams, frames)])

    def _fifos(self, streams: list[Stream], frames: int, more: int, forked: set[str]) -> list[Knob]:
        """From wide to narrow: they are made small in this order."""
        streams = sorted(streams, key=lambda stream: stream.lanes * stream.bits, reverse=True)
        most = {stream.name: frames * stream.beats + more for stream in streams}
        return [Knob(self.sizes.fifos, s.name, 0, most[s.name], False, s.name in forked, s.port) for s in streams]

    def _rings(self, streams: list[str], frames: int) -> list[Knob]:
        """Made small after the FIFOs, so that they give most: a FIFO is a second memory for the same words."""
        knobs = []
        for name in streams:
            reader = self.stages[self._readers[name]]
            if least := reader.kernel.ring_pixels:
                most = least + frames * self.pipeline.streams[name].pixels
                knobs.append(Knob(self.sizes.rings, reader.name, least, most, ring=True))
        return knobs

    def _ring_behind(self, stream: str) -> bool:
        return stream in self._readers and self.stages[self._readers[stream]].kernel.ring_pixels > 0

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

    @abstractmethod
    def _network(self, first: int, end: int | None) -> Network:
        """The stages from `first` to `end`, with buffers of the sizes so far."""

    def _key(self, network: Network, first: int, end: int | None) -> Hashable:
        """Of all that the network's cycles depend on."""
        return network.key

    def _interval(self, first: int, end: int | None = None) -> float:
        """Cycles a frame of the stages from `first` on; infinite if none ever ends.

        With an `end` only the stages before it are looked at, and frames enter at the pace that is wanted; without, at
        any pace, unless that takes too long.
        """
        network = self._network(first, end)
        paced = end is not None or _beats(network.streams) > MANY_BEATS
        known = self._key(network, first, end), paced
        if known not in self._known:
            enough = None if not self._is_large else Enough(3, self._told_above) if end is None else Enough(2)
            self._known[known] = (
                paced_interval(network, self.target, enough) if paced else free_interval(network, self.target)
            )
        return self._known[known]

    # -- search -------------------------------------------------------------------------------------------------------

    def _meet(self, step: Step, end: int | None) -> bool:
        """Enlarge as few of the buffers as it takes, as far as it takes; whether any size is enough."""
        first = step.first
        if self._interval(first, end) <= self.target:
            return True
        for tried in step.choices:
            step.set()
            for knob in tried:
                knob.set(knob.most)
            if self._interval(first, end) <= self.target:
                break
        else:
            step.set()
            return False
        for knob in tried:
            knob.set(knob.least)
            if (interval := self._interval(first, end)) > self.target:
                self._grow(knob, interval, first, end)
        if step.forked:
            self._trim(tried, first, end)
        return True

    def _trim(self, knobs: list[Knob], first: int, end: int | None) -> None:
        """Take back what buffers need no longer once those of the other branches are smaller.

        A FIFO costs a cycle or two, even an empty one: while a branch had one, the others had to hold that much more.
        """
        before: list[int] = []
        while before != (before := [knob.size for knob in knobs]):
            for knob, size in zip(knobs, before, strict=True):
                if size == knob.least:
                    continue
                knob.set(size - 1)
                if self._interval(first, end) > self.target:
                    knob.set(size)
                    continue
                knob.set(knob.least)
                if (interval := self._interval(first, end)) > self.target:
                    self._grow(replace(knob, most=size - 1), interval, first, end)

    def _is_found(self, small: int, enough: int) -> bool:
        """Whether `enough` is taken, where `small` is too small."""
        return enough - small <= 1

    def _halves(self, knob: Knob) -> bool:
        """Whether the interval falls in no straight pieces with the knob's size."""
        return knob.forked

    def _grow(self, knob: Knob, interval: float, first: int, end: int | None) -> None:
        """Set the smallest size that meets the target; `interval` is what the least one gives.

        Intervals fall with the size, ever slower and in straight pieces, so that the line through two sizes that are
        too small meets the target at a size that is too small as well, or at the one that is sought. Where branches
        meet there are no such lines: sizes are doubled, and then halved between.
        """
        small, enough = knob.least, knob.most
        step, guess, met, halved = 1, small + 1, False, self._halves(knob)
        hint = self._found.get(knob.name, self._found.get(knob.like)) if halved else None
        near = hint is not None  # the same one before something else grew, or one of a block like this
        if hint is not None:
            guess = hint
        while not self._is_found(small, enough):
            knob.set(size := min(max(guess, small + 1), enough - 1))
            found = self._interval(first, end)
            if found <= self.target:
                # The one before is mostly too small.
                guess = (small + size) // 2 if met or (halved and not near) else size - 1
                enough, met = size, True
            else:
                fall = 0 if halved or interval == math.inf else (interval - found) / (size - small)
                step *= 2
                small, interval = size, found
                if fall > 0:
                    guess = size + math.ceil((found - self.target) / fall)
                else:
                    guess = (small + enough) // 2 if met else size + step
        knob.set(enough)
        self._found[knob.like] = self._found[knob.name] = enough


def _beats(streams: Iterable[Stream | TimedStream]) -> int:
    """Beats a frame of all of them."""
    return sum(stream.beats for stream in streams)
