"""What the tasks of a point gave, put together."""

import dataclasses
from typing import Any

from gan2hls.report.points import ASSUMED, CYCLE_MODEL, SIMULATED, LayerPoint, PointReport, Quality
from gan2hls.sweep.points import Point
from gan2hls.sweep.task import Outcome
from gan2hls.synth.result import ESTIMATE, PLACED, SynthResult, Usage


def collect(
    point: Point,
    clock_mhz: float,
    quality: Outcome,
    estimated: Outcome | None,
    synthesized: Outcome | None,
    simulated: Outcome | None,
) -> PointReport:
    """A point's report.

    Args:
        point: what was asked for.
        clock_mhz: the clock that time is counted with if no tool tells one.
        quality, estimated, synthesized, simulated: outcomes, None where there was no such task; of failed ones the
            error is kept, and what went well before.
    """
    done = [outcome for outcome in (quality, estimated, synthesized, simulated) if outcome is not None]
    report = PointReport(
        label=point.label,
        bits=point.bits,
        weight_bits=point.quantize.weight_bits,
        activation_bits=point.quantize.activation_bits,
        quantizer=point.quantize.weight_quantizer,
        budget=point.wish,
        target=point.target,
        error="; ".join(outcome.error for outcome in done if outcome.error) or None,
        quality=None if quality.error else Quality(**quality.values["quality"]),
    )
    if estimated is not None and not estimated.error:
        report = _with_estimate(report, estimated.values, clock_mhz)
    if synthesized is not None and not synthesized.error:
        report = _with_synthesis(report, SynthResult.from_values(synthesized.values))
    if simulated is not None and not simulated.error:
        report = _with_simulation(report, simulated.values)
    return report


def _with_estimate(report: PointReport, values: dict[str, Any], clock_mhz: float) -> PointReport:
    layers = [dict(layer) for layer in values["layers"]]
    points = tuple(
        LayerPoint(
            name=layer["name"],
            type=layer["type"],
            shape=tuple(layer["shape"]),
            weight_bits=layer["weight_bits"],
            output_bits=layer["output_bits"],
            macs=layer["macs"],
            cycles=layer["cycles"],
            fold=layer["fold"],
            usage=Usage(**layer["usage"]),
            stage=layer["stage"],
            inputs=tuple(layer["inputs"]) if "inputs" in layer else None,
        )
        for layer in layers
    )
    usage = Usage(**values["usage"])
    return dataclasses.replace(
        report,
        figures=ESTIMATE,
        usage=usage,
        estimate=usage,
        clock_mhz=clock_mhz,
        clock_is=ASSUMED,
        latency_cycles=values["latency_cycles"],
        interval_cycles=values["interval_cycles"],
        cycles_are=CYCLE_MODEL,
        mac_multipliers=values["mac_multipliers"],
        layers=points,
        problems=tuple(values["problems"]),
    )


def _with_synthesis(report: PointReport, result: SynthResult) -> PointReport:
    stages = {stage.name: stage.usage for stage in result.stages}
    layers = tuple(dataclasses.replace(layer, usage=stages.get(layer.stage)) for layer in report.layers)
    report = dataclasses.replace(
        report, figures=result.figures, usage=result.usage, layers=layers, problems=tuple(result.problems())
    )
    if result.clock is None:
        return report
    return dataclasses.replace(report, clock=result.clock, clock_mhz=result.clock.reached_mhz, clock_is=PLACED)


def _with_simulation(report: PointReport, values: dict[str, Any]) -> PointReport:
    if values["interval_cycles"] is None:  # of a single frame
        return report
    cycles = {name: values[name] for name in ("latency_cycles", "interval_cycles")}
    return dataclasses.replace(report, **cycles, cycles_are=SIMULATED)
