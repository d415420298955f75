"""When each beat of a pipeline moves: the exact cycles of the hardware, without simulating a cycle.

A kernel is a few rules that give the cycle of each beat from the cycles of earlier ones, and from nothing else. Each
rule is a generator: it yields the cycle from which on its next beat is offered, and receives the one in which that beat
is taken. So the beat that leaves the pipeline pulls, kernel by kernel, what must have happened before it. An input that
is always valid and an output that is always ready give what `simulate.RtlRun` counts, exactly.

Cycles are counted from the one that takes the first input beat. What a kernel's registers make of a cycle (a beat is
offered the cycle after it was taken, room is seen the cycle after it was made) is the `+ 1` in a rule.
"""

import math
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan2hls.errors import Gan2HlsError
from gan2hls.ir import Fold, TensorType
from gan2hls.ops.mac import FLAT_BANKS, MacOp, groups
from gan2hls.pipeline import STREAM_DEPTH, Pipeline, Stage

Beats = Generator[int, Any, None]
"""Yields when the next beat is offered, and is sent, an int, when it is taken; the first `send` is of None."""

_NEVER = -(1 << 60)
"""Cycle of what never had to happen."""

MOST_FRAMES = 8
"""Frames in which the rhythm of a pipeline is looked for."""


def _source(start: int = 0) -> Beats:
    """An input that always waits."""
    taken = start - 1
    while True:
        taken = yield taken + 1


def _watched(up: Beats, cycles: list[int]) -> Beats:
    """The same beats; `cycles` gets when each is taken."""
    taken: Any = None
    while True:
        taken = yield up.send(taken)
        cycles.append(taken)


def _skid(up: Beats) -> Beats:
    """`skid_buffer.sv`: a beat is taken while at most one waits."""
    before, last = _NEVER, _NEVER  # when the last two output beats were taken
    taken: Any = None
    while True:
        taken = max(up.send(taken), before + 1)
        before, last = last, (yield max(taken, last) + 1)


def _fifo(up: Beats, depth: int) -> Beats:
    """`fifo.sv`, without its input's own registers."""
    if depth == 2:
        yield from _skid(up)
    last = _NEVER
    taken: Any = None
    if depth == 1:
        while True:
            taken = max(up.send(taken), last + 1)
            last = yield taken + 1
    outs = deque([_NEVER] * depth, depth)
    while True:
        taken = max(up.send(taken), outs[0] + 1)
        last = yield max(taken + 1, last) + 1
        outs.append(last)


def _registers(up: Beats, delay: int) -> Beats:
    """`requantize.sv`, `lookup.sv`: `delay` registers that move together while the skid buffer behind them takes beats.

    Their moves are counted: move number x happens in cycle x + lag, and the lag grows in each cycle without a move,
    which is one in which a beat waits for the skid buffer. A beat taken at move x meets it at move x + delay.
    """
    pending: deque[int] = deque()
    before, last = _NEVER, _NEVER
    lag = 0
    reached, free = _NEVER, 0  # the move of the last beat that left, and the first that may take one
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


