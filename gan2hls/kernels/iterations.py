"""What the C++ of a kernel does in each iteration of its loop, and its rule of time under an HLS tool's schedule.

A process of the C++ is one pipelined loop that is walked once a frame. An iteration reads at most one word of each
input and writes at most one of each output, and which ones do so does not depend on data. The tool starts an iteration
a cycle; a read of an empty stream, or a write to a full one, holds the whole loop (UG1399).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gan2hls.kernels.rules import Rule, Track, Waits


@dataclass(frozen=True, eq=False)
class Iterations:
    """The iterations of one frame, counted from 0: those of a part of it, which come `repeats` times.

    Attributes:
        part_reads: for each input, the iterations that read its beats; rising.
        part_writes: for each output, the iterations that write its beats; rising.
        part_count: iterations of the part.
    """

    part_reads: tuple[np.ndarray, ...]
    part_writes: tuple[np.ndarray, ...]
    part_count: int
    repeats: int = 1

    @staticmethod
    def of_beats(beats: int, inputs: int = 1, outputs: int = 1) -> "Iterations":
        """Beat k of each port in iteration k."""
        first = np.zeros(1, dtype=np.int64)
        return Iterations((first,) * inputs, (first,) * outputs, 1, beats)

    @property
    def count(self) -> int:
        """Iterations a frame."""
        return self.part_count * self.repeats

    @property
    def reads(self) -> tuple[np.ndarray, ...]:
        """For each input, the iteration that reads each of its beats."""
        return tuple(map(self._whole, self.part_reads))

    @property
    def writes(self) -> tuple[np.ndarray, ...]:
        """For each output, the iteration that writes each of its beats."""
        return tuple(map(self._whole, self.part_writes))

    def _whole(self, part: np.ndarray) -> np.ndarray:
        return np.add.outer(np.arange(self.repeats) * self.part_count, part).ravel()

    @cached_property
    def before(self) -> int:
        """The last iteration of the part before that reads or writes, counted from this part's first: below 0."""
        return max(int(port[-1]) for port in (*self.part_reads, *self.part_writes)) - self.part_count

    @cached_property
    def key(self) -> bytes:
        """Digest of all that it says."""
        digest = hashlib.sha256(f"{len(self.reads)} {self.before}".encode())
        for table in self.events:
            digest.update(table.tobytes())
        return digest.digest()

    @cached_property
    def events(self) -> tuple[np.ndarray, np.ndarray]:
        """Iterations of a part that read or write: how many iterations each comes after the one before, in the part
        before for the first; and at which ports, bit i for port i, inputs before outputs."""
        ports = (*self.part_reads, *self.part_writes)
        at = np.unique(np.concatenate(ports))
        mask = np.zeros(len(at), dtype=np.int64)
        for index, port in enumerate(ports):
            mask[np.searchsorted(at, port)] |= 1 << index
        return np.diff(at, prepend=self.before), mask


@dataclass(frozen=True, eq=False)
class Process(Rule):
    """each input's offered, each output's taken → each input's taken, each output's offered: the loop of a process.

    Iteration i is executed in the cycle after iteration i - 1, and no earlier than in the cycle after each word that it
    reads was written, and than in the cycle after that in which each of its words found room: a stream holds `depths`
    words, and the word that lies so far before was read. What is written in a cycle is offered from the next one on.
    """

    code = 16
    iterations: Iterations
    depths: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return (len(self.iterations.reads), self.iterations.before, *self.depths)

    @property
    def tables(self) -> tuple[np.ndarray, ...]:
        return self.iterations.events

    @property
    def beats_held(self) -> int:
        return max((2, *self.depths))

    @property
    def behind(self) -> int:
        return self.beats_held + 2

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        inputs = len(self.iterations.reads)
        events = list(zip(*(table.tolist() for table in self.iterations.events), strict=True))
        cycle = self.iterations.before  # iteration 0 is in cycle 0 at the earliest
        while True:
            for later, mask in events:
                cycle += later
                for port, track in enumerate(reads):
                    if not mask >> port & 1:
                        continue
                    if port < inputs:
                        beat = len(writes[port])
                        if len(track) <= beat:
                            yield track, beat + 1
                        cycle = max(cycle, track[beat])
                    elif (beat := len(writes[port]) - self.depths[port - inputs]) >= 0:
                        if len(track) <= beat:
                            yield track, beat + 1
                        cycle = max(cycle, track[beat] + 1)
                for port, track in enumerate(writes):
                    if mask >> port & 1:
                        track.append(cycle + (port >= inputs))


def process(iterations: Iterations, depths: Sequence[int]) -> tuple[Rule, ...]:
    """A process, its outputs streams of so many words."""
    inputs, outputs = len(iterations.reads), len(iterations.writes)
    reads = [f"in{index}.offered" for index in range(inputs)] + [f"out{index}.taken" for index in range(outputs)]
    writes = [f"in{index}.taken" for index in range(inputs)] + [f"out{index}.offered" for index in range(outputs)]
    return (Process(tuple(reads), tuple(writes), iterations, tuple(depths)),)
