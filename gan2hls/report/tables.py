"""The points of a sweep in rows: for the page, for Markdown, for CSV."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from gan2hls.report import choice
from gan2hls.report.curves import RESOURCE_TITLES as SHOWN
from gan2hls.report.figures import format_number
from gan2hls.report.layers import times
from gan2hls.report.looks import time_kind, unit
from gan2hls.report.points import HELPERS, PointReport, SweepReport
from gan2hls.report.run import psnr_text
from gan2hls.synth.result import ESTIMATE, Usage


@dataclass(frozen=True)
class Cell:
    """A figure ready to print; `source` is where it comes from, "" where that needs no word; `note` stands below it."""

    text: str
    source: str = ""
    note: str = ""


NOTHING = Cell("–")


@dataclass(frozen=True)
class PointRow:
    """A point in cells, in the order of `HEADINGS`; `state` is "failed", "problem" or ""."""

    label: str
    cells: list[Cell]
    state: str
    fronts: list[str]
    message: str


@dataclass(frozen=True)
class LayerLine:
    """A layer of a point: cells in the order of `LAYER_HEADINGS`; `share` of the interval in percent."""

    name: str
    cells: list[str]
    cycles: str
    share: float
    kind: str
    usage: list[str]


HEADINGS = ("PSNR", "SSIM", "FID", *SHOWN.values(), "Clock", "Cycles a frame", "Frames/s", "Latency")
LAYER_HEADINGS = ("Type", "Output", "Weight bits", "Output bits", "MACs", "Fold")


def amount(value: float) -> str:
    """A count of resources: halves with their point, thousands with commas."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 or share == 0 else f"{share:.1%}"


def point_rows(points: Sequence[PointReport]) -> list[PointRow]:
    """All points, failed ones too, in their order."""
    fronts = fronts_of(points)
    return [_point_row(point, fronts.get(point.label, [])) for point in points]


def fronts_of(points: Sequence[PointReport]) -> dict[str, list[str]]:
    """Label → the Pareto fronts that a point is on, each among the points of its target."""
    found: dict[str, list[str]] = {}
    for target in dict.fromkeys(point.target for point in points):
        mine = [point for point in points if point.target == target]
        for point in choice.front(mine, choice.dsps, choice.psnr):
            found.setdefault(point.label, []).append("multipliers")
        for point in choice.front(mine, lambda p: None if (f := choice.frames(p)) is None else -f, choice.psnr):
            found.setdefault(point.label, []).append("frames/s")
    return found


def _point_row(point: PointReport, fronts: list[str]) -> PointRow:
    state = "failed" if point.error is not None else "problem" if point.problems else ""
    message = "\n".join(filter(None, [point.error or "", *point.problems]))
    cells = [*_quality_cells(point), *_usage_cells(point), *_time_cells(point)]
    return PointRow(point.label, cells, state, fronts, message)


def _quality_cells(point: PointReport) -> list[Cell]:
    if (quality := point.quality) is None:
        return [NOTHING] * 3
    values = [None if value is None else Cell(f"{value:.4g}") for value in (quality.ssim, quality.fid)]
    return [Cell(psnr_of(point)), *(value or NOTHING for value in values)]


def psnr_of(point: PointReport) -> str:
    value = choice.psnr(point)
    return "–" if value is None else psnr_text(value)


def _usage_cells(point: PointReport) -> list[Cell]:
    if (usage := point.usage) is None:
        return [NOTHING] * len(SHOWN)
    found, cells = choice.shares(point), []
    for resource in SHOWN:
        share = found[resource]
        kind = unit(point.target, resource) if resource == "luts" else ""
        note = " ".join(filter(None, (kind, "" if share is None else percent(share))))
        cells.append(Cell(amount(getattr(usage, resource)), point.figures, note))
    return cells


