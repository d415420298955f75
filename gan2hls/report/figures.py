"""The figures that sum a pipeline up, each with where it comes from: measured in simulation, or computed by a model."""

from dataclasses import dataclass
from typing import Any

from gan2hls.hls_depths import hls_prediction
from gan2hls.pipeline import Pipeline
from gan2hls.report.layers import layer_rows, row_values
from gan2hls.report.run import RunReport

MEASURED, COMPUTED = "measured", "computed"

HLS_SOURCE = "computed by the model of the C++'s loops; no HLS tool has scheduled them"


@dataclass(frozen=True)
class Figure:
    """A figure ready to print: what it is, its value with its unit, and where it comes from."""

    name: str
    text: str
    source: str


def summary_figures(pipeline: Pipeline, clock_mhz: float, run: RunReport | None = None) -> list[Figure]:
    """Summary of a pipeline.

    Args:
        pipeline: the folded network.
        clock_mhz: the clock to count time with; an assumption, no result of a timing analysis.
        run: what was measured of it, or None.
    """
    measured = run.interval_cycles if run else None
    interval = _interval(pipeline, run)
    kind = MEASURED if measured else COMPUTED
    frames = format_number(frames_per_second(pipeline, clock_mhz, run))
    return [
        Figure("RTL interval", f"{interval:,} cycles a frame", _interval_source(pipeline.interval_cycles, measured)),
        Figure("HLS interval", f"{hls_prediction(pipeline).interval_cycles:,} cycles a frame", HLS_SOURCE),
        Figure("Limited by", ", ".join(_slowest(pipeline)), "computed by the cycle model"),
        _latency(clock_mhz, run),
        Figure("Throughput", f"{frames} frames/s at {clock_mhz:g} MHz", f"{kind} interval, assumed clock"),
        Figure("Useful MACs", f"{pipeline.graph.macs():,} a frame", COMPUTED),
        Figure("Multipliers on MACs", f"{pipeline.mac_multipliers:,}", COMPUTED),
        Figure("Multipliers elsewhere", f"{pipeline.other_multipliers:,}", "computed; for requantization"),
        Figure("Utilization", f"{_utilization(pipeline, run):.1%}", f"MACs / (multipliers × {kind} interval)"),
        Figure("Weights stored", f"{weight_bits(pipeline):,} bits", COMPUTED),
        Figure("Read-only memory", f"{memory_bits(pipeline):,} bits", "computed; with padding, constants and tables"),
    ]


def summary_lines(pipeline: Pipeline, clock_mhz: float = 100.0, run: RunReport | None = None) -> list[str]:
    """`summary_figures` as aligned lines for a terminal."""
    listed = summary_figures(pipeline, clock_mhz, run)
    names, texts = max(len(f.name) for f in listed), max(len(f.text) for f in listed)
    return [f"{f.name:<{names}}  {f.text:<{texts}}  ({f.source})" for f in listed]


def frames_per_second(pipeline: Pipeline, clock_mhz: float, run: RunReport | None = None) -> float:
    """Frames a second at an assumed clock."""
    return clock_mhz * 1e6 / _interval(pipeline, run)


def report_values(pipeline: Pipeline, clock_mhz: float, run: RunReport | None = None) -> dict[str, Any]:
    """Figures and layers as JSON values; throughput and utilization go by the interval measured in `run`, if any."""
    return {
        "clock_mhz": clock_mhz,
        "interval_cycles": pipeline.interval_cycles,
        "hls_interval_cycles": hls_prediction(pipeline).interval_cycles,
        "limited_by": _slowest(pipeline),
        "frames_per_second": frames_per_second(pipeline, clock_mhz, run),
        "macs": pipeline.graph.macs(),
        "mac_multipliers": pipeline.mac_multipliers,
        "other_multipliers": pipeline.other_multipliers,
        "utilization": _utilization(pipeline, run),
        "weight_bits": weight_bits(pipeline),
        "memory_bits": memory_bits(pipeline),
        "layers": [row_values(row) for row in layer_rows(pipeline)],
    }


def weight_bits(pipeline: Pipeline) -> int:
    """Bits of all stored weights: codes and codebooks, without padding."""
    return sum(node.op.weight_memory_bits for node in pipeline.graph.computed)


def memory_bits(pipeline: Pipeline) -> int:
    """Bits of all read-only memories as they are laid out, padding included."""
    return sum(memory.words.size * memory.bits for stage in pipeline.stages for memory in stage.memories.values())


def _slowest(pipeline: Pipeline) -> list[str]:
    slowest = [stage for stage in pipeline.kernels if stage.cycles == pipeline.interval_cycles]
    return [stage.node or f"lane converter {stage.name}" for stage in slowest]


def _latency(clock_mhz: float, run: RunReport | None) -> Figure:
    if run is None or run.latency_cycles is None:
        return Figure("Latency", "not measured", "needs the RTL simulation")
    cycles = run.latency_cycles
    return Figure("Latency", f"{cycles:,} cycles, {cycles / clock_mhz:,.1f} µs", MEASURED)


def _interval_source(model: int, measured: int | None) -> str:
    if measured is None:
        return "computed by the cycle model, not measured"
    return f"measured; the cycle model says {'the same' if measured == model else f'{model:,}'}"


def _interval(pipeline: Pipeline, run: RunReport | None) -> int:
    """As measured, or by the cycle model."""
    return (run.interval_cycles if run else None) or pipeline.interval_cycles


def _utilization(pipeline: Pipeline, run: RunReport | None) -> float:
    multipliers = pipeline.mac_multipliers
    return pipeline.graph.macs() / (_interval(pipeline, run) * multipliers) if multipliers else 0.0


def format_number(value: float) -> str:
    """Four digits, or all before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
