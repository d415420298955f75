"""Running what the backends wrote: C simulation by g++ and a C ABI, RTL simulation by cocotb on Verilator."""

import ctypes
import json
import math
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gan2hls.arguments import Arrays, named_arrays, plain_arrays, side_by_side, taken_apart
from gan2hls.backends.rtl import bench_text, bus_bits, check_memories
from gan2hls.errors import Gan2HlsError, MismatchError, ToolError, raise_problems
from gan2hls.files import copy_file, read_bytes, read_json, scratch_folder, sha256, write_bytes, write_json
from gan2hls.integers import ceil_div
from gan2hls.kept import kept_file
from gan2hls.pipeline import Bus, Pipeline, Stream
from gan2hls.resources import resource
from gan2hls.schedule import Prediction, predict
from gan2hls.tools import Tool, environment_with, require_tool, run_tool

CSIM_TOOLS = ("g++", "ap_types")
COSIM_TOOLS = ("verilator", "cocotb", "cocotbext-axi", "g++", "make")
"""What the simulations need, as `tools` calls it."""

CSIM_FLAGS = ("-std=c++17", "-shared", "-fPIC", "-fno-gnu-unique", "-DGAN2HLS_CSIM")
"""How g++ makes a C simulation. Without -fno-gnu-unique the tables of equally named kernels would be one for all
libraries that a process loads, and a second project would walk the first one's windows."""

FREE_FRAMES = 3
"""Frames that run without stalls where they run with stalls too: enough to see the interval twice."""

MOST_FREE_FRAMES, MOST_FREE_CYCLES = 64, 500_000
"""Frames, and cycles (some seconds to a minute of simulation), within which frames are added until they follow each
other steadily."""

_FLAGS = ("CXX", "CXXFLAGS", "CPPFLAGS", "LDFLAGS")
"""Environment variables that the simulator depends on."""


# -- beats ------------------------------------------------------------------------------------------------------------


def to_beats(x: np.ndarray, stream: Stream, seed: int = 0) -> np.ndarray:
    """Integers (n, height, width, channels) as bytes (n, beats, bytes a beat); unused bits hold random values."""
    rng = np.random.default_rng(seed)
    count = len(x)
    per_pixel = ceil_div(stream.channels, stream.lanes)
    lanes = rng.integers(0, 1 << stream.bits, (count, stream.pixels, per_pixel * stream.lanes), dtype=np.int64)
    lanes[:, :, : stream.channels] = x.reshape(count, stream.pixels, stream.channels)
    bits = lanes[..., None] >> np.arange(stream.bits) & 1
    used = bits.astype(np.uint8).reshape(count, stream.beats, stream.lanes * stream.bits)
    filler = rng.integers(0, 2, (count, stream.beats, bus_bits(stream) - used.shape[2]), dtype=np.uint8)
    return np.packbits(np.concatenate([used, filler], axis=2), axis=2, bitorder="little")


def from_beats(data: np.ndarray, stream: Stream, shape: tuple[int, int, int]) -> np.ndarray:
    """Bytes (n, beats, bytes a beat) as int64 integers (n, *shape); padding lanes are dropped."""
    count = len(data)
    if data.shape[1] != stream.beats:
        raise Gan2HlsError(f"the design gave frames of {data.shape[1]} beats; {stream.beats} were expected")
    bits = np.unpackbits(data, axis=2, bitorder="little")[:, :, : stream.lanes * stream.bits]
    bits = bits.reshape(count, stream.pixels, -1, stream.bits)[:, :, : stream.channels].astype(np.int64)
    weights = 1 << np.arange(stream.bits, dtype=np.int64)
    if stream.signed:
        weights[-1] = -weights[-1]
    return (bits @ weights).reshape(count, *shape)


