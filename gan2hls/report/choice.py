"""Which points of a sweep are worth choosing: Pareto fronts, the smallest bits that are good enough, the cheapest."""

import math
from collections.abc import Callable, Iterable, Sequence

from gan2hls.report.points import PointReport
from gan2hls.synth.result import RESOURCES
from gan2hls.targets import TARGETS

NEAR_DB = 1.0
"""Within this of the best PSNR of a sweep, more bits are hardly worth their price."""

GOOD_DB = 30.0
"""From this PSNR on the quantized image is hardly told from the float one by eye."""

Figure = Callable[[PointReport], float | None]


def psnr(point: PointReport) -> float | None:
    """In dB, infinite for equal images; None where the quality is not known."""
    if point.quality is None:
        return None
    return math.inf if point.quality.psnr is None else point.quality.psnr


def dsps(point: PointReport) -> float | None:
    return None if point.usage is None else point.usage.dsps


def frames(point: PointReport) -> float | None:
    return point.frames_per_second


def shares(point: PointReport) -> dict[str, float | None]:
    """Used / available by resource; None where the target has no limit or the usage is not known."""
    part = TARGETS.get(point.target)
    limits = {resource: getattr(part, resource, None) for resource in RESOURCES}
    if point.usage is None:
        return dict.fromkeys(RESOURCES)
    return {name: None if most is None else getattr(point.usage, name) / most for name, most in limits.items()}


def fits(point: PointReport) -> bool:
    """Whether there are figures, and the part has as much as they say."""
    return point.error is None and point.usage is not None and all((s or 0) <= 1 for s in shares(point).values())


def front(points: Iterable[PointReport], cost: Figure, value: Figure) -> list[PointReport]:
    """The points that no other one beats: none costs as little or less and is worth as much or more, one of it truly.

    Args:
        points: those that do not fit their part, or lack a figure, are left out.
        cost: less is better.
        value: more is better.

    Returns:
        Cost rising, value rising; equal points all stay.
    """
    known = [
        (c, -v, point)
        for point in points
        if fits(point)
        if (c := cost(point)) is not None
        if (v := value(point)) is not None
    ]
    found: list[PointReport] = []
    best, at = math.inf, math.inf
    for c, v, point in sorted(known, key=lambda entry: entry[:2]):
        if v < best or (v == best and c == at):
            found.append(point)
            best, at = v, c
    return found


def price(point: PointReport) -> tuple[float, ...]:
    """To order fitting points of a target by: multipliers, then LUTs, block RAMs, flip-flops."""
    usage = point.usage
    return (math.inf,) if usage is None else (usage.dsps, usage.luts, usage.block_rams, usage.flip_flops)


def best_psnr(points: Iterable[PointReport]) -> float | None:
    return max((value for point in points if (value := psnr(point)) is not None), default=None)


def at_least(points: Iterable[PointReport], wanted: float | None) -> list[PointReport]:
    """Those with a PSNR of so many dB, or more."""
    if wanted is None:
        return []
    return [point for point in points if (value := psnr(point)) is not None and value >= wanted]


def smallest(points: Iterable[PointReport]) -> PointReport | None:
    """The one with the fewest weight bits, then activation bits; the first of several."""
    return min(points, key=lambda point: (mean_bits(point), point.activation_bits), default=None)


def cheapest(points: Iterable[PointReport]) -> PointReport | None:
    """The one that fits for the fewest multipliers, then LUTs."""
    return min(filter(fits, points), key=price, default=None)


def fastest(points: Iterable[PointReport]) -> PointReport | None:
    """The one that fits with the most frames a second; of equals the cheapest."""
    timed = [point for point in points if fits(point) and frames(point) is not None]
    return min(timed, key=lambda point: (-(frames(point) or 0), price(point)), default=None)


def representative(points: Sequence[PointReport]) -> PointReport | None:
    """A point to show in detail: the cheapest good one of the first target that has one, else any with layers."""
    shown = [point for point in points if point.layers]
    near = None if (best := best_psnr(points)) is None else best - NEAR_DB
    for wanted in (GOOD_DB, near):
        for target in dict.fromkeys(point.target for point in shown):
            found = cheapest(at_least((point for point in shown if point.target == target), wanted))
            if found:
                return found
    return next((point for point in shown if point.error is None), shown[0] if shown else None)


def is_mixed(point: PointReport) -> bool:
    """Whether its layers' bits are a choice of their own: its name says more than bits and quantizer."""
    rest = point.bits.removeprefix(f"W{point.weight_bits}A{point.activation_bits}")
    return rest.strip() not in ("", point.quantizer)


def mean_bits(point: PointReport) -> float:
    """Weight bits; of mixed precision the mean over all multiplications."""
    if not is_mixed(point):
        return point.weight_bits
    pairs = [(layer.macs, layer.weight_bits) for layer in point.layers if layer.weight_bits is not None]
    total = sum(macs for macs, _ in pairs)
    return sum(macs * bits for macs, bits in pairs) / total if total else point.weight_bits
