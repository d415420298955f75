"""The plots of a sweep: quality and resources against bits, Pareto fronts, busy cycles of layers."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol

from matplotlib.lines import Line2D

from gan2hls.report import choice
from gan2hls.report.looks import (
    Look,
    bits_axis,
    columns,
    cross,
    infinite_tick,
    legend,
    mark,
    mark_handles,
    series_of,
    time_kind,
    top_of,
    unit,
    value_axis,
    variants,
)
from gan2hls.report.plotting import (
    ACCENT,
    DASHES,
    INK,
    LIMIT,
    PAPER,
    SERIES,
    SOFT,
    Plot,
    axes,
    finish,
    place_labels,
    settings,
    shorten,
)
from gan2hls.report.points import HELPERS, PointReport, Quality, SweepReport

QUALITIES = {"psnr": ("PSNR", "dB"), "ssim": ("SSIM", ""), "fid": ("FID", "")}
RESOURCE_TITLES = {"dsps": "Multipliers", "luts": "LUTs", "block_rams": "Block RAMs", "flip_flops": "Flip-flops"}
"""Resources in the order of their weight in a decision."""

Corners = list[tuple[float, float]]


def sweep_plots(report: SweepReport) -> list[Plot]:
    """All plots that the points have figures for."""
    with settings():
        return [*_quality_plots(report), *_resource_plots(report), *_pareto_plots(report), *_latency_plots(report)]


# -- quality against bits ---------------------------------------------------------------------------------------------


def _quality_plots(report: SweepReport) -> Iterator[Plot]:
    """Points of one name of bit widths share their quality and are one mark."""
    known: dict[str, PointReport] = {}
    for point in report.points:
        if point.quality is not None:
            known.setdefault(point.bits, point)
    names = variants(known.values(), budgets=False)
    for name in QUALITIES:
        points = [point for point in known.values() if _value(name, point.quality) is not None]
        if points:
            yield _quality_plot(name, points, names)


def _value(name: str, quality: Quality | None) -> float | None:
    if quality is None:
        return None
    value: float | None = getattr(quality, name)
    return math.inf if name == "psnr" and value is None else value


def _quality_plot(name: str, points: list[PointReport], names: dict[str, str]) -> Plot:
    title, measure = QUALITIES[name]
    value = {point.bits: _value(name, point.quality) or 0.0 for point in points}
    top = top_of(value.values())
    lines: dict[str, list[PointReport]] = {}
    for point in sorted(points, key=choice.mean_bits):
        lines.setdefault(names[point.label], []).append(point)
    figure, panel = axes(f"{title}, {'lower' if name == 'fid' else 'higher'} is better", entries=_several(lines))
    place = {point.bits: (choice.mean_bits(point), min(value[point.bits], top)) for point in points}
    handles, paths = [], []
    for index, (label, line) in enumerate(lines.items()):
        style: dict[str, Any] = {
            "color": SERIES[index % len(SERIES)],
            "linestyle": DASHES[index // len(SERIES) % len(DASHES)],
        }
        paths.append([place[point.bits] for point in line if not choice.is_mixed(point)])
        panel.plot(*columns(paths[-1]), gid=f"line-{index}", **style)
        style_of_marks = {**style, "linestyle": "", "marker": "o", "ms": 6}
        panel.plot(*columns([place[point.bits] for point in line]), gid=f"marks-{index}", **style_of_marks)
        handles.append(Line2D([], [], marker="o", ms=6, label=shorten(label or "–", 32), **style))
    bits_axis(panel, [x for x, _ in place.values()])
    panel.set_ylabel(f"{title} in {measure}" if measure else title)
    finite = [found for found in value.values() if math.isfinite(found)]
    if name == "fid":
        value_axis(panel, finite)
    else:
        panel.margins(y=0.12)
    infinite_tick(panel, top)
    legend(figure, handles[: _several(lines)])
    mixed = [(*place[point.bits], shorten(point.bits, 18), INK) for point in points if choice.is_mixed(point)]
    place_labels(figure, panel, mixed, list(place.values()), paths)
    alt = f"{title} against weight bits: {_count(points, 'bit width')} in {_count(lines, 'line')}"
    return finish(figure, name, title, f"{alt}, from {min(value.values()):.4g} to {max(value.values()):.4g}")


def _several(lines: dict[str, list[PointReport]]) -> int:
    """Entries of a legend: a single line needs none."""
    return len(lines) if len(lines) > 1 else 0


def _count(listed: Any, what: str) -> str:
    return f"{len(listed)} {what}{'s' * (len(listed) != 1)}"


# -- resources against bits -------------------------------------------------------------------------------------------


def _resource_plots(report: SweepReport) -> Iterator[Plot]:
    known = [point for point in report.points if point.usage is not None and point.error is None]
    if known:
        look = Look(report.points, names := variants(known))
        failed = [point for point in report.points if point.error is not None]
        for resource in RESOURCE_TITLES:
            yield _resource_plot(resource, look, known, names, failed)


def _resource_plot(
    resource: str, look: Look, known: list[PointReport], names: dict[str, str], failed: list[PointReport]
) -> Plot:
    def too_much(point: PointReport) -> bool:
        return (choice.shares(point)[resource] or 0) > 1

    title = RESOURCE_TITLES[resource]
    units = {unit(point.target, resource) for point in known}
    value = {point.label: float(getattr(point.usage, resource)) for point in known}
    ring = "more than the part has" if any(map(too_much, known)) else ""
    kinds = mark_handles((point.figures for point in known), ring=ring, failed=bool(failed))
    handles = [*look.handles(resource), *kinds]
    same = f" ({units.pop()})" if len(units) == 1 and "" not in units else ""
    figure, panel = axes(title + same, entries=len(handles))
    place = {point.label: choice.mean_bits(point) + look.spread(point.target) for point in [*known, *failed]}
    for index, series in enumerate(series_of(known, names)):
        colour = look.colour(series.target)
        line = columns([(place[point.label], value[point.label]) for point in series.line])
        panel.plot(*line, color=colour, linestyle=look.dashes(series.variant), lw=1.4, gid=f"line-{index}")
        for point in series.points:
            mark(panel, place[point.label], value[point.label], point.figures, colour, ringed=too_much(point))
    for point in failed:
        cross(panel, place[point.label])
    bits_axis(panel, list(place.values()))
    value_axis(panel, list(value.values()))
    panel.set_ylabel(title)
    legend(figure, handles)
    low, high = min(value.values()), max(value.values())
    alt = f"{title} against weight bits on {', '.join(look.targets)}: {_count(known, 'point')}"
    return finish(figure, resource, title, f"{alt}, from {low:,g} to {high:,g}; {len(failed)} failed")


# -- Pareto fronts ----------------------------------------------------------------------------------------------------


def _pareto_plots(report: SweepReport) -> Iterator[Plot]:
    known = [p for p in report.points if choice.psnr(p) is not None and p.usage is not None and p.error is None]
    look = Look(report.points, {})
    if known:
        yield _pareto_plot("multipliers", look, known, choice.dsps, lambda point: point.figures, more=False)
    timed = [point for point in known if point.frames_per_second is not None]
    if timed:
        yield _pareto_plot("frames/s", look, timed, choice.frames, time_kind, more=True)


def _pareto_plot(
    what: str,
    look: Look,
    points: list[PointReport],
    figure_of: choice.Figure,
    kind: Callable[[PointReport], str],
    *,
    more: bool,
) -> Plot:
    """PSNR against a figure of which `more` is better, or less."""
    title = f"PSNR against {what}"
    top = top_of(choice.psnr(point) or 0.0 for point in points)
    place = {p.label: (figure_of(p) or 0.0, min(choice.psnr(p) or 0.0, top)) for p in points}
    ring = "" if all(map(choice.fits, points)) else "does not fit the part"
    handles = [*look.handles(), *mark_handles(map(kind, points), ring=ring)]
    figure, panel = axes(title, height=3.6, entries=len(handles))
    labels, paths, best = [], [], 0
    for index, target in enumerate(look.targets):
        mine = [point for point in points if point.target == target]
        front = choice.front(mine, lambda p: (-1 if more else 1) * (figure_of(p) or 0.0), choice.psnr)
        colour, kept = look.colour(target), {point.label for point in front}
        paths.append(_stairs(sorted(place[label] for label in kept), falling=more))
        panel.plot(*columns(paths[-1]), color=colour, lw=1.3, gid=f"front-{index}")
        for point in mine:
            dim, ringed = point.label not in kept, not choice.fits(point)
            mark(panel, *place[point.label], kind(point), colour, ringed=ringed, dim=dim)
        labels += [(*place[point.label], shorten(point.bits, 16), colour) for point in front]
        best += len(front)
    value_axis(panel, [x for x, _ in place.values()], axis="x")
    panel.margins(y=0.14)
    infinite_tick(panel, top)
    panel.set_xlabel(f"{what}, {'more' if more else 'fewer'} is better")
    panel.set_ylabel("PSNR in dB")
    legend(figure, handles)
    place_labels(figure, panel, labels, list(place.values()), paths)
    alt = f"{title}: {_count(points, 'point')}, {best} of them on the Pareto fronts of {', '.join(look.targets)}"
    return finish(figure, f"pareto-{what.split('/')[0]}", title, alt)


def _stairs(steps: Sequence[tuple[float, float]], *, falling: bool) -> Corners:
    """Through the steps from left to right: right and then up, or down and then right."""
    path = list(steps[:1])
    for (x0, y0), (x1, y1) in pairwise(steps):
        path += [(x0, y1) if falling else (x1, y0), (x1, y1)]
    return path


# -- busy cycles of layers --------------------------------------------------------------------------------------------


def _latency_plots(report: SweepReport) -> Iterator[Plot]:
    shown = choice.representative(report.points)
    if shown is not None and shown.layers:
        yield latency_plot(shown.label, shown.layers)


class Busy(Protocol):
    """What a bar is drawn of: a layer of a point, or of a run."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def macs(self) -> int: ...
    @property
    def cycles(self) -> int: ...


