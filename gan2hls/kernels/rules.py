"""When each beat moves: the exact cycles of the hardware, without simulating a cycle.

A kernel is a few rules that give the cycle of each beat from the cycles of earlier ones, and from nothing else. Each
rule is a generator: it yields the cycle from which on its next beat is offered, and receives the one in which that beat
is taken. So the beat that leaves the pipeline pulls, kernel by kernel, what must have happened before it.

What a kernel's registers make of a cycle (a beat is offered the cycle after it was taken, room is seen the cycle after
it was made) is the `+ 1` in a rule. Here are the rules that several kernels are made of.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

from gan2hls.integers import ceil_div
from gan2hls.kernels.base import Beats, Port

NEVER = -(1 << 60)
"""Cycle of what never had to happen."""


def source(start: int = 0) -> Beats:
    """An input that always waits."""
    taken = start - 1
    while True:
        taken = yield taken + 1


def watched(up: Beats, cycles: list[int]) -> Beats:
    """The same beats; `cycles` gets when each is taken."""
    taken: Any = None
    while True:
        taken = yield up.send(taken)
        cycles.append(taken)


def skid(up: Beats) -> Beats:
    """`skid_buffer.sv`: a beat is taken while at most one waits."""
    before, last = NEVER, NEVER  # when the last two output beats were taken
    taken: Any = None
    while True:
        taken = max(up.send(taken), before + 1)
        before, last = last, (yield max(taken, last) + 1)


def fifo(up: Beats, depth: int) -> Beats:
    """`fifo.sv`, without its input's own registers."""
    if depth == 2:
        yield from skid(up)
    last = NEVER
    taken: Any = None
    if depth == 1:
        while True:
            taken = max(up.send(taken), last + 1)
            last = yield taken + 1
    outs = deque([NEVER] * depth, depth)
    while True:
        taken = max(up.send(taken), outs[0] + 1)
        last = yield max(taken + 1, last) + 1
        outs.append(last)


def registers(up: Beats, delay: int) -> Beats:
    """`requantize.sv`, `lookup.sv`: `delay` registers that move together while the skid buffer behind them takes beats.

    Their moves are counted: move number x happens in cycle x + lag, and the lag grows in each cycle without a move,
    which is one in which a beat waits for the skid buffer. A beat taken at move x meets it at move x + delay.
    """
    pending: deque[int] = deque()
    before, last = NEVER, NEVER
    lag = 0
    reached, free = NEVER, 0  # the move of the last beat that left, and the first that may take one
    taken: Any = None
    while True:
        offered = up.send(taken)
        move = max(free, reached, offered - lag)
        while pending and pending[0] <= move:
            reached = pending.popleft()
            lag = max(lag, before + 1 - reached)
            before, last = last, (yield max(reached + lag, last) + 1)
            move = max(free, reached, offered - lag)
        taken = move + lag
        pending.append(move + delay)
        free = move + 1


def regroup(up: Beats, into: Port, out: Port) -> Beats:
    """`width_converter.sv` and `reshape.sv`: a skid buffer, serializer, deserializer or gearbox, as they choose it."""
    unpadded = into.channels % into.lanes == 0 and out.channels % out.lanes == 0
    if unpadded or into.channels == out.channels:
        wide = max(into.lanes, out.lanes)
        channels = wide if unpadded and wide % into.lanes == wide % out.lanes == 0 else into.channels
        if into.lanes == out.lanes:
            return skid(up)
        if into.lanes % out.lanes == 0:
            return _serializer(up, _split(ceil_div(channels, out.lanes), into.lanes // out.lanes))
        if out.lanes % into.lanes == 0:
            return _deserializer(up, _split(ceil_div(channels, into.lanes), out.lanes // into.lanes))
    room = out.lanes + min(into.lanes, out.lanes) - 1
    return _gearbox(up, _split(into.channels, into.lanes), _split(out.channels, out.lanes), room)


def _split(count: int, size: int) -> list[int]:
    """`count` in parts of `size`, the last one smaller if need be."""
    full, remainder = divmod(count, size)
    return [size] * full + [remainder] * (remainder > 0)


def _serializer(up: Beats, parts: Sequence[int]) -> Beats:
    """`serializer.sv`: a skid buffer whose output register gives `parts[n]` narrow beats for wide beat n of a pixel."""
    before, last = NEVER, NEVER  # when the last parts of the last two wide beats were taken
    taken: Any = None
    while True:
        for count in parts:
            taken = max(up.send(taken), before + 1)
            before, offered = last, max(taken, last) + 1
            for _ in range(count):
                last = yield offered
                offered = last + 1


def _deserializer(up: Beats, parts: Sequence[int]) -> Beats:
    """`deserializer.sv`: `parts[n]` narrow beats of a pixel gather to wide beat n, which leaves its room at once."""
    last = NEVER
    free = NEVER  # from when on narrow beats are taken
    taken: Any = None
    while True:
        for count in parts:
            for _ in range(count):
                taken = max(up.send(taken), free)
            free = max(taken, last) + 1
            last = yield free


def _gearbox(up: Beats, puts: Sequence[int], takes: Sequence[int], room: int) -> Beats:
    """`gearbox.sv`: elements in, `puts` a beat of a frame, and out, `takes` a beat.

    A beat comes in while at most `room` elements are in, and is offered once its elements are in.
    """
    last = NEVER
    taken: Any = None
    put = took = gave = 0  # elements that came in, that are needed, and that left with beats up to `gone`
    beat, gone = 0, 0
    outs: deque[int] = deque()  # beats that left, of which some input beat may still have to wait
    came = NEVER
    while True:
        for count in takes:
            took += count
            while put < took:
                offered = up.send(taken)
                while put - gave > room:
                    offered = max(offered, outs.popleft() + 1)
                    gave += takes[gone % len(takes)]
                    gone += 1
                taken = came = offered
                put += puts[beat % len(puts)]
                beat += 1
            last = yield max(came, last) + 1
            outs.append(last)
