"""nextpnr: place and route for ECP5 and Gowin, and the clock that comes of it."""

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gan2hls.backends.render import render
from gan2hls.errors import Gan2HlsError, ToolTimeoutError, UserError
from gan2hls.files import read_json, write_text
from gan2hls.synth.families import synth_command
from gan2hls.synth.netlist import read_module
from gan2hls.synth.result import PLACED, Clock
from gan2hls.synth.seeds import SeedRun, SeedStore, seed_lines
from gan2hls.synth.yosys import run_yosys
from gan2hls.targets import TARGETS, Target
from gan2hls.tools import Tool, require_tool, run_tool

_FREQUENCY = re.compile(r"Max frequency for clock +'([^']+)': ([0-9.]+) MHz")

PLACERS = ("ecp5", "gowin")
"""Families that are placed and routed."""


@dataclass(frozen=True)
class Placer:
    """How a part is placed and routed.

    Attributes:
        tool: as `tools` calls it.
        options: the part and its package; no file, seed or clock.
        goal_mhz: what nextpnr aims at, unless a faster clock is wanted: it stops trying once it is there.
        pins: of clock, input and output, where nextpnr wants each port on a pin: the design is then put between two
            shift registers. None leaves its ports unconnected to pins ("out of context").
        notes: what must be known beside the clock.
        routers: in the order in which they are tried, the tool's own choice first.
    """

    tool: str
    options: tuple[str, ...]
    goal_mhz: float
    pins: tuple[str, str, str] | None = None
    notes: tuple[str, ...] = ()
    routers: tuple[str, ...] = ("router1", "router2")


def _ecp5(size: str, package: str) -> Placer:
    options = (f"--{size}", "--package", package, "--speed", "6", "--out-of-context")
    return Placer("nextpnr-ecp5", options, 150.0)


def _gowin(device: str, family: str, pins: tuple[str, str, str]) -> Placer:
    options = ("--device", device, "--vopt", f"family={family}")
    notes = ("nextpnr knows no delays of Gowin's multipliers: the clock leaves out every path through one",)
    return Placer("nextpnr-himbaechel", options, 100.0, pins, notes, routers=("router2", "router1"))


_PLACERS = {
    "ecp5-25k": _ecp5("25k", "CABGA381"),
    "ecp5-45k": _ecp5("45k", "CABGA381"),
    "ecp5-85k": _ecp5("85k", "CABGA381"),
    "gw1nr-9": _gowin("GW1NR-LV9QN88PC6/I5", "GW1N-9C", ("52", "25", "26")),
    "gw2ar-18": _gowin("GW2AR-LV18QN88C8/I7", "GW2A-18C", ("4", "25", "26")),
}
assert _PLACERS.keys() <= TARGETS.keys()


def placer_of(part: Target) -> Placer | None:
    """How a part is placed; None for a family, and for parts that nextpnr does not place here."""
    return _PLACERS.get(part.name)


@dataclass(frozen=True)
class Placed:
    """What place and route gave.

    Attributes:
        clock: None where no seed ended in time.
        cells: of each kind of cell (used, available).
        notes: a line for each seed that the first router was not the one of, or that gave nothing.
    """

    clock: Clock | None
    cells: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class SeedsInterrupted(KeyboardInterrupt):
    """Ctrl-C between seeds; its text says what those gave that had ended."""


def place_and_route(
    placer: Placer,
    yosys: Tool,
    netlist: Path,
    top: str,
    part: Target,
    *,
    wanted_mhz: float | None,
    seeds: Sequence[int],
    limit_s: float,
    store: SeedStore,
    folder: Path,
    say: Callable[[str], None],
) -> Placed:
    """Place and route a mapped design, once with each seed.

    A run that does not end in time is tried with the other router, and then given up.

    Args:
        netlist: in yosys' JSON, in `folder`.
        wanted_mhz: the clock; the placer's own goal is aimed at where that is faster.
        limit_s: seconds that each router may take for a seed, placement included.
        store: has runs of earlier commands, and gets each as it ends.
        folder: gets logs and reports.
        say: called as each run begins.

    Raises:
        MissingToolError: nextpnr is not here.
        UserError: on Gowin, a top module without a port `clk`.
        ToolError: nextpnr failed.
        Gan2HlsError: it gave no clock.
        SeedsInterrupted: Ctrl-C after some seeds had ended.
    """
    goal = max(wanted_mhz or 0.0, placer.goal_mhz)
    job: _Job | None = None
    runs: list[SeedRun] = []
    try:
        for number, seed in enumerate(seeds, 1):
            run = store.get(seed, limit_s)
            if run is None:
                job = job or _prepared(placer, yosys, netlist, top, part, goal, folder)
                where = f"{placer.tool} for {part.name}, seed {seed} ({number} of {len(seeds)})"
                run = job.run(seed, limit_s, where, say)
                store.put(run)
            runs.append(run)
    except KeyboardInterrupt:
        if not runs:
            raise
        raise SeedsInterrupted("\n".join(["these seeds have ended, and are kept:", *seed_lines(runs)])) from None
    return _placed(runs, wanted_mhz, goal, placer.routers[0])


