"""Timed networks: the compiled engine is the reference, cycle by cycle, and a standstill says who waits for whom."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from gan2hls import engine
from gan2hls.engine import CompiledEngine, make_engine
from gan2hls.integers import ceil_div
from gan2hls.ir import Fold, IntType, TensorType
from gan2hls.kernels import Port, rules
from gan2hls.kernels.regroup_rules import regroup
from gan2hls.kernels.rules import Rule
from gan2hls.network import Engine, Network, Part, PythonEngine, StandstillError, Stream
from gan2hls.ops import Conv2d, ConvTranspose2d, Upsample
from gan2hls.schedule import Run
from gan2hls.tools import find_tool

S4 = IntType(4, True)


@pytest.fixture(scope="module")
def compiled() -> type[CompiledEngine]:
    """The compiled engine, which a machine with g++ has."""
    if engine.shared_library() is None:
        pytest.skip("needs g++, which is not there")
    return CompiledEngine


# -- random networks --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Open:
    """A stream that nobody reads yet: pixels of a size, in beats of `lanes` channels."""

    index: int
    size: tuple[int, int]
    channels: int
    lanes: int

    @property
    def shape(self) -> tuple[tuple[int, int], int, int]:
        return self.size, self.channels, self.lanes

    @property
    def port(self) -> Port:
        return Port(self.size[0] * self.size[1], self.channels, self.lanes, 4, True)


@dataclass
class Draft:
    """Streams and parts drawn so far."""

    rng: np.random.Generator
    streams: list[Stream] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    open: list[Open] = field(default_factory=list)

    def number(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def stream(self, size: tuple[int, int], channels: int, lanes: int) -> Open:
        made = Open(len(self.streams), size, channels, lanes)
        self.streams.append(Stream(f"stream_{made.index}", made.port.beats))
        self.open.append(made)
        return made

    def part(self, made: tuple[Rule, ...], inputs: list[Open], *outputs: tuple[tuple[int, int], int, int]) -> None:
        for used in inputs:
            self.open.remove(used)
        written = tuple(self.stream(*shape).index for shape in outputs)
        self.parts.append(Part(f"u_part{len(self.parts)}", made, tuple(used.index for used in inputs), written))

    def source(self) -> None:
        self.stream((self.number(1, 4), self.number(1, 4)), channels := self.number(1, 6), self.number(1, channels))

    def one(self, stream: Open) -> None:
        """A part with one input."""
        kind = self.number(0, 8)
        if kind == 0:
            self.part(rules.skid(), [stream], stream.shape)
        elif kind == 1:
            self.part(rules.fifo(self.number(1, 9)), [stream], stream.shape)
        elif kind == 2:
            self.part(rules.registers(self.number(2, 8)), [stream], stream.shape)
        elif kind in (3, 4):
            copies = self.number(2, 3)
            self.part(rules.fork(copies), [stream], *[stream.shape] * copies)
        elif kind == 5:
            out = (stream.size, stream.channels, self.number(1, stream.channels))
            self.part(regroup(stream.port, Port(stream.port.pixels, out[1], out[2], 4, True)), [stream], out)
        elif kind == 6 and (beats := ceil_div(stream.channels, stream.lanes)) > 1:
            start = self.number(0, beats - 1)
            stop = self.number(start + 1, beats)
            channels = min(stop * stream.lanes, stream.channels) - start * stream.lanes
            self.part(rules.select(start, stop, beats), [stream], (stream.size, channels, stream.lanes))
        elif max(stream.size) <= 12:
            self.windows(stream)

    def windows(self, stream: Open) -> None:
        """A part that holds rows."""
        tensor = TensorType((*stream.size, stream.channels), S4, 1.0)
        if self.number(0, 3) == 0:
            op = Upsample((self.number(1, 2), self.number(1, 3)))
            kernel = op.kernel((tensor,), Fold(stream.lanes, stream.lanes))
        else:
            side, out = self.number(1, 3), self.number(1, 4)
            codes = self.rng.integers(-8, 8, (side, side, stream.channels, out))
            stride = (self.number(1, 2), self.number(1, 2))
            kind = Conv2d if self.number(0, 1) else ConvTranspose2d
            op = kind(codes, 4, stride=stride, padding=((side - 1) // 2,) * 2)
            if list(op.verify(tensor)):
                return
            kernel = op.kernel((tensor,), Fold(self.number(1, out), stream.lanes))
            kernel = kernel.with_ring(kernel.ring_pixels + self.number(0, 3))
        result = op.output_type(tensor)
        self.part(kernel.rules(), [stream], (result.shape[:2], result.channels, kernel.output.lanes))

    def several(self) -> None:
        """A part with several inputs, of streams that fit."""
        first = self.open[self.number(0, len(self.open) - 1)]
        same = [other for other in self.open if other.shape == first.shape][: self.number(2, 3)]
        if len(same) > 1 and self.number(0, 1):
            self.part(rules.join(len(same)), same, first.shape)
            return
        near = [o for o in self.open if (o.size, o.lanes) == (first.size, first.lanes)][: self.number(2, 3)]
        if len(near) > 1:
            beats = [ceil_div(stream.channels, stream.lanes) for stream in near]
            channels = sum(count * first.lanes for count in beats)
            self.part(rules.interleave(beats), near, (first.size, channels, first.lanes))


def draw_network(rng: np.random.Generator, start: int = 0) -> Network:
    """Any network; FIFOs are drawn too, so that many come to a standstill where branches meet."""
    draft = Draft(rng)
    for _ in range(draft.number(1, 3)):
        draft.source()
    if draft.number(0, 3) == 0:
        shape = draft.open[0].shape
        draft.part(rules.constant(), [], shape)
    for _ in range(draft.number(2, 14)):
        if draft.number(0, 2):
            draft.one(draft.open[draft.number(0, len(draft.open) - 1)])
        else:
            draft.several()
    return Network(draft.streams, draft.parts, start)


def outcome(made: Engine) -> str:
    """Let a frame leave; why it can not, or nothing."""
    try:
        made.frame()
    except StandstillError as error:
        return str(error)
    return ""


def assert_equal_tracks(network: Network, one: Engine, other: Engine) -> None:
    for track, per_frame in enumerate(network.per_frame):
        (missing, found), (none, all_entries) = one.entries(track), other.entries(track)
        assert none == 0
        assert missing + len(found) == len(all_entries)
        np.testing.assert_array_equal(found, all_entries[missing:])
        if per_frame:
            assert one.frames(track) == other.frames(track)
            assert one.ends(track) == other.ends(track)
            assert one.alike(track) == other.alike(track)
            assert one.frames(track) == 0 or one.first(track) == other.first(track)


def test_the_compiled_engine_is_the_reference(rng: np.random.Generator, compiled: type[CompiledEngine]) -> None:
    """Every entry of every track, frame by frame, and the same words where it comes to a standstill."""
    ran = 0
    for _ in range(150):
        network = draw_network(rng, start=int(rng.choice([0, 0, 1000])))
        library = engine.shared_library()
        assert library is not None
        one, other = compiled(network, library), PythonEngine(network)
        for _ in range(5):
            problem = outcome(one)
            assert problem == outcome(other)
            assert_equal_tracks(network, one, other)
            if problem:
                break
        else:
            ran += 1
    assert ran > 20


def test_without_a_compiler_the_reference_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "shared_library", lambda: None)
    assert isinstance(make_engine(Network([Stream("a", 3)], [])), PythonEngine)


@pytest.mark.parametrize("home", ["there", "no folder"])
def test_the_library_is_kept_or_made_anew(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is compiled once, also where the cache folder can not be made, and then for this process alone."""
    if find_tool("g++") is None:
        pytest.skip("needs g++, which is not there")
    if home == "no folder":
        (tmp_path / home).write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / home))
    engine.shared_library.cache_clear()
    library = engine.shared_library()
    engine.shared_library.cache_clear()
    assert library is not None
    network = residual(20)
    made = CompiledEngine(network, library)
    made.frame()
    assert made.frames(2 * network.sinks[0] + 1) == 1
    assert len(list(tmp_path.rglob("timed_streams-*.so"))) == (home == "there")


