"""Vitis-HLS C++ from a `Pipeline`: configs, weights and wiring around the hand-written kernels of `hw/hls`."""

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gan2hls.arguments import Arrays, named_arrays, side_by_side
from gan2hls.backends.render import render
from gan2hls.backends.rtl import bus_bits
from gan2hls.errors import UserError, raise_problems
from gan2hls.files import write_text
from gan2hls.hls_depths import size_streams
from gan2hls.hls_schedule import HlsModel
from gan2hls.limits import CLOCKS_MHZ, COSIM_SECONDS, number_problems
from gan2hls.names import top_problem
from gan2hls.pipeline import STREAM_DEPTH, Bus, Pipeline, Stage, Stream
from gan2hls.resources import resource

_TEMPLATES = {
    "hls/top.h.j2": "firmware/{name}.h",
    "hls/top.cpp.j2": "firmware/{name}.cpp",
    "hls/config.h.j2": "firmware/config.h",
    "hls/testbench.cpp.j2": "testbench/testbench.cpp",
    "hls/bridge.cpp.j2": "bridge.cpp",
    "hls/build.tcl.j2": "build.tcl",
    "hls/limit.sh.j2": "limit.sh",
    "hls/hls_config.cfg.j2": "hls_config.cfg",
    "hls/Makefile.j2": "Makefile",
}

_EVERY_PROJECT = ("axis.h", "frames.h", "process.h", "sim/hls_stream.h", "sim/ap_axi_sdata.h")
"""Headers that the generated files use beside the kernels."""

_UNCERTAINTY = "27%"
"""Share of the clock period that Vitis HLS keeps for wires: its own default, which the scripts say."""

_WIDEST = 1 << 15
"""Most bits of an ap_uint, whatever it is told."""

_MOST_ITERATIONS = 1 << 31
"""Of a loop a frame: its counter is a signed integer of 32 bits."""

_INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def write_hls(
    pipeline: Pipeline,
    directory: Path,
    *,
    name: str = "generator",
    part: str = "xczu7ev-ffvc1156-2-e",
    clock_mhz: float = 200.0,
    vectors: tuple[Arrays, Arrays] | None = None,
) -> None:
    """Write a whole Vitis-HLS project into `directory`; the same arguments give the same bytes.

    Args:
        pipeline: kernels, their parameters and memories, and the streams between them.
        directory: gets `firmware/`, `kernels/`, `testbench/`, `bridge.cpp`, `build.tcl` with `limit.sh`,
            `hls_config.cfg` and `Makefile`.
        name: of the top function, see `names.top_problem`.
        part: the device, as Vitis writes it.
        clock_mhz: target clock.
        vectors: inputs and golden outputs, integers of shape (frames, ...) in NHWC order, for the test bench; by name
            where there are several.

    Raises:
        UserError: an argument can not be used; all that is wrong is listed.
    """
    _check(pipeline, name, part, clock_mhz, vectors)
    directory = Path(directory)
    dataflow = _Dataflow.of(pipeline)
    modules = list(dict.fromkeys(stage.module for stage in dataflow.stages))
    values: dict[str, Any] = {
        "name": name,
        "part": part,
        "clock_mhz": clock_mhz,
        "period_ns": round(1000.0 / clock_mhz, 4),
        "streams": dataflow.streams,
        "stages": dataflow.stages,
        "slaves": dataflow.slaves,
        "masters": dataflow.masters,
        "ports": dataflow.slaves + dataflow.masters,
        "modules": modules,
        "uncertainty": _UNCERTAINTY,
        "cosim_limit_s": COSIM_SECONDS.default,
        "vectors": vectors is not None,
        "axis_bits": max(bus_bits(bus.stream) for bus in pipeline.slaves + pipeline.masters),
    }
    for template, path in _TEMPLATES.items():
        write_text(directory / path.format(name=name), render(template, **values))
    for stage in dataflow.stages:
        if stage.memories:
            text = render("hls/memories.h.j2", stage=stage, arrays=_arrays(stage))
            write_text(directory / "firmware" / "memories" / f"{stage.name}.h", text)
    for header in kernel_headers(modules):
        write_text(directory / "kernels" / header, resource("hw", "hls", header).read_text())
    if vectors is not None:
        for file, frames, names in zip(("input.dat", "golden.dat"), vectors, _port_names(pipeline), strict=True):
            write_text(directory / "testbench" / file, _frame_lines(side_by_side(named_arrays(names, frames, file))))


def kernel_headers(modules: Iterable[str]) -> list[str]:
    """Headers under `hw/hls`, sorted, that a project with kernels of these modules includes, directly or not."""
    found: set[str] = set()
    waiting = [*_EVERY_PROJECT, *(f"{module}.h" for module in modules)]
    while waiting:
        header = waiting.pop()
        if header in found:
            continue
        found.add(header)
        text = resource("hw", "hls", header).read_text()
        waiting += [posixpath.normpath(Path(header).parent / included) for included in _INCLUDE.findall(text)]
    return sorted(found)


