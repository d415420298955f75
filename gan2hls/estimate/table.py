"""An estimate for people: a table of stages, and lines below it."""

from collections.abc import Iterator

from rich.table import Table

from gan2hls.estimate import Estimate
from gan2hls.synth.result import RESOURCES, Usage


def estimate_table(result: Estimate) -> Table:
    """Stages, cycles and what each takes, the total, and how much of the part that is."""
    family = result.part.family
    table = Table(title=f"{result.target}: {result.figures}")
    for label in ("stage", "kernel", "fold"):
        table.add_column(label)
    for label in ("cycles", "used", f"LUT{family.lut_inputs}", "flip-flops", family.multiplier, family.block_ram):
        table.add_column(label, justify="right")
    for layer in result.layers:
        cycles = f"{layer.cycles:,}" + (" ←" if layer.limiting else "")
        table.add_row(
            layer.stage, layer.kernel, layer.fold, cycles, _percent(layer.utilization), *_numbers(layer.usage)
        )
    table.add_section()
    table.add_row("total", "", "", f"{result.interval_cycles:,}", "", *_numbers(result.usage), style="bold")
    shares = result.shares()
    if any(share is not None for share in shares.values()):
        limits = [getattr(result.part, resource) for resource in RESOURCES]
        table.add_row(result.target, "", "", "", "", *(f"{limit:,}" for limit in limits))
        table.add_row("taken", "", "", "", "", *(_percent(shares[resource]) for resource in RESOURCES))
    return table


def estimate_lines(result: Estimate) -> Iterator[str]:
    """Time, multipliers, weights, and how far the figures can be trusted; not the problems."""
    limiting = result.limiting
    yield (
        f"RTL: {result.frames_per_second:,.1f} frames/s at {result.clock_mhz:g} MHz: a frame every "
        f"{result.interval_cycles:,} cycles, latency {result.latency_cycles:,} cycles ({result.latency_us:,.1f} µs)"
    )
    if result.hls_interval_cycles is not None:
        yield (
            f"C++ by HLS: {result.clock_mhz * 1e6 / result.hls_interval_cycles:,.1f} frames/s: a frame every "
            f"{result.hls_interval_cycles:,} cycles, computed by the model of its loops; no HLS tool has scheduled it"
        )
    yield f"slowest: {limiting.layer or limiting.stage} ({limiting.kernel}), {limiting.cycles:,} cycles a frame"
    family = result.part.family
    macs, others = result.mac_multipliers, result.other_multipliers
    yield f"multipliers: {macs:,g} {family.multiplier} for weights, {others:,g} for requantization"
    line = f"weights: {result.weight_bits:,} bits stored"
    if result.weight_ram_bits:
        used = result.ram_weight_bits / result.weight_ram_bits
        line += f", {result.weight_ram_bits:,.0f} bits of block RAM taken for them ({used:.1%} used)"
    soft = result.weight_bits - result.ram_weight_bits
    yield line + (f", {soft:,} bits lie in LUTs" if soft else "")
    tools = ", ".join(f"{name} {version}" for name, version in result.tools.items())
    yield (
        "multipliers, block RAM and cycles by rule, as synthesis finds them; LUTs and flip-flops by a model fitted to "
        f"{tools}{_error(result)}"
    )
    for note in result.notes:
        yield f"note: {note}"


def _error(result: Estimate) -> str:
    errors = result.unseen_percent
    if not errors:
        return ""
    means, worst = (
        " and ".join(f"{errors[prefix + what]:.1f} %" for what in ("luts", "flip_flops")) for prefix in ("", "worst_")
    )
    return f": off by {means} on {errors['networks']:.0f} networks that it did not see, {worst} at worst"


def _numbers(usage: Usage) -> list[str]:
    return [f"{usage.luts:,}", f"{usage.flip_flops:,}", f"{usage.dsps:,g}", f"{usage.block_rams:,g}"]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
