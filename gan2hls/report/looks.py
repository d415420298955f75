"""How the points of a sweep look in its plots: colours of targets, dashes of variants, marks of what figures are."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from gan2hls.report import choice
from gan2hls.report.plotting import BAD, DASHES, PAPER, QUIET, SERIES, shorten
from gan2hls.report.points import SIMULATED, PointReport
from gan2hls.synth.result import ESTIMATE, PLACED, SYNTHESIZED
from gan2hls.targets import TARGETS

MEASURED, CYCLES = "RTL simulation, clock reached", "RTL simulation, clock assumed"
REACHED, MODEL = "cycle model, clock reached", "cycle model, clock assumed"
"""Where figures of time come from: their cycles, and their clock."""

MARKS = {ESTIMATE: "o", SYNTHESIZED: "s", PLACED: "D", MODEL: "o", CYCLES: "s", REACHED: "^", MEASURED: "D"}
_HOLLOW = (ESTIMATE, MODEL)
_SIZES = {"o": 5.5, "s": 6.0, "D": 6.2, "^": 6.8}

_WIDE = 20
"""Figures that range over more than this factor are drawn on a logarithmic axis."""


def time_kind(point: PointReport) -> str:
    """Where frames/s and latency come from."""
    if point.cycles_are == SIMULATED:
        return MEASURED if point.clock_is == PLACED else CYCLES
    return REACHED if point.clock_is == PLACED else MODEL


def unit(target: str, resource: str) -> str:
    """What a resource of a target is counted in, e.g. "LUT4"; "" where it is the same everywhere."""
    part = TARGETS.get(target)
    if part is None or resource == "flip_flops":
        return ""
    family = part.family
    kilobits = f"{family.block_ram}, {family.block_ram_bits / 1024:g} Kbit"
    return {"luts": f"LUT{family.lut_inputs}", "dsps": family.multiplier, "block_rams": kilobits}[resource]


# -- which points a line joins ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Series:
    """Points that differ in weight bits only, fewest first; `variant` tells them from others of a target."""

    target: str
    variant: str
    points: list[PointReport]

    @property
    def line(self) -> list[PointReport]:
        """Those that a line may join: of the same bits all over."""
        return [point for point in self.points if not choice.is_mixed(point)]


def series_of(points: Iterable[PointReport], names: dict[str, str]) -> list[Series]:
    """Points by target and variant, in their own order; `names` as `variants` gives them."""
    found: dict[tuple[str, str], list[PointReport]] = {}
    for point in points:
        found.setdefault((point.target, names[point.label]), []).append(point)
    return [Series(*key, sorted(group, key=choice.mean_bits)) for key, group in found.items()]


def variants(points: Iterable[PointReport], *, budgets: bool = True) -> dict[str, str]:
    """Label → what tells a point's curve from others: budget, activation bits, quantizer, as far as they differ."""
    parts = {point.label: {**_bits(point), **(_budget(point) if budgets else {})} for point in points}
    keys = list(dict.fromkeys(key for found in parts.values() for key in found))
    differing = [key for key in keys if len({found.get(key) for found in parts.values()}) > 1]
    return {label: ", ".join(filter(None, (found.get(key, "") for key in differing))) for label, found in parts.items()}


def _budget(point: PointReport) -> dict[str, str]:
    return {name: f"{value:,g} {name.replace('_', ' ')}" for name, value in point.budget.items()}


def _bits(point: PointReport) -> dict[str, str]:
    return {"activations": f"{point.activation_bits}-bit activations", "quantizer": point.quantizer}


class Look:
    """A colour for each target, a dash for each variant, and places side by side for what shares a bit width.

    Args:
        points: all of the sweep, so that a target has the same colour in each plot.
        names: as `variants` gives them; points that it does not name have no line.
    """

    def __init__(self, points: Sequence[PointReport], names: dict[str, str]) -> None:
        self.targets = list(dict.fromkeys(point.target for point in points))
        self.variants = list(dict.fromkeys(names.values()))

    def colour(self, target: str) -> str:
        return SERIES[self.targets.index(target) % len(SERIES)]

    def dashes(self, variant: str) -> Any:
        return DASHES[self.variants.index(variant) % len(DASHES)]

    def spread(self, target: str) -> float:
        """Bits to the side, so that equal figures of several targets do not hide each other."""
        count = len(self.targets)
        return (self.targets.index(target) - (count - 1) / 2) * min(0.13, 0.5 / count)

    def handles(self, resource: str | None = None) -> Iterator[Line2D]:
        """Entries of the legend: targets with the units that differ, then variants where there are several."""
        units = {target: unit(target, resource) if resource else "" for target in self.targets}
        differ = len(set(units.values())) > 1
        for target in self.targets:
            text = f"{target} ({units[target]})" if differ and units[target] else target
            yield Line2D([], [], color=self.colour(target), lw=2.4, label=shorten(text, 32))
        for variant in self.variants if len(self.variants) > 1 else []:
            text = shorten(variant or "–", 32)
            yield Line2D([], [], color=QUIET, linestyle=self.dashes(variant), label=text)


