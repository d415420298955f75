"""Vitis HLS: the estimates in its report of C synthesis."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from gan2hls.errors import UserError
from gan2hls.synth.result import ESTIMATE, Clock, StageUsage, SynthResult, Usage
from gan2hls.targets import TARGETS


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
    """The estimates of `csynth.xml`, which Vitis HLS writes under `solution/syn/report`.

    Resources and clock are what Vitis HLS expects before any synthesis of the RTL that it wrote.

    Raises:
        UserError: the file is missing or no such report.
    """
    path = Path(report)
    try:
        root = ElementTree.fromstring(path.read_text())
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except ElementTree.ParseError as error:
        raise UserError(f"{path}: no report of Vitis HLS: {error}") from None
    try:
        part, top = _text(root, "UserAssignments/Part"), _text(root, "UserAssignments/TopModelName")
        wanted_ns = float(_text(root, "UserAssignments/TargetClockPeriod"))
        reached_ns = float(_text(root, "PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"))
        usage = _usage(root)
        version = root.findtext("ReportVersion/Version", "")
        modules = root.findall("ModuleInformation/Module")
        stages = tuple(StageUsage(_text(m, "Name"), _text(m, "Name"), _usage(m)) for m in modules)
        stages = tuple(stage for stage in stages if stage.name != top)
        wanted, reached = round(1000 / wanted_ns, 2), round(1000 / reached_ns, 2)
    except (ValueError, ZeroDivisionError) as error:
        raise UserError(f"{path}: no report of Vitis HLS as expected: {error}") from None
    return SynthResult(
        top=top,
        target=target_of_part(part),
        figures=ESTIMATE,
        usage=usage,
        stages=stages,
        clock=Clock(wanted, wanted, (0,), (reached,), ESTIMATE),
        tools={"Vitis HLS": version},
        options={"part": part},
        notes=("stages are modules of the report: what lies between them is in the total only",),
    )


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
