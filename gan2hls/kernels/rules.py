"""When each beat moves: the exact cycles of the hardware, without simulating a cycle.

A stream is two tracks of cycles that grow: `offered[k]`, from which on its beat k is valid, written by the kernel
before it, and `taken[k]`, in which that beat moves, written by the kernel behind it. A kernel is a few rules that
extend tracks: those of its streams ("in0.offered", "out1.taken", by its ports) and tracks of its own (any other
name). Each entry of a track follows from entries of others and is written once, so that it does not matter in which
order the rules run; a rule waits for exactly the entries that it needs. That a kernel's input side and its output side
are rules of their own lets a beat leave while the next one has not come, as forks and joins ask for.

A rule is data: the tracks that it reads and writes, numbers, and tables. `steps` says what it means, in Python; the
compiled engine (`sim/timed_streams.cpp`) says the same, and a test holds them against each other.

What a kernel's registers make of a cycle (a beat is offered the cycle after it was taken, room is seen the cycle after
it was made) is the `+ 1` in a rule. Below the rules are those that several kernels are made of.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

NEVER = -(1 << 60)
"""Cycle of what never had to happen."""

LONG_AGO = -(1 << 40)
"""Cycle from which on constants wait: whatever they fill is full when the first input comes."""

Track = list[int]
Waits = Iterator[tuple[Track, int]]
"""What the steps of a rule yield: a track, and the entries that it must have before the rule can go on."""


@dataclass(frozen=True, eq=False)
class Rule(ABC):
    """How tracks grow.

    Args:
        reads, writes: names of tracks, in the order that `steps` expects; a rule may read what it writes.
    """

    code: ClassVar[int]
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """What the compiled engine is told beside the tracks."""
        return ()

    @property
    def tables(self) -> tuple[np.ndarray, ...]:
        """The same, arrays of int64."""
        return ()

    @property
    def behind(self) -> int:
        """Entries by which it reads behind the last one of a track, at most."""
        return 2

    @property
    def beats_held(self) -> int:
        """Beats that it holds, at most: so far back it looks."""
        return 2

    @property
    def frames(self) -> Mapping[str, int]:
        """Entries a frame of a track of the kernel's own; two frames with equal ones leave it in the same state."""
        return {}

    @property
    def lacks(self) -> Mapping[str, str]:
        """What it lacks while it waits for a track of the kernel's own, where that may be for ever."""
        return {}

    @abstractmethod
    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        """The rule itself, for ever."""


@dataclass(frozen=True, eq=False)
class Source(Rule):
    """taken → offered: from cycle `start` on a beat is always there, but frame f only from f - 1 periods on.

    A frame is `beats` beats.
    """

    code = 0
    start: int
    beats: int = 1
    period: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.start, self.beats, self.period)

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (taken,), (offered,) = reads, writes
        offered.append(self.start)
        while True:
            if len(taken) < len(offered):
                yield taken, len(offered)
            released = self.start + max(0, len(offered) // self.beats - 1) * self.period
            offered.append(max(taken[len(offered) - 1] + 1, released))


@dataclass(frozen=True, eq=False)
class Sink(Rule):
    """offered, gate → taken: each of the `beats` beats of frame f is taken at once, but none before cycle gate[f]."""

    code = 1
    beats: int

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.beats,)

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (offered, gate), (taken,) = reads, writes
        while True:
            beat, frame = len(taken), len(taken) // self.beats
            if len(gate) <= frame:
                yield gate, frame + 1
            if len(offered) <= beat:
                yield offered, beat + 1
            taken.append(max(offered[beat], gate[frame]))


