"""Buffers: the smallest rings and streams with which no kernel makes another one wait for long.

A pipeline can be as fast as its slowest kernel, if the kernels' rhythms meet through buffers that are large enough: one
gives its beats in bursts, row by row, when another one still needs the row before. The exact model of time
(`schedule`) tells how large, from the output to the input: each kernel's output is buffered as little as keeps it and
all that follow it, its own input always waiting, from taking longer than the slowest kernel.
"""

import math
from dataclasses import dataclass

from gan2hls.pipeline import STREAM_DEPTH, Pipeline, Sizes
from gan2hls.schedule import MOST_FRAMES, Buffers, Model

_LATE = 1 << 40
"""A cycle by which all buffers are full, if nothing leaves the pipeline before."""

FEW_FRAMES = 5
"""Frames after which a pipeline that has not settled is watched as it drains from full buffers instead."""


def size_buffers(pipeline: Pipeline) -> Pipeline:
    """The pipeline with rings and streams that let frames follow each other as fast as its slowest kernel takes them.

    Args:
        pipeline: with the rings that each kernel needs if its input always waits.
    """
    return _Sizing(pipeline).sized()


class _Sizing:
    """The search: `buffers` grow until every part of the pipeline, from some kernel to the output, meets `target`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.target = pipeline.interval_cycles
        self.model = Model(pipeline)
        self.buffers = Buffers.of(pipeline)
        self._known: dict[tuple[int, ...], int] = {}

    def sized(self) -> Pipeline:
        after = len(self.pipeline.stages)
        for first in reversed(range(after)):
            if first == 0 or self._holds_rows(first):
                self._meet(first, after)
                after = first
        stages = zip(self.pipeline.stages, self.buffers.rings, strict=True)
        streams = zip(self.model.streams, self.buffers.depths, strict=True)
        fifos = {stream.name: depth - STREAM_DEPTH for stream, depth in streams if depth > STREAM_DEPTH}
        return self.pipeline.with_sizes(Sizes({stage.name: ring for stage, ring in stages if ring}, fifos))

    def _holds_rows(self, index: int) -> bool:
        return self.pipeline.stages[index].kernel.holds_rows

    def _interval(self, first: int) -> int:
        """Cycles a frame of the stages from `first` on, once they have settled."""
        sizes = (first, *self.buffers.rings[first:], *self.buffers.depths[first:])
        if sizes not in self._known:
            self._known[sizes] = self._settled(first)
        return self._known[sizes]

    def _settled(self, first: int) -> int:
        run = self.model.run(self.buffers, first)
        if run.settle(FEW_FRAMES):
            return run.interval
        # Kernels that are almost equally fast take many frames to fill the buffers between them, or to drain them.
        late = self.model.run(self.buffers, first, start=_LATE)
        late.settle(MOST_FRAMES)
        return max(run.interval, late.interval)

    def _meet(self, first: int, after: int) -> None:
        """Enlarge the ring of stage `after`, or else the streams that lead there from `first`, as far as it takes."""
        if self._interval(first) <= self.target:
            return
        knobs = self._knobs(first, after)
        if knobs:
            knobs[-1].set(knobs[-1].most)  # mostly that is enough
        if len(knobs) > 1 and self._interval(first) > self.target:
            for knob in knobs:
                knob.set(knob.most)
        else:
            knobs = knobs[-1:]
        self.target = max(self.target, self._interval(first))  # no buffer helps beyond that
        for knob in knobs:
            knob.set(knob.least)
            if (interval := self._interval(first)) > self.target:
                self._grow(knob, interval, first)

    def _knobs(self, first: int, after: int) -> "list[_Knob]":
        """Streams from wide to narrow, then the ring: they are made small in this order, and the ring gives most."""
        between = range(first + 1, min(after + 1, len(self.pipeline.stages)))
        streams = sorted((self.model.streams[index] for index in between), key=lambda s: s.lanes * s.bits, reverse=True)
        knobs = []
        for stream in streams:
            index, most = self.model.streams.index(stream), STREAM_DEPTH + 2 * stream.beats
            knobs.append(_Knob(self.buffers.depths, index, STREAM_DEPTH, most))
        if after < len(self.pipeline.stages) and (ring := self.buffers.rings[after]):
            knobs.append(_Knob(self.buffers.rings, after, ring, ring + 2 * self.model.streams[after].pixels))
        return knobs

    def _grow(self, knob: "_Knob", interval: int, first: int) -> None:
        """Set the smallest size that meets the target; `interval` is what the least one gives.

        Intervals fall with the size, ever slower and in straight pieces, so that the line through two sizes that are
        too small meets the target at a size that is too small as well, or at the one that is sought.
        """
        small, enough = knob.least, knob.most
        step, guess, met = 1, small + 1, False
        while enough - small > 1:
            knob.set(size := min(max(guess, small + 1), enough - 1))
            found = self._interval(first)
            if found <= self.target:
                guess = (small + size) // 2 if met else size - 1  # the one before is mostly too small
                enough, met = size, True
            else:
                fall = (interval - found) / (size - small)
                step *= 2
                guess = size + (math.ceil((found - self.target) / fall) if fall > 0 else step)
                small, interval = size, found
        knob.set(enough)


@dataclass(frozen=True)
class _Knob:
    """The size of one buffer."""

    sizes: list[int]
    index: int
    least: int
    most: int

    def set(self, size: int) -> None:
        self.sizes[self.index] = size
