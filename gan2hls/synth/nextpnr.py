"""nextpnr: place and route for ECP5 and Gowin, and the clock that comes of it."""

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan2hls.backends.render import render
from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.files import read_json, write_text
from gan2hls.synth.families import synth_command
from gan2hls.synth.netlist import read_module
from gan2hls.synth.result import PLACED, Clock
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
    """

    tool: str
    options: tuple[str, ...]
    goal_mhz: float
    pins: tuple[str, str, str] | None = None
    notes: tuple[str, ...] = ()


def _ecp5(size: str, package: str) -> Placer:
    options = (f"--{size}", "--package", package, "--speed", "6", "--out-of-context")
    return Placer("nextpnr-ecp5", options, 150.0)


def _gowin(device: str, family: str, pins: tuple[str, str, str]) -> Placer:
    options = ("--device", device, "--vopt", f"family={family}")
    notes = ("nextpnr knows no delays of Gowin's multipliers: the clock leaves out every path through one",)
    return Placer("nextpnr-himbaechel", options, 100.0, pins, notes)


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
    """What place and route gave: the clock, and of each kind of cell (used, available)."""

    clock: Clock
    cells: dict[str, tuple[int, int]]


def place_and_route(
    placer: Placer,
    yosys: Tool,
    netlist: Path,
    top: str,
    part: Target,
    *,
    wanted_mhz: float | None,
    seeds: Sequence[int],
    folder: Path,
    say: Callable[[str], None],
) -> Placed:
    """Place and route a mapped design, once with each seed.

    Args:
        netlist: in yosys' JSON, in `folder`.
        wanted_mhz: the clock; the placer's own goal is aimed at where that is faster.
        folder: gets logs and reports.
        say: called as each run begins.

    Raises:
        MissingToolError: nextpnr is not here.
        UserError: on Gowin, a top module without a port `clk`.
        ToolError: nextpnr failed.
        Gan2HlsError: it gave no clock.
    """
    tool = require_tool(placer.tool)
    goal = max(wanted_mhz or 0.0, placer.goal_mhz)
    options = list(placer.options)
    if placer.pins is not None:
        netlist = _harness(yosys, netlist, top, part, placer.pins, folder)
        options += ["--vopt", "cst=harness.cst"]
    reports, reached = [], []
    for number, seed in enumerate(seeds, 1):
        say(f"{placer.tool} for {part.name}, seed {seed} ({number} of {len(seeds)})")
        report = f"nextpnr-{seed}.json"
        command: list[str | Path] = [tool.path, *options, "--json", netlist.name, "--report", report]
        command += ["--seed", str(seed), "--freq", f"{goal:g}", "--timing-allow-fail"]
        log = run_tool(command, what=placer.tool, log=folder / f"nextpnr-{seed}.log", cwd=folder)
        reports.append(read_json(folder / report))
        reached.append(round(_reached(log, top), 2))
    mhz = tuple(reached)
    median = reports[mhz.index(statistics.median_low(mhz))]
    clock = Clock(wanted_mhz, goal, tuple(seeds), mhz, PLACED, tuple(critical_path(median)))
    cells = {name: (row["used"], row["available"]) for name, row in median["utilization"].items() if row["used"]}
    return Placed(clock, cells)


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
