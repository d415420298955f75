"""SystemVerilog from a `Pipeline`: a top module that wires the kernels of `hw/rtl`, and their memory files."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gan2hls.backends.render import render
from gan2hls.files import write_text
from gan2hls.folding import Pipeline, Stage, Stream
from gan2hls.ir import Memory
from gan2hls.resources import resource

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
    source: str
    sink: str


def bus_bits(stream: Stream) -> int:
    """Width of a stream's data at the top: its lanes, rounded up to whole bytes."""
    return -(-stream.lanes * stream.bits // 8) * 8


def write_rtl(pipeline: Pipeline, directory: Path, *, name: str = "generator") -> None:
    """Write the design into `directory`; the same pipeline gives the same bytes.

    Args:
        pipeline: kernels, their parameters and memories, and the streams between them.
        directory: gets `<name>.sv`, the kernels under `kernels/`, memory files `*.mem`, and `sources.f`, the list of
            sources. Tools run in this folder, where the memory files lie.
        name: of the top module, an identifier.
    """
    directory = Path(directory)
    wires, instances = _wiring(pipeline, name)
    text = render(
        "rtl/top.sv.j2",
        name=name,
        stages=pipeline.stages,
        input=pipeline.input,
        output=pipeline.output,
        input_width=bus_bits(pipeline.input),
        output_width=bus_bits(pipeline.output),
        wires=wires,
        instances=instances,
    )
    write_text(directory / f"{name}.sv", text)
    for stage in pipeline.stages:
        for key, memory in stage.memories.items():
            for file, part in _memory_files(name, stage, key, memory):
                write_text(directory / file, memory_text(part))
    modules = kernel_sources(instance.module for instance in instances)
    for module in modules:
        write_text(directory / "kernels" / f"{module}.sv", resource("hw", "rtl", f"{module}.sv").read_text())
    write_text(directory / "sources.f", "".join(f"kernels/{module}.sv\n" for module in modules) + f"{name}.sv\n")


def _memory_files(top: str, stage: Stage, key: str, memory: Memory) -> Iterator[tuple[str, Memory]]:
    """The files of a memory, and what each holds: one, or those of `weight_memory`'s banks."""
    depth = len(memory.words)
    bank = stage.parameters.get("BankWords", depth) if key == "weights" else depth
    for index, start in enumerate(range(0, depth, bank)):
        suffix = f"_{index:02d}" if depth > bank else ""
        yield f"{top}_{stage.name}_{key}{suffix}.mem", replace(memory, words=memory.words[start : start + bank])


def _memory_parameter(top: str, stage: Stage, key: str, memory: Memory) -> str:
    """What a kernel takes as the name of a memory's file: without its ending where there are several."""
    first, *others = (file for file, _ in _memory_files(top, stage, key, memory))
    return f'"{first.removesuffix("_00.mem") if others else first}"'


def _wiring(pipeline: Pipeline, name: str) -> tuple[list[_Wire], list[_Instance]]:
    """Wires from input to output, and the kernels and FIFOs between them, each from one wire to the next."""
    wires: list[_Wire] = []
    instances: list[_Instance] = []

    def wire(wire_name: str, stream: Stream) -> str:
        wires.append(_Wire(wire_name, stream.lanes * stream.bits))
        return wire_name

    source = wire(pipeline.input.name, pipeline.input)
    for index, stream in enumerate(pipeline.streams):
        if fifo := stream.fifo:
            sink = wire(f"{stream.name}_out", stream)
            instances.append(_Instance(fifo.name, fifo.module, {**fifo.parameters}, source, sink))
            source = sink
        if index < len(pipeline.stages):
            stage = pipeline.stages[index]
            files = {
                _parameter(key): _memory_parameter(name, stage, key, memory) for key, memory in stage.memories.items()
            }
            sink = wire(pipeline.streams[index + 1].name, pipeline.streams[index + 1])
            instances.append(_Instance(stage.name, stage.module, {**stage.parameters, **files}, source, sink))
            source = sink
    return wires, instances


def bench_text(designs: Sequence[tuple[str, Pipeline]]) -> str:
    """A module `bench` that holds several designs (top's name, pipeline), their ports prefixed with the top's name."""
    values = [
        {"top": top, "input_width": bus_bits(pipeline.input), "output_width": bus_bits(pipeline.output)}
        for top, pipeline in designs
    ]
    return render("rtl/bench.sv.j2", designs=values)


def _parameter(memory: str) -> str:
    """Parameter that takes a memory's file: `negative_bias` → `NegativeBiasFile`."""
    return "".join(part.capitalize() for part in memory.split("_")) + "File"


def memory_text(memory: Memory) -> str:
    """`$readmemh` text of a memory: one word a line, its first element in the low bits."""
    mask = (1 << memory.bits) - 1
    digits = -(-memory.words.shape[1] * memory.bits // 4)
    lines = []
    for word in memory.words.astype(np.int64).tolist():
        value = 0
        for element in reversed(word):
            value = value << memory.bits | element & mask
        lines.append(f"{value:0{digits}x}\n")
    return "".join(lines)


def kernel_sources(modules: Iterable[str]) -> list[str]:
    """The modules of `hw/rtl` that these modules need, themselves included, those needed first."""
    found: list[str] = []

    def add(module: str) -> None:
        path = resource("hw", "rtl") / f"{module}.sv"
        if module in found or not path.exists():
            return
        for name in _INSTANCE.findall(path.read_text()):
            if name != module:
                add(name)
        if module not in found:
            found.append(module)

    for module in modules:
        add(module)
    return found