def _placed(runs: Sequence[SeedRun], wanted_mhz: float | None, goal: float, router: str) -> Placed:
    ended = [run for run in runs if run.router]
    notes = tuple(seed_lines([run for run in runs if run.router != router]))
    if not ended:
        return Placed(None, notes=notes)
    mhz = tuple(run.mhz for run in ended)
    median = ended[mhz.index(statistics.median_low(mhz))]
    seeds, routers = (tuple(getattr(run, name) for run in ended) for name in ("seed", "router"))
    unrouted = tuple(run.seed for run in runs if not run.router)
    clock = Clock(wanted_mhz, goal, seeds, mhz, PLACED, median.critical_path, routers, unrouted)
    return Placed(clock, median.cells, notes)


@dataclass(frozen=True)
class _Job:
    """nextpnr's command, but for seed and router."""

    placer: Placer
    command: tuple[str | Path, ...]
    top: str
    folder: Path

    def run(self, seed: int, limit_s: float, title: str, say: Callable[[str], None]) -> SeedRun:
        """One seed, with the first router that ends in time."""
        for router in self.placer.routers:
            first = router == self.placer.routers[0]
            say(title if first else f"{title}, {router} since the other did not end in {limit_s:g} s")
            report = self.folder / f"nextpnr-{seed}.json"
            command = [*self.command, "--report", report.name, "--seed", str(seed), "--router", router]
            log = self.folder / f"nextpnr-{seed}.log"
            try:
                text = run_tool(command, what=self.placer.tool, log=log, cwd=self.folder, timeout=limit_s)
            except ToolTimeoutError:
                continue
            values = read_json(report)
            cells = {name: (row["used"], row["available"]) for name, row in values["utilization"].items()}
            used = {name: row for name, row in cells.items() if row[0]}
            mhz = round(_reached(text, self.top), 2)
            return SeedRun(seed, limit_s, router, mhz, tuple(critical_path(values)), used)
        return SeedRun(seed, limit_s)


def _prepared(placer: Placer, yosys: Tool, netlist: Path, top: str, part: Target, goal: float, folder: Path) -> _Job:
    tool = require_tool(placer.tool)
    options = list(placer.options)
    if placer.pins is not None:
        netlist = _harness(yosys, netlist, top, part, placer.pins, folder)
        options += ["--vopt", "cst=harness.cst"]
    goals = ("--freq", f"{goal:g}", "--timing-allow-fail")
    return _Job(placer, (tool.path, *options, "--json", netlist.name, *goals), top, folder)


def _reached(log: str, top: str) -> float:
    """Of all clocks the slowest after routing, in MHz; the log has it also where the report leaves it out."""
    found = {clock: float(mhz) for clock, mhz in _FREQUENCY.findall(log)}  # the last line of a clock counts
    if not found:
        raise Gan2HlsError(f"nextpnr gave no clock frequency for {top}: it has no path from register to register")
    return min(found.values())


def critical_path(report: dict[str, Any]) -> list[str]:
    """The slowest path from register to register, a line for each step of it that takes time."""
    paths = [path for path in report.get("critical_paths", []) if "async" not in path["from"] + path["to"]]
    lines: list[str] = []
    slowest = max(paths, key=lambda path: sum(step["delay"] for step in path["path"]), default=None)
    for step in slowest["path"] if slowest else ():
        if lines and round(step["delay"], 2) == 0:  # from one carry cell to the next
            continue
        begin, end = step["from"], step["to"]
        through = f"{begin['cell']}.{begin['port']}"
        if begin != end:
            through += f" to {end['cell']}.{end['port']}"
        lines.append(f"{step['delay']:.2f} ns {step['type']}: {through}")
    return lines


def _harness(yosys: Tool, netlist: Path, top: str, part: Target, pins: tuple[str, str, str], folder: Path) -> Path:
    """Put a mapped design between shift registers, so that it has three pins and nothing of it is optimized away."""
    module = read_module(netlist, top)
    ports = {name: (port["direction"], len(port["bits"])) for name, port in module["ports"].items()}
    if ports.get("clk") != ("input", 1):
        raise UserError(f"{top}: needs a port `clk` to be placed on {part.name}")
    if any(direction == "inout" for direction, _ in ports.values()):
        raise UserError(f"{top}: a port that goes both ways can not be placed on {part.name}")
    widths = {side: [(n, w) for n, (d, w) in ports.items() if d == side and n != "clk"] for side in ("input", "output")}
    if not all(widths.values()):
        raise UserError(f"{top}: needs an input beside `clk` and an output to be placed on {part.name}")
    write_text(folder / "harness.sv", render("synth/harness.sv.j2", top=top, **widths))
    write_text(folder / "harness.cst", render("synth/harness.cst.j2", pins=pins))
    command = synth_command(part).replace(" -noiopads", "")
    script = render("synth/harness.ys.j2", top=top, command=command, netlist=netlist.name)
    run_yosys(yosys, script, name="harness", folder=folder)
    return folder / "harness.json"
