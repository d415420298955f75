"""Vitis HLS: what its report of C synthesis says of loops, resources and the clock."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from gan2hls.errors import UserError
from gan2hls.synth.result import ESTIMATE, Clock, LoopTiming, StageUsage, SynthResult, Usage
from gan2hls.targets import TARGETS

_UNKNOWN = {"", "-", "?", "undef", "inf", "N/A"}
"""What stands for a number that depends on data, or that there is none of."""

_RANGE = re.compile(r"(\d+)(?:\s*~\s*(\d+))?")


def target_of_part(part: str) -> str:
    """The target of a part's name as AMD writes it, e.g. "xczu7ev-ffvc1156-2-e"; of other parts the family.

    Raises:
        UserError: neither is known.
    """
    known = (name for name in TARGETS if part.startswith((name, f"xc{name}")) and TARGETS[name].luts is not None)
    found = max(known, key=len, default=None)
    if found is not None:
        return found
    for prefix, family in (("xc7", "xc7"), ("xczu", "xcup"), ("xck", "xcup"), ("xcku", "xcup"), ("xcvu", "xcup")):
        if part.startswith(prefix):
            return family
    raise UserError(f"{part}: neither a 7 series nor an UltraScale+ part")


def read_csynth(report: Path | str) -> SynthResult:
    """What `csynth.xml` says, which Vitis HLS writes under `syn/report` of a solution or a component.

    Resources and clock are what Vitis HLS expects before any synthesis of the RTL that it wrote.

    Raises:
        UserError: the file is missing or no such report.
    """
    path = Path(report)
    root = _parsed(path)
    try:
        part, top = _text(root, "UserAssignments/Part"), _text(root, "UserAssignments/TopModelName")
        wanted_ns = float(_text(root, "UserAssignments/TargetClockPeriod"))
        reached_ns = float(_text(root, "PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"))
        usage = _usage(root)
        version = root.findtext("ReportVersion/Version", "")
        modules = root.findall("ModuleInformation/Module")
        stages = tuple(StageUsage(_text(m, "Name"), _text(m, "Name"), _usage(m)) for m in modules)
        stages = tuple(stage for stage in stages if stage.name != top)
        loops = _all_loops(root)
        wanted, reached = round(1000 / wanted_ns, 2), round(1000 / reached_ns, 2)
    except (ValueError, ZeroDivisionError) as error:
        raise UserError(f"{path}: no report of Vitis HLS as expected: {error}") from None
    return SynthResult(
        top=top,
        target=target_of_part(part),
        figures=ESTIMATE,
        usage=usage,
        stages=stages,
        loops=loops,
        clock=Clock(wanted, wanted, (0,), (reached,), ESTIMATE),
        tools={"Vitis HLS": version},
        options={"part": part},
        notes=("stages are modules of the report: what lies between them is in the total only",),
    )


def read_loops(report: Path | str) -> tuple[LoopTiming, ...]:
    """The loops in a `csynth.xml`, for whatever part it is: those within others after these.

    Raises:
        UserError: the file is missing or no such report.
    """
    try:
        return _all_loops(_parsed(Path(report)))
    except ValueError as error:
        raise UserError(f"{report}: no report of Vitis HLS as expected: {error}") from None


def _parsed(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(path.read_text())
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except ElementTree.ParseError as error:
        raise UserError(f"{path}: no report of Vitis HLS: {error}") from None


def _all_loops(root: ElementTree.Element) -> tuple[LoopTiming, ...]:
    """The loops of all modules, each once.

    Module by module they stand under ModuleInformation. Those of the top function also stand at the top, and only
    there in a module's own report.

    Raises:
        ValueError: a number is none.
    """
    found: dict[tuple[str, str], LoopTiming] = {}
    top = root.findtext("UserAssignments/TopModelName", "")
    modules = [(module.findtext("Name", ""), module) for module in root.findall("ModuleInformation/Module")]
    for name, module in [*modules, (top, root)]:
        for loop in _loops(name, "", module.find("PerformanceEstimates/SummaryOfLoopLatency")):
            found.setdefault((loop.module, loop.name), loop)
    return tuple(found.values())


def _loops(module: str, around: str, summary: ElementTree.Element | None) -> Iterator[LoopTiming]:
    for element in [] if summary is None else summary:
        if element.find("TripCount") is None and element.find("Latency") is None:
            continue  # a figure of the loop around, no loop
        label = element.findtext("Name", "").strip() or element.tag
        name = f"{around}/{label}" if around else label
        interval = _numbers(element, "PipelineII")
        if interval is not None and interval[0] != interval[1]:
            raise ValueError(f"loop {name} of {module}: PipelineII is a range")
        trips, latency = _numbers(element, "TripCount"), _numbers(element, "Latency")
        yield LoopTiming(module, name, None if interval is None else interval[0], trips, latency)
        yield from _loops(module, name, element)


def _numbers(element: ElementTree.Element, name: str) -> tuple[int, int] | None:
    """Least and most of a figure of a loop: a number, "2 ~ 5", or a range of two; None where it is not known."""
    found = element.find(name)
    if found is None:
        return None
    ends = [found.findtext(f"range/{end}") for end in ("min", "max")]
    text = " ~ ".join(end.strip() for end in ends if end is not None) or (found.text or "").strip()
    if all(part.strip() in _UNKNOWN for part in text.split("~")):
        return None
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{name} is {text!r}")
    low = int(match[1])
    return low, low if match[2] is None else int(match[2])


def _text(element: ElementTree.Element, path: str) -> str:
    found = element.findtext(path)
    if found is None:
        raise ValueError(f"{path} is missing")
    return found


def _usage(element: ElementTree.Element) -> Usage:
    resources = element.find("AreaEstimates/Resources")
    if resources is None:
        raise ValueError("AreaEstimates/Resources is missing")
    dsp = resources.findtext("DSP") or _text(resources, "DSP48E")
    rams = float(_text(resources, "BRAM_18K")) / 2
    return Usage(int(_text(resources, "LUT")), 0, int(_text(resources, "FF")), float(dsp), rams)
