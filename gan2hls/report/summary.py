"""What a user decides from: the smallest bits that are good enough, what is cheapest and fastest, what went wrong."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gan2hls.report import choice
from gan2hls.report.choice import GOOD_DB, NEAR_DB
from gan2hls.report.figures import format_number
from gan2hls.report.looks import time_kind, unit
from gan2hls.report.points import PointReport
from gan2hls.report.tables import Cell, amount, psnr_of
from gan2hls.synth.result import ESTIMATE
from gan2hls.targets import TARGETS

_KINDS = {ESTIMATE: "estimated"}
_WORDS = {"dsps": "multipliers", "luts": "LUTs", "block_rams": "block RAMs"}

NEAR = f"within {NEAR_DB:g} dB of the best PSNR"
GOOD = f"with a PSNR of {GOOD_DB:g} dB or more"


@dataclass(frozen=True)
class Finding:
    """A line of the summary; `tone` is "", "quiet", or "bad" where something went wrong; `cells` are figures."""

    question: str
    answer: str
    note: str = ""
    tone: str = ""
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class TargetSummary:
    """What to choose on a target; `units` says what its resources are counted in."""

    target: str
    units: str
    findings: list[Finding]


def overall(points: Sequence[PointReport]) -> list[Finding]:
    """On bits alone, which hold on all targets."""
    best = choice.best_psnr(points)
    if best is None:
        return [Finding("Quality", "not known", "no point got as far as being compared with the float model", "bad")]
    top = next(point for point in points if choice.psnr(point) == best)
    near = choice.smallest(choice.at_least(points, best - NEAR_DB))
    good = choice.smallest(choice.at_least(points, GOOD_DB))
    found = [_bits(f"Smallest bits {NEAR}", near, f"the best is {top.bits} with {psnr_of(top)}")]
    found.append(_bits(f"Smallest bits {GOOD}", good, f"the best is {top.bits} with {psnr_of(top)}"))
    return found


def _bits(question: str, point: PointReport | None, otherwise: str) -> Finding:
    if point is None:
        return Finding(question, "none", otherwise, "quiet")
    return Finding(question, point.bits, psnr_of(point))


def state(points: Sequence[PointReport]) -> list[Finding]:
    """How many points there are, what their figures are, and what went wrong."""
    failed = sum(point.error is not None for point in points)
    large = sum(point.error is None and point.usage is not None and not choice.fits(point) for point in points)
    missed = sum(point.error is None and point.clock is not None and point.clock.missed for point in points)
    kinds = Counter(point.figures for point in points if point.usage is not None and point.error is None)
    found = [Finding("Points", f"{len(points) - failed} of {len(points)} worked", _and(kinds))]
    if failed:
        found.append(Finding("Failed", _count(failed, "point"), "see “What went wrong”", "bad"))
    if large:
        found.append(Finding("Too large for their part", _count(large, "point"), "not chosen from", "bad"))
    if missed:
        found.append(Finding("Missed the wanted clock", _count(missed, "point"), "given at the clock reached", "bad"))
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _and(kinds: Counter[str]) -> str:
    return ", ".join(f"{number} {_KINDS.get(kind, kind)}" for kind, number in kinds.items())


def by_target(points: Sequence[PointReport]) -> list[TargetSummary]:
    """The cheapest good points and the fastest one of each target."""
    best = choice.best_psnr(points)
    wishes = {} if best is None else {f"Cheapest {GOOD}": GOOD_DB, f"Cheapest {NEAR}": best - NEAR_DB}
    summaries = []
    for target in dict.fromkeys(point.target for point in points):
        mine = [point for point in points if point.target == target]
        groups = {question: choice.at_least(mine, wanted) for question, wanted in wishes.items()}
        groups = groups or {"Cheapest": mine}
        findings = [_choice(question, group, choice.cheapest(group)) for question, group in groups.items()]
        findings.append(_choice("Fastest", mine, choice.fastest(mine)))
        summaries.append(TargetSummary(target, _units(target), findings))
    return summaries


def _choice(question: str, group: Sequence[PointReport], point: PointReport | None) -> Finding:
    """What was chosen from a group, or why nothing was."""
    if point is None or point.usage is None:
        return Finding(question, f"none of {_count(len(group), 'point')} fits" if group else "none", tone="quiet")
    used = " · ".join(f"{amount(getattr(point.usage, name))} {_WORDS[name]}" for name in _WORDS)
    cells = [Cell(psnr_of(point))] if point.quality is not None else []
    cells.append(Cell(used, point.figures))
    if (rate := point.frames_per_second) is not None:
        cells.append(Cell(f"{format_number(rate)} frames/s", time_kind(point)))
    return Finding(question, point.label, cells=tuple(cells))


def _units(target: str) -> str:
    """What stands behind the words multiplier, LUT and block RAM."""
    if target not in TARGETS:
        return ""
    return " · ".join(unit(target, resource) for resource in _WORDS)


def values(points: Sequence[PointReport]) -> dict[str, Any]:
    """The summary as JSON values: bits and labels of what was chosen."""
    best = choice.best_psnr(points)
    near = None if best is None else best - NEAR_DB

    def bits(point: PointReport | None) -> str | None:
        return None if point is None else point.bits

    def label(point: PointReport | None) -> str | None:
        return None if point is None else point.label

    targets = {}
    for target in dict.fromkeys(point.target for point in points):
        mine = [point for point in points if point.target == target]
        targets[target] = {
            "cheapest_good": label(choice.cheapest(choice.at_least(mine, GOOD_DB))),
            "cheapest_near_best": label(choice.cheapest(choice.at_least(mine, near))),
            "fastest": label(choice.fastest(mine)),
        }
    return {
        "good_db": GOOD_DB,
        "near_db": NEAR_DB,
        "smallest_good": bits(choice.smallest(choice.at_least(points, GOOD_DB))),
        "smallest_near_best": bits(choice.smallest(choice.at_least(points, near))),
        "targets": targets,
        "failed": [point.label for point in points if point.error is not None],
    }
