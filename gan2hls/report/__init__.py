"""Reports: the layers of a pipeline for the terminal, and one self-contained HTML page with its numbers as JSON.

A report says what was compared with what, what was measured in simulation and what a model computed. The same input
gives the same bytes: no times, no machine, no order that depends on a hash.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan2hls import files
from gan2hls.backends.render import render
from gan2hls.errors import UserError
from gan2hls.report.drawing import Drawing, draw
from gan2hls.report.figures import (
    Figure,
    format_number,
    frames_per_second,
    report_values,
    summary_figures,
    summary_lines,
    weight_bits,
)
from gan2hls.report.layers import LayerRow, layer_rows, layer_table
from gan2hls.report.pictures import Gallery, make_gallery
from gan2hls.report.run import RunReport, psnr_text, verdict

__all__ = [
    "LayerRow",
    "layer_rows",
    "layer_table",
    "Figure",
    "summary_figures",
    "summary_lines",
    "report_values",
    "RunReport",
    "verdict",
    "write_report",
    "write_json",
]


@dataclass(frozen=True)
class _Panel:
    """All that the template shows of one run."""

    run: RunReport
    verdict: str
    psnr: str
    figures: list[Figure]
    rows: list[LayerRow]
    gallery: Gallery
    drawing: Drawing
    converters: int
    frames_per_second: str
    weight_bits: int


def write_report(path: Path, title: str, runs: Sequence[RunReport], *, tools: Sequence[tuple[str, str]]) -> None:
    """Write one self-contained HTML page, atomically.

    Args:
        path: the file, e.g. report.html.
        title: heading of the page.
        runs: one per bit width, at least one.
        tools: (name, version) of what was used.

    Raises:
        UserError: no runs.
        Gan2HlsError: the file can not be written.
    """
    _check(runs)
    panels = [_panel(run) for run in runs]
    files.write_text(path, render("report/report.html.j2", title=title, panels=panels, tools=tools))


def write_json(path: Path, title: str, runs: Sequence[RunReport], *, tools: Sequence[tuple[str, str]]) -> None:
    """Write the report's numbers as JSON, atomically; arguments and errors as for `write_report`."""
    _check(runs)
    listed = [{"name": name, "version": version} for name, version in tools]
    files.write_json(path, {"title": title, "runs": [_run_json(run) for run in runs], "tools": listed})


def _check(runs: Sequence[RunReport]) -> None:
    if not runs:
        raise UserError("a report needs at least one run")


def _panel(run: RunReport) -> _Panel:
    pipeline = run.pipeline
    return _Panel(
        run=run,
        verdict=verdict(run),
        psnr=psnr_text(run.psnr),
        figures=summary_figures(pipeline, run.clock_mhz, run),
        rows=layer_rows(pipeline),
        gallery=make_gallery(run),
        drawing=draw(pipeline),
        converters=sum(not stage.node for stage in pipeline.stages),
        frames_per_second=format_number(frames_per_second(pipeline, run.clock_mhz, run)),
        weight_bits=weight_bits(pipeline),
    )


def _run_json(run: RunReport) -> dict[str, Any]:
    return {
        "label": run.label,
        "verdict": verdict(run),
        "state": run.state,
        "compared_values": dict(run.compared_values),
        "differing_values": run.total_differing,
        "psnr_db": run.psnr if math.isfinite(run.psnr) else None,  # JSON has no infinity: golden equals float then
        "measured": {"latency_cycles": run.latency_cycles, "interval_cycles": run.interval_cycles},
        "computed": report_values(run.pipeline, run.clock_mhz, run),
    }
