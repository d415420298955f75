"""Sweeps that nobody has run: points whose figures follow from their bits, for tests of what a report says of them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from gan2hls.report.points import SIMULATED, LayerPoint, PointReport, Quality, SweepReport
from gan2hls.synth.result import ESTIMATE, PLACED, SYNTHESIZED, Clock, Usage

TARGETS = ("ecp5-85k", "gw2ar-18", "zu3eg")


def usage(bits: int, target: str, multipliers: int = 64) -> Usage:
    scale = {"ecp5-85k": 1.0, "gw2ar-18": 1.1, "zu3eg": 0.7}.get(target, 1.0)
    luts, flip_flops = int(900 * bits * scale), int(1100 * bits * scale)
    return Usage(luts, 40 * bits, flip_flops, multipliers * scale // 2, 5.5 * bits * scale // 0.5 / 2)


def layers(bits: int, prefix: str = "layers") -> tuple[LayerPoint, ...]:
    part = Usage(100 * bits, 0, 120 * bits, 4, 1.5)
    return (
        LayerPoint(f"{prefix}.0", "ConvTranspose2d", (4, 4, 32), bits, 18, 4096, 900, "4×8", part),
        LayerPoint(f"{prefix}.0.requantize", "Requantize", (4, 4, 32), None, 8, 0, 512, "1×1", part),
        LayerPoint("u_lanes", "width_converter", (4, 4, 32), None, 8, 0, 512, "", part),
        LayerPoint(f"{prefix}.3", "ConvTranspose2d", (8, 8, 1), bits, 20, 8192, 1000, "2×8", part),
        LayerPoint(f"{prefix}.3.tanh", "Lookup", (8, 8, 1), None, 8, 0, 64, "1×1"),
    )


def point(weight_bits: int = 4, target: str = "ecp5-85k", multipliers: int = 64, **changes: Any) -> PointReport:
    bits = weight_bits
    values: dict[str, Any] = {
        "label": f"W{bits}A8 m{multipliers} {target}",
        "bits": f"W{bits}A8",
        "weight_bits": bits,
        "activation_bits": 8,
        "quantizer": "least_error",
        "budget": {"multipliers": multipliers},
        "target": target,
        "quality": Quality(16, 5.5 * bits + 1 / 3, 1 - 0.5**bits, 80 / 3**bits, "a made-up network"),
        "figures": ESTIMATE,
        "usage": usage(bits, target, multipliers),
        "clock_mhz": 100.0,
        "latency_cycles": 3000 + bits,
        "interval_cycles": 64000 // multipliers,
        "mac_multipliers": multipliers,
        "layers": layers(bits),
    }
    return PointReport(**{**values, **changes})


def placed(bits: int, target: str) -> PointReport:
    clock = Clock(100.0, 110.0, (1, 2, 3), (81.5, 79.0, 84.0), PLACED, ("from a", "to b"))
    return point(
        bits,
        target,
        figures=PLACED,
        estimate=dataclasses.replace(usage(bits, target), luts=int(usage(bits, target).luts * 0.9)),
        clock=clock,
        clock_mhz=81.5,
        clock_is=PLACED,
        cycles_are=SIMULATED,
        problems=("clock missed: 100 MHz wanted, 81.5 MHz reached (median of 3 seeds)",),
    )


def failed(bits: int, target: str, error: str = "yosys failed: <no> module & so on") -> PointReport:
    nothing: dict[str, Any] = dict.fromkeys(("usage", "clock_mhz", "latency_cycles", "interval_cycles"))
    return point(bits, target, error=error, figures="", layers=(), **nothing)


def mixed(target: str) -> PointReport:
    own = (dataclasses.replace(layers(4)[0], weight_bits=6), *layers(4)[1:3], *layers(3)[3:])
    quality = Quality(16, 24.0, 0.95, 2.5, "a made-up network")
    given = point(4, target, label=f"mixed 6-3 {target}", quality=quality, layers=own)
    return dataclasses.replace(given, bits="mixed 6-3")


def images(bits: Sequence[str], shape: tuple[int, ...] = (10, 1, 8, 8)) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(3)
    real = rng.uniform(-1, 1, shape)
    return real, {name: (real + rng.normal(0, 0.1, shape)).clip(-1, 1) for name in bits}


def sweep(points: Sequence[PointReport], title: str = "A sweep", shape: tuple[int, ...] = (10, 1, 8, 8)) -> SweepReport:
    names = dict.fromkeys(point.bits for point in points if point.quality is not None)
    return SweepReport(title, tuple(points), *images(list(names), shape))


def usual() -> SweepReport:
    """Three targets, four bit widths: estimates, synthesized, placed, too large, failed, and mixed precision."""
    points = [point(bits, target) for bits in (2, 4, 6, 8) for target in TARGETS]
    points[3] = placed(4, "ecp5-85k")
    estimate = usage(8, "zu3eg")
    points[-1] = point(8, "zu3eg", figures=SYNTHESIZED, estimate=estimate, usage=estimate + Usage(luts=500))
    points[-2] = failed(8, "gw2ar-18")
    points[7] = point(6, "gw2ar-18", usage=Usage(30000, 0, 9000, 12, 20), problems=("gw2ar-18 is too small",))
    return sweep([*points, mixed("zu3eg")])