def _mac(up: Beats, walk: "_MacWalk", ring: int, finished: list[int]) -> Beats:
    """`mac_engine.sv`: a ring that fills, a walker of pixels, and registers that move together as in `_registers`.

    `finished` gets the cycle in which each pixel's last step is taken, one move after it was made.
    """
    pull = up.send
    pending: deque[int] = deque()
    before, last = _NEVER, _NEVER
    lag = 0
    reached, free = _NEVER, 0
    end = -1  # the last step of the pixel before
    taken: Any = None
    words, written = 0, -1  # words in the ring so far, and when the last one came
    base = 0  # words of the frames before
    freeing, freed = 0, walk.freed[0]  # a pixel, and the words that are free once it is done
    pixels = len(walk.need)
    in_frame = walk.frame_words
    while True:
        for need, steps in zip(walk.need, walk.steps, strict=True):
            start = end + 1
            if words < base + need:
                while words < base + need:
                    cycle = pull(taken)
                    if words >= ring:
                        while freed <= words - ring:
                            freeing += 1
                            freed = freeing // pixels * in_frame + walk.freed[freeing % pixels]
                        if freeing >= len(finished):
                            raise Gan2HlsError(f"a ring of {ring} words is too small: its kernel waits for ever")
                        cycle = max(cycle, finished[freeing] + 2)
                    taken = written = cycle
                    words += 1
                start = max(end, written + 2) + 1
            move = max(free, reached, start - lag)
            while pending and pending[0] <= move:
                reached = pending.popleft()
                lag = max(lag, before + 1 - reached)
                before, last = last, (yield max(reached + lag, last) + 1)
                move = max(free, reached, start - lag)
            free = move + steps * walk.out_groups
            pending.extend(range(move + steps - 1 + walk.delay, free + walk.delay, steps))
            while pending[0] < free:
                reached = pending.popleft()
                lag = max(lag, before + 1 - reached)
                before, last = last, (yield max(reached + lag, last) + 1)
            end = free - 1 + lag
            while pending[0] == free:
                reached = pending.popleft()
                lag = max(lag, before + 1 - reached)
                before, last = last, (yield max(reached + lag, last) + 1)
            finished.append(free + lag)
        base += in_frame


def _serializer(up: Beats, parts: Sequence[int]) -> Beats:
    """`serializer.sv`: a skid buffer whose output register gives `parts[n]` narrow beats for wide beat n of a pixel."""
    before, last = _NEVER, _NEVER  # when the last parts of the last two wide beats were taken
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
    last = _NEVER
    free = _NEVER  # from when on narrow beats are taken
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
    last = _NEVER
    taken: Any = None
    put = took = gave = 0  # elements that came in, that are needed, and that left with beats up to `gone`
    beat, gone = 0, 0
    outs: deque[int] = deque()  # beats that left, of which some input beat may still have to wait
    came = _NEVER
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