@dataclass(frozen=True, eq=False)
class Take(Rule):
    """`inputs` tracks offered, then tracks of departures → taken, of each input: all at once, when there is room.

    Beat k finds room the cycle after departure (k - room) // group of each track of departures.
    """

    code = 2
    inputs: int = 1
    room: int = 2
    group: int = 1

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.inputs, self.room, self.group)

    @property
    def beats_held(self) -> int:
        return self.room

    @property
    def behind(self) -> int:
        return self.room + 2

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        offers, departures = reads[: self.inputs], reads[self.inputs :]
        beat = 0
        while True:
            cycle = NEVER
            for offered in offers:
                if len(offered) <= beat:
                    yield offered, beat + 1
                cycle = max(cycle, offered[beat])
            if beat >= self.room:
                leaving = (beat - self.room) // self.group
                for departed in departures:
                    if len(departed) <= leaving:
                        yield departed, leaving + 1
                    cycle = max(cycle, departed[leaving] + 1)
            for taken in writes:
                taken.append(cycle)
            beat += 1


@dataclass(frozen=True, eq=False)
class Offer(Rule):
    """arrivals, taken → offered: an output register, which a beat reaches `latency` + 1 cycles after it arrived."""

    code = 3
    latency: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.latency,)

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (arrived, taken), (offered,) = reads, writes
        beat, before = 0, NEVER
        while True:
            if len(arrived) <= beat:
                yield arrived, beat + 1
            if beat:
                if len(taken) < beat:
                    yield taken, beat
                before = taken[beat - 1]
            offered.append(max(arrived[beat] + self.latency, before) + 1)
            beat += 1


@dataclass(frozen=True, eq=False)
class Enter(Rule):
    """offered, exits → taken, moves: the first of `delay` registers that move together.

    Their moves are counted: move number x happens in cycle x + lag, and the lag grows in each cycle without a move
    (`Exit`). A beat taken at move x leaves at move x + delay, which is its entry in `moves`.
    """

    code = 4
    delay: int

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.delay,)

    @property
    def beats_held(self) -> int:
        return self.delay + 2

    @property
    def behind(self) -> int:
        return self.delay + 2

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (offered, exits), (taken, moves) = reads, writes
        lag, free = 0, NEVER  # of the exits so far, and the first move that may take a beat
        reached, seen = NEVER, 0  # the move of the last of these exits, and how many there are
        while True:
            if len(offered) <= len(taken):
                yield offered, len(taken) + 1
            cycle = offered[len(taken)]
            move = max(free, reached, cycle - lag)
            while seen < len(moves) and moves[seen] <= move:
                if len(exits) <= seen:
                    yield exits, seen + 1
                reached = moves[seen]
                lag = exits[seen] - reached
                seen += 1
                move = max(free, reached, cycle - lag)
            taken.append(move + lag)
            moves.append(move + self.delay)
            free = move + 1


@dataclass(frozen=True, eq=False)
class Exit(Rule):
    """moves, taken → exits: registers hold while the beat at their end waits for one of two entries behind them."""

    code = 5

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (moves, taken), (exits,) = reads, writes
        beat, lag = 0, 0
        while True:
            if len(moves) <= beat:
                yield moves, beat + 1
            move = moves[beat]
            if beat >= 2:
                if len(taken) < beat - 1:
                    yield taken, beat - 1
                lag = max(lag, taken[beat - 2] + 1 - move)
            exits.append(move + lag)
            beat += 1


@dataclass(frozen=True, eq=False)
class Interleave(Rule):
    """each input's offered, output taken → each input's taken, arrivals: `beats[i]` beats of input i, then those of the
    next one, round and round, into a skid buffer. An input is looked at from the cycle on in which its turn begins."""

    code = 6
    beats: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.beats

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        *offers, departed = reads
        *takens, arrived = writes
        while True:
            for offered, taken, count in zip(offers, takens, self.beats, strict=True):
                for _ in range(count):
                    beat, own = len(arrived), len(taken)
                    if len(offered) <= own:
                        yield offered, own + 1
                    cycle = offered[own]
                    if beat:
                        cycle = max(cycle, arrived[-1] + 1)
                    if beat >= 2:
                        if len(departed) < beat - 1:
                            yield departed, beat - 1
                        cycle = max(cycle, departed[beat - 2] + 1)
                    taken.append(cycle)
                    arrived.append(cycle)


