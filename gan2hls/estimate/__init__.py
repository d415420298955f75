"""Estimates: what a design will take of a part, and how fast it will be, without synthesis.

Multipliers, block RAMs and cycles are exact, by rule; LUTs and flip-flops come from a linear model that was fitted to
what yosys counted (`benchmarks/estimate.py`).
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from gan2hls.errors import raise_problems
from gan2hls.estimate.features import Counted, count_kernel
from gan2hls.estimate.model import Model, shipped_model
from gan2hls.limits import CLOCKS_MHZ, number_problems
from gan2hls.pipeline import Pipeline, Stage
from gan2hls.schedule import Prediction, predict
from gan2hls.synth.result import ESTIMATE, LABELS, RESOURCES, StageUsage, Usage
from gan2hls.targets import Target
from gan2hls.targets import target as target_of

CLOCK_MHZ = 100.0


@dataclass(frozen=True)
class LayerEstimate:
    """A layer of the network, or what lies between two (`layer` is "" then).

    Attributes:
        stage: the instance in the top module. kernel: its module.
        fold: as text, "" without one.
        cycles: busy cycles a frame.
        utilization: useful multiply-accumulates / (interval · multipliers of the layer), at most 1 without packing;
            None without weights.
        limiting: no other stage takes more cycles.
    """

    stage: str
    kernel: str
    layer: str
    fold: str
    cycles: int
    utilization: float | None
    limiting: bool
    usage: Usage


@dataclass(frozen=True)
class Estimate:
    """What a pipeline takes of a target.

    Attributes:
        figures: `ESTIMATE`.
        mac_multipliers, other_multipliers: hardware multipliers of weights, and of requantization.
        weight_bits: bits of weights that are stored. ram_weight_bits: those of them that lie in block RAM.
        weight_ram_bits: bits of the block RAMs that are taken for them.
        unseen_percent: errors of LUTs and flip-flops on networks that the model did not see, as `Model.errors`.
        tools: what counted the networks that it was fitted to, name → version.
        notes: what must be known beside the figures.
        hls_latency_cycles, hls_interval_cycles: of the C++ under an HLS tool's schedule, by the model of its loops;
            None where that was not asked. All other figures are the RTL's.
    """

    target: str
    clock_mhz: float
    usage: Usage
    layers: tuple[LayerEstimate, ...]
    latency_cycles: int
    interval_cycles: int
    mac_multipliers: float
    other_multipliers: float
    weight_bits: int
    ram_weight_bits: int
    weight_ram_bits: float
    unseen_percent: dict[str, float]
    tools: dict[str, str]
    notes: tuple[str, ...] = ()
    hls_latency_cycles: int | None = None
    hls_interval_cycles: int | None = None
    figures: str = ESTIMATE

    def with_hls(self, time: Prediction) -> "Estimate":
        """The same with what the model of the C++ says."""
        cycles = time.latency_cycles, time.interval_cycles
        return dataclasses.replace(self, hls_latency_cycles=cycles[0], hls_interval_cycles=cycles[1])

    @property
    def part(self) -> Target:
        return target_of(self.target)

    @property
    def stages(self) -> tuple[StageUsage, ...]:
        """Resources stage by stage, as a synthesis tells them."""
        return tuple(StageUsage(layer.stage, layer.kernel, layer.usage) for layer in self.layers)

    @property
    def frames_per_second(self) -> float:
        return self.clock_mhz * 1e6 / self.interval_cycles

    @property
    def latency_us(self) -> float:
        return self.latency_cycles / self.clock_mhz

    @property
    def limiting(self) -> LayerEstimate:
        """The slowest stage, which the interval follows from."""
        return next(layer for layer in self.layers if layer.limiting)

    def shares(self) -> dict[str, float | None]:
        """Which part of what the target has is used, by resource; None where it has no limit."""
        limits = {resource: getattr(self.part, resource) for resource in RESOURCES}
        return {name: None if most is None else getattr(self.usage, name) / most for name, most in limits.items()}

    @property
    def fits(self) -> bool:
        return not self.problems()

    def problems(self) -> list[str]:
        """A line for each resource that the part has too little of."""
        lines = []
        for resource, share in self.shares().items():
            if share is not None and share > 1:
                needed, there = getattr(self.usage, resource), getattr(self.part, resource)
                line = f"{self.target} is too small: {needed:,g} {LABELS[resource]} needed, it has {there:,g}"
                if resource == "dsps":
                    line += f" ({self.mac_multipliers:,g} for weights, {self.other_multipliers:,g} for requantization)"
                lines.append(line)
        return lines

    def values(self) -> dict[str, Any]:
        """JSON values."""
        values = dataclasses.asdict(self)
        return {
            "kind": "estimate",
            **values,
            "part": {resource: getattr(self.part, resource) for resource in RESOURCES},
            "shares": self.shares(),
            "frames_per_second": self.frames_per_second,
            "latency_us": self.latency_us,
            "limiting": self.limiting.stage,
            "fits": self.fits,
            "problems": self.problems(),
        }


def estimate(
    pipeline: Pipeline, target: Target | str, clock_mhz: float = CLOCK_MHZ, *, model: Model | None = None
) -> Estimate:
    """Estimate a pipeline's RTL on a target, as yosys would map it.

    Args:
        pipeline: kernels, buffers and memories, as the RTL is written from it.
        target: a part, or a family, which has no limits.
        clock_mhz: the clock that frames/s are given for; whether it is reached only place and route can tell.
        model: of LUTs and flip-flops; None takes the one that comes with gan2hls.

    Raises:
        UserError: unknown target, or a clock that is none.
    """
    part = target_of(target) if isinstance(target, str) else target
    raise_problems(number_problems("clock", clock_mhz, CLOCKS_MHZ))
    time, known, family = predict(pipeline), model or shipped_model(), part.family
    counted = [(stage, count_stage(stage, family.name)) for stage in pipeline.stages]
    slowest = max(stage.cycles for stage, _ in counted)
    first = next(stage for stage, _ in counted if stage.cycles == slowest)
    layers = tuple(
        _layer(pipeline, stage, found, stage_usage(found, family.name, known), time.interval_cycles, stage is first)
        for stage, found in counted
    )
    weights = [pair for _, found in counted for pair in found.memories if pair[0].kind == "weights"]
    return Estimate(
        target=part.name,
        clock_mhz=clock_mhz,
        usage=sum((layer.usage for layer in layers), Usage()),
        layers=layers,
        latency_cycles=time.latency_cycles,
        interval_cycles=time.interval_cycles,
        mac_multipliers=sum(found.mac_dsps for _, found in counted),
        other_multipliers=sum(found.other_dsps for _, found in counted),
        weight_bits=sum(shape.words * shape.bits for shape, _ in weights),
        ram_weight_bits=sum(shape.words * shape.bits for shape, mapped in weights if mapped.block_rams),
        weight_ram_bits=sum(found.weight_rams for _, found in counted) * family.block_ram_bits,
        unseen_percent=dict(known.errors.get(family.name, {})),
        tools=dict(known.tools),
    )


def count_stage(stage: Stage, family: str) -> Counted:
    """What is exact about a stage, and the features of what is not."""
    return count_kernel(stage.kernel, family)


def stage_usage(counted: Counted, family: str, model: Model) -> Usage:
    """Resources of a stage."""
    soft = counted.memory_luts
    return Usage(
        luts=round(model.resources(family, "luts", counted.machine, counted.luts)),
        memory_luts=round(soft),
        flip_flops=round(model.resources(family, "flip_flops", counted.machine, counted.flip_flops)),
        dsps=counted.mac_dsps + counted.other_dsps,
        block_rams=counted.block_rams,
    )


def _layer(
    pipeline: Pipeline, stage: Stage, counted: Counted, usage: Usage, interval: int, limiting: bool
) -> LayerEstimate:
    fold, utilization = "", None
    if stage.node:
        node, tensors = next((node, tensors) for node, tensors, _ in pipeline.graph.steps() if node.name == stage.node)
        fold = str(pipeline.folding[stage.node])
        if stage.kernel.weighted:
            utilization = node.op.macs(*tensors) / (interval * stage.kernel.multipliers)
    return LayerEstimate(stage.name, stage.module, stage.node, fold, stage.cycles, utilization, limiting, usage)
