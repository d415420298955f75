"""The driver of a sweep: takes all points as far as the configuration says, and makes the report of it."""

import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

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
    write_json,
)
from gan2hls.flow_config import FlowConfig
from gan2hls.frontends.float_model import FloatModel
from gan2hls.inputs import calibration_inputs, input_contents, latent_source, load_float_model
from gan2hls.quantization.ptq import check_layer_names, quantized_blocks
from gan2hls.report.points import PointReport, SweepReport
from gan2hls.staging import recover, staged
from gan2hls.sweep.listener import Listener
from gan2hls.sweep.points import Point, expand
from gan2hls.sweep.requirements import require_tools
from gan2hls.sweep.runner import Runner
from gan2hls.sweep.search import require_optuna, search
from gan2hls.sweep.steps import PointTasks
from gan2hls.sweep.task import Model
from gan2hls.sweep.workers import Workers
from gan2hls.version import __version__

Write = Callable[[Path, SweepReport], None]
"""Writes a report into a folder."""


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
        self._listener = listener or Listener()
        self._model: Model | None = None
        check_output_directory(self.directory, "sweep")
        self._points = expand(config)
        inputs = sha256(*input_contents(config))
        self._source = latent_source(config)
        if local:
            require_tools(config, self._points)
        if config.sweep.search:
            require_optuna()
        self._runner = Runner(self.directory, workers, self._loaded, self._listener)
        self._tasks = PointTasks(config, inputs, self._source, self._runner.keep_graph)
        self._found: list[Point] = []
        if any(point.quantize.layers for point in self._points):
            self._check_layers()

    @property
    def tasks_run(self) -> int:
        """Tasks that workers were given; the others were in the cache."""
        return self._runner.tasks_run

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
            stack.callback(self._runner.close)
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
            outcome = self._runner.outcome(self._tasks.quantize(point))
            if outcome is not None and report.bits not in images:
                with np.load(io.BytesIO(outcome.files["images.npz"]), allow_pickle=False) as arrays:
                    real, images[report.bits] = arrays["real"], arrays["golden"]
        return SweepReport(Path(source).stem if source else "digits32", tuple(reports), real, images)

    # -- points -------------------------------------------------------------------------------------------------------

    def _take_points(self, points: Sequence[Point]) -> list[PointReport]:
        self._listener.begin(len(points))
        steps = [self._tasks.steps(point) for point in points]
        taken = self._runner.take(steps, lambda found: self._listener.finished(*found))
        return [report for report, _ in taken]

    def _searched(self) -> list[Point]:
        """Points that a search finds."""
        if not self.config.sweep.search:
            return []
        return search(self._tasks, self._runner, self._points[0], self._layer_names(), self._listener)

    def _new(self, found: Sequence[Point]) -> list[Point]:
        """Those that are no point of the configuration under another name."""

        def what(point: Point) -> tuple[str, Budget]:
            outcome = self._runner.outcome(self._tasks.quantize(point))
            return self._runner.keep_graph(outcome) if outcome is not None else point.bits, point.budget

        known = {what(point) for point in self._points}
        return [point for point in found if what(point) not in known]

    def _layer_names(self) -> list[str]:
        """Names of the layers with weights, as `quantize.layers` has them."""
        return [block.name for block in quantized_blocks(self._loaded().float_model) if block.mac is not None]

    def _loaded(self) -> Model:
        """The model, read when it is first needed."""
        if self._model is None:
            float_model: FloatModel = load_float_model(self.config.model)
            shapes, distribution = float_model.inputs, self._source.distribution
            calibration = calibration_inputs(self.config.calibration, shapes, distribution)
            self._model = Model(float_model, calibration)
        return self._model

    def _check_layers(self) -> None:
        blocks = quantized_blocks(self._loaded().float_model)
        for point in self._points:
            check_layer_names(blocks, point.quantize)
