"""Rules of time of `width_converter.sv` and `reshape.sv`: serializer, deserializer and gearbox."""

from collections.abc import Sequence
from dataclasses import dataclass

from gan2hls.integers import ceil_div
from gan2hls.kernels.base import Port
from gan2hls.kernels.rules import NEVER, Rule, Track, Waits, skid


@dataclass(frozen=True, eq=False)
class Split(Rule):
    """offered, output taken → taken: a skid buffer for wide beats, of which wide beat n leaves in `parts[n]` parts."""

    code = 8
    parts: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.parts

    @property
    def behind(self) -> int:
        return 3 * max(self.parts) + 2

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (offered, departed), (taken,) = reads, writes
        beat, left = 0, 0  # left: parts of all wide beats but the last two
        while True:
            if len(offered) <= beat:
                yield offered, beat + 1
            cycle = offered[beat]
            if beat >= 2:
                left += self.parts[(beat - 2) % len(self.parts)]
                if len(departed) < left:
                    yield departed, left
                cycle = max(cycle, departed[left - 1] + 1)
            taken.append(cycle)
            beat += 1


@dataclass(frozen=True, eq=False)
class Parts(Rule):
    """arrivals, taken → offered: the output register behind `Split`."""

    code = 9
    parts: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.parts

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (arrived, taken), (offered,) = reads, writes
        wide = part = 0
        while True:
            if part == 0 and len(arrived) <= wide:
                yield arrived, wide + 1
            beat = len(offered)
            if beat and len(taken) < beat:
                yield taken, beat
            cycle = taken[beat - 1] if beat else NEVER
            offered.append(max(cycle, arrived[wide]) + 1)  # the wide beat came before its first part left
            part += 1
            if part == self.parts[wide % len(self.parts)]:
                wide, part = wide + 1, 0


@dataclass(frozen=True, eq=False)
class Gather(Rule):
    """offered, output taken → taken, output offered: `parts[n]` narrow beats gather to wide beat n.

    A wide beat makes room at once, in the cycle in which its last part is taken or the wide beat before it left.
    """

    code = 10
    parts: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.parts

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (offered, departed), (taken, wide) = reads, writes
        free, part = NEVER, 0  # from when on narrow beats are taken
        while True:
            beat = len(taken)
            if len(offered) <= beat:
                yield offered, beat + 1
            taken.append(max(offered[beat], free))
            part += 1
            if part == self.parts[len(wide) % len(self.parts)]:
                free, part = taken[-1], 0
                if wide:
                    if len(departed) < len(wide):
                        yield departed, len(wide)
                    free = max(free, departed[len(wide) - 1])
                free += 1
                wide.append(free)


@dataclass(frozen=True, eq=False)
class Pour(Rule):
    """offered, output taken → taken: beats of `puts` elements enter while at most `room` elements are in.

    They leave in beats of `takes` elements.
    """

    code = 11
    room: int
    puts: tuple[int, ...]
    takes: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.room, len(self.puts), *self.puts, *self.takes)

    @property
    def behind(self) -> int:
        return self.room + max(self.puts) + 2

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (offered, departed), (taken,) = reads, writes
        level, gone = 0, 0  # elements that are in, and beats that left
        while True:
            beat = len(taken)
            if len(offered) <= beat:
                yield offered, beat + 1
            cycle = offered[beat]
            while level > self.room:
                if len(departed) <= gone:
                    yield departed, gone + 1
                cycle = max(cycle, departed[gone] + 1)
                level -= self.takes[gone % len(self.takes)]
                gone += 1
            taken.append(cycle)
            level += self.puts[beat % len(self.puts)]


@dataclass(frozen=True, eq=False)
class Draw(Rule):
    """arrivals, taken → offered: a beat of `takes` elements is offered once they are in (`Pour`)."""

    code = 12
    puts: tuple[int, ...]
    takes: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return (len(self.puts), *self.puts, *self.takes)

    @property
    def behind(self) -> int:
        return sum(self.puts) + sum(self.takes) + 2

    def steps(self, reads: Sequence[Track], writes: Sequence[Track]) -> Waits:
        (arrived, taken), (offered,) = reads, writes
        level, came = 0, 0  # elements in beats that arrived, less those that are offered; and these beats
        while True:
            beat = len(offered)
            level -= self.takes[beat % len(self.takes)]
            while level < 0:
                if len(arrived) <= came:
                    yield arrived, came + 1
                level += self.puts[came % len(self.puts)]
                came += 1
            cycle = arrived[came - 1]
            if beat:
                if len(taken) < beat:
                    yield taken, beat
                cycle = max(cycle, taken[beat - 1])
            offered.append(cycle + 1)


def regroup(into: Port, out: Port) -> tuple[Rule, ...]:
    """A skid buffer, serializer, deserializer or gearbox, as the modules choose it."""
    unpadded = into.channels % into.lanes == 0 and out.channels % out.lanes == 0
    if unpadded or into.channels == out.channels:
        wide = max(into.lanes, out.lanes)
        channels = wide if unpadded and wide % into.lanes == wide % out.lanes == 0 else into.channels
        if into.lanes == out.lanes:
            return skid()
        if into.lanes % out.lanes == 0:
            return _serializer(_split(ceil_div(channels, out.lanes), into.lanes // out.lanes))
        if out.lanes % into.lanes == 0:
            return _deserializer(_split(ceil_div(channels, into.lanes), out.lanes // into.lanes))
    room = out.lanes + min(into.lanes, out.lanes) - 1
    return _gearbox(_split(into.channels, into.lanes), _split(out.channels, out.lanes), room)


def _split(count: int, size: int) -> tuple[int, ...]:
    """`count` in parts of `size`, the last one smaller if need be."""
    full, remainder = divmod(count, size)
    return (size,) * full + (remainder,) * (remainder > 0)


def _serializer(parts: tuple[int, ...]) -> tuple[Rule, ...]:
    return (
        Split(("in0.offered", "out0.taken"), ("in0.taken",), parts=parts),
        Parts(("in0.taken", "out0.taken"), ("out0.offered",), parts=parts),
    )


def _deserializer(parts: tuple[int, ...]) -> tuple[Rule, ...]:
    return (Gather(("in0.offered", "out0.taken"), ("in0.taken", "out0.offered"), parts=parts),)


def _gearbox(puts: tuple[int, ...], takes: tuple[int, ...], room: int) -> tuple[Rule, ...]:
    return (
        Pour(("in0.offered", "out0.taken"), ("in0.taken",), room=room, puts=puts, takes=takes),
        Draw(("in0.taken", "out0.taken"), ("out0.offered",), puts=puts, takes=takes),
    )
