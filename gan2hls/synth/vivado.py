"""Vivado: synthesis, place and route for Xilinx, and its reports."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gan2hls.backends.render import render
from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.files import write_text
from gan2hls.synth.result import PLACED, Clock, StageUsage, Usage
from gan2hls.targets import TARGETS, Target
from gan2hls.tools import Tool, run_tool

GOAL_MHZ = 200.0
"""What Vivado aims at where no clock is wanted."""

PARTS = {
    "xc7a35t": "xc7a35tcsg324-1",
    "xc7a100t": "xc7a100tcsg324-1",
    "xc7z020": "xc7z020clg400-1",
    "zu3eg": "xczu3eg-sbva484-1-e",
    "zu7ev": "xczu7ev-ffvc1156-2-e",
    "xck26": "xck26-sfvc784-2LV-c",
}
"""Vivado's name of each target, with package and speed grade."""
assert PARTS.keys() <= TARGETS.keys()

_USED = {
    "luts": ("Slice LUTs", "CLB LUTs"),
    "memory_luts": ("LUT as Memory",),
    "flip_flops": ("Slice Registers", "CLB Registers"),
    "dsps": ("DSPs",),
    "block_rams": ("Block RAM Tile",),
}


@dataclass(frozen=True)
class VivadoRun:
    """What Vivado reported."""

    usage: Usage
    stages: tuple[StageUsage, ...]
    clock: Clock | None


def vivado_part(target: Target) -> str:
    """Vivado's name of a target.

    Raises:
        UserError: a family, which Vivado can not synthesize for.
    """
    if target.name not in PARTS:
        raise UserError(f"{target.name}: Vivado needs a part; use one of {', '.join(PARTS)}")
    return PARTS[target.name]


def run_vivado(
    tool: Tool,
    sources: Sequence[str],
    top: str,
    target: Target,
    *,
    wanted_mhz: float | None,
    place: bool,
    folder: Path,
    say: Callable[[str], None],
) -> VivadoRun:
    """Synthesize out of context and, with `place`, place and route.

    Args:
        sources: paths in `folder`, where memory files and reports lie too.

    Raises:
        ToolError: Vivado failed. Gan2HlsError: a report is not as expected.
    """
    goal = wanted_mhz if wanted_mhz is not None else GOAL_MHZ
    period_ns = f"{1000 / goal:.3f}"
    script = render("synth/vivado.tcl.j2", sources=sources, top=top, part=vivado_part(target), place=place)
    write_text(folder / "vivado.tcl", script)
    write_text(folder / "vivado.xdc", render("synth/vivado.xdc.j2", period_ns=period_ns))
    say(f"Vivado for {target.name}")
    command: list[str | Path] = [tool.path, "-mode", "batch", "-nojournal", "-nolog", "-source", "vivado.tcl"]
    run_tool(command, what="Vivado", log=folder / "vivado.log", cwd=folder)
    usage = read_utilization(_report(folder / "utilization.rpt"))
    stages = read_hierarchy(_report(folder / "hierarchy.rpt"), top)
    clock = None
    if place:
        slack = read_slack(_report(folder / "timing.rpt"))
        mhz = round(1000 / (float(period_ns) - slack), 2)
        clock = Clock(wanted_mhz, goal, (0,), (mhz,), PLACED)
    return VivadoRun(usage, stages, clock)


def _report(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        raise Gan2HlsError(f"Vivado ended without its report {path.name}") from None


def _rows(text: str) -> list[list[str]]:
    """Cells of a report's tables; the indent of the first one stays."""
    lines = [line.rstrip() for line in text.splitlines() if line.startswith("|")]
    return [[cell.rstrip() for cell in line.strip("|").split("|")] for line in lines]


def read_utilization(text: str) -> Usage:
    """The usage in a report of `report_utilization`.

    Raises:
        Gan2HlsError: a row is missing.
    """
    used: dict[str, str] = {}
    for row in _rows(text):
        if len(row) > 1:
            used.setdefault(row[0].strip().rstrip("*"), row[1].strip())
    found = {}
    for name, titles in _USED.items():
        value = next((used[title] for title in titles if title in used), None)
        if value is None:
            raise Gan2HlsError(f"Vivado's utilization report has no row {' or '.join(titles)}")
        found[name] = float(value)
    luts, memory_luts, flip_flops = (int(found[name]) for name in ("luts", "memory_luts", "flip_flops"))
    return Usage(luts, memory_luts, flip_flops, found["dsps"], found["block_rams"])


def read_hierarchy(text: str, top: str) -> tuple[StageUsage, ...]:
    """What each instance in the top module takes, from a report of `report_utilization -hierarchical`.

    Raises:
        Gan2HlsError: it has no table of instances.
    """
    rows = _rows(text)
    header = next((index for index, row in enumerate(rows) if row[0].strip() == "Instance"), None)
    if header is None:
        raise Gan2HlsError("Vivado's hierarchical report has no table of instances")
    column = {name.strip(): index for index, name in enumerate(rows[header])}
    depths = [(len(row[0]) - len(row[0].lstrip()), row) for row in rows[header + 1 :] if len(row) == len(column)]
    root = next((depth for depth, row in depths if row[0].strip() == top), None)
    if root is None:
        raise Gan2HlsError(f"Vivado's hierarchical report has no instance {top}")
    found = []
    try:
        for depth, row in depths:
            name = row[0].strip()
            if depth != root + 2:
                continue
            number = {title: row[index].strip() for title, index in column.items()}
            memory = int(number["LUTRAMs"]) + int(number["SRLs"])
            rams = int(number["RAMB36"]) + int(number["RAMB18"]) / 2
            dsps = float(number.get("DSP Blocks") or number["DSP48 Blocks"])
            usage = Usage(int(number["Total LUTs"]), memory, int(number["FFs"]), dsps, rams)
            own = name == f"({top})"
            found.append(StageUsage("" if own else name, "" if own else number["Module"], usage))
    except (KeyError, ValueError) as error:
        raise Gan2HlsError(f"Vivado's hierarchical report is not as expected: {error!r}") from None
    return tuple(found)


def read_slack(text: str) -> float:
    """Worst negative slack in ns, from a report of `report_timing_summary`; positive where the clock is reached.

    Raises:
        Gan2HlsError: it has none.
    """
    match = re.search(r"WNS\(ns\)[^\n]*\n[\s-]*\n\s*(-?\d+\.\d+)", text)
    if match is None:
        raise Gan2HlsError("Vivado's timing report has no worst slack: nothing in it is clocked")
    return float(match.group(1))