def _upsample(up: Beats, pixel_beats: int, width: int, factor_height: int, factor_width: int) -> Beats:
    """`upsample.sv`: a ring of two rows, read word by word into a register before a skid buffer."""
    ring = 2 * width * pixel_beats
    before, last = _NEVER, _NEVER
    entered = _NEVER  # when the word before left the register
    read = _NEVER
    released: list[int] = []  # when each pixel was read for the last time
    words = 0
    taken: Any = None
    while True:
        for walk in range(factor_height):
            for _ in range(width):
                for repeat in range(factor_width):
                    for _ in range(pixel_beats):
                        read = entered
                        if walk == repeat == 0:
                            taken = up.send(taken)
                            if words >= ring:
                                taken = max(taken, released[(words - ring) // pixel_beats] + 1)
                            words += 1
                            read = max(read, taken + 1)
                        entered = max(read, before) + 1
                        before, last = last, (yield max(entered, last) + 1)
                if walk == factor_height - 1:
                    released.append(read)


# -- from a pipeline to rules -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _MacWalk:
    """A frame of a MAC kernel, by output pixel: words that it needs, words that are free after it, steps a group."""

    need: list[int]
    freed: list[int]
    steps: list[int]
    out_groups: int
    frame_words: int
    pixel_words: int
    delay: int


def _converter(up: Beats, in_channels: int, out_channels: int, in_lanes: int, out_lanes: int) -> Beats:
    """`width_converter.sv` and `reshape.sv`."""
    unpadded = in_channels % in_lanes == 0 and out_channels % out_lanes == 0
    if unpadded or in_channels == out_channels:
        wide = max(in_lanes, out_lanes)
        channels = wide if unpadded and wide % in_lanes == wide % out_lanes == 0 else in_channels
        if in_lanes == out_lanes:
            return _skid(up)
        if in_lanes % out_lanes == 0:
            return _serializer(up, _split(groups(channels, out_lanes), in_lanes // out_lanes))
        if out_lanes % in_lanes == 0:
            return _deserializer(up, _split(groups(channels, in_lanes), out_lanes // in_lanes))
    room = out_lanes + min(in_lanes, out_lanes) - 1
    return _gearbox(up, _split(in_channels, in_lanes), _split(out_channels, out_lanes), room)


def _split(count: int, size: int) -> list[int]:
    """`count` in parts of `size`, the last one smaller if need be."""
    full, rest = divmod(count, size)
    return [size] * full + [rest] * (rest > 0)


def _walk(op: MacOp, tensor: TensorType, fold: Fold) -> _MacWalk:
    need, held = op.windows(tensor)
    pixel_words = groups(tensor.channels, fold.simd)
    frame = tensor.pixels * pixel_words
    levels = (fold.lanes - 1).bit_length()
    banks = groups(op.weight_words(fold), op.bank_words(fold))
    weights = 2 * (banks > 1) + (banks > FLAT_BANKS)
    multiplier = (op.codebook is not None or fold.packing == 1) + 2 * (fold.packing > 1)
    return _MacWalk(
        need=(need * pixel_words).tolist(),
        freed=[*(held[1:] * pixel_words).tolist(), frame],
        steps=op.pixel_steps(tensor, fold).ravel().tolist(),
        out_groups=groups(op.codes.shape[3], fold.pe),
        frame_words=frame,
        pixel_words=pixel_words,
        # step 1, ring 2, taps that do not exist 1, product 1, adder tree, sum 1
        delay=6 + levels + multiplier + weights,
    )


def _kernel(up: Beats, stage: Stage) -> Beats:
    """The rule of a stage without a ring."""
    values = stage.parameters
    if stage.stem == "requantize":
        return _registers(up, 6 + values["Leaky"])
    if stage.stem == "lookup":
        return _registers(up, 2)
    if stage.stem == "upsample":
        beats = groups(values["Channels"], values["Lanes"])
        return _upsample(up, beats, values["InWidth"], values["FactorHeight"], values["FactorWidth"])
    if stage.stem == "width_converter":
        return _converter(up, values["Channels"], values["Channels"], values["InLanes"], values["OutLanes"])
    if stage.stem == "reshape":
        return _converter(up, values["InChannels"], values["OutChannels"], values["InLanes"], values["OutLanes"])
    raise Gan2HlsError(f"{stage.name}: nothing is known about the time that {stage.stem} takes")


def _stream(up: Beats, depth: int) -> Beats:
    """A stream of `depth` beats: the kernel before it holds `STREAM_DEPTH` of them, a FIFO the rest."""
    return _fifo(up, depth - STREAM_DEPTH) if depth > STREAM_DEPTH else up


class Model:
    """The rules of a pipeline's kernels, ready to be put together with buffers of any size."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        tensors = {node.name: tensor for node, tensor, _ in pipeline.graph.steps()}
        self._walks: dict[str, _MacWalk] = {}
        for stage in pipeline.stages:
            op = pipeline.graph.node(stage.node).op if stage.node else None
            if isinstance(op, MacOp):
                self._walks[stage.name] = _walk(op, tensors[stage.node], pipeline.folding[stage.node])

    def run(self, buffers: "Buffers", first: int = 0, start: int = 0) -> "Run":
        """Start the stages from `first` on, with input that always waits.

        Args:
            buffers: sizes of the rings and streams.
            first: index of the first stage; those before it are left out.
            start: cycle from which on output is taken; a late one lets all buffers fill first.
        """
        steps: list[tuple[list[int], int]] = []
        beats = _source()
        for index, stage in enumerate(self.pipeline.stages[first:], first):
            if index > first or first == 0:
                beats = _stream(beats, buffers.depths[index])
            if stage.name in self._walks:
                walk = self._walks[stage.name]
                steps.append(([], len(walk.need)))
                beats = _mac(beats, walk, buffers.rings[index] * walk.pixel_words, steps[-1][0])
            else:
                beats = _kernel(beats, stage)
            if index + 1 < len(self.pipeline.stages):
                steps.append(([], self.pipeline.streams[index + 1].beats))
                beats = _watched(beats, steps[-1][0])
        return Run(_stream(beats, buffers.depths[-1]), self.pipeline.output.beats, steps, start)


@dataclass
class Buffers:
    """Input pixels that each stage's ring holds, 0 without one, and beats that each stream holds."""

    rings: list[int]
    depths: list[int]

    @staticmethod
    def of(pipeline: Pipeline) -> "Buffers":
        rings = [stage.parameters.get("RingPixels", 0) for stage in pipeline.stages]
        return Buffers(rings, [stream.depth for stream in pipeline.streams])


class Run:
    """Frames going through a pipeline whose output is always ready.

    Attributes:
        finished: cycles in which the frames' last beats were taken.
    """

    def __init__(self, output: Beats, beats: int, steps: list[tuple[list[int], int]], start: int) -> None:
        self.finished: list[int] = []
        self._pull = output.send
        self._start = start
        self._taken: list[int] = []
        self._rhythms = [*steps, (self._taken, beats)]  # cycles, and how many a frame

    def frame(self) -> None:
        """One frame more."""
        pull, taken, start = self._pull, self._taken, self._start
        cycle = max(pull(taken[-1] if taken else None), start)
        for _ in range(self._rhythms[-1][1] - 1):
            taken.append(cycle)
            cycle = pull(cycle)
            if cycle < start:
                cycle = start
        taken.append(cycle)
        self.finished.append(cycle)

    def settle(self, most: int, least: int = 3, within: float = math.inf) -> bool:
        """Run until the last two frames are alike; whether they are.

        It ends without that after `most` frames, or with the first that ends after `within` cycles, but not before
        there are `least`.
        """
        while (count := len(self.finished)) < least or (count < most and self.finished[-1] <= within):
            self.frame()
            if len(self.finished) > 2 and self.steady:
                return True
        return False

    @property
    def interval(self) -> int:
        """Cycles between the last two frames."""
        return self.finished[-1] - self.finished[-2]

    @property
    def steady(self) -> bool:
        """Whether all kernels did the same in their last two frames, later by one number of cycles.

        Then they will do so for ever: what happens depends on no more of the past than that. All means each beat of
        each stream: a frame may end as long after the one before as that one did, and yet find the kernels between
        further on than that one found them.
        """
        shifts: set[int] = set()
        for cycles, count in self._rhythms:
            end = len(cycles) // count * count
            if end < 2 * count:
                return False
            last = np.array(cycles[end - 2 * count : end]).reshape(2, count)
            shifts.update(np.unique(last[1] - last[0]).tolist())
        return len(shifts) == 1


@dataclass(frozen=True)
class Prediction:
    """Time that a pipeline takes, its input always valid and its output always ready, in clock cycles.

    Attributes:
        latency_cycles: from the clock edge that takes the first input beat to the one that takes the last output beat
            of the first frame.
        interval_cycles: from one frame's last output beat to the next one's, between the last two frames predicted.
        finished: when each frame's last output beat is taken, counted from the first input beat.
        steady: whether all kernels did the same in the last two frames, and so will for ever.
        busy: by stage, the share of the interval in which it works.
    """

    latency_cycles: int
    interval_cycles: int
    finished: tuple[int, ...]
    steady: bool
    busy: dict[str, float]

    def end(self, frame: int) -> int | None:
        """When a frame's last output beat is taken, also beyond those predicted; None where that is not known."""
        beyond = frame + 1 - len(self.finished)
        if beyond <= 0:
            return self.finished[frame]
        return self.finished[-1] + beyond * self.interval_cycles if self.steady else None


def predict(
    pipeline: Pipeline, frames: int | None = None, *, most: int = MOST_FRAMES, least: int = 3, within: float = math.inf
) -> Prediction:
    """Exact latency and interval of a pipeline's RTL.

    Args:
        pipeline: kernels and buffers.
        frames: how many follow each other, at least 2; by default as many as the interval needs to settle.
        most, least, within: how long it may take to settle: at most so many frames, and no further one after `within`
            cycles, but so many at least.

    Raises:
        Gan2HlsError: the pipeline comes to a standstill because a ring is too small.
    """
    run = Model(pipeline).run(Buffers.of(pipeline))
    if frames is None:
        run.settle(most, least, within)
    else:
        for _ in range(max(2, frames)):
            run.frame()
    busy = {stage.name: stage.cycles / run.interval for stage in pipeline.stages}
    return Prediction(run.finished[0], run.interval, tuple(run.finished), len(run.finished) > 2 and run.steady, busy)