# -- RTL simulation ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RtlRun:
    """What an RTL simulation gave.

    Attributes:
        outputs: (n, height, width, channels) integers; those received under stalls, if there were any. By name where
            there are several.
        latency_cycles: from the clock edge that takes the first input beat to the one that takes the last output beat
            of the first frame, no side stalling.
        interval_cycles: from one frame's last output beat to the next one's, no side stalling, between the last two
            frames that ran so; None if it was one.
        finished: when each of these frames' last output beat was taken, of all outputs, counted as the latency.
    """

    outputs: Any
    latency_cycles: int
    interval_cycles: int | None
    finished: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class RtlDesign:
    """A written design to simulate: its folder (`backends.rtl.write_rtl`), top module, pipeline and input.

    Attributes:
        x: integers (n, height, width, channels), n at least 1; by name where there are several inputs.
        prediction: what the cycle model says of it. With it as many frames run without stalls as the model takes to
            its steady rhythm (`steady_prediction`), those of `x` again and again; a waveform shows `x` alone.
        exact: whether each frame must end in the cycle that is predicted.
    """

    rtl: Path
    top: str
    pipeline: Pipeline
    x: Arrays
    prediction: Prediction | None = None
    exact: bool = True

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """Frames of each input, by name."""
        return named_arrays(self.pipeline.inputs, self.x, f"design {self.top}")

    @property
    def frames(self) -> int:
        """Frames of each input."""
        return len(next(iter(self.inputs.values())))

    def free_frames(self, stalls: bool, waves: bool) -> int:
        """Frames that run without stalls."""
        least = min(self.frames, FREE_FRAMES) if stalls else self.frames
        ends = self.prediction.finished if self.prediction is not None and not waves else ()
        return max(least, sum(end <= MOST_FREE_CYCLES for end in ends))


def steady_prediction(pipeline: Pipeline, frames: int, stalls: bool = True) -> Prediction:
    """What the cycle model says of the frames that run without stalls where there are `frames` frames."""
    least = FREE_FRAMES if stalls else max(FREE_FRAMES, frames)
    return predict(pipeline, most=MOST_FREE_FRAMES, least=least, within=MOST_FREE_CYCLES)


def simulate_rtl(
    designs: Sequence[RtlDesign],
    *,
    log: Path,
    stalls: bool = True,
    seed: int = 0,
    waves: Path | None = None,
    optimize: bool = True,
    keep: Path | None = None,
) -> list[RtlRun]:
    """Simulate designs in one simulator, frames back to back, with every handshake and `tlast` checked.

    Args:
        designs: their tops have different names.
        log: where the tools' output goes.
        stalls: after a run without stalls, run all frames again with random stalls on both sides.
        seed: of the stalls and of the unused input bits.
        waves: where to copy the waveform (VCD) to, if wanted.
        optimize: whether the C++ compiler optimises the simulator; without, small designs are simulated sooner.
        keep: folder in which the simulator is kept for the next time, and where temporary files go; None keeps nothing.

    Raises:
        MissingToolError: no Verilator, cocotb or cocotbext-axi.
        UserError: a memory file is missing, or has not the words that it should have.
        MismatchError: stalls change the output, equal frames give unequal ones, or a frame does not end in the cycle
            that is predicted.
        ToolError: the build or the simulation failed; a design hung, or a handshake or frame boundary was wrong.
    """
    tools = [require_tool(name) for name in COSIM_TOOLS]
    for design in designs:
        check_memories(design.pipeline, design.rtl, name=design.top)
    with scratch_folder("gan2hls-cosim" if keep is None else "cosim-job", keep) as folder:
        simulator = _simulator(designs, folder, tools, log=log, waves=waves is not None, optimize=optimize, keep=keep)
        shutil.copyfile(simulator, folder / "bench")
        (folder / "bench").chmod(0o700)
        for design in designs:
            for index, bus in enumerate(design.pipeline.slaves):
                beats = to_beats(design.inputs[bus.name], bus.stream, seed + index)
                np.save(folder / f"{design.top}.{bus.prefix}.npy", beats)
            for memory in Path(design.rtl).glob("*.mem"):
                shutil.copyfile(memory, folder / memory.name)
        designed = [_job(design, stalls, waves is not None) for design in designs]
        write_json(
            folder / "job.json", {"waves": waves is not None, "stalls": stalls, "seed": seed, "designs": designed}
        )
        command: list[str | Path] = [sys.executable, resource("sim", "run_bench.py"), folder]
        try:
            run_tool(command, what="RTL simulation", log=log, cwd=folder, env=environment_with(*tools))
        finally:
            if waves is not None and (folder / "dump.vcd").exists():
                copy_file(folder / "dump.vcd", waves)
        return [_read_run(folder, design, stalls) for design in designs]


