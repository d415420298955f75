"""The plots of a sweep: quality and resources against bits, Pareto fronts, busy cycles of layers."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from gan2hls.report import choice
from gan2hls.report.plotting import (
    ACCENT,
    BAD,
    DASHES,
    INK,
    LIMIT,
    PAPER,
    QUIET,
    SERIES,
    SOFT,
    Plot,
    axes,
    finish,
    place_labels,
    settings,
    shorten,
)
from gan2hls.report.points import HELPERS, SIMULATED, LayerPoint, PointReport, SweepReport
from gan2hls.synth.result import ESTIMATE, PLACED, SYNTHESIZED
from gan2hls.targets import TARGETS

QUALITIES = {"psnr": ("PSNR", "dB"), "ssim": ("SSIM", ""), "fid": ("FID", "")}
TITLES = {"dsps": "Multipliers", "luts": "LUTs", "block_rams": "Block RAMs", "flip_flops": "Flip-flops"}
MEASURED, CYCLES, REACHED = (
    "RTL simulation and reached clock",
    "RTL simulation, assumed clock",
    "cycle model, reached clock",
)
MODEL = "cycle model, assumed clock"

_MARKS = {ESTIMATE: "o", SYNTHESIZED: "s", PLACED: "D", MODEL: "o", CYCLES: "s", REACHED: "^", MEASURED: "D"}
_HOLLOW = (ESTIMATE, MODEL)
_WIDE = 20
"""Figures that range over more than this factor are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Series:
    """Points that differ in weight bits only, in rising order; `variant` says what tells them from others of a target."""

    target: str
    variant: str
    points: list[PointReport]

    @property
    def line(self) -> list[PointReport]:
        """Those that a line may join: of the same bits all over."""
        return [point for point in self.points if not choice.is_mixed(point)]


def sweep_plots(report: SweepReport) -> list[Plot]:
    """All plots that the points have figures for."""
    with settings():
        found = [*_quality_plots(report), *_resource_plots(report), *_pareto_plots(report)]
        shown = choice.representative(report.points)
        if shown and shown.layers:
            found.append(latency_plot(shown.label, shown.layers))
    return found


# -- series -----------------------------------------------------------------------------------------------------------


def variants(points: Sequence[PointReport]) -> dict[str, str]:
    """Label → what tells the point's curve from others of its target: budget, activation bits, quantizer, in words."""
    parts = {point.label: _parts(point) for point in points}
    keys = list(dict.fromkeys(key for found in parts.values() for key in found))
    differing = [key for key in keys if len({found.get(key) for found in parts.values()}) > 1]
    return {label: ", ".join(filter(None, (found.get(key, "") for key in differing))) for label, found in parts.items()}


def _parts(point: PointReport) -> dict[str, str]:
    suffix = "" if choice.is_mixed(point) else point.bits.removeprefix(f"W{point.weight_bits}A{point.activation_bits}")
    budget = {name: f"{value:,g} {name.replace('_', ' ')}" for name, value in point.budget.items()}
    bits = {"activations": f"{point.activation_bits}-bit activations", "quantizer": point.quantizer}
    return {**budget, **bits, "suffix": "" if suffix.strip() == point.quantizer else suffix.strip(" -_")}


def series_of(points: Sequence[PointReport], names: dict[str, str]) -> list[Series]:
    """Points by target and variant, in their own order."""
    found: dict[tuple[str, str], list[PointReport]] = {}
    for point in points:
        found.setdefault((point.target, names[point.label]), []).append(point)
    return [Series(*key, sorted(group, key=choice.mean_bits)) for key, group in found.items()]


def widths_of(points: Sequence[PointReport]) -> list[PointReport]:
    """One point for each name of bit widths that has a quality: points of one name share it."""
    found: dict[str, PointReport] = {}
    for point in points:
        if point.quality is not None:
            found.setdefault(point.bits, point)
    return list(found.values())


# -- quality ----------------------------------------------------------------------------------------------------------


def _quality_plots(report: SweepReport) -> Iterator[Plot]:
    points = widths_of(report.points)
    parts = {point.bits: {**_parts(point)} for point in points}
    for found in parts.values():
        for name in {name for point in report.points for name in point.budget}:
            found.pop(name, None)
    differing = [key for key in ("activations", "quantizer", "suffix") if len({p[key] for p in parts.values()}) > 1]
    names = {bits: ", ".join(filter(None, (found[key] for key in differing))) for bits, found in parts.items()}
    for name, (title, unit) in QUALITIES.items():
        known = [point for point in points if name == "psnr" or getattr(point.quality, name) is not None]
        if known:
            yield _quality_plot(name, title, unit, known, names)


