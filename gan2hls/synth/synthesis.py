"""Synthesis of a design for a target: the one function that runs the tools, and its cache."""

import dataclasses
import functools
import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan2hls.backends.rtl import check_memories, write_rtl
from gan2hls.errors import UserError, raise_problems
from gan2hls.files import read_json, sha256, write_json
from gan2hls.limits import CLOCKS_MHZ, RUNS, number_problems
from gan2hls.pipeline import Pipeline
from gan2hls.resources import resource
from gan2hls.synth.design import Design, working_folder
from gan2hls.synth.families import RECIPES, synth_command
from gan2hls.synth.nextpnr import PLACERS, Placed, Placer, place_and_route, placer_of
from gan2hls.synth.result import PLACED, SYNTHESIZED, SynthResult
from gan2hls.synth.seeds import LIMIT_S, SeedStore, check_limit
from gan2hls.synth.vivado import GOAL_MHZ, PARTS, run_vivado, vivado_part
from gan2hls.synth.yosys import map_design, yosys_tool
from gan2hls.targets import Target
from gan2hls.targets import target as target_of
from gan2hls.tools import Tool, find_tool, require_tool

TOOLS = ("auto", "yosys", "vivado")

Say = Callable[[str], None]


def synthesize(
    pipeline: Pipeline | None,
    rtl: Path | str | None,
    top: str,
    target: Target | str,
    *,
    sources: Sequence[str] | None = None,
    tool: str = "auto",
    place: bool = True,
    clock_mhz: float | None = None,
    seeds: int | Sequence[int] = 1,
    limit_s: float = LIMIT_S,
    cache: Path | str | None = None,
    work: Path | str | None = None,
    scratch: Path | str | None = None,
    say: Say = lambda step: None,
    warn: Say = warnings.warn,
) -> SynthResult:
    """Synthesize a design for a target; needs no project.

    Args:
        pipeline: what the design was written from; None for any other design.
        rtl: folder of the design. None writes the pipeline's RTL first.
        top: the top module, with ports `clk` and `rst_n` if it is to be placed on Gowin.
        target: a part, or a family, which has no limits and can not be placed.
        sources: SystemVerilog files in `rtl`, in the order in which they are read; None takes those of its `sources.f`.
        tool: "yosys" (nextpnr tells the clock), "vivado", or "auto": Vivado for Xilinx parts if it is here, else yosys.
        place: whether to place and route, for a clock. With yosys that is done for parts of ECP5 and Gowin; other
            targets are synthesized only.
        clock_mhz: wanted; None wants none, and only says what is reached.
        seeds: of place and route, a run each: how many (1, 2, …), or which.
        limit_s: seconds that each of nextpnr's routers may take for a seed; then the other one is tried, then the seed
            is given up. Vivado has no limit.
        cache: folder of results; one with the same sources, options and versions of the tools is not made again, nor
            is the run of a seed.
        work: folder for scripts, netlists, logs and reports, which then stay; without it they go to a temporary folder,
            of which only the logs stay, and only where a tool failed.
        scratch: where that temporary folder is made; None takes the system's own.
        say: called with each step as it begins.
        warn: called if a damaged entry of the cache was found, which is made anew.

    Returns:
        The result, also where the part is too small or the clock is missed: see `SynthResult.problems`.

    Raises:
        UserError: unknown target or tool, sources that are not there, damaged memory files, a clock wanted that no tool
            can tell.
        MissingToolError: a tool is missing.
        ToolError: a tool failed.
    """
    part = target_of(target) if isinstance(target, str) else target
    chosen = choose_tool(tool, part)
    numbers = _seeds(seeds)
    if clock_mhz is not None:
        raise_problems(number_problems("clock", clock_mhz, CLOCKS_MHZ))
    check_limit(limit_s)
    placer = placer_of(part) if place and chosen == "yosys" else None
    if clock_mhz is not None and placer is None and (chosen == "yosys" or not place):
        raise UserError(_no_clock(part, place))
    with working_folder(work, scratch) as folder:
        if rtl is None:
            if pipeline is None:
                raise UserError("synthesize needs a pipeline or the folder of a design")
            rtl = folder / "rtl"
            write_rtl(pipeline, rtl, name=top)
        if pipeline is not None and sources is None:
            check_memories(pipeline, Path(rtl), name=top)
        design = Design.read(Path(rtl), sources)
        if chosen == "vivado":
            job: _Job = _VivadoJob(design, top, part, clock_mhz, require_tool("vivado"), place)
        else:
            job = _YosysJob(design, top, part, clock_mhz, yosys_tool(), placer, numbers, limit_s)
        return _cached(job, folder, None if cache is None else Path(cache), say, warn)