def _simulator(
    designs: Sequence[RtlDesign],
    work: Path,
    tools: Sequence[Tool],
    *,
    log: Path,
    waves: bool,
    optimize: bool,
    keep: Path | None,
) -> Path:
    """The simulator of designs, built by Verilator if it is not kept already."""
    sources = {"bench.sv": bench_text([(design.top, design.pipeline) for design in designs]).encode()}
    for design in designs:
        for name in _source_names(Path(design.rtl) / "sources.f"):
            if name not in sources:  # designs share kernels
                sources[name] = read_bytes(Path(design.rtl) / name)
    job = {
        "waves": waves,
        "optimize": optimize,
        "sources": [*(name for name in sources if name != "bench.sv"), "bench.sv"],
    }
    script = resource("sim", "build_bench.py")

    def make(folder: Path) -> Path:
        for name, data in sources.items():
            write_bytes(folder / name, data)
        write_json(folder / "build.json", job)
        environment = {**environment_with(*tools), "TMPDIR": str(folder)}  # what g++ leaves, if it is killed, goes too
        command: list[str | Path] = [sys.executable, script, folder]
        run_tool(command, what="building the RTL simulation", log=log, cwd=folder, env=environment)
        return folder / "bench"

    if keep is None:
        (work / "build").mkdir()
        return make(work / "build")
    flags = [os.environ.get(name, "") for name in _FLAGS]
    made_from = [(tool.name, tool.version, str(tool.path)) for tool in tools]
    key = sha256(json.dumps([job, flags, made_from]), script.read_bytes(), *sources.values())
    return kept_file(keep, "cosim-waves" if waves else "cosim-free", "", key, make)


def _source_names(path: Path) -> list[str]:
    """Names of the sources that a design lists, relative to its folder."""
    names = read_bytes(path).decode(errors="replace").split()
    outside = [name for name in names if Path(name).is_absolute() or ".." in Path(name).parts]
    # They are built where copies of them lie, and a copy of these would lie anywhere.
    raise_problems(f"{path}: {name} lies outside of its folder; put a copy there" for name in outside)
    return names


def _job(design: RtlDesign, stalls: bool, waves: bool) -> dict[str, Any]:
    pipeline = design.pipeline
    work = sum(stage.cycles for stage in pipeline.stages)
    work += sum(stream.beats for stream in pipeline.streams.values())
    return {
        "top": design.top,
        "slaves": [bus.prefix for bus in pipeline.slaves],
        "masters": [bus.prefix for bus in pipeline.masters],
        "free_frames": design.free_frames(stalls, waves),
        "timeout_cycles": 20 * work + 10_000,
    }


def _read_run(folder: Path, design: RtlDesign, stalls: bool) -> RtlRun:
    outputs = {bus.name: _read_outputs(folder, design, bus, stalls) for bus in design.pipeline.masters}
    finished = tuple(read_json(folder / f"{design.top}.cycles.json")["finished"])
    _check_cycles(design, finished)
    interval = finished[-1] - finished[-2] if len(finished) > 1 else None
    return RtlRun(plain_arrays(outputs), finished[0], interval, finished)


def _read_outputs(folder: Path, design: RtlDesign, bus: Bus, stalls: bool) -> np.ndarray:
    """What an output gave, those frames that ran several times without stalls compared."""
    shape = design.pipeline.graph.types[bus.name].shape
    free = from_beats(np.load(folder / f"{design.top}.{bus.prefix}.free.npy"), bus.stream, shape)
    outputs = free[: design.frames]
    for frame in range(len(outputs), len(free)):
        if (free[frame] != outputs[frame % len(outputs)]).any():
            first = frame % len(outputs)
            raise MismatchError(f"RTL simulation of {design.top}: frame {frame}, which is frame {first} again, differs")
    if stalls:
        stalled = from_beats(np.load(folder / f"{design.top}.{bus.prefix}.stalled.npy"), bus.stream, shape)
        if (stalled[: len(outputs)] != outputs).any():
            raise MismatchError(f"RTL simulation of {design.top}: stalls change the output")
        outputs = stalled
    return outputs