def _quality_plot(name: str, title: str, unit: str, points: list[PointReport], names: dict[str, str]) -> Plot:
    value: dict[str, float] = {
        p.bits: _real(choice.psnr(p)) if name == "psnr" else float(getattr(p.quality, name)) for p in points
    }
    top = _top(list(value.values()))
    lines: dict[str, list[PointReport]] = {}
    for point in sorted(points, key=choice.mean_bits):
        lines.setdefault(names[point.bits], []).append(point)
    better = "lower is better" if name == "fid" else "higher is better"
    figure, panel = axes(f"{title}, {better}", legend_rows=_rows(lines) if len(lines) > 1 else 0)
    drawn, handles = [], []
    for index, (label, line) in enumerate(lines.items()):
        colour = SERIES[index % len(SERIES)]
        shown = [(choice.mean_bits(p), min(value[p.bits], top), p) for p in line]
        joined = [(x, y) for x, y, p in shown if not choice.is_mixed(p)]
        dashes = DASHES[index // len(SERIES) % len(DASHES)]
        panel.plot(*_columns(joined), color=colour, linestyle=dashes, gid=f"line-{index}")
        panel.plot(*_columns([s[:2] for s in shown]), color=colour, ls="", marker="o", ms=6, gid=f"marks-{index}")
        handles.append(Line2D([], [], color=colour, linestyle=dashes, marker="o", ms=6, label=shorten(label, 34)))
        drawn += [(x, y, p, colour) for x, y, p in shown]
    finite = [v for v in value.values() if math.isfinite(v)]
    _bits_axis(panel, [x for x, *_ in drawn])
    panel.set_ylabel(f"{title} in {unit}" if unit else title)
    if name == "fid":
        _value_axis(panel, finite)
    else:
        panel.margins(y=0.12)
    if name == "psnr" and math.inf in value.values():
        _infinite_tick(panel, top)
    if len(lines) > 1:
        _legend(figure, handles)
    mixed = [(x, y, shorten(p.bits, 18), INK) for x, y, p, _ in drawn if choice.is_mixed(p)]
    place_labels(figure, panel, mixed, [(x, y) for x, y, *_ in drawn])
    low, high = min(finite, default=math.inf), max(value.values())
    alt = f"{title} against weight bits, {len(points)} bit widths in {len(lines)} line{'s' * (len(lines) > 1)}: from {low:.4g} to {high:.4g} {unit}".rstrip()
    return finish(figure, name, title, alt)


def _real(value: float | None) -> float:
    return math.inf if value is None else value


def _top(values: list[float]) -> float:
    """Where an infinite value is drawn: above all others."""
    if math.inf not in values:
        return math.inf
    finite = [value for value in values if math.isfinite(value)]
    return max(finite) + max(3.0, 0.12 * (max(finite) - min(finite))) if finite else 60.0


def _infinite_tick(panel: Any, top: float) -> None:
    low, high = panel.get_ylim()
    ticks = [tick for tick in panel.get_yticks() if low <= tick < top - 0.04 * (high - low)]
    panel.set_yticks([*ticks, top], [*(f"{tick:g}" for tick in ticks), "∞"])
    panel.set_ylim(low, high)


# -- resources --------------------------------------------------------------------------------------------------------


def unit(target: str, resource: str) -> str:
    """What a resource of a target is counted in, e.g. "LUT4"; "" where it is the same everywhere."""
    part = TARGETS.get(target)
    if part is None or resource == "flip_flops":
        return ""
    family = part.family
    kilobits = f"{family.block_ram}, {family.block_ram_bits / 1024:g} Kbit"
    return {"luts": f"LUT{family.lut_inputs}", "dsps": family.multiplier, "block_rams": kilobits}[resource]


def _resource_plots(report: SweepReport) -> Iterator[Plot]:
    known = [point for point in report.points if point.usage is not None and point.error is None]
    if known:
        names = variants(known) | {point.label: "" for point in report.points if point not in known}
        for resource in TITLES:
            yield _resource_plot(resource, report, known, names)


def _resource_plot(resource: str, report: SweepReport, known: list[PointReport], names: dict[str, str]) -> Plot:
    look = _Look(report.points, names)
    marks = [mark for mark in (ESTIMATE, SYNTHESIZED, PLACED) if any(point.figures == mark for point in known)]
    failed = [point for point in report.points if point.error is not None]
    problems = any(not choice.fits(point) for point in known)
    handles = [*look.handles(resource), *(_mark_handle(mark) for mark in marks)]
    handles += [_ring_handle()] * problems + [_cross_handle()] * bool(failed)
    figure, panel = axes(_resource_title(resource, known), legend_rows=_rows(handles))
    places: list[float] = []
    for index, series in enumerate(series_of(known, names)):
        colour, dashes = look.of(series)
        spread = look.spread(series.target)
        panel.plot(
            *_columns([(p.weight_bits + spread, getattr(p.usage, resource)) for p in series.line]),
            color=colour,
            linestyle=dashes,
            lw=1.4,
            gid=f"line-{index}",
        )
        for point in series.points:
            at = choice.mean_bits(point) + spread
            _mark(panel, at, getattr(point.usage, resource), point.figures, colour, ringed=not choice.fits(point))
            places.append(at)
    for point in failed:
        at = choice.mean_bits(point) + look.spread(point.target)
        panel.plot(
            [at],
            [0.03],
            transform=panel.get_xaxis_transform(),
            marker="x",
            color=BAD,
            ms=7,
            mew=2,
            ls="",
            gid=f"failed-{point.label}",
        )
        places.append(at)
    _bits_axis(panel, places)
    values = [getattr(point.usage, resource) for point in known]
    _value_axis(panel, values)
    panel.set_ylabel(TITLES[resource])
    _legend(figure, handles)
    targets = ", ".join(dict.fromkeys(point.target for point in known))
    alt = f"{TITLES[resource]} against weight bits on {targets}: {len(known)} points from {min(values):,g} to {max(values):,g}"
    return finish(figure, resource, TITLES[resource], alt)


def _resource_title(resource: str, points: list[PointReport]) -> str:
    """The unit stands in the title where it is one, else beside each target."""
    units = {unit(point.target, resource) for point in points}
    same = units.pop() if len(units) == 1 else ""
    return f"{TITLES[resource]} ({same})" if same else TITLES[resource]


class _Look:
    """A colour for each target, a dash for each variant, and places side by side for what shares a bit width."""

    def __init__(self, points: Sequence[PointReport], names: dict[str, str]) -> None:
        self.targets = list(dict.fromkeys(point.target for point in points))
        self.variants = list(dict.fromkeys(names[point.label] for point in points if point.error is None)) or [""]

    def colour(self, target: str) -> str:
        return SERIES[self.targets.index(target) % len(SERIES)]

    def of(self, series: Series) -> tuple[str, Any]:
        return self.colour(series.target), DASHES[self.variants.index(series.variant) % len(DASHES)]

    def spread(self, target: str) -> float:
        """Bits to the side, so that equal figures of several targets do not hide each other."""
        count = len(self.targets)
        return (self.targets.index(target) - (count - 1) / 2) * min(0.13, 0.5 / count)

    def handles(self, resource: str | None) -> list[Any]:
        units = {target: unit(target, resource) if resource else "" for target in self.targets}
        show = len(set(units.values())) > 1
        lines = [
            Line2D(
                [],
                [],
                color=self.colour(target),
                lw=2.4,
                label=shorten(f"{target} ({units[target]})" if show and units[target] else target, 34),
            )
            for target in self.targets
        ]
        if len(self.variants) > 1:
            for index, variant in enumerate(self.variants):
                lines.append(
                    Line2D([], [], color=QUIET, linestyle=DASHES[index % len(DASHES)], label=shorten(variant, 34))
                )
        return lines


def _mark(
    panel: Any,
    x: float,
    y: float,
    kind: str,
    colour: str,
    *,
    ringed: bool = False,
    dim: bool = False,
    gid: str = "mark",
) -> None:
    face = PAPER if kind in _HOLLOW else colour
    size = {"o": 5.5, "s": 6, "D": 6.2, "^": 6.8}[_MARKS[kind]]
    panel.plot(
        [x],
        [y],
        marker=_MARKS[kind],
        ms=size,
        mfc=face,
        mec=colour,
        mew=1.5,
        ls="",
        alpha=0.35 if dim else 1,
        gid=gid,
        zorder=3,
    )
    if ringed:
        panel.plot([x], [y], marker="o", ms=12, mfc="none", mec=BAD, mew=1.4, ls="", zorder=4)


def _mark_handle(kind: str) -> Any:
    face = PAPER if kind in _HOLLOW else QUIET
    return Line2D([], [], ls="", marker=_MARKS[kind], ms=6, mfc=face, mec=QUIET, mew=1.5, label=kind)


def _ring_handle() -> Any:
    return Line2D([], [], ls="", marker="o", ms=11, mfc="none", mec=BAD, mew=1.4, label="does not fit the part")


def _cross_handle() -> Any:
    return Line2D([], [], ls="", marker="x", ms=7, color=BAD, mew=2, label="failed, no figures")


def _bits_axis(panel: Any, places: list[float]) -> None:
    low, high = math.floor(min(places) + 0.5), math.floor(max(places) + 0.5)
    panel.set_xlim(min(low - 0.6, min(places) - 0.3), max(high + 0.6, max(places) + 0.3))
    panel.set_xticks(range(low, high + 1))
    panel.set_xlabel("weight bits")


def _value_axis(panel: Any, values: Sequence[float], *, axis: str = "y") -> None:
    """From 0, or logarithmic where the figures range wide; whole thousands with commas."""
    most, least = max(values, default=1), min(values, default=0)
    ruler = panel.yaxis if axis == "y" else panel.xaxis
    limits = panel.set_ylim if axis == "y" else panel.set_xlim
    if least > 0 and most / least >= _WIDE:
        (panel.set_yscale if axis == "y" else panel.set_xscale)("log")
        limits(least / 1.5, most * 1.6)
        ruler.set_major_locator(LogLocator(subs=(1, 2, 5)) if most / least < 300 else LogLocator())
        ruler.set_minor_formatter(NullFormatter())
    else:
        limits(0, most * 1.12 or 1)
        ruler.set_major_locator(MaxNLocator(5, integer=most > 4))
    ruler.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


# -- Pareto fronts ----------------------------------------------------------------------------------------------------


def _pareto_plots(report: SweepReport) -> Iterator[Plot]:
    known = [p for p in report.points if choice.psnr(p) is not None and p.usage is not None and p.error is None]
    if not known:
        return
    yield _pareto_plot("pareto-multipliers", "PSNR against multipliers", "multipliers", report, known, choice.dsps, -1)
    timed = [point for point in known if point.frames_per_second is not None]
    if timed:
        yield _pareto_plot("pareto-frames", "PSNR against frames/s", "frames/s", report, timed, choice.frames, 1)


def time_kind(point: PointReport) -> str:
    """Where frames/s come from."""
    if point.cycles_are == SIMULATED:
        return MEASURED if point.clock_is == PLACED else CYCLES
    return REACHED if point.clock_is == PLACED else MODEL


def _pareto_plot(
    name: str,
    title: str,
    label: str,
    report: SweepReport,
    points: list[PointReport],
    figure_of: choice.Figure,
    sign: int,
) -> Plot:
    """`sign` 1: more of the figure is better; -1: less."""
    look = _Look(report.points, dict.fromkeys((p.label for p in report.points), ""))
    kind: Callable[[PointReport], str] = (lambda p: p.figures) if sign < 0 else time_kind
    place = {p.label: (float(figure_of(p) or 0), choice.psnr(p) or 0.0) for p in points}
    top = _top([y for _, y in place.values()])
    place = {at: (x, min(y, top)) for at, (x, y) in place.items()}
    marks = [mark for mark in _MARKS if any(kind(point) == mark for point in points)]
    ringed = any(not choice.fits(point) for point in points)
    handles = [*look.handles(None), *(_mark_handle(mark) for mark in marks), *[_ring_handle()] * ringed]
    figure, panel = axes(title, height=3.6, legend_rows=_rows(handles))
    labels, corners, best = [], [], 0
    for index, target in enumerate(look.targets):
        mine = [point for point in points if point.target == target]
        front = choice.front(mine, lambda p: -sign * (figure_of(p) or 0), choice.psnr)
        best += len(front)
        colour, kept = look.colour(target), {point.label for point in front}
        steps = sorted(place[p.label] for p in front)
        style = "steps-post" if sign < 0 else "steps-pre"
        panel.plot(*_columns(steps), color=colour, lw=1.3, drawstyle=style, gid=f"front-{index}")
        corners += [_corners(steps, sign)]
        for point in mine:
            shown = point.label in kept
            _mark(
                panel,
                *place[point.label],
                kind(point),
                colour,
                ringed=not choice.fits(point),
                dim=not shown,
                gid="mark" if shown else "dominated",
            )
        labels += [(*place[p.label], shorten(p.bits, 16), colour) for p in front]
    _value_axis(panel, [x for x, _ in place.values()], axis="x")
    panel.margins(y=0.14)
    if any(choice.psnr(point) == math.inf for point in points):
        _infinite_tick(panel, top)
    panel.set_xlabel(f"{label}, {'more' if sign > 0 else 'fewer'} is better")
    panel.set_ylabel("PSNR in dB")
    _legend(figure, handles)
    left_out = place_labels(figure, panel, labels, list(place.values()), corners)
    rest = f"; {left_out} labels had no room" if left_out else ""
    alt = f"{title}: {len(points)} points, {best} of them on the Pareto fronts of {len(look.targets)} targets{rest}"
    return finish(figure, name, title, alt)


# -- cycles of layers -------------------------------------------------------------------------------------------------


def latency_plot(label: str, layers: Sequence[LayerPoint]) -> Plot:
    """Busy cycles a frame of each layer as bars, the slowest marked; call it within `settings`."""
    slowest = max(layer.cycles for layer in layers)
    shown = [layer for layer in layers if layer.type not in HELPERS or layer.cycles == slowest]
    figure, panel = axes("", height=0.95 + 0.23 * len(shown))
    figure.suptitle(shorten(f"Busy cycles a frame, {label}", 52), x=0.01, ha="left", fontsize=10.5, weight="bold")
    colours = [LIMIT if layer.cycles == slowest else ACCENT if layer.macs else SOFT for layer in shown]
    bars = panel.barh(range(len(shown)), [layer.cycles for layer in shown], color=colours, height=0.72)
    for bar, layer in zip(bars, shown, strict=True):
        bar.set_gid("bar")
        share = layer.cycles / slowest
        text = f"{layer.cycles:,}" + (" limits" if share == 1 else f" ({share:.0%})")
        inside = share > 0.62
        panel.annotate(
            text,
            (layer.cycles, bar.get_y() + 0.36),
            (-4 if inside else 4, 0),
            textcoords="offset points",
            ha="right" if inside else "left",
            va="center",
            fontsize=8,
            color=PAPER if inside else INK,
        )
    panel.axvline(slowest, color=LIMIT, ls=(0, (4, 3)), lw=1.2)
    panel.set_yticks(range(len(shown)), [shorten(f"{layer.name} · {layer.type}", 30) for layer in shown], fontsize=8)
    panel.invert_yaxis()
    panel.grid(axis="y", visible=False)
    panel.tick_params(axis="y", length=0)
    _value_axis(panel, [0, slowest], axis="x")
    panel.set_xlim(0, slowest * 1.04)
    panel.set_xlabel("cycles of the clock")
    limits = ", ".join(layer.name for layer in shown if layer.cycles == slowest)
    alt = f"Busy cycles a frame of {len(shown)} layers of {label}; {limits} takes the most, {slowest:,}"
    return finish(figure, "latency", "Where the cycles go", alt)


# -- helpers ----------------------------------------------------------------------------------------------------------


def _corners(steps: Sequence[tuple[float, float]], sign: int) -> list[tuple[float, float]]:
    """Of the stairs through the steps: up after the way to the right, or down before it."""
    path = list(steps[:1])
    for (x0, y0), (x1, y1) in zip(steps, steps[1:], strict=False):
        path += [(x1, y0) if sign < 0 else (x0, y1), (x1, y1)]
    return path


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in pairs], [y for _, y in pairs]


def _rows(entries: Any) -> int:
    return math.ceil(len(entries) / 2)


def _legend(figure: Any, handles: Sequence[Any]) -> None:
    figure.legend(
        handles=handles, loc="outside lower left", ncols=2, columnspacing=1.2, handlelength=2.2, borderpad=0.1
    )