# -- rules ------------------------------------------------------------------------------------------------------------


def stamps(made: Engine, stream: int) -> tuple[list[int], list[int]]:
    """When each beat of a stream was offered and taken."""
    return made.entries(2 * stream)[1].tolist(), made.entries(2 * stream + 1)[1].tolist()


def test_an_input_is_taken_once_all_outputs_of_a_fork_have_room() -> None:
    """A branch that takes a beat every four cycles is two beats behind the other one, and no more."""
    wide, narrow = Port(8, 4, 4, 4, True), Port(8, 4, 1, 4, True)
    network = Network(
        [*(Stream(name, 8) for name in "abc"), Stream("d", 32)],
        [Part("u_fork", rules.fork(2), (0,), (1, 2)), Part("u_narrow", regroup(wide, narrow), (2,), (3,))],
    )
    made = PythonEngine(network)
    made.frame()
    (offered, _), (_, entered), (_, slow) = stamps(made, 1), stamps(made, 0), stamps(made, 2)
    assert offered[:8] == [cycle + 1 for cycle in entered[:8]]
    assert entered[4:8] == [cycle + 1 for cycle in slow[2:6]]
    assert slow[5] - slow[4] == 4


def test_a_join_takes_its_inputs_together() -> None:
    """The shorter branch waits for the longer one, and a fork between them for both."""
    network = Network(
        [Stream(name, 6) for name in "abcde"],
        [
            Part("u_fork", rules.fork(2), (0,), (1, 2)),
            Part("u_long", rules.registers(5), (1,), (3,)),
            Part("u_add", rules.join(2), (2, 3), (4,)),
        ],
    )
    made = PythonEngine(network)
    made.frame()
    assert stamps(made, 2)[1][:6] == stamps(made, 3)[1][:6]
    assert stamps(made, 2)[1][0] == 7  # the fork, five registers and their skid buffer