def _check_cycles(design: RtlDesign, finished: Sequence[int]) -> None:
    if design.prediction is None or not design.exact:
        return
    for frame, cycle in enumerate(finished):
        expected = design.prediction.end(frame)
        if expected not in (None, cycle):
            found = f"frame {frame} ends in cycle {cycle:,}, the cycle model says {expected:,}"
            raise MismatchError(f"RTL simulation of {design.top}: {found}")


# -- C simulation -----------------------------------------------------------------------------------------------------


def compile_csim(hls: Path, name: str, library: Path, *, log: Path) -> None:
    """Compile a written HLS project into a shared library with the C ABI of its `bridge.cpp`.

    Args:
        hls: folder written by `backends.hls.write_hls`.
        name: of the top function.
        library: file to make; it appears only when it is complete.
        log: where the compiler's output goes.

    Raises:
        MissingToolError: no g++, or no ap_types headers.
        ToolError: the compiler failed.
    """
    compiler, headers = map(require_tool, CSIM_TOOLS)
    hls, library = Path(hls).resolve(), Path(library).absolute()  # the compiler runs in another folder
    with scratch_folder("csim-build", library.parent) as folder:
        made = folder / library.name
        command: list[str | Path] = [compiler.path, *CSIM_FLAGS, "-O2"]
        command += ["-I", hls / "kernels" / "sim", "-isystem", headers.path]
        command += [hls / "bridge.cpp", hls / "firmware" / f"{name}.cpp", "-o", made]
        environment = {**os.environ, "TMPDIR": str(folder)}  # what g++ leaves, if it is killed, goes too
        run_tool(command, what="compiling the C simulation", log=log, cwd=hls, env=environment)
        made.replace(library)


def run_csim(library: Path, pipeline: Pipeline, x: Arrays) -> Any:
    """Run frames through a compiled C simulation.

    Args:
        library: made by `compile_csim`.
        pipeline: what the project was written from.
        x: (n, height, width, channels) input integers; by name where there are several inputs.

    Returns:
        (n, height, width, channels) output integers, int64; by name where there are several outputs.

    Raises:
        ToolError: a stream overflowed, or the dataflow deadlocked; the message says where.
    """
    function = _loaded(library).gan2hls_run
    integers = ctypes.POINTER(ctypes.c_int64)
    function.argtypes = [integers, integers, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    function.restype = ctypes.c_int
    named = named_arrays(pipeline.inputs, x, "the C simulation")
    inputs = np.ascontiguousarray(side_by_side(named), dtype=np.int64)
    shapes = {name: tensor.shape for name, tensor in pipeline.graph.output_types.items()}
    outputs = np.zeros((len(inputs), sum(map(math.prod, shapes.values()))), dtype=np.int64)
    message = ctypes.create_string_buffer(1 << 16)
    found = inputs.ctypes.data_as(integers), outputs.ctypes.data_as(integers)
    if function(*found, len(inputs), message, len(message)):
        raise ToolError("C simulation", [str(library)], tail=message.value.decode(errors="replace"))
    return plain_arrays(taken_apart(outputs, shapes))


def _loaded(library: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(library.resolve()))
    except OSError as error:
        raise Gan2HlsError(f"{library}: can not be loaded: {error}") from None


def csim_iterations(library: Path) -> dict[str, int]:
    """Loop iterations a frame of each kernel of a compiled C simulation, by stage name."""
    function = _loaded(library).gan2hls_stage
    function.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_int64)]
    function.restype = ctypes.c_char_p
    found: dict[str, int] = {}
    count = ctypes.c_int64()
    while (name := function(len(found), ctypes.byref(count))) is not None:
        found[name.decode()] = count.value
    return found
