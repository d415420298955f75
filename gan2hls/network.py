"""Timed networks: rules of time put together by the streams that they share, and run frame by frame.

The network knows nothing of pipelines. It has streams, each with at most one part that writes it and one that reads
it; a stream that nobody writes always waits, and one that nobody reads is always taken. Two engines run it: the
compiled one (`engine`), and the reference in Python, which does what the rules themselves say.
"""

import hashlib
import math
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gan2hls.errors import Gan2HlsError
from gan2hls.integers import ceil_div
from gan2hls.kernels.rules import Rule, Sink, Source


class StandstillError(Gan2HlsError):
    """Kernels that wait for each other for ever, because a buffer is too small."""


@dataclass(frozen=True)
class Stream:
    """A stream: its name, for messages, and its beats a frame."""

    name: str
    beats: int


@dataclass(frozen=True)
class Part:
    """A kernel: its name, its rules, and the streams at its ports, by their indices."""

    name: str
    rules: tuple[Rule, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Wired:
    """A rule of a part (None: an end of the network) and the indices of its tracks."""

    rule: Rule
    part: Part | None
    reads: tuple[int, ...]
    writes: tuple[int, ...]


class Network:
    """Parts and streams as rules and tracks.

    Tracks 2n and 2n + 1 are what stream n offered and what was taken of it; then come the `gate`, and tracks of the
    parts' own.

    Args:
        streams: in any order.
        parts: in any order; every stream is written by one of them at most, and read by one.
        start: cycle before which nothing leaves; a late one lets all buffers fill first.
        period: cycles from frame to frame that enter, at least. The second one is there with the first, so that kernels
            are as far ahead as they would be if their input always waited.
        what: comes to a standstill, where it does.

    Attributes:
        rules: wired, those of the ends too.
        per_frame: by track, its entries a frame if two frames are compared by it, or 0.
        kept: by track, how many of its last entries rules may ask for.
        memory: by track, how many of its frames in a row must be alike for all that follow to be so: as many as rules
            look back at.
        sources, sinks: streams that nobody writes, and that nobody reads.
        gate: track of the cycles from which on frames may leave.
        most_ahead: frames that an output can be ahead of another one: no more than lie between.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        parts: Sequence[Part],
        start: int = 0,
        period: int = 0,
        *,
        what: str = "the pipeline",
    ) -> None:
        self.what = what
        self.streams = tuple(streams)
        self.parts = tuple(parts)
        written = {index for part in parts for index in part.outputs}
        read = {index for part in parts for index in part.inputs}
        self.sources = tuple(index for index in range(len(streams)) if index not in written)
        self.sinks = tuple(index for index in range(len(streams)) if index not in read)
        self.per_frame = [count for stream in streams for count in (0, stream.beats)]
        self.gate = len(self.per_frame)
        self.per_frame.append(0)
        self.kept = [2] * len(self.per_frame)
        self.memory = [1] * len(self.per_frame)
        self.start = start
        self.rules: list[Wired] = []
        for part in parts:
            self._wire(part)
        for index in self.sources:
            source = Source((), (), 0, streams[index].beats, period)
            self.rules.append(Wired(source, None, (2 * index + 1,), (2 * index,)))
        for index in self.sinks:
            sink = Sink((), (), streams[index].beats)
            self.rules.append(Wired(sink, None, (2 * index, self.gate), (2 * index + 1,)))
        held = sum(self.kept[2 * index + 1] / max(1, stream.beats) for index, stream in enumerate(streams))
        self.most_ahead = 2 + math.ceil(held)
        self.kept[self.gate] = self.most_ahead + 2

    def _wire(self, part: Part) -> None:
        tracks = {}
        for side, indices in (("in", part.inputs), ("out", part.outputs)):
            for port, index in enumerate(indices):
                tracks[f"{side}{port}.offered"], tracks[f"{side}{port}.taken"] = 2 * index, 2 * index + 1
        for name in dict.fromkeys(name for rule in part.rules for name in rule.writes):
            if name not in tracks:
                tracks[name] = len(self.per_frame)
                self.per_frame.append(0)
                self.kept.append(0)
                self.memory.append(1)
        behind = max((rule.behind for rule in part.rules), default=0)
        beats = max((rule.beats_held for rule in part.rules), default=0)
        for track in tracks.values():
            self.kept[track] = max(self.kept[track], behind)
            if per_frame := self.per_frame[track]:
                self.memory[track] = max(self.memory[track], ceil_div(beats, per_frame))
        for rule in part.rules:
            for name, count in rule.frames.items():
                self.per_frame[tracks[name]] = count
            reads, writes = (tuple(tracks[name] for name in names) for names in (rule.reads, rule.writes))
            self.rules.append(Wired(rule, part, reads, writes))

    @cached_property
    def logged(self) -> tuple[int, ...]:
        """Tracks that have frames."""
        return tuple(track for track, count in enumerate(self.per_frame) if count)

    @cached_property
    def compared(self) -> tuple[int, ...]:
        """Tracks that tell whether two frames were alike: all that have frames but what enters the network.

        A ring that is filled from outside may take many frames until it is full. Nobody notices, as long as it is large
        enough for its kernel alone: words that come early do not hurry a walk that never waits for them.
        """
        return tuple(track for track in self.logged if track // 2 not in self.sources)

    def with_ends(self, start: int = 0, period: int = 0) -> "Network":
        """The same network, with other sources and sinks."""
        return Network(self.streams, self.parts, start, period, what=self.what)

    @cached_property
    def program(self) -> np.ndarray:
        """For the compiled engine: each rule's code, the tracks that it reads, those that it writes and its numbers,
        each list after its length, and how many tables it has."""
        program: list[int] = []
        for wired in self.rules:
            program.append(wired.rule.code)
            for values in (wired.reads, wired.writes, wired.rule.numbers):
                program += [len(values), *values]
            program.append(len(wired.rule.tables))
        return np.array(program, dtype=np.int64)

    @cached_property
    def tables(self) -> list[np.ndarray]:
        """The tables of all rules, arrays of int64."""
        return [np.ascontiguousarray(table, dtype=np.int64) for wired in self.rules for table in wired.rule.tables]

    @cached_property
    def key(self) -> bytes:
        """Digest of all that its cycles depend on."""
        digest = hashlib.sha256(self.program.tobytes())
        for values in (np.array(self.per_frame), *self.tables):
            digest.update(values.tobytes())
        return digest.digest()

    # -- standstill ---------------------------------------------------------------------------------------------------

    def standstill(self, waits: Sequence[tuple[int, int]]) -> StandstillError:
        """The error that says who waits for whom, round and round.

        Args:
            waits: by rule, the track that it waits for and how many entries that must have.
        """
        writer = {track: index for index, wired in enumerate(self.rules) for track in wired.writes}
        index = next(i for i, wired in enumerate(self.rules) if isinstance(wired.rule, Sink) and waits[i][0] in writer)
        seen: list[int] = []
        while index not in seen:
            seen.append(index)
            if waits[index][0] not in writer:  # an output that is ahead by more than buffers hold
                break
            index = writer[waits[index][0]]
        circle = seen[seen.index(index) :] if index in seen else seen
        told = dict.fromkeys(text for rule in circle if (text := self._waiting(rule, *waits[rule])))
        return StandstillError(f"{self.what} comes to a standstill: {', '.join(told)}")

    def _waiting(self, index: int, track: int, entries: int) -> str:
        """Who waits for what, or "" where a part waits for itself."""
        rule, part = self.rules[index].rule, self.rules[index].part
        if part is None:
            return ""
        if track < 2 * len(self.streams):
            number, stream = track // 2, self.streams[track // 2]
            if track % 2 == 0:
                frame, beat = divmod(entries - 1, stream.beats)
                of = f" of frame {frame}" if frame else ""
                return f"{part.name} waits for beat {beat}{of} of {stream.name} (from {self._name(number, 'outputs')})"
            if number in part.outputs:
                return f"{part.name} waits for room in {stream.name} (to {self._name(number, 'inputs')})"
            return ""
        lacking = rule.lacks.get(rule.reads[self.rules[index].reads.index(track)])
        return f"{part.name} waits for {lacking}" if lacking else ""

    def _name(self, stream: int, side: str) -> str:
        return next((part.name for part in self.parts if stream in getattr(part, side)), "outside")


class Engine(ABC):
    """A network that runs.

    It runs until nothing can move before another frame is let out. What has happened by then does not depend on the
    order in which the rules ran.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._wanted = self._opened = 0  # frames that shall leave, and that may

    def frame(self) -> None:
        """Let one frame more leave every output; one that is ahead of others may have given several.

        Raises:
            StandstillError: it never does.
        """
        self._wanted += 1
        while any(self.frames(2 * sink + 1) < self._wanted for sink in self.network.sinks):
            stuck = self._opened >= self._wanted and not self._is_held()
            if stuck or self._opened == self._wanted + self.network.most_ahead:
                raise self.network.standstill(self._waits())
            self._run()
            self._opened += 1

    def _is_held(self) -> bool:
        """Whether an output waits for the gate: it is ahead of another one, which may need what lies behind."""
        return any(track == self.network.gate for track, _ in self._waits())

    @abstractmethod
    def _run(self) -> None:
        """Extend the gate by an entry, and all other tracks as far as that goes."""

    @abstractmethod
    def _waits(self) -> list[tuple[int, int]]:
        """By rule, the track that it waits for and how many entries that must have."""

    @abstractmethod
    def frames(self, track: int) -> int:
        """How many complete frames a track has."""

    @abstractmethod
    def first(self, track: int) -> int:
        """The first entry of a track that has frames."""

    @abstractmethod
    def ends(self, track: int) -> list[int]:
        """The last entry of each complete frame of a track."""

    @abstractmethod
    def alike(self, track: int) -> tuple[int, int]:
        """How many of a track's last frames were each later than the one before by one number, and that number."""

    @abstractmethod
    def entries(self, track: int) -> tuple[int, np.ndarray]:
        """How many entries of a track are no longer kept, and those that are."""


class PythonEngine(Engine):
    """The reference: what the rules say, and nothing forgotten."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._tracks: list[list[int]] = [[] for _ in network.per_frame]
        self._index = {id(track): index for index, track in enumerate(self._tracks)}
        self._steps = [
            wired.rule.steps([self._tracks[t] for t in wired.reads], [self._tracks[t] for t in wired.writes])
            for wired in network.rules
        ]
        self._ready = deque(range(len(self._steps)))
        self._waiting: dict[int, list[int]] = defaultdict(list)  # track → rules
        self._awaited = [(0, 0)] * len(self._steps)

    def _run(self) -> None:
        self._tracks[self.network.gate].append(self.network.start)
        self._wake(self.network.gate)
        while self._ready:
            rule = self._ready.popleft()
            track, count = next(self._steps[rule])
            self._awaited[rule] = self._index[id(track)], count
            self._waiting[self._index[id(track)]].append(rule)
            for written in self.network.rules[rule].writes:
                self._wake(written)

    def _wake(self, track: int) -> None:
        if waiting := self._waiting.get(track):
            there = len(self._tracks[track])
            self._ready += [rule for rule in waiting if self._awaited[rule][1] <= there]
            waiting[:] = [rule for rule in waiting if self._awaited[rule][1] > there]

    def _waits(self) -> list[tuple[int, int]]:
        return self._awaited

    def frames(self, track: int) -> int:
        return len(self._tracks[track]) // self.network.per_frame[track]

    def first(self, track: int) -> int:
        return self._tracks[track][0]

    def ends(self, track: int) -> list[int]:
        count = self.network.per_frame[track]
        return self._tracks[track][count - 1 :: count]

    def alike(self, track: int) -> tuple[int, int]:
        count, frames = self.network.per_frame[track], self.frames(track)
        cycles = np.array(self._tracks[track][: frames * count]).reshape(frames, count)
        later = np.diff(cycles, axis=0)[::-1]
        if not len(later) or (later[0] != later[0, 0]).any():
            return 0, 0
        return int(np.cumprod((later == later[0, 0]).all(axis=1)).sum()), int(later[0, 0])

    def entries(self, track: int) -> tuple[int, np.ndarray]:
        return 0, np.array(self._tracks[track], dtype=np.int64)