# -- marks ------------------------------------------------------------------------------------------------------------


def mark(panel: Any, x: float, y: float, kind: str, colour: str, *, ringed: bool = False, dim: bool = False) -> None:
    """A point of a plot: its shape says where its figures come from, a ring that its part is too small."""
    face = PAPER if kind in _HOLLOW else colour
    shape, gid = MARKS.get(kind, "o"), "pale" if dim else "dot"
    style = {"ms": _SIZES[shape], "mfc": face, "mec": colour, "mew": 1.5, "alpha": 0.35 if dim else 1}
    panel.plot([x], [y], marker=shape, ls="", gid=gid, zorder=3, **style)
    if ringed:
        panel.plot([x], [y], marker="o", ls="", gid="ring", zorder=4, **_RING)


_RING: dict[str, Any] = {"ms": 10.5, "mfc": "none", "mec": BAD, "mew": 1.3}
_CROSS: dict[str, Any] = {"marker": "x", "ms": 7, "color": BAD, "mew": 2, "ls": ""}


def cross(panel: Any, x: float) -> None:
    """A failed point: on the axis, because its figures, if there are any, are not all there."""
    panel.plot([x], [0.03], transform=panel.get_xaxis_transform(), gid="cross", zorder=4, **_CROSS)


def mark_handles(kinds: Iterable[str], *, ring: str = "", failed: bool = False) -> Iterator[Line2D]:
    """Entries of the legend for the marks that are there; `ring` says what a ring means, "" without one."""
    there = set(kinds)
    for kind in MARKS:
        if kind in there:
            face = PAPER if kind in _HOLLOW else QUIET
            yield Line2D([], [], ls="", marker=MARKS[kind], ms=6, mfc=face, mec=QUIET, mew=1.5, label=kind)
    if ring:
        yield Line2D([], [], ls="", marker="o", label=ring, **_RING)
    if failed:
        yield Line2D([], [], label="failed", **_CROSS)


# -- axes -------------------------------------------------------------------------------------------------------------


def bits_axis(panel: Any, places: Sequence[float]) -> None:
    """A tick for each number of bits; places are those of the marks."""
    low, high = round(min(places)), round(max(places))
    panel.set_xlim(low - 0.6, high + 0.6)
    panel.set_xticks(range(low, high + 1))
    panel.set_xlabel("weight bits")


def value_axis(panel: Any, values: Sequence[float], *, axis: str = "y") -> None:
    """From 0, or logarithmic where the figures range wide; thousands with commas."""
    most, least = max(values, default=1), min(values, default=0)
    ruler = getattr(panel, f"{axis}axis")
    limits = {"x": panel.set_xlim, "y": panel.set_ylim}[axis]
    if least > 0 and most / least >= _WIDE:
        {"x": panel.set_xscale, "y": panel.set_yscale}[axis]("log")
        limits(least / 1.5, most * 1.6)
        ruler.set_major_locator(LogLocator(subs=(1, 2, 5)) if most / least < 200 else LogLocator())
        ruler.set_minor_formatter(NullFormatter())
    else:
        limits(0, most * 1.12 or 1)
        ruler.set_major_locator(MaxNLocator(5, integer=most > 4))
    ruler.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def top_of(values: Iterable[float]) -> float:
    """Where an infinite value is drawn: above all others; infinite where there is none."""
    listed = list(values)
    if math.inf not in listed:
        return math.inf
    finite = [value for value in listed if math.isfinite(value)]
    return max(finite) + max(3.0, 0.2 * (max(finite) - min(finite))) if finite else 60.0


def infinite_tick(panel: Any, top: float) -> None:
    """Name the place of infinite values, if there are any; ticks that would touch its name, or be above it, go."""
    if math.isfinite(top):
        low, high = panel.get_ylim()
        ticks = [tick for tick in panel.get_yticks() if low <= tick < top - 0.1 * (high - low)]
        panel.set_yticks([*ticks, top], [*(f"{tick:g}" for tick in ticks), "∞"])
        panel.set_ylim(low, high)


def legend(figure: Any, handles: Sequence[Line2D]) -> None:
    """Below the panel, in two columns; `rows` of them."""
    if handles:
        options = {"ncols": 2, "columnspacing": 1.2, "handlelength": 2.2, "borderpad": 0.1}
        figure.legend(handles=handles, loc="outside lower left", **options)


def columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in pairs], [y for _, y in pairs]
