"""What is done for a point, step by step: quality first, then the estimate, then what a tool says."""

import dataclasses
from collections.abc import Callable, Generator

from gan2hls.flow_config import FlowConfig
from gan2hls.inputs import LatentSource
from gan2hls.pipeline import Folding
from gan2hls.report.points import PointReport
from gan2hls.sweep.points import Point
from gan2hls.sweep.results import collect
from gan2hls.sweep.task import Outcome, Task
from gan2hls.sweep.tasks import CosimTask, EstimateTask, QuantizeTask, SynthTask

PointSteps = Generator[tuple[Task, ...], tuple[Outcome, ...], tuple[PointReport, float]]
"""As `runner.Steps`; returns the report, and how many seconds the tasks took in this run."""


class PointTasks:
    """The tasks of points of one configuration.

    Args:
        config: settings that all points share.
        inputs: digest of all files that the configuration names.
        source: of the latents.
        keep_graph: takes the outcome of a quantization, and gives the digest of its graph.
    """

    def __init__(
        self, config: FlowConfig, inputs: str, source: LatentSource, keep_graph: Callable[[Outcome], str]
    ) -> None:
        self.config = config
        self.inputs = inputs
        self._source = source
        self._keep_graph = keep_graph

    @property
    def clock_mhz(self) -> float:
        """The clock that time is counted with where no tool tells one."""
        return self.config.sweep.clock_mhz or self.config.hls.clock_mhz

    def quantize(self, point: Point) -> QuantizeTask:
        """What gives the quality of a point, and its graph."""
        return QuantizeTask(
            title=f"quantize {point.bits}",
            inputs=self.inputs,
            calibration=dataclasses.asdict(self.config.calibration) | {"file": None, "inputs": {}},
            config=point.quantize,
            images=self.config.sweep.images,
            seed=self.config.simulation.seed,
            source=self._source,
        )

    def steps(self, point: Point) -> PointSteps:
        """All that is done for a point."""
        quality, estimated = yield from self.estimated(point)
        others: tuple[Outcome, ...] = ()
        tasks: tuple[Task, ...] = ()
        if estimated is not None and not estimated.error:
            graph = self._keep_graph(quality)
            tasks = self._hardware_tasks(point, graph, estimated.values["folding"])
            if tasks:
                others = yield tasks
        done = dict(zip((task.kind for task in tasks), others, strict=True))
        report = collect(point, self.clock_mhz, quality, estimated, done.get("synth"), done.get("cosim"))
        return report, sum(outcome.seconds for outcome in (quality, estimated, *others) if outcome is not None)

    def estimated(
        self, point: Point
    ) -> Generator[tuple[Task, ...], tuple[Outcome, ...], tuple[Outcome, Outcome | None]]:
        """Quality, and the estimate if that went well."""
        (quality,) = yield (self.quantize(point),)
        if quality.error:
            return quality, None
        (found,) = yield (self._estimate_task(point, self._keep_graph(quality)),)
        return quality, found

    def _estimate_task(self, point: Point, graph: str) -> EstimateTask:
        layers: Folding = dict(self.config.folding.layers)
        return EstimateTask(f"estimate {point.label}", graph, point.budget, layers, self.clock_mhz)

    def _hardware_tasks(self, point: Point, graph: str, folding: dict[str, dict[str, int]]) -> tuple[Task, ...]:
        sweep, simulation = self.config.sweep, self.config.simulation
        tasks: list[Task] = []
        if sweep.synth or sweep.place:
            wanted = sweep.clock_mhz if sweep.place else None
            title = f"synthesize {point.label}"
            runs = (sweep.seeds, sweep.limit_s)
            tasks.append(SynthTask(title, graph, folding, point.target, sweep.tool, sweep.place, wanted, *runs))
        if sweep.cosim:
            title, frames = f"simulate {point.label}", simulation.cosim_images
            drawn = (frames, simulation.stalls, simulation.seed, self._source.distribution)
            tasks.append(CosimTask(title, graph, folding, *drawn))
        return tuple(tasks)