def test_constants_wait_from_the_start() -> None:
    network = Network(
        [Stream("x", 3), Stream("weights", 3), Stream("y", 3)],
        [Part("u_constant", rules.constant(), (), (1,)), Part("u_add", rules.join(2), (0, 1), (2,))],
    )
    run = Run(network)
    run.frame()
    assert network.sources == (0,)
    assert run.finished == [3]


def test_a_slice_drops_beats_as_fast_as_it_takes_them() -> None:
    network = Network([Stream("a", 8), Stream("b", 2)], [Part("u_slice", rules.select(1, 2, 4), (0,), (1,))])
    made = PythonEngine(network)
    made.frame()
    assert stamps(made, 0)[1][:8] == list(range(8))
    assert stamps(made, 1)[1][:2] == [2, 6]


# -- standstill -------------------------------------------------------------------------------------------------------


def residual(depth: int) -> Network:
    """A convolution of 8 rows of 8 pixels, and a FIFO beside it."""
    tensor = TensorType((8, 8, 1), S4, 1.0)
    kernel = Conv2d(np.ones((3, 3, 1, 1), int), 4, padding=(1, 1)).kernel((tensor,), Fold(1, 1))
    return Network(
        [Stream(name, 64) for name in ("x", "main", "skip", "skip_out", "conv", "y")],
        [
            Part("u_fork", rules.fork(2), (0,), (1, 2)),
            Part("u_conv", kernel.rules(), (1,), (4,)),
            Part("u_skip_fifo", rules.fifo(depth), (2,), (3,)),
            Part("u_add", rules.join(2), (4, 3), (5,)),
        ],
    )


def test_a_standstill_says_who_waits_for_whom(compiled: type[CompiledEngine]) -> None:
    told = (
        "the pipeline comes to a standstill: u_add waits for beat 0 of conv (from u_conv), "
        "u_conv waits for beat 5 of main (from u_fork), u_fork waits for room in skip (to u_skip_fifo), "
        "u_skip_fifo waits for room in skip_out (to u_add)"
    )
    network = residual(3)
    library = engine.shared_library()
    assert library is not None
    assert outcome(compiled(network, library)) == outcome(PythonEngine(network)) == told


def test_one_beat_decides_between_a_standstill_and_none() -> None:
    def runs(depth: int) -> bool:
        return not outcome(make_engine(residual(depth)))

    least = next(depth for depth in range(1, 64) if runs(depth))
    assert 4 < least < 20
    assert all(runs(depth) for depth in range(least, 64))