def latency_plot(label: str, layers: Sequence[Busy], name: str = "latency") -> Plot:
    """Busy cycles a frame of each layer as bars, the slowest marked; to be called within `settings`."""
    slowest = max(layer.cycles for layer in layers)
    shown = [layer for layer in layers if layer.type not in HELPERS or layer.cycles == slowest]
    title = f"Busy cycles a frame, {label}"
    figure, panel = axes("", height=0.95 + 0.24 * len(shown))
    figure.suptitle(shorten(title, 50), x=0.01, ha="left", fontsize=10.5, weight="bold")
    colours = [LIMIT if layer.cycles == slowest else ACCENT if layer.macs else SOFT for layer in shown]
    panel.barh(range(len(shown)), [layer.cycles for layer in shown], color=colours, height=0.74, gid="bar")
    for row, layer in enumerate(shown):
        share = layer.cycles / slowest if slowest else 1.0
        text = f"{layer.cycles:,}" + (", the slowest" if layer.cycles == slowest else f" ({share:.1%})")
        inside = share > 0.6
        align = {"ha": "right" if inside else "left", "va": "center", "color": PAPER if inside else INK}
        offset = (-4 if inside else 4, 0)
        panel.annotate(text, (layer.cycles, row), offset, textcoords="offset points", fontsize=8.5, **align)
    panel.axvline(slowest, color=LIMIT, ls=(0, (4, 3)), lw=1.2)
    panel.set_yticks(range(len(shown)), [shorten(f"{layer.name} · {layer.type}", 28) for layer in shown], fontsize=8.5)
    panel.invert_yaxis()
    panel.grid(axis="y", visible=False)
    panel.tick_params(axis="y", length=0)
    value_axis(panel, [0, slowest], axis="x")
    panel.set_xlim(0, slowest * 1.04 or 1)
    panel.set_xlabel("cycles of the clock")
    limits = ", ".join(layer.name for layer in shown if layer.cycles == slowest)
    return finish(figure, name, title, f"{title}, of {_count(shown, 'layer')}; most, {slowest:,}: {limits}")
