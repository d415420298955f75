"""How deep the streams of the C++ are where a value forks.

A kernel of C++ does one thing after the other: it reads ahead of what it needs, and while it waits for an input it
writes nothing. So where branches meet again, one of them has to hold what the other one reads before it gives a beat.

Kernels are determinate and the graph has no cycle, so if the streams are deep enough for one order of doing things,
they are for each (G. Kahn, "The semantics of a simple language for parallel programming", 1974; T. Parks, "Bounded
scheduling of process networks", 1995). The order here is that in which things are wanted: where the
branches of a fork have all met, beats are asked for one by one, and each kernel before reads what it takes for these
(`Kernel.reads`). While one is made, a branch takes at most what it takes, and the others have at least taken what the
one before took.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gan2hls.kernels import Reads
from gan2hls.pipeline import Pipeline, Stage

_WRITTEN = 2
"""Beats that a stream holds beside: the one that is written, and the one that is read."""


def fork_depths(pipeline: Pipeline) -> dict[str, int]:
    """Beats that each stream behind a fork holds at most, by name, the FIFOs left out.

    Args:
        pipeline: with or without FIFOs; frames go through its C++ one by one.
    """
    bare = pipeline.without_fifos()
    meetings = _meetings(bare)
    depths: dict[str, int] = {}
    for index, stage in enumerate(bare.stages):
        if len(stage.outputs) > 1:
            meeting = meetings[index]
            if meeting is None:
                wanted = _wanted(bare.stages, {name: bare.streams[name].beats for name in bare.outputs.values()})
            else:
                (joined,) = bare.stages[meeting].outputs
                wanted = _wanted(bare.stages[: meeting + 1], {joined: bare.streams[joined].beats})
            for name in stage.outputs:
                # What the others take beyond this one waits in it.
                others = np.max([wanted[other].most for other in stage.outputs if other != name], axis=0)
                ahead = max(0, int((others[1:] - wanted[name].least[:-1]).max()))
                depths[name] = min(ahead + _WRITTEN, bare.streams[name].beats)
    return depths


def _meetings(pipeline: Pipeline) -> list[int | None]:
    """Of each stage, the first one through which all goes that comes from it; None: it leaves through several outputs.

    In a graph these are the immediate postdominators.
    """
    readers = {name: index for index, stage in enumerate(pipeline.stages) for name in stage.inputs}
    behind: list[set[int]] = []  # from the last stage to the first: the stages that all paths go through
    for index in reversed(range(len(pipeline.stages))):
        followers = [readers.get(name) for name in pipeline.stages[index].outputs]
        known = [set() if reader is None else behind[len(pipeline.stages) - 1 - reader] for reader in followers]
        behind.append({index} | set.intersection(*known))
    return [min(found - {index}, default=None) for index, found in enumerate(reversed(behind))]


def _wanted(stages: Sequence[Stage], outputs: Mapping[str, int]) -> dict[str, Reads]:
    """Of each stream before `outputs`, the beats that were read when so many of these were wanted.

    Args:
        stages: of which the last ones write `outputs`.
        outputs: streams and the beats that a frame has of each; of several, they are wanted at equal shares of it.
    """
    count = max(outputs.values())
    wanted = {name: Reads.exactly(-(-np.arange(count + 1) * beats // count)) for name, beats in outputs.items()}
    for stage in reversed(stages):
        written = [wanted[name] for name in stage.outputs if name in wanted]
        if not written:
            continue
        least, most = (np.max([getattr(one, side) for one in written], axis=0) for side in ("least", "most"))
        for name, port, reads in zip(stage.inputs, stage.kernel.inputs, stage.kernel.reads(), strict=True):
            found = Reads(_at(reads.least, least), _at(reads.most, most))
            found.least[-1] = found.most[-1] = port.beats  # a frame is read to its end
            wanted[name] = found
    return wanted


def _at(reads: np.ndarray, written: np.ndarray) -> np.ndarray:
    """Beats read when so many were written."""
    return np.concatenate([[0], reads])[written]