def choose_tool(tool: str, part: Target) -> str:
    """ "yosys" or "vivado".

    Raises:
        UserError: neither, or Vivado for a part that it does not know.
    """
    if tool not in TOOLS:
        raise UserError(f"unknown tool {tool!r}; use one of {', '.join(TOOLS)}")
    xilinx = part.family.name in ("xc7", "xcup")
    if tool == "vivado" and not xilinx:
        raise UserError(f"{part.name}: Vivado does not know {part.family.name}; use the tool yosys")
    if tool == "auto":
        return "vivado" if xilinx and part.name in PARTS and find_tool("vivado") else "yosys"
    return tool


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    RUNS.check(seeds if isinstance(seeds, int) else len(seeds), "seeds")
    numbers = tuple(range(1, seeds + 1)) if isinstance(seeds, int) else tuple(seeds)
    if not numbers:
        raise UserError(f"seeds {seeds!r} is not accepted; use 1 or more")
    wrong = [number for number in numbers if type(number) is not int or not 0 <= number < 1 << 31]
    if wrong:
        raise UserError(f"seed {wrong[0]!r} is not accepted; use an integer from 0 to {(1 << 31) - 1:,}")
    return numbers


def _no_clock(part: Target, place: bool) -> str:
    if not place:
        return "a clock is wanted without place and route, which alone can tell it; leave one of the two out"
    if part.family.name in PLACERS:
        parts = "name a part of it, which can be placed"
        return f"{part.name}: a clock is wanted for a family; {parts}"
    return (
        f"{part.name}: a clock is wanted, but yosys alone can not tell it; "
        f"use a part of {', '.join(PLACERS)}, or Vivado for Xilinx"
    )


@dataclass(frozen=True)
class _Job:
    """What is to be done, and what the result depends on."""

    design: Design
    top: str
    part: Target
    clock_mhz: float | None

    def tools(self) -> dict[str, str]:
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        raise NotImplementedError

    def run(self, folder: Path, digest: str, cache: Path | None, say: Say, warn: Say) -> SynthResult:
        """Do it in a folder that holds the design."""
        raise NotImplementedError

    def digest(self, *without: str) -> str:
        """Of all that the result depends on, but for options that are named."""
        options = {name: value for name, value in self.options().items() if name not in without}
        values = {"tools": self.tools(), "options": options, "clock": self.clock_mhz, "target": self.part.name}
        return sha256(_code(), self.top, json.dumps(values, sort_keys=True), self.design.digest())


@functools.cache
def _code() -> str:
    """Digest of this package and its scripts: what counts cells or runs tools otherwise gives another result."""
    files = [*Path(__file__).parent.glob("*.py"), *resource("templates", "synth").iterdir()]
    return sha256(
        *(part for path in sorted(files, key=lambda path: path.name) for part in (path.name, path.read_bytes()))
    )


@dataclass(frozen=True)
class _VivadoJob(_Job):
    vivado: Tool
    place: bool

    def tools(self) -> dict[str, str]:
        return {"vivado": self.vivado.version}

    def options(self) -> dict[str, Any]:
        goal = self.clock_mhz if self.clock_mhz is not None else GOAL_MHZ
        script = "out of context, hierarchy rebuilt"
        return {"part": vivado_part(self.part), "script": script, "place_and_route": self.place, "goal_mhz": goal}

    def run(self, folder: Path, digest: str, cache: Path | None, say: Say, warn: Say) -> SynthResult:
        start = time.monotonic()
        done = run_vivado(
            self.vivado,
            self.design.sources,
            self.top,
            self.part,
            wanted_mhz=self.clock_mhz,
            place=self.place,
            folder=folder,
            say=say,
        )
        return SynthResult(
            top=self.top,
            target=self.part.name,
            figures=PLACED if self.place else SYNTHESIZED,
            usage=done.usage,
            stages=done.stages,
            clock=done.clock,
            tools=self.tools(),
            options=self.options(),
            digest=digest,
            seconds={"vivado": round(time.monotonic() - start, 2)},
        )