def part_problems(part: str) -> Iterator[str]:
    """What is wrong with the name of a device: it goes into a script."""
    if not re.fullmatch(r"[A-Za-z0-9_.:-]+", part):
        yield f"part {part!r} is not a device name; use letters, digits, '_', '.', ':' and '-'"


def _check(pipeline: Pipeline, name: str, part: str, clock_mhz: float, vectors: tuple[Arrays, Arrays] | None) -> None:
    problems = []
    if problem := top_problem(name):
        problems.append(problem)
    problems += part_problems(part)
    problems += number_problems("clock_mhz", clock_mhz, CLOCKS_MHZ)
    for what, buses in (("input", pipeline.slaves), ("output", pipeline.masters)):
        for bus in buses:
            if bus_bits(bus.stream) > _WIDEST:
                lanes = f"{bus.stream.lanes} lanes of {bus.stream.bits} bits"
                said = f"the {what}" if len(buses) == 1 else f"{what} {bus.name}"
                problems.append(f"{said} has {lanes}; use fewer, ap_uint holds {_WIDEST} bits")
    problems += _bound_problems(pipeline)
    if vectors is not None:
        problems += _vector_problems(pipeline, vectors)
    raise_problems(problems, "the HLS project can not be written:")


def _bound_problems(pipeline: Pipeline) -> Iterator[str]:
    """Words and loops that are larger than C++ has them."""
    model = HlsModel(pipeline)
    ports = {bus.stream.name for bus in pipeline.slaves + pipeline.masters}  # which have a message of their own
    readers = {name: stage.name for stage in model.pipeline.stages for name in stage.inputs}
    for name, stream in model.pipeline.streams.items():
        if stream.lanes * stream.bits > _WIDEST and name not in ports:
            lanes = f"{stream.lanes} lanes of {stream.bits} bits"
            yield f"the stream to {readers[name]} has {lanes}; use fewer, ap_uint holds {_WIDEST} bits"
    for name, kernel in model.kernels.items():
        if (count := kernel.iterations().count) >= _MOST_ITERATIONS:
            yield f"{name} takes {count:,} iterations a frame; its loop counts to {_MOST_ITERATIONS - 1:,} at most"


def _vector_problems(pipeline: Pipeline, vectors: tuple[Arrays, Arrays]) -> Iterator[str]:
    counts = set()
    for what, given, buses in zip(
        ("input", "golden output"), vectors, (pipeline.slaves, pipeline.masters), strict=True
    ):
        named = named_arrays([bus.name for bus in buses], given, what)
        for bus in buses:
            frames, elements = named[bus.name], bus.stream.pixels * bus.stream.channels
            counts.add(len(frames))
            if frames.ndim < 2 or frames[0].size != elements:
                said = what if len(buses) == 1 else f"{what} {bus.name}"
                yield f"{said} vectors have shape {frames.shape}; each frame must have {elements} elements"
    if len(counts) > 1:
        yield f"there are {' and '.join(map(str, sorted(counts)))} frames of inputs and golden outputs"


def _port_names(pipeline: Pipeline) -> tuple[list[str], list[str]]:
    return list(pipeline.inputs), list(pipeline.outputs)


@dataclass(frozen=True)
class _Dataflow:
    """A pipeline as C++ has it: without the FIFOs of the RTL, its streams as deep as they have to be.

    Attributes:
        stages: those that are processes.
        streams: each with the beats that it holds.
        slaves, masters: the ports.
    """

    stages: list[Stage]
    streams: list[tuple[Stream, int]]
    slaves: tuple[Bus, ...]
    masters: tuple[Bus, ...]

    @staticmethod
    def of(pipeline: Pipeline) -> "_Dataflow":
        depths = size_streams(pipeline).depths or {}
        bare = pipeline.without_fifos()
        stages = [replace(stage, kernel=stage.kernel.in_cpp()) for stage in bare.stages]
        streams = [(stream, depths.get(name, STREAM_DEPTH)) for name, stream in bare.streams.items()]
        return _Dataflow(stages, streams, bare.slaves, bare.masters)


def _arrays(stage: Stage) -> dict[str, tuple[str, list[str]]]:
    """Of each memory the C++ array's sizes, as [2][3], and its words as plain integers, a text each."""
    arrays = {}
    for key, memory in stage.memories.items():
        low = -(1 << (memory.bits - 1)) if memory.signed else 0
        high = low + (1 << memory.bits) - 1
        if memory.words.min() < low or memory.words.max() > high:
            found = f"{memory.words.min()} to {memory.words.max()}"
            raise UserError(f"memory {key}: values from {found} do not fit {memory.bits} bits: {low} to {high}")
        words = stage.kernel.cpp_memory(key)
        arrays[key] = "".join(f"[{size}]" for size in words.shape), list(map(_initializer, words.tolist()))
    return arrays


def _initializer(values: list) -> str:
    """Nested lists of integers in braces."""
    texts = map(_initializer, values) if isinstance(values[0], list) else map(str, values)
    return "{ " + ", ".join(texts) + " }"


def _frame_lines(frames: np.ndarray) -> str:
    return "".join(" ".join(map(str, frame.reshape(-1).tolist())) + "\n" for frame in frames)
