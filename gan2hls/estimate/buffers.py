"""FIFOs that no part of this size can hold: what a skip that waits for long may come to."""

from collections.abc import Iterator

from gan2hls.errors import raise_problems
from gan2hls.estimate.features import count_kernel
from gan2hls.kernels import Fifo
from gan2hls.pipeline import Pipeline
from gan2hls.targets import Target
from gan2hls.targets import target as target_of


def check_fifos(pipeline: Pipeline, target: str | None) -> None:
    """Refuse a pipeline of which some FIFO, of the RTL or of the C++, alone takes more block RAM than the target has.

    A family has no limit.

    Raises:
        UserError: names each of these FIFOs, its size, and what the part has; or an unknown target.
    """
    if target is not None:
        part = target_of(target)
        raise_problems(_problems(pipeline, part), f"{part.name} is too small for these FIFOs; use a larger part:")


def _problems(pipeline: Pipeline, part: Target) -> Iterator[str]:
    if part.block_rams is None:
        return
    writers = {name: stage.name for stage in pipeline.stages for name in stage.outputs}
    readers = {name: stage.name for stage in pipeline.stages for name in stage.inputs}
    for stage in pipeline.stages:
        if not isinstance(stage.kernel, Fifo):
            continue
        needed = count_kernel(stage.kernel, part.family.name).block_rams
        if needed > part.block_rams:
            before, after = writers.get(stage.inputs[0], "the input"), readers.get(stage.outputs[0], "the output")
            values = stage.parameters
            yield (
                f"the FIFO {stage.name} between {before} and {after}, {values['Depth']:,} beats × {values['Bits']:,} "
                f"bits, takes {needed:,g} block RAMs; {part.name} has {part.block_rams:,}"
            )
    yield from _stream_problems(pipeline.without_fifos(), part, part.block_rams)


def _stream_problems(pipeline: Pipeline, part: Target, block_rams: int) -> Iterator[str]:
    """The same of the streams of the C++, as far as they are sized."""
    writers = {name: stage.name for stage in pipeline.stages for name in stage.outputs}
    readers = {name: stage.name for stage in pipeline.stages for name in stage.inputs}
    for name, depth in (pipeline.depths or {}).items():
        fifo = Fifo((pipeline.streams[name].port,), (pipeline.streams[name].port,), depth)
        needed = count_kernel(fifo, part.family.name).block_rams
        if needed > block_rams:
            before, after = writers.get(name, "the input"), readers.get(name, "the output")
            yield (
                f"in C++ the stream {name} between {before} and {after}, {depth:,} words × {fifo.parameters['Bits']:,} "
                f"bits, takes {needed:,g} block RAMs; {part.name} has {block_rams:,}"
            )