@dataclass(frozen=True, eq=False)
class Select(Rule):
    """offered, output taken → taken, arrivals: of each `of` beats those from `start` to `stop` enter a skid buffer; the
    others are dropped, taken as if they did."""

    code = 7
    start: int
    stop: int
    of: int

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.start, self.stop, self.of)

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (offered, departed), (taken, arrived) = reads, writes
        while True:
            for beat in range(self.of):
                if len(offered) <= len(taken):
                    yield offered, len(taken) + 1
                cycle = offered[len(taken)]
                if (kept := len(arrived)) >= 2:
                    if len(departed) < kept - 1:
                        yield departed, kept - 1
                    cycle = max(cycle, departed[kept - 2] + 1)
                taken.append(cycle)
                if self.start <= beat < self.stop:
                    arrived.append(cycle)


def skid() -> tuple[Rule, ...]:
    """`skid_buffer.sv`: two beats, the output register and a spare entry."""
    return fifo(2)


def fifo(depth: int) -> tuple[Rule, ...]:
    """`fifo.sv`: a register, a skid buffer, or a memory before an output register."""
    return (
        Take(("in0.offered", "out0.taken"), ("in0.taken",), room=depth),
        Offer(("in0.taken", "out0.taken"), ("out0.offered",), latency=int(depth > 2)),
    )


def registers(delay: int) -> tuple[Rule, ...]:
    """`requantize.sv`, `lookup.sv`: `delay` registers move together while the skid buffer behind them takes beats."""
    return (Enter(("in0.offered", "exits"), ("in0.taken", "moves"), delay=delay), *leave())


def leave() -> tuple[Rule, ...]:
    """The end of registers that move together, and the skid buffer behind them."""
    return (
        Exit(("moves", "out0.taken"), ("exits",)),
        Offer(("exits", "out0.taken"), ("out0.offered",)),
    )


def fork(outputs: int) -> tuple[Rule, ...]:
    """`fork.sv`: a skid buffer an output; a beat enters once all of them have room."""
    taken = [f"out{index}.taken" for index in range(outputs)]
    offers = [Offer(("in0.taken", name), (f"out{index}.offered",)) for index, name in enumerate(taken)]
    return (Take(("in0.offered", *taken), ("in0.taken",)), *offers)


def join(inputs: int) -> tuple[Rule, ...]:
    """`add.sv`: a beat of each input at once, into one skid buffer."""
    offered, taken = ([f"in{index}.{what}" for index in range(inputs)] for what in ("offered", "taken"))
    return (
        Take((*offered, "out0.taken"), tuple(taken), inputs=inputs),
        Offer(("in0.taken", "out0.taken"), ("out0.offered",)),
    )


def interleave(beats: Sequence[int]) -> tuple[Rule, ...]:
    """`concat.sv`: `beats[i]` beats of input i, input after input, into one skid buffer."""
    offered, taken = ([f"in{index}.{what}" for index in range(len(beats))] for what in ("offered", "taken"))
    return (
        Interleave((*offered, "out0.taken"), (*taken, "arrivals"), beats=tuple(beats)),
        Offer(("arrivals", "out0.taken"), ("out0.offered",)),
    )


def select(start: int, stop: int, of: int) -> tuple[Rule, ...]:
    """`slice.sv`: of each `of` beats those from `start` to `stop`, into one skid buffer."""
    return (
        Select(("in0.offered", "out0.taken"), ("in0.taken", "arrivals"), start=start, stop=stop, of=of),
        Offer(("arrivals", "out0.taken"), ("out0.offered",)),
    )


def constant() -> tuple[Rule, ...]:
    """`constant.sv`: a beat is always there, and was so long before there was any input."""
    return (Source(("out0.taken",), ("out0.offered",), LONG_AGO),)
