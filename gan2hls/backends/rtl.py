"""SystemVerilog from a `Pipeline`: a top module that wires the kernels of `hw/rtl`, and their memory files."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gan2hls.backends.render import render
from gan2hls.errors import raise_problems
from gan2hls.files import is_file, read_bytes, write_text
from gan2hls.ir import Memory
from gan2hls.names import top_problem
from gan2hls.pipeline import Bus, Pipeline, Stage, Stream
from gan2hls.resources import resource

MOST_NAMED = 5
"""Damaged memory files that one error names."""

_HEX = re.compile(rb"[0-9a-fA-F]+")
_INSTANCE = re.compile(r"^\s*(\w+)\s+(?:#\s*\(|\w+\s*\()", re.MULTILINE)


@dataclass(frozen=True)
class _Wire:
    name: str
    bits: int


@dataclass(frozen=True)
class _Instance:
    name: str
    module: str
    parameters: dict[str, int | str]
    sources: tuple[str, ...]
    sinks: tuple[str, ...]


def bus_bits(stream: Stream) -> int:
    """Width of a stream's data at the top: its lanes, rounded up to whole bytes."""
    return -(-stream.lanes * stream.bits // 8) * 8


def write_rtl(pipeline: Pipeline, directory: Path, *, name: str = "generator") -> None:
    """Write the design into `directory`; the same pipeline gives the same bytes.

    Args:
        pipeline: kernels, their parameters and memories, and the streams between them.
        directory: gets `<name>.sv`, the kernels under `kernels/`, memory files `*.mem`, and `sources.f`, the list of
            sources. Tools run in this folder, where the memory files lie.
        name: of the top module, see `names.top_problem`.

    Raises:
        UserError: the name can not be used.
    """
    raise_problems(filter(None, [top_problem(name)]))
    directory = Path(directory)
    for file, text in _sources(pipeline, name):
        write_text(directory / file, text)
    for file, memory in _memory_files(pipeline, name):
        write_text(directory / file, memory_text(memory))


def is_as_written(pipeline: Pipeline, directory: Path, *, name: str = "generator", top_only: bool = False) -> bool:
    """Whether the sources in a folder, or its top module alone, are as `write_rtl` writes them: nobody edited them."""
    for file, text in _sources(pipeline, name):
        path = Path(directory) / file
        if (not top_only or file == f"{name}.sv") and not (is_file(path) and read_bytes(path) == text.encode()):
            return False
    return True


def check_memories(pipeline: Pipeline, directory: Path, *, name: str = "generator") -> None:
    """See that each memory file of a written design has exactly the words that its kernel reads.

    No tool is strict about them: Verilator only warns of a missing one, and yosys takes any number of words. A design
    whose top module was edited is left alone, because that names the files and their sizes; in simulation its kernels
    look after themselves (`memory_assert.sv`).

    Raises:
        UserError: a file is missing, or has more, fewer or other words; the first few are named.
    """
    if not is_as_written(pipeline, directory, name=name, top_only=True):
        return
    problems = []
    for file, memory in _memory_files(pipeline, name):
        path = Path(directory) / file
        if problem := _memory_problem(path, len(memory.words), _digits(memory)):
            problems.append(f"{path}: {problem}")
    more = len(problems) - MOST_NAMED
    if more > 0:
        problems[MOST_NAMED:] = [f"and {more} more"]
    raise_problems(problems, f"memory files of {name} are damaged; build it again:")


def _memory_problem(path: Path, words: int, digits: int) -> str:
    """What is wrong with a memory file, "" if nothing."""
    if not is_file(path):
        return "this memory file is missing"
    lines = read_bytes(path).split()
    if len(lines) != words:
        return f"this memory file has {len(lines)} words instead of {words}"
    for index, line in enumerate(lines):
        if len(line) != digits or not _HEX.fullmatch(line):
            return f"word {index + 1} of this memory file is not of {digits} hexadecimal digits"
    return ""


def _sources(pipeline: Pipeline, name: str) -> Iterator[tuple[str, str]]:
    """Path and text of each source, `sources.f` last."""
    instances = _instances(pipeline, name)
    top = render(
        "rtl/top.sv.j2",
        name=name,
        kernels=pipeline.kernels,
        in_a_row=all(len(stage.inputs) == len(stage.outputs) == 1 for stage in pipeline.stages),
        slaves=[_bus_values(bus) for bus in pipeline.slaves],
        masters=[_bus_values(bus) for bus in pipeline.masters],
        wires=_wires(pipeline),
        instances=instances,
    )
    yield f"{name}.sv", top
    modules = kernel_sources(instance.module for instance in instances)
    for module in modules:
        yield f"kernels/{module}.sv", resource("hw", "rtl", f"{module}.sv").read_text()
    yield "sources.f", "".join(f"kernels/{module}.sv\n" for module in modules) + f"{name}.sv\n"


def _memory_files(pipeline: Pipeline, name: str) -> Iterator[tuple[str, Memory]]:
    """All memory files of a design, and what each holds."""
    for stage in pipeline.stages:
        for key, memory in stage.memories.items():
            yield from _banks(name, stage, key, memory)


def _banks(top: str, stage: Stage, key: str, memory: Memory) -> Iterator[tuple[str, Memory]]:
    """The files of a memory, and what each holds: one, or those of `weight_memory`'s banks."""
    depth = len(memory.words)
    bank = stage.parameters.get("BankWords", depth) if key == "weights" else depth
    for index, start in enumerate(range(0, depth, bank)):
        suffix = f"_{index:02d}" if depth > bank else ""
        yield f"{top}_{stage.name}_{key}{suffix}.mem", replace(memory, words=memory.words[start : start + bank])


def _memory_parameter(top: str, stage: Stage, key: str, memory: Memory) -> str:
    """What a kernel takes as the name of a memory's file: without its ending where there are several."""
    first, *others = (file for file, _ in _banks(top, stage, key, memory))
    return f'"{first.removesuffix("_00.mem") if others else first}"'


def _bus_values(bus: Bus) -> dict[str, Any]:
    """What the templates need to know of a port."""
    return {
        "prefix": bus.prefix,
        "name": bus.name,
        "stream": bus.stream,
        "width": bus_bits(bus.stream),
        "used": bus.stream.lanes * bus.stream.bits,
    }


def _wires(pipeline: Pipeline) -> list[_Wire]:
    """One for each stream: those that enter, and then those that each stage gives."""
    names = [*pipeline.inputs.values(), *(name for stage in pipeline.stages for name in stage.outputs)]
    streams = (pipeline.streams[name] for name in names)
    return [_Wire(stream.name, stream.lanes * stream.bits) for stream in streams]


def _instances(pipeline: Pipeline, top: str) -> list[_Instance]:
    """The stages, with the names of their memory files."""
    made = []
    for stage in pipeline.stages:
        files = {_parameter(key): _memory_parameter(top, stage, key, memory) for key, memory in stage.memories.items()}
        lists: dict[str, int | str] = {key: list_literal(values) for key, values in stage.kernel.lists.items()}
        parameters: dict[str, int | str] = {**stage.parameters, **lists, **files}
        made.append(_Instance(stage.name, stage.module, parameters, stage.inputs, stage.outputs))
    return made


def bench_text(designs: Sequence[tuple[str, Pipeline]]) -> str:
    """A module `bench` that holds several designs (top's name, pipeline), their ports prefixed with the top's name."""
    values = [
        {
            "top": top,
            "slaves": [_bus_values(bus) for bus in pipeline.slaves],
            "masters": [_bus_values(bus) for bus in pipeline.masters],
        }
        for top, pipeline in designs
    ]
    return render("rtl/bench.sv.j2", designs=values)


def _parameter(memory: str) -> str:
    """Parameter that takes a memory's file: `negative_bias` → `NegativeBiasFile`."""
    return "".join(part.capitalize() for part in memory.split("_")) + "File"


def list_literal(values: Sequence[int]) -> str:
    """Several integers as a parameter, 32 bits each, the first in the low ones."""
    return "{" + ", ".join(f"32'd{value}" for value in reversed(values)) + "}"


def memory_text(memory: Memory) -> str:
    """`$readmemh` text of a memory: one word a line, its first element in the low bits."""
    mask = (1 << memory.bits) - 1
    digits = _digits(memory)
    lines = []
    for word in memory.words.astype(np.int64).tolist():
        value = 0
        for element in reversed(word):
            value = value << memory.bits | element & mask
        lines.append(f"{value:0{digits}x}\n")
    return "".join(lines)


def _digits(memory: Memory) -> int:
    """Hexadecimal digits of a word."""
    return -(-memory.words.shape[1] * memory.bits // 4)


def kernel_sources(modules: Iterable[str]) -> list[str]:
    """The modules of `hw/rtl` that these modules need, themselves included, those needed first."""
    found: list[str] = []

    def need(module: str) -> None:
        path = resource("hw", "rtl") / f"{module}.sv"
        if module in found or not path.exists():
            return
        for name in _INSTANCE.findall(path.read_text()):
            if name != module:
                need(name)
        if module not in found:
            found.append(module)

    for module in modules:
        need(module)
    return found
