"""The report of a sweep: one page to decide from, its numbers as JSON, CSV and Markdown, and its plots as files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan2hls import files
from gan2hls.backends.render import render
from gan2hls.errors import UserError
from gan2hls.report import choice, summary
from gan2hls.report.curves import QUALITIES, sweep_plots
from gan2hls.report.curves import RESOURCE_TITLES as SHOWN
from gan2hls.report.drawing import Drawing, draw_point
from gan2hls.report.looks import CYCLES, MEASURED, MODEL, REACHED
from gan2hls.report.pictures import Gallery, make_grid
from gan2hls.report.plotting import Plot
from gan2hls.report.points import ASSUMED, CYCLE_MODEL, SIMULATED, PointReport, SweepReport
from gan2hls.report.tables import (
    HEADINGS,
    LAYER_HEADINGS,
    Cell,
    LayerLine,
    comparisons,
    fronts_of,
    layer_lines,
    point_rows,
    point_values,
    psnr_of,
)
from gan2hls.report.text import csv_text, markdown, markdown_line, markdown_table
from gan2hls.synth.result import ESTIMATE, PLACED, SYNTHESIZED

Tools = Sequence[tuple[str, str]]

MAX_ROWS = 16
"""Bit widths of which pictures are shown, if there are mixed ones among them that can be left out."""

BADGES = {
    ESTIMATE: ("est.", "soft", "estimated by rule and by a model fitted to syntheses; no tool has run"),
    SYNTHESIZED: ("synth.", "middle", "counted by a synthesis tool, before placement"),
    PLACED: ("P&R", "firm", "from place and route"),
    CYCLE_MODEL: ("model", "soft", "computed by the cycle model"),
    SIMULATED: ("sim.", "firm", "measured in a simulation of the SystemVerilog with Verilator"),
    ASSUMED: ("assumed", "soft", "an assumption; no timing analysis stands behind it"),
    MODEL: ("model, assumed", "soft", "cycles computed by the cycle model, at an assumed clock"),
    CYCLES: ("sim., assumed", "middle", "cycles measured in RTL simulation, at an assumed clock"),
    REACHED: ("model, P&R", "middle", "cycles computed by the cycle model, at the clock of place and route"),
    MEASURED: ("sim., P&R", "firm", "cycles measured in RTL simulation, at the clock of place and route"),
}
"""Where a figure comes from → its badge: short text, how firm it is, and what that means."""

_GROUPS = {
    "quality": tuple(QUALITIES),
    "resources": tuple(SHOWN),
    "pareto": ("pareto-multipliers", "pareto-frames"),
    "latency": ("latency",),
}
_PLOTS = [name for group in _GROUPS.values() for name in group]


@dataclass(frozen=True)
class _Layers:
    """The layers of a point for the page."""

    point: PointReport
    is_shown: bool
    lines: list[LayerLine]


@dataclass(frozen=True)
class _Network:
    """The network as a picture, of one point."""

    label: str
    drawing: Drawing
    interval: int


def write_sweep_report(directory: Path, report: SweepReport, *, tools: Tools) -> None:
    """Write report.html, report.json, report.csv, report.md, and plots/<name>.png and .svg; each file atomically.

    The same input gives the same bytes. Plots of an earlier report that this one has no figures for are removed.

    Args:
        directory: where to; made if need be.
        report: the points, at least one.
        tools: (name, version) of what was used.

    Raises:
        UserError: no points, two of one label, or images that do not go together.
        Gan2HlsError: a file can not be written.
    """
    _check(report)
    plots = {plot.name: plot for plot in sweep_plots(report)}
    for name in _PLOTS:
        _write_plot(Path(directory) / "plots", name, plots.get(name))
    files.write_text(Path(directory) / "report.csv", csv_text(point_values(report)))
    files.write_json(Path(directory) / "report.json", _json(report, tools))
    files.write_text(Path(directory) / "report.md", _markdown(report, list(plots.values()), tools))
    files.write_text(Path(directory) / "report.html", _html(report, plots, tools))


def _check(report: SweepReport) -> None:
    if not report.points:
        raise UserError("a report of a sweep needs at least one point")
    labels = [point.label for point in report.points]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise UserError(f"points of a sweep have the same label: {', '.join(twice)}")
    shape = report.real_images.shape
    if any(point.error is None for point in report.points) and (len(shape) < 2 or 0 in shape):
        raise UserError(
            f"report of {report.title}: the float images have shape {shape}; expected (n, …), none of them 0"
        )
    for bits, images in report.images.items():
        if images.shape[1:] != shape[1:] or len(images) > len(report.real_images):
            raise UserError(f"report of {report.title}: {bits} has images {images.shape}; expected at most {shape}")


def _write_plot(folder: Path, name: str, plot: Plot | None) -> None:
    for ending in ("svg", "png"):
        path = folder / f"{name}.{ending}"
        if plot is None:
            path.unlink(missing_ok=True)
        else:
            files.write_bytes(path, plot.svg if ending == "svg" else plot.png)


# -- the page ---------------------------------------------------------------------------------------------------------


def _html(report: SweepReport, plots: dict[str, Plot], tools: Tools) -> str:
    points = report.points
    shown = choice.representative(points)
    return render(
        "report/sweep.html.j2",
        title=report.title,
        findings=[*summary.overall(points), *summary.state(points)],
        targets=summary.by_target(points),
        rows=point_rows(points),
        headings=HEADINGS,
        badges=BADGES,
        used_badges=_used_badges(points),
        network=_network(shown),
        gallery=_gallery(report),
        groups={group: [plots[name] for name in names if name in plots] for group, names in _GROUPS.items()},
        layers=[_Layers(point, point is shown, layer_lines(point)) for point in points if point.layers],
        layer_headings=LAYER_HEADINGS,
        resources=list(SHOWN.values()),
        comparisons=comparisons(points),
        features=sorted({p.quality.features for p in points if p.quality and p.quality.fid is not None}),
        simulated=sum(point.cycles_are == SIMULATED and point.error is None for point in points),
        no_fid=sorted({p.quality.no_fid for p in points if p.quality and p.quality.no_fid}),
        samples=sorted({p.quality.samples for p in points if p.quality}),
        latents=sorted({p.quality.latents for p in points if p.quality and p.quality.latents}),
        mixed=any(choice.is_mixed(point) for point in points),
        near_db=choice.NEAR_DB,
        good_db=choice.GOOD_DB,
        tools=tools,
    )


def _used_badges(points: Sequence[PointReport]) -> list[str]:
    sources = {cell.source for row in point_rows(points) for cell in row.cells}
    return [name for name in BADGES if name in sources]


def _network(point: PointReport | None) -> _Network | None:
    if point is None or not point.layers:
        return None
    return _Network(point.label, draw_point(point.layers), max(layer.cycles for layer in point.layers))


def _gallery(report: SweepReport) -> Gallery:
    """Most bits first, below the float model, so that eyes follow the loss downwards; of very many the best."""
    if not report.images:
        return Gallery([], 0, [])
    about = {point.bits: psnr_of(point) for point in reversed(report.points) if point.quality is not None}
    bits = {point.bits: (-point.activation_bits, -choice.mean_bits(point)) for point in report.points}
    order = sorted(report.images, key=lambda name: bits.get(name, (0, 0)))
    fronts = fronts_of(report.points)
    best = {point.bits for point in report.points if point.label in fronts or not choice.is_mixed(point)}
    shown = order if len(order) <= MAX_ROWS else [name for name in order if name in best]
    gallery = make_grid(report.real_images, {name: report.images[name] for name in shown}, about)
    if len(shown) < len(order):
        gallery.notes.append(f"{len(order) - len(shown)} choices of bits that are on no front are not shown.")
    return gallery


# -- JSON and Markdown ------------------------------------------------------------------------------------------------


def _json(report: SweepReport, tools: Tools) -> dict[str, object]:
    return {
        "kind": "sweep",
        "title": report.title,
        "summary": summary.values(report.points),
        "fronts": fronts_of(report.points),
        "points": [point.values() for point in report.points],
        "tools": [{"name": name, "version": version} for name, version in tools],
    }


def _markdown(report: SweepReport, plots: Sequence[Plot], tools: Tools) -> str:
    findings = [*summary.overall(report.points), *summary.state(report.points)]
    rows = point_rows(report.points)
    parts = [f"# {markdown(report.title)}\n", "".join(map(_finding, findings))]
    for target in summary.by_target(report.points):
        lines = "".join(map(_finding, target.findings))
        parts.append(f"## {markdown(target.target)}\n\n{markdown(target.units)}\n\n{lines}")
    cells = [[markdown(row.label), *(_cell(cell) for cell in row.cells)] for row in rows]
    parts.append("## Points\n\n" + markdown_table(["Point", *HEADINGS], cells))
    parts.append("".join(f"- {BADGES[name][0]}: {BADGES[name][2]}\n" for name in _used_badges(report.points)))
    compared = [[markdown(c.label), *(f"{s} → {n} ({e})" for s, n, e in c.cells)] for c in comparisons(report.points)]
    if compared:
        parts.append("## Estimate → counted\n\n" + markdown_table(["Point", *SHOWN.values()], compared))
    wrong = "".join(markdown_line(row.label, row.message) for row in rows if row.message)
    if wrong:
        parts.append(f"## What went wrong\n\n{wrong}")
    if plots:
        parts.append("## Plots\n\n" + "\n".join(f"![{markdown(p.alt)}](plots/{p.name}.png)\n" for p in plots))
    if tools:
        listed = [[markdown(name), markdown(version) or "unknown"] for name, version in tools]
        parts.append("## Tools\n\n" + markdown_table(["Tool", "Version"], listed))
    return "\n".join(parts)


def _finding(finding: summary.Finding) -> str:
    cells = [_cell(cell) for cell in finding.cells]
    return markdown_line(finding.question, finding.answer, " · ".join(filter(None, [finding.note, *cells])))


def _cell(cell: Cell) -> str:
    return f"{cell.text} ({BADGES[cell.source][0]})" if cell.source in BADGES else cell.text
