"""Simulation: beats hold what was put in, cycles are what the model says, and each failure is one clear error."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gan2hls
import gan2hls.project
import gan2hls.simulate
from gan2hls import tools
from gan2hls.assembly import make_pipeline
from gan2hls.backends.hls import write_hls
from gan2hls.backends.rtl import write_rtl
from gan2hls.errors import Gan2HlsError, MismatchError, MissingToolError, ToolError, UserError
from gan2hls.folding import choose_folding
from gan2hls.ir import Graph, IntType, Node, TensorType
from gan2hls.kernels import Port
from gan2hls.ops import ConvTranspose2d, Dense, Lookup, Requantize, Reshape
from gan2hls.pipeline import Pipeline, Stream
from gan2hls.schedule import predict
from gan2hls.simulate import (
    RtlDesign,
    RtlRun,
    compile_csim,
    from_beats,
    run_csim,
    simulate_rtl,
    steady_prediction,
    to_beats,
)
from gan2hls.tools import known
from tests.ops.contract import Case, single
from tests.ops.mac_cases import S8, integers

needs_rtl = pytest.mark.skipif(
    not all(tools.find_tool(name) for name in ("verilator", "cocotb", "cocotbext-axi", "g++", "make")),
    reason="needs Verilator, cocotb and cocotbext-axi",
)


def layer(rng: np.random.Generator, pe: int = 2, simd: int = 4) -> Case:
    op = ConvTranspose2d(integers(rng, (4, 4, 4, 4)), 8, stride=(2, 2), padding=(1, 1))
    return single("layer", op, (4, 4, 4), S8, pe, simd)


def design(case: Case, folder: Path, x: np.ndarray, name: str = "dut") -> RtlDesign:
    write_rtl(case.pipeline(), folder / name, name=name)
    return RtlDesign(folder / name, name, case.pipeline(), x)


# -- beats ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("channels", "lanes", "bits"), [(1, 1, 1), (3, 2, 5), (7, 7, 8), (8, 3, 12), (5, 4, 24), (2, 1, 47), (6, 5, 3)]
)
def test_beats_hold_what_was_put_in(
    channels: int, lanes: int, bits: int, signed: bool, rng: np.random.Generator
) -> None:
    kind = IntType(bits, signed)
    x = rng.integers(kind.min, kind.max + 1, (3, 2, 5, channels))
    x[0, 0, 0, 0], x[0, 0, 1, 0] = kind.min, kind.max
    stream = Stream("s", Port(10, channels, lanes, bits, signed))
    beats = to_beats(x, stream)
    assert beats.shape == (3, stream.beats, -(-lanes * bits // 8))
    assert (from_beats(beats, stream, (2, 5, channels)) == x).all()


def test_lane_0_is_low_and_padding_is_not_zero(rng: np.random.Generator) -> None:
    stream = Stream("s", Port(200, 3, 2, 4, False))
    x = np.tile(np.array([1, 2, 3]), (1, 1, 200, 1))
    beats = to_beats(x, stream)[0, :, 0].reshape(200, 2)
    assert (beats[:, 0] == 0x21).all()
    assert (beats[:, 1] & 15 == 3).all()
    assert len(set(beats[:, 1] >> 4)) == 16  # a kernel that reads padding shall notice


def test_missing_beats_are_an_error() -> None:
    stream = Stream("s", Port(4, 1, 1, 8, False))
    with pytest.raises(Gan2HlsError, match="the design gave frames of 3 beats; 4 were expected"):
        from_beats(np.zeros((1, 3, 1), dtype=np.uint8), stream, (2, 2, 1))


# -- tools ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["verilator", "cocotb", "cocotbext-axi", "g++", "make"])
def test_a_missing_tool_is_named(missing: str, rng: np.random.Generator, tmp_path: Path, monkeypatch) -> None:
    kinds = [replace(kind, look=list) if kind.name == missing else kind for kind in known._KINDS]
    monkeypatch.setattr(known, "_KINDS", kinds)
    case = layer(rng)
    with pytest.raises(MissingToolError, match=rf"(?s){missing.replace('+', '.')}: not found.*to get it: "):
        simulate_rtl([design(case, tmp_path, case.frames(rng))], log=tmp_path / "log")


@pytest.mark.parametrize("missing", ["g++", "ap_types"])
def test_c_simulation_names_a_missing_tool(missing: str, tmp_path: Path, monkeypatch) -> None:
    kinds = [replace(kind, look=list) if kind.name == missing else kind for kind in known._KINDS]
    monkeypatch.setattr(known, "_KINDS", kinds)
    with pytest.raises(MissingToolError, match=rf"{missing.replace('+', '.')}: not found"):
        compile_csim(tmp_path, "generator", tmp_path / "library.so", log=tmp_path / "log")
    assert not (tmp_path / "library.so").exists()


def test_c_simulation_that_does_not_compile(tmp_path: Path) -> None:
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware" / "generator.cpp").write_text("int main( {\n")
    (tmp_path / "bridge.cpp").write_text("")
    with pytest.raises(ToolError, match=r"(?s)compiling the C simulation failed.*whole log: "):
        compile_csim(tmp_path, "generator", tmp_path / "library.so", log=tmp_path / "log")
    assert not (tmp_path / "library.so").exists()
    assert run_csim  # used where a library comes out: tests/ops


# -- RTL --------------------------------------------------------------------------------------------------------------


@needs_rtl
def test_c_simulations_of_equal_names_do_not_mix(rng: np.random.Generator, tmp_path: Path) -> None:
    """Two projects in one process, whose kernels have the same names and types, but walk other windows."""
    op = ConvTranspose2d(integers(rng, (4, 4, 2, 2), 4), 4, stride=(2, 2), padding=(1, 1))
    for size in (3, 7):
        case = single("one of two", op, (size, size, 2), S8, 2, 2)
        folder, library = tmp_path / str(size), tmp_path / f"{size}.so"
        write_hls(case.pipeline(), folder)
        compile_csim(folder, "generator", library, log=tmp_path / "log")
        x = case.frames(rng)
        np.testing.assert_array_equal(run_csim(library, case.pipeline(), x), case.pipeline().graph.run_stream(x))


def test_no_multiplication_is_wasted(rng: np.random.Generator, tmp_path: Path) -> None:
    """Useful MACs / (cycles × PE × SIMD) ≥ 0.99 for frames back to back, if PE and SIMD divide the channels."""
    cases = [layer(rng, pe, simd) for pe, simd in ((1, 1), (2, 4), (4, 4), (4, 1))]
    unequal = ConvTranspose2d(integers(rng, (3, 3, 6, 4)), 8, stride=(2, 2))  # phases of 1, 2, 2 and 4 taps
    cases.append(single("unequal phases", unequal, (5, 5, 6), S8, 4, 3))
    x = [np.concatenate([case.frames(rng)] * 2) for case in cases]
    designs = [design(case, tmp_path, x[index], f"design{index}") for index, case in enumerate(cases)]
    runs = simulate_rtl(designs, log=tmp_path / "log", stalls=False, optimize=False)
    for case, one, run in zip(cases, designs, runs, strict=True):
        assert (run.outputs == one.pipeline.graph.run_stream(one.x)).all()
        assert run.interval_cycles == one.pipeline.interval_cycles
        share = one.pipeline.graph.macs() / (run.interval_cycles * one.pipeline.mac_multipliers)
        assert share == one.pipeline.utilization
        assert share >= 0.99, str(case)
        # The first frame waits for its first window and for the pipeline: a row or two, and a dozen registers.
        assert run.interval_cycles < run.latency_cycles < run.interval_cycles + one.pipeline.input.beats + 30


def late_rhythm(rng: np.random.Generator) -> Pipeline:
    """A generator whose first frames are later than further ones will be: intervals of 26, 26, 24, 24, … cycles."""
    start = TensorType((1, 1, 5), S8, 1.0)
    dense = Dense(integers(rng, (1, 1, 5, 12), 4), 4)
    narrow = Requantize(np.full(12, 3), np.zeros(12, int), 6, -128, 127, S8, 1.0)
    layer = ConvTranspose2d(integers(rng, (4, 4, 3, 5), 4), 4, stride=(2, 2), padding=(1, 1))
    nodes = tuple(Node(f"op{i}", op) for i, op in enumerate((dense, narrow, Reshape((2, 2, 3)), layer)))
    graph = Graph.chain(start, nodes, (5, 1, 1), (5, 4, 4)).verify()
    return make_pipeline(graph, choose_folding(graph, multipliers=56))


@needs_rtl
def test_frames_run_until_their_rhythm_is_steady(rng: np.random.Generator, tmp_path: Path) -> None:
    pipeline = late_rhythm(rng)
    first = predict(pipeline, 3)
    write_rtl(pipeline, tmp_path, name="dut")
    x = rng.integers(-128, 128, (2, 1, 1, 5))
    prediction = steady_prediction(pipeline, len(x))
    assert prediction.steady and len(prediction.finished) > 3
    assert first.interval_cycles == 26 and prediction.interval_cycles == pipeline.interval_cycles == 24
    one = RtlDesign(tmp_path, "dut", pipeline, x, prediction)
    (run,) = simulate_rtl([one], log=tmp_path / "log", optimize=False)
    assert run.finished == prediction.finished
    assert (run.latency_cycles, run.interval_cycles) == (prediction.latency_cycles, 24)
    assert (run.outputs == pipeline.graph.run_stream(x)).all() and len(run.outputs) == 2

    wrong = replace(
        prediction, finished=(*prediction.finished[:2], prediction.finished[2] - 1, *prediction.finished[3:])
    )
    message = (
        f"RTL simulation of dut: frame 2 ends in cycle {prediction.finished[2]}, "
        f"the cycle model says {prediction.finished[2] - 1}"
    )
    with pytest.raises(MismatchError, match=f"^{message}$"):
        simulate_rtl([replace(one, prediction=wrong)], log=tmp_path / "log", optimize=False)


def test_how_many_frames_run_without_stalls(rng: np.random.Generator, tmp_path: Path) -> None:
    pipeline = late_rhythm(rng)
    short = steady_prediction(pipeline, 2)
    steady = len(short.finished)
    one = RtlDesign(tmp_path, "dut", pipeline, np.zeros((2, 1, 1, 5), int), short)
    assert one.free_frames(stalls=True, waves=False) == one.free_frames(stalls=False, waves=False) == steady
    assert one.free_frames(stalls=True, waves=True) == 2
    assert replace(one, prediction=None).free_frames(stalls=True, waves=False) == 2
    many = replace(one, x=np.zeros((50, 1, 1, 5), int))
    assert many.free_frames(stalls=True, waves=False) == steady
    assert many.free_frames(stalls=False, waves=False) == 50
    assert short.end(49) == predict(pipeline, 50).finished[-1]
    # A large design: no frame is added, and none is predicted that would not run.
    long = replace(short, finished=tuple(1_000_000 * (frame + 1) for frame in range(3)), steady=False)
    assert replace(many, prediction=long).free_frames(stalls=True, waves=False) == 3
    assert long.end(3) is None


def test_a_project_says_what_its_interval_is_worth(rng: np.random.Generator, tmp_path: Path, monkeypatch) -> None:
    """Steady or not; the cycles of edited RTL are not compared."""
    graph = late_rhythm(rng).graph
    built = gan2hls.build(graph, tmp_path / "out", multipliers=56)
    designs: list[RtlDesign] = []

    def simulate(found: list[RtlDesign], **options: object) -> list[RtlRun]:
        designs.extend(found)
        ends = [found[0].prediction.end(frame) for frame in range(found[0].free_frames(stalls=True, waves=False))]
        interval = ends[-1] - ends[-2] if len(ends) > 1 else None
        return [RtlRun(graph.run_stream(found[0].x).astype(int), ends[0], interval, tuple(ends))]

    monkeypatch.setattr(gan2hls.project, "simulate_rtl", simulate)
    x = rng.integers(-128, 128, (1, 5, 1, 1))
    result = built.cosim(x)
    assert designs[0].exact and not result.edited
    assert result.steady and result.free_frames == result.steady_frames > 3 and result.interval_cycles == 24
    monkeypatch.setattr(gan2hls.simulate, "MOST_FREE_CYCLES", 60)
    result = built.cosim(x)
    assert not result.steady and result.free_frames == 1 and result.interval_cycles is result.steady_frames is None
    monkeypatch.undo()
    monkeypatch.setattr(gan2hls.project, "simulate_rtl", simulate)
    source = tmp_path / "out" / "rtl" / "kernels" / "skid_buffer.sv"
    source.write_text(source.read_text() + "// edited\n")
    result = built.cosim(x)
    assert not designs[2].exact and result.edited and not result.steady and result.steady_frames is None


@needs_rtl
def test_waves_are_written(rng: np.random.Generator, tmp_path: Path) -> None:
    case = single("table", Lookup(rng.permutation(256) - 128, S8, 1.0), (2, 2, 2), S8)
    waves = tmp_path / "deep" / "waves.vcd"
    x = case.frames(rng)[:1]
    (run,) = simulate_rtl([design(case, tmp_path, x)], log=tmp_path / "log", waves=waves, optimize=False)
    assert run.interval_cycles is None  # of a single frame there is none
    assert "s_axis_tdata" in waves.read_text(errors="replace")


@needs_rtl
@pytest.mark.parametrize("line", ["../outside.sv", "kernels/../../outside.sv", "/outside.sv"])
def test_a_source_outside_of_the_design_is_refused(line: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """A copy of it would lie outside of the folder in which the simulator is built."""
    one = design(layer(rng), tmp_path, integers(rng, (1, 4, 4, 4)))
    (tmp_path / "outside.sv").write_text("module outside; endmodule\n")
    with (one.rtl / "sources.f").open("a") as sources:
        sources.write(f"{line}\n")
    with pytest.raises(UserError) as caught:
        simulate_rtl([one], log=tmp_path / "log")
    assert str(caught.value) == f"{one.rtl / 'sources.f'}: {line} lies outside of its folder; put a copy there"


def break_design(one: RtlDesign, file: str, old: str, new: str) -> None:
    path = one.rtl / file
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))


@needs_rtl
@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        # No output at all: the bench gives up, and says so.
        ("kernels/lookup.sv", "value_valid_q <= read_valid_q;", "value_valid_q <= 1'b0;", "TimeoutError"),
        ("kernels/lookup.sv", "value_last_q <= read_last_q;", "value_last_q <= 1'b0;", "tlast disagrees"),
        ("kernels/skid_buffer.sv", "spare_free_q && !s_axis_tvalid;", "1'b1;", "tlast disagrees"),
        ("kernels/lookup.sv", "module lookup", "modul lookup", "syntax error"),
    ],
    ids=["hang", "tlast", "lost beat", "syntax"],
)  # fmt: skip
def test_a_broken_design_is_an_error(
    file: str, old: str, new: str, message: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    case = single("table", Lookup(rng.permutation(256) - 128, S8, 1.0), (4, 4, 2), S8)
    one = design(case, tmp_path, case.frames(rng))
    break_design(one, file, old, new)
    with pytest.raises(ToolError, match="RTL simulation failed") as error:
        simulate_rtl([one], log=tmp_path / "log", optimize=False)
    assert error.value.log == tmp_path / "log"
    assert message in str(error.value) + (tmp_path / "log").read_text()
