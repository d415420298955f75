"""The driver of a sweep: gives tasks to workers, keeps what comes out, and makes the report of it."""

import dataclasses
import io
import re
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from gan2hls.budget import Budget
from gan2hls.data import write_arrays
from gan2hls.files import (
    MARKER,
    check_output_directory,
    disk_errors,
    locked,
    made_folder,
    sha256,
    write_bytes,
    write_json,
)
from gan2hls.flow_config import FlowConfig
from gan2hls.folding import Folding
from gan2hls.frontends.float_model import FloatModel
from gan2hls.inputs import calibration_inputs, input_contents, latent_source, load_float_model
from gan2hls.quantization.ptq import check_layer_names, quantized_blocks
from gan2hls.report.points import PointReport, SweepReport
from gan2hls.resources import program_digest
from gan2hls.staging import recover, staged
from gan2hls.sweep.cache import Cache
from gan2hls.sweep.graphs import GraphFiles, graph_digest
from gan2hls.sweep.listener import Listener
from gan2hls.sweep.points import Point, expand
from gan2hls.sweep.requirements import require_tools
from gan2hls.sweep.results import collect
from gan2hls.sweep.search import require_optuna, search
from gan2hls.sweep.tasks import (
    CosimTask,
    EstimateTask,
    Model,
    Outcome,
    QuantizeTask,
    SynthTask,
    Task,
    execute,
)
from gan2hls.sweep.workers import Workers
from gan2hls.version import __version__

MOST_DEATHS = 3
"""Workers that a task may kill before it counts as failed."""

LOGS = "logs"


Steps = Generator[tuple[Task, ...], tuple[Outcome, ...], tuple[PointReport, float]]
"""A point: yields the tasks that it needs next, gets their outcomes, and at last gives the report, and how many seconds
its tasks took in this run."""

Write = Callable[[Path, SweepReport], None]
"""Writes a report into a folder."""


@dataclasses.dataclass
class _Running:
    """A point that waits for tasks."""

    index: int
    steps: Steps
    digests: tuple[str, ...] = ()