def _time_cells(point: PointReport) -> list[Cell]:
    clock, interval, frames, latency = (NOTHING,) * 4
    kind = time_kind(point)
    if point.clock_mhz is not None:
        clock = Cell(f"{point.clock_mhz:.4g} MHz", point.clock_is)
    if point.interval_cycles is not None:
        interval = Cell(f"{point.interval_cycles:,}", point.cycles_are)
    if (rate := point.frames_per_second) is not None:
        frames = Cell(format_number(rate), kind)
    if point.latency_us is not None:
        latency = Cell(f"{format_number(point.latency_us)} µs", kind)
    return [clock, interval, frames, latency]


def layer_lines(point: PointReport) -> list[LayerLine]:
    """The layers of a point, lane converters and FIFOs too."""
    slowest = max((layer.cycles for layer in point.layers), default=0)
    lines = []
    for layer in point.layers:
        helper = layer.type in HELPERS
        kind = "limiting" if layer.cycles == slowest else "" if layer.weight_bits is not None else "minor"
        cells = [
            layer.type,
            "–" if helper else times(layer.shape),
            "–" if layer.weight_bits is None else str(layer.weight_bits),
            str(layer.output_bits),
            f"{layer.macs:,}" if layer.macs else "–",
            layer.fold or "–",
        ]
        usage = ["–" if layer.usage is None else amount(getattr(layer.usage, resource)) for resource in SHOWN]
        share = 100 * layer.cycles / slowest if slowest else 0.0
        lines.append(LayerLine(layer.name, cells, f"{layer.cycles:,}", share, kind, usage))
    return lines


# -- estimates against syntheses --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """A point's estimate beside what synthesis or place and route counted: (estimate, counted, error) by resource."""

    label: str
    figures: str
    cells: list[tuple[str, str, str]]


def comparisons(points: Sequence[PointReport]) -> list[Comparison]:
    """Of all points that have both."""
    return [
        Comparison(point.label, point.figures, [_compare(point.estimate, point.usage, name) for name in SHOWN])
        for point in points
        if point.estimate is not None and point.usage is not None and point.figures != ESTIMATE
    ]


def _compare(estimate: Usage, usage: Usage, resource: str) -> tuple[str, str, str]:
    said, counted = getattr(estimate, resource), getattr(usage, resource)
    return amount(said), amount(counted), error_text(said, counted)


def error_text(said: float, counted: float) -> str:
    """The error of an estimate in percent of what was counted; "exact" where there is none."""
    if said == counted:
        return "exact"
    return f"{(said - counted) / counted:+.1%}".replace("-", "−") if counted else "–"


# -- files ------------------------------------------------------------------------------------------------------------


def point_values(report: SweepReport) -> list[dict[str, Any]]:
    """The columns of report.csv, a row for each point; shares and errors of estimates are fractions."""
    budgets = list(dict.fromkeys(name for point in report.points for name in point.budget))
    return [_values(point, budgets) for point in report.points]


def _values(point: PointReport, budgets: Sequence[str]) -> dict[str, Any]:
    quality, clock = point.quality, point.clock
    values: dict[str, Any] = {
        name: getattr(point, name)
        for name in ("label", "bits", "weight_bits", "activation_bits", "quantizer", "target")
    }
    values |= {f"budget_{name}": point.budget.get(name) for name in budgets}
    values["error"] = point.error
    values["samples"] = quality and quality.samples
    values["psnr_db"] = choice.psnr(point)
    values |= {name: quality and getattr(quality, name) for name in ("ssim", "fid", "features")}
    values["figures"] = point.figures
    names = [field.name for field in fields(Usage)]
    values |= {name: point.usage and getattr(point.usage, name) for name in names}
    values |= {f"estimate_{name}": point.estimate and getattr(point.estimate, name) for name in names}
    values |= {f"share_{name}": share for name, share in choice.shares(point).items()}
    values |= {name: getattr(point, name) for name in ("clock_mhz", "clock_is")}
    values["reached_mhz"] = clock and clock.reached_mhz
    for name in ("latency_cycles", "interval_cycles", "cycles_are", "frames_per_second", "latency_us"):
        values[name] = getattr(point, name)
    values["mac_multipliers"] = point.mac_multipliers
    values["problems"] = "; ".join(point.problems)
    return values