@dataclass(frozen=True)
class _YosysJob(_Job):
    yosys: Tool
    placer: Placer | None
    seeds: tuple[int, ...]
    limit_s: float

    def tools(self) -> dict[str, str]:
        found = {self.yosys.name: self.yosys.version}
        if self.placer is not None:
            found[self.placer.tool] = require_tool(self.placer.tool).version
        return found

    def options(self) -> dict[str, Any]:
        values: dict[str, Any] = {"synthesis": synth_command(self.part), "flattened": True}
        if self.placer is not None:
            values["place_and_route"] = " ".join(self.placer.options)
            values["goal_mhz"] = self.goal_mhz
            values["seeds"] = list(self.seeds)
            values["limit_s"] = self.limit_s
        return values

    @property
    def goal_mhz(self) -> float:
        assert self.placer is not None
        return max(self.clock_mhz or 0.0, self.placer.goal_mhz)

    def run(self, folder: Path, digest: str, cache: Path | None, say: Say, warn: Say) -> SynthResult:
        seconds: dict[str, float] = {}
        say(f"yosys for {self.part.name}")
        start = time.monotonic()
        mapped = map_design(self.yosys, self.design.sources, self.top, self.part, folder)
        seconds["yosys"] = round(time.monotonic() - start, 2)
        result = SynthResult(
            top=self.top,
            target=self.part.name,
            figures=SYNTHESIZED,
            usage=mapped.usage,
            stages=mapped.stages,
            memories=mapped.memories,
            tools=self.tools(),
            options=self.options(),
            digest=digest,
            notes=RECIPES[self.part.family.name].notes,
            seconds=seconds,
        )
        if self.placer is None:
            return result
        if not result.fits:
            return dataclasses.replace(result, unplaced="not placed and routed: the design is larger than the part")
        start = time.monotonic()
        placed = self._place(mapped.netlist, folder, SeedStore(cache, self.digest("seeds", "limit_s"), warn), say)
        notes = (*result.notes, *self.placer.notes, *placed.notes)
        seconds[self.placer.tool] = round(time.monotonic() - start, 2)
        if placed.clock is None:
            reason = f"no clock: none of nextpnr's routers ended within {self.limit_s:g} s; try other seeds, or longer"
            return dataclasses.replace(result, unplaced=reason, notes=notes)
        return dataclasses.replace(result, clock=placed.clock, placed=placed.cells, notes=notes)

    def _place(self, netlist: Path, folder: Path, store: SeedStore, say: Say) -> Placed:
        assert self.placer is not None
        return place_and_route(
            self.placer,
            self.yosys,
            netlist,
            self.top,
            self.part,
            wanted_mhz=self.clock_mhz,
            seeds=self.seeds,
            limit_s=self.limit_s,
            store=store,
            folder=folder,
            say=say,
        )


def _cached(job: _Job, folder: Path, cache: Path | None, say: Say, warn: Say) -> SynthResult:
    digest = job.digest()
    entry = None if cache is None else cache / f"{digest}.json"
    if entry is not None and entry.exists():
        try:
            return _read_entry(entry, digest)
        except UserError as error:
            warn(f"{entry}: damaged entry of the cache, made anew ({error})")
    job.design.copy(folder)
    result = job.run(folder, digest, cache, say, warn)
    if entry is not None:
        values = result.values()
        write_json(entry, {"sha256": sha256(json.dumps(values)), "result": values})
    return result


def _read_entry(entry: Path, digest: str) -> SynthResult:
    values = read_json(entry)
    if not isinstance(values, dict) or values.keys() != {"sha256", "result"}:
        raise UserError("not an entry of the cache")
    if sha256(json.dumps(values["result"])) != values["sha256"]:
        raise UserError("its content has changed")
    result = SynthResult.from_values(values["result"])
    if result.digest != digest:
        raise UserError("it belongs to another synthesis")
    return result