class Sweep:
    """A sweep in a folder.

    Args:
        directory: a new or empty folder, or an earlier sweep's.
        config: what to sweep, and all settings that points share.
        workers: makes the workers, when the first task needs one.
        listener: what to tell.
        local: whether the tools have to be here, since the workers are.

    Raises:
        UserError: points, files, layers or targets that can not be; the folder is not ours.
        MissingToolError: a tool is missing that points need.
    """

    def __init__(
        self,
        directory: Path | str,
        config: FlowConfig,
        workers: Callable[[], Workers],
        listener: Listener | None = None,
        *,
        local: bool = True,
    ) -> None:
        self.directory = Path(directory)
        self.config = config
        self.tasks_run = 0
        self._listener = listener or Listener()
        self._make_workers = workers
        self._workers: Workers | None = None
        self._model: Model | None = None
        check_output_directory(self.directory, "sweep")
        self._points = expand(config)
        self._inputs = sha256(*input_contents(config))
        self._source = latent_source(config)
        if local:
            require_tools(config, self._points)
        if config.sweep.search:
            require_optuna()
        self._cache = Cache(self.directory / "cache", self._listener.warn)
        self._known: dict[str, Outcome] = {}
        self._graphs: dict[str, GraphFiles] = {}
        self._found: list[Point] = []
        if any(point.quantize.layers for point in self._points):
            self._check_layers()

    def run(self, write: Write = lambda folder, report: None) -> SweepReport:
        """Take all points as far as the configuration says; what is in the cache is not made again.

        Args:
            write: called at the end, to write more than the points; all that is written appears together.

        Raises:
            UserError: another process works in the folder. Gan2HlsError: the workers are gone, the disk is full.
        """
        with ExitStack() as stack:
            for context in (disk_errors(self.directory), made_folder(self.directory), locked(self.directory)):
                stack.enter_context(context)
            stack.callback(self._close)
            self._claim()
            reports = self._take_points(self._points)
            self._found = self._new(self._searched())
            report = self._report([*reports, *self._take_points(self._found)])
            self._write(report, write)
        return report

    # -- the folder ---------------------------------------------------------------------------------------------------

    def _claim(self) -> None:
        """Mark the folder as ours, and remove what a killed sweep left."""
        recover(self.directory)
        if not (self.directory / MARKER).exists():
            write_json(self.directory / MARKER, {"kind": "sweep", "gan2hls": __version__})

    def _write(self, report: SweepReport, write: Write) -> None:
        points = [point.values() for point in report.points]
        with staged(self.directory) as staging:
            write_json(staging.new / "sweep.json", {"kind": "sweep", "title": report.title, "points": points})
            write_arrays(staging.new / "images.npz", real=report.real_images, **report.images)
            write(staging.new, report)
            staging.commit(remove=["plots"])

    def _report(self, reports: Sequence[PointReport]) -> SweepReport:
        source = self.config.model.source
        real: np.ndarray = np.zeros((0, 1, 1, 1), np.float32)
        images: dict[str, np.ndarray] = {}
        for point, report in zip([*self._points, *self._found], reports, strict=True):
            outcome = self._outcome(self._quantize_task(point))
            if outcome is not None and report.bits not in images:
                with np.load(io.BytesIO(outcome.files["images.npz"]), allow_pickle=False) as arrays:
                    real, images[report.bits] = arrays["real"], arrays["golden"]
        return SweepReport(Path(source).stem if source else "digits32", tuple(reports), real, images)

    # -- points -------------------------------------------------------------------------------------------------------

    def _take_points(self, points: Sequence[Point]) -> list[PointReport]:
        self._listener.begin(len(points))
        taken = self.take([self._steps(point) for point in points], lambda found: self._listener.finished(*found))
        return [report for report, _ in taken]

    def _searched(self) -> list[Point]:
        """Points that a search finds."""
        if not self.config.sweep.search:
            return []
        return search(self)

    def _new(self, found: Sequence[Point]) -> list[Point]:
        """Those that are no point of the configuration under another name."""

        def what(point: Point) -> tuple[str, Budget]:
            outcome = self._outcome(self._quantize_task(point))
            return self._graph(outcome) if outcome is not None else point.bits, point.budget

        known = {what(point) for point in self._points}
        return [point for point in found if what(point) not in known]

    def say_searched(self, trials: int, wanted: int) -> None:
        self._listener.searched(trials, wanted)

    def warn(self, line: str) -> None:
        self._listener.warn(line)

    @property
    def inputs(self) -> str:
        """Digest of all files that the configuration names."""
        return self._inputs

    @property
    def points(self) -> list[Point]:
        """Those of the configuration."""
        return self._points

    @property
    def clock_mhz(self) -> float:
        """The clock that time is counted with where no tool tells one."""
        return self.config.sweep.clock_mhz or self.config.hls.clock_mhz

    def layer_names(self) -> list[str]:
        """Names of the layers with weights, as `quantize.layers` has them."""
        return [block.name for block in quantized_blocks(self._loaded().float_model) if block.mac is not None]

    def _quantize_task(self, point: Point) -> QuantizeTask:
        return QuantizeTask(
            title=f"quantize {point.bits}",
            inputs=self._inputs,
            calibration=dataclasses.asdict(self.config.calibration) | {"file": None},
            config=point.quantize,
            images=self.config.sweep.images,
            seed=self.config.simulation.seed,
            source=self._source,
        )

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

    def _steps(self, point: Point) -> Steps:
        """All that is done for a point."""
        quality, estimated = yield from self.estimated(point)
        others: tuple[Outcome, ...] = ()
        tasks: tuple[Task, ...] = ()
        if estimated is not None and not estimated.error:
            graph = self._graph(quality)
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
        (quality,) = yield (self._quantize_task(point),)
        if quality.error:
            return quality, None
        (found,) = yield (self._estimate_task(point, self._graph(quality)),)
        return quality, found

    def _graph(self, quality: Outcome) -> str:
        """Digest of the graph that a quantization gave; its files are kept for the tasks that need them."""
        files = {name: data for name, data in quality.files.items() if name != "images.npz"}
        digest = graph_digest(files)
        self._graphs[digest] = files
        return digest

    # -- tasks --------------------------------------------------------------------------------------------------------

    def take(
        self, all_steps: Sequence[Generator[tuple[Task, ...], tuple[Outcome, ...], Any]], say: Callable[[Any], None]
    ) -> list[Any]:
        """Take points through their tasks, as many at a time as there are workers.

        Args:
            all_steps: the points.
            say: called with what each one gives, as soon as it does.

        Returns:
            What the points give, in order.
        """
        results: list[Any] = [None] * len(all_steps)
        waiting: dict[str, list[_Running]] = {}
        queue: deque[tuple[str, Task]] = deque()

        def advance(point: _Running, outcomes: tuple[Outcome, ...] | None) -> None:
            """Let a point go on until it needs what is not known."""
            while True:
                try:
                    tasks = point.steps.send(outcomes) if outcomes is not None else next(point.steps)
                except StopIteration as end:
                    results[point.index] = end.value
                    say(end.value)
                    return
                point.digests = tuple(self._cache.digest(task) for task in tasks)
                missing = [
                    (digest, task)
                    for digest, task in zip(point.digests, tasks, strict=True)
                    if self._look_up(task, digest) is None
                ]
                for digest, task in missing:
                    if digest not in waiting:
                        queue.append((digest, task))
                    waiting.setdefault(digest, []).append(point)
                if missing:
                    return
                outcomes = tuple(self._known[digest] for digest in point.digests)

        for index, steps in enumerate(all_steps):
            advance(_Running(index, steps), None)
        for digest in self._execute(queue):
            for point in waiting.pop(digest):
                if all(needed in self._known for needed in point.digests):
                    advance(point, tuple(self._known[needed] for needed in point.digests))
        return results

    def _look_up(self, task: Task, digest: str) -> Outcome | None:
        """What is known of a task, from this run or an earlier one."""
        if digest not in self._known:
            outcome = self._cache.get(task, digest)
            if outcome is not None:
                self._known[digest] = outcome
        return self._known.get(digest)

    def _outcome(self, task: Task) -> Outcome | None:
        """A successful outcome of a task that has been done."""
        outcome = self._known.get(self._cache.digest(task))
        return outcome if outcome is not None and not outcome.error else None

    def _execute(self, queue: deque[tuple[str, Task]]) -> Generator[str, None, None]:
        """Run tasks until the queue is empty, others being put into it meanwhile; gives the digests that are done."""
        running: dict[Future[Outcome], tuple[str, Task]] = {}
        deaths: dict[str, int] = {}
        while queue or running:
            workers = self._started_workers()
            slots = workers.slots() if queue else 0
            while queue and len(running) < slots:
                digest, task = queue.popleft()
                self._listener.started(task.title)
                future = workers.submit(execute, task, self._payload(task), program_digest(), task.tools())
                running[future] = digest, task
                self.tasks_run += 1
            workers.check()
            for future in wait(running, timeout=1.0, return_when=FIRST_COMPLETED).done:
                digest, task = running.pop(future)
                self._listener.ended(task.title)
                outcome = _result(future, workers, deaths, digest)
                if outcome is None:
                    queue.appendleft((digest, task))
                    continue
                self._keep(task, digest, outcome)
                yield digest

    def _keep(self, task: Task, digest: str, outcome: Outcome) -> None:
        log = self.directory / LOGS / f"{_file_name(task.title)}.log"
        if outcome.error:
            if outcome.log:
                write_bytes(log, outcome.log)
                outcome = dataclasses.replace(outcome, error=f"{outcome.error} (log: {LOGS}/{log.name})", log=b"")
        else:
            self._cache.put(task, digest, outcome)
            with disk_errors(log):
                log.unlink(missing_ok=True)
        self._known[digest] = outcome

    def _payload(self, task: Task) -> Model | GraphFiles | None:
        if isinstance(task, QuantizeTask):
            return self._loaded()
        graph = getattr(task, "graph", None)
        return None if graph is None else self._graphs[graph]

    def _loaded(self) -> Model:
        """The model, read when it is first needed."""
        if self._model is None:
            float_model: FloatModel = load_float_model(self.config.model)
            shape, distribution = float_model.input_shape, self._source.distribution
            calibration = calibration_inputs(self.config.calibration, shape, distribution)
            self._model = Model(float_model, calibration)
        return self._model

    def _check_layers(self) -> None:
        blocks = quantized_blocks(self._loaded().float_model)
        for point in self._points:
            check_layer_names(blocks, point.quantize)

    def _started_workers(self) -> Workers:
        if self._workers is None:
            self._workers = self._make_workers()
        return self._workers

    def _close(self) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None


def _result(future: "Future[Outcome]", workers: Workers, deaths: dict[str, int], digest: str) -> Outcome | None:
    """What a task gave; None if its worker died and it should be tried again."""
    try:
        return future.result()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        killed = workers.deaths(error)
        if not killed:
            return Outcome(error=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    deaths[digest] = deaths.get(digest, 0) + killed
    if deaths[digest] < MOST_DEATHS:
        return None
    return Outcome(error=f"killed its worker {deaths[digest]} times; it may need more memory than there is")


def _file_name(title: str) -> str:
    return re.sub(r"[^\w.-]+", "-", title).strip("-")
