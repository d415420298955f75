"""Buffers: the smallest rings and FIFOs with which no kernel makes another one wait for long.

A pipeline can be as fast as its slowest kernel, if the kernels' rhythms meet through buffers that are large enough: one
gives its beats in bursts, row by row, when another one still needs the row before; and where two branches meet again,
what takes the shorter one waits for the longer one. The exact model of time (`schedule`) tells how large, from the
outputs to the inputs: the streams of each kernel are buffered as little as keeps it and all that follow it, what enters
them always waiting, from taking longer than the slowest kernel (`sizing`).
"""

from gan2hls.network import Network
from gan2hls.pipeline import Pipeline, Sizes
from gan2hls.schedule import timed_network
from gan2hls.sizing import Sizing


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
    bare = pipeline.with_sizes(Sizes(pipeline.sizes.rings))
    return _RtlSizing(bare, bare.interval_cycles, bare.sizes.rings).found()


class _RtlSizing(Sizing):
    """Rings and FIFOs of the RTL."""

    def _network(self, first: int, end: int | None) -> Network:
        return timed_network(self.pipeline, self.stages[first:end], self.sizes)
