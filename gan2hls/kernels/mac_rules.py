"""Rules of time of `mac_engine.sv`: a ring of input words that fills, and a walker of output pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gan2hls.kernels.rules import NEVER, Rule, Track, Waits, leave


@dataclass(frozen=True, eq=False)
class Timetable:
    """What a walk takes and gives back, by output pixel in raster order: arrays of int64.

    Args:
        needs: words of the frame that must be in the ring before the pixel starts.
        frees: words of the frame whose room is free once the pixel is done; the last one frees them all.
        steps: cycles that the pixel takes for each group of output channels.
    """

    needs: np.ndarray
    frees: np.ndarray
    steps: np.ndarray

    @cached_property
    def words(self) -> int:
        """Words a frame."""
        return int(self.frees[-1])


@dataclass(frozen=True, eq=False)
class Load(Rule):
    """offered, finished → taken: words enter a ring of `ring` words whose oldest ones pixels free, row by row.

    Invariant: once pixel `freeing` is done, the first `freed` words of all frames are free. Word k takes the room of
    word k - ring, so that it waits for the first pixel with `freed` > k - ring. Room is seen two cycles after the pixel
    is finished: the release and the arrival have a register each.
    """

    code = 13
    ring: int
    table: Timetable

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.ring,)

    @property
    def tables(self) -> tuple[np.ndarray, ...]:
        return (self.table.frees,)

    @property
    def beats_held(self) -> int:
        return self.ring

    @property
    def behind(self) -> int:
        pixels = len(self.table.frees)
        return max(self.ring, pixels * (self.ring // self.table.words + 2)) + 2

    @property
    def lacks(self) -> Mapping[str, str]:
        return {"finished": f"room in its ring of {self.ring} words"}

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (offered, finished), (taken,) = reads, writes
        frees, words, pixels = self.table.frees.tolist(), self.table.words, len(self.table.frees)
        freeing, freed = 0, frees[0]
        while True:
            if len(offered) <= (word := len(taken)):
                yield offered, word + 1
            cycle = offered[word]
            if word >= self.ring:
                while freed <= word - self.ring:
                    freeing += 1
                    freed = freeing // pixels * words + frees[freeing % pixels]
                if len(finished) <= freeing:
                    yield finished, freeing + 1
                cycle = max(cycle, finished[freeing] + 2)
            taken.append(cycle)


@dataclass(frozen=True, eq=False)
class Walk(Rule):
    """taken, exits → moves, finished: pixels one after another, a step a move, `groups` beats a pixel.

    A step made at move x leaves as part of a beat at move x + delay. Move x happens in cycle x + lag, where the lag is
    that of the last exit at or before move x (`rules.Enter`). `finished` gets the cycle after each pixel's last step.

    Invariants between two pixels: moves below `free` are made, all exits at or below `free` are in `lag`, and `end` is
    the cycle of move `free` - 1. A pixel starts at the first move that is not made, in no cycle before `end` + 1, and,
    where it needs a word that the one before did not, three cycles after that word was taken: the arrival, the walker's
    start and the step's addresses have a register each, and the start counts from the move before.
    """

    code = 14
    groups: int
    delay: int
    table: Timetable

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.groups, self.delay, self.table.words)

    @property
    def tables(self) -> tuple[np.ndarray, ...]:
        return self.table.needs, self.table.steps

    @property
    def behind(self) -> int:
        return self.delay + self.groups + 2

    @property
    def frames(self) -> Mapping[str, int]:
        return {"finished": len(self.table.needs)}

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (taken, exits), (moves, finished) = reads, writes
        pixels = list(zip(self.table.needs.tolist(), self.table.steps.tolist(), strict=True))
        free, end, lag = NEVER, NEVER, 0
        reached, seen = NEVER, 0  # the move of the last exit in `lag`, and how many there are
        words, frame = 0, 0  # words that pixels so far needed, and words of the frames before
        while True:
            for need, steps in pixels:
                start = end + 1
                if frame + need > words:
                    words = frame + need
                    if len(taken) < words:
                        yield taken, words
                    start = max(end, taken[words - 1] + 2) + 1
                move = max(free, reached, start - lag)
                while seen < len(moves) and moves[seen] <= move:
                    if len(exits) <= seen:
                        yield exits, seen + 1
                    reached = moves[seen]
                    lag = exits[seen] - reached
                    seen += 1
                    move = max(free, reached, start - lag)
                free = move + steps * self.groups
                moves.extend(range(move + steps - 1 + self.delay, free + self.delay, steps))
                for last in (free - 1, free):
                    while moves[seen] <= last:  # the pixel's own beats leave later
                        if len(exits) <= seen:
                            yield exits, seen + 1
                        reached = moves[seen]
                        lag = exits[seen] - reached
                        seen += 1
                    if last < free:
                        end = last + lag
                finished.append(free + lag)
            frame += self.table.words


def mac_engine(table: Timetable, ring: int, groups: int, delay: int) -> tuple[Rule, ...]:
    """The engine: a ring of `ring` words, the walk, `delay` registers that move together, and a skid buffer."""
    return (
        Load(("in0.offered", "finished"), ("in0.taken",), ring, table),
        Walk(("in0.taken", "exits"), ("moves", "finished"), groups, delay, table),
        *leave(),
    )
