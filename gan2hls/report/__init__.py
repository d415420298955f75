"""Reports: the layers of a pipeline for the terminal, and one self-contained HTML page with its numbers as JSON.

A report says what was compared with what, what was measured in simulation and what a model computed. The same input
gives the same bytes: no times, no machine, no order that depends on a hash.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from gan2hls.report.layers import LayerRow, layer_rows, layer_table, row_values, times
from gan2hls.report.pictures import Gallery, make_gallery
from gan2hls.report.run import RunReport, psnr_source, psnr_text, verdict
from gan2hls.report.text import csv_text, markdown, markdown_line, markdown_table

if TYPE_CHECKING:
    from gan2hls.report.plotting import Plot

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
    "write_csv",
    "write_markdown",
]


@dataclass(frozen=True)
class _Panel:
    """All that the template shows of one run."""

    run: RunReport
    verdict: str
    psnr: str
    psnr_source: str
    figures: list[Figure]
    rows: list[LayerRow]
    gallery: Gallery
    drawing: Drawing
    converters: int
    frames_per_second: str
    weight_bits: int
    latency: "Plot"


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
    panels = [_panel(run, index) for index, run in enumerate(runs)]
    files.write_text(path, render("report/report.html.j2", title=title, panels=panels, tools=tools))


def write_json(path: Path, title: str, runs: Sequence[RunReport], *, tools: Sequence[tuple[str, str]]) -> None:
    """Write the report's numbers as JSON, atomically; arguments and errors as for `write_report`."""
    _check(runs)
    listed = [{"name": name, "version": version} for name, version in tools]
    files.write_json(path, {"title": title, "runs": [_run_json(run) for run in runs], "tools": listed})


def _check(runs: Sequence[RunReport]) -> None:
    if not runs:
        raise UserError("a report needs at least one run")


def write_csv(path: Path, runs: Sequence[RunReport]) -> None:
    """Write the layers of all runs as CSV, atomically, a row each; arguments and errors as for `write_report`."""
    _check(runs)
    rows = [{"run": run.label, **row_values(row)} for run in runs for row in layer_rows(run.pipeline)]
    plain = [{name: times(value) if isinstance(value, list) else value for name, value in row.items()} for row in rows]
    files.write_text(path, csv_text(plain))


def write_markdown(path: Path, title: str, runs: Sequence[RunReport], *, tools: Sequence[tuple[str, str]]) -> None:
    """Write verdicts, figures and layers as Markdown, atomically; arguments and errors as for `write_report`."""
    _check(runs)
    parts = [f"# {markdown(title)}\n", *(_run_markdown(run) for run in runs)]
    if tools:
        listed = [[markdown(name), markdown(version) or "unknown"] for name, version in tools]
        parts.append("## Tools\n\n" + markdown_table(["Tool", "Version"], listed))
    files.write_text(path, "\n".join(parts))


def _run_markdown(run: RunReport) -> str:
    figures = summary_figures(run.pipeline, run.clock_mhz, run)
    lines = [markdown_line(figure.name, figure.text, figure.source) for figure in figures]
    lines.append(markdown_line("PSNR", psnr_text(run.psnr), psnr_source(run)))
    headings = ["Layer", "Op", "Output", "Weights", "MACs", "PE × SIMD", "Multipliers", "Cycles", "Of interval"]
    rows = [
        [
            markdown(row.name),
            row.type,
            f"{times(row.output_shape)} {row.output_type}",
            row.weight_type or "–",
            f"{row.macs:,}",
            row.fold,
            f"{row.multipliers:,}",
            f"{row.cycles:,}",
            f"{row.share:.0%}",
        ]
        for row in layer_rows(run.pipeline)
    ]
    table = markdown_table(headings, rows)
    return f"## {markdown(run.label)}\n\n{markdown(verdict(run))}\n\n{''.join(lines)}\n{table}"


def _panel(run: RunReport, index: int) -> _Panel:
    from gan2hls.report.curves import latency_plot  # late: matplotlib is not loaded by who wants the numbers only
    from gan2hls.report.plotting import settings

    pipeline = run.pipeline
    rows = layer_rows(pipeline)
    with settings():
        latency = latency_plot(run.label, rows, f"latency-{index}")
    return _Panel(
        run=run,
        verdict=verdict(run),
        psnr=psnr_text(run.psnr),
        psnr_source=psnr_source(run),
        figures=summary_figures(pipeline, run.clock_mhz, run),
        rows=rows,
        gallery=make_gallery(run),
        drawing=draw(pipeline),
        converters=sum(not stage.node for stage in pipeline.kernels),
        frames_per_second=format_number(frames_per_second(pipeline, run.clock_mhz, run)),
        weight_bits=weight_bits(pipeline),
        latency=latency,
    )


def _run_json(run: RunReport) -> dict[str, Any]:
    return {
        "label": run.label,
        "verdict": verdict(run),
        "state": run.state,
        "compared_values": dict(run.compared_values),
        "differing_values": run.total_differing,
        "psnr_db": run.psnr if math.isfinite(run.psnr) else None,  # JSON has no infinity: golden equals float then
        "latents": run.latents,
        "measured": {"latency_cycles": run.latency_cycles, "interval_cycles": run.interval_cycles},
        "computed": report_values(run.pipeline, run.clock_mhz, run),
    }
