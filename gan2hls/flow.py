"""The flow behind the command line and the Makefile: named stages, each with a checkpoint.

A run is a folder in which each stage of `STAGES` leaves its result. `gan2hls.json` there records from what each was
made, and what it wrote. A stage whose inputs and files are as recorded is not made again, so an interrupted run goes on
where it stopped. What a user edits in `project/hls` and `project/rtl` is kept, and simulated as it is, until a stage
before it has to be made again.
"""

import dataclasses
import json
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan2hls import __version__
from gan2hls.data import image_grid, save_image, write_arrays
from gan2hls.errors import MismatchError
from gan2hls.files import (
    MARKER,
    check_output_directory,
    clean_up,
    locked,
    read_bytes,
    read_json,
    sha256,
    write_bytes,
    write_json,
)
from gan2hls.flow_config import FlowConfig
from gan2hls.folding import Pipeline, make_pipeline
from gan2hls.inputs import calibration_inputs, input_contents, load_float_model
from gan2hls.integerize import integerize, proxy_distance
from gan2hls.ir import Fold, Graph
from gan2hls.metrics import psnr
from gan2hls.models import latents
from gan2hls.passes import check_equal
from gan2hls.project import Project, build
from gan2hls.quantization.ptq import quantize_float_model
from gan2hls.report import RunReport, write_csv, write_markdown, write_report
from gan2hls.report import write_json as write_report_json
from gan2hls.resources import program_digest
from gan2hls.simulate import COSIM_TOOLS, CSIM_TOOLS
from gan2hls.tools import doctor_rows, require_tool

STAGES = ("quantize", "build", "csim", "cosim", "report")
"""In order; each needs those before it."""

_TOOLS = {"csim": CSIM_TOOLS, "cosim": COSIM_TOOLS}
_FILES = {
    "quantize": ("quantize", "samples.npz", "quantize.json"),
    "build": ("project/graph", "project/hls", "project/rtl", f"project/{MARKER}"),
    "csim": ("csim.npy", "csim.png", "csim.json"),
    "cosim": ("cosim.npy", "cosim.png", "cosim.json"),
    "report": ("report.json", "report.csv", "report.md", "report.html"),
}
"""What each stage writes, the file that says that it was finished last."""

_EDITABLE = {"csim": "project/hls/", "cosim": "project/rtl/"}
"""Generated sources that a user may edit, by the stage that runs them."""

Say = Callable[[str, str], None]
"""Called with a stage and "working", "as before", or how long it took."""


class Run:
    """A flow in a folder.

    Args:
        directory: a new or empty folder, or an earlier run's.
        config: what to build.
        say: called when a stage starts, is done or is skipped.

    Raises:
        UserError: the folder exists and is not a run of gan2hls; a file that the configuration names is not readable.
    """

    def __init__(self, directory: Path | str, config: FlowConfig, say: Say = lambda stage, state: None) -> None:
        self.directory = Path(directory)
        self.config = config
        self._say = say
        check_output_directory(self.directory, "run")
        self._stages = self._read_manifest()
        self._inputs = self._hash_inputs()

    def until(self, last: str) -> "Run":
        """Make all stages up to `last` that are not there yet, or were made from something else.

        Raises:
            UserError: input that can not be accepted; another process works in the folder. MissingToolError, ToolError,
            MismatchError: from the simulations.
        """
        stages = STAGES[: STAGES.index(last) + 1]
        for stage in stages:
            if not self._result(stage).exists():
                for tool in _TOOLS.get(stage, ()):
                    require_tool(tool)  # now, not after minutes of work
        with self._locked():
            for stage in stages:
                self._make(stage)
        return self

    def _make(self, stage: str) -> None:
        makers = dict(zip(STAGES, (self._quantize, self._build, self._csim, self._cosim, self._report), strict=True))
        made_from = self._made_from(stage)
        entry = self._stages.get(stage, {})
        if entry.get("made_from") == made_from and self._is_intact(entry.get("files")):
            self._say(stage, "as before")
            return
        self._say(stage, "working")
        began = time.monotonic()
        if stage in ("csim", "cosim", "report"):
            self._forget([stage, "report"])  # what it said is of other inputs, whatever becomes of this
        makers[stage]()
        files = {name: sha256(read_bytes(self.directory / name)) for name in self._written(stage)}
        self._stages[stage] = {"made_from": made_from, "files": files}
        if stage in ("quantize", "build") and self._stages[stage] != entry:
            self._forget(STAGES[STAGES.index(stage) + 1 :])
        self._write_manifest()
        self._say(stage, f"{time.monotonic() - began:.1f} s")

    # -- checkpoints --------------------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep others out of the folder, if it exists, and remove what a killed run left."""
        if not self.directory.is_dir():
            yield
            return
        with locked(self.directory):
            for name in ("quantize", "project"):
                clean_up(self.directory / name)
            for leftover in self.directory.glob(".*.tmp"):
                leftover.unlink(missing_ok=True)
            for leftover in self.directory.glob("project/.run/.csim-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            yield

    def _read_manifest(self) -> dict[str, dict[str, Any]]:
        if not (self.directory / MARKER).is_file():
            return {}
        stages = read_json(self.directory / MARKER).get("stages")
        entries = stages if isinstance(stages, dict) else {}
        return {stage: entries[stage] for stage in STAGES if isinstance(entries.get(stage), dict)}

    def _write_manifest(self) -> None:
        stages = {stage: self._stages[stage] for stage in STAGES if stage in self._stages}
        write_json(self.directory / MARKER, {"kind": "run", "gan2hls": __version__, "stages": stages})

    def _hash_inputs(self) -> str:
        return sha256(program_digest(), *input_contents(self.config))

    def _made_from(self, stage: str) -> str:
        """What a stage is made from, hashed: its part of the configuration, and the files or stages before it."""
        config = dataclasses.asdict(self.config)
        simulation = config["simulation"]
        stalls = simulation.pop("stalls")
        parts: dict[str, list[Any]] = {
            "quantize": [self._inputs, config["quantize"], config["calibration"], simulation],
            "build": [config["folding"], config["hls"]],
            "csim": [],
            "cosim": [stalls],
            "report": [self._stages.get("csim"), self._stages.get("cosim")],
        }
        before = {"build": "quantize", "csim": "build", "cosim": "build", "report": "build"}.get(stage)
        values = [stage, self._stages.get(before or ""), self._sources(stage), *parts[stage]]
        return sha256(json.dumps(values, sort_keys=True))

    def _sources(self, stage: str) -> list[str]:
        """Hashes of the generated sources that a stage runs, as they are now."""
        folder = _EDITABLE.get(stage)
        files = self._stages.get("build", {}).get("files", {}) if folder else {}
        return [sha256(read_bytes(self.directory / name)) for name in files if name.startswith(str(folder))]

    def _is_intact(self, files: Any) -> bool:
        """Whether a stage's files are there, and as they were written; sources may have been edited."""
        if not isinstance(files, dict) or not files:
            return False
        editable = tuple(_EDITABLE.values())
        for name, digest in files.items():
            path = self.directory / name
            if not path.is_file() or (not name.startswith(editable) and sha256(read_bytes(path)) != digest):
                return False
        return True

    def _written(self, stage: str) -> Iterator[str]:
        """Files of a stage, relative to the folder, in an order that does not depend on the file system."""
        for name in _FILES[stage]:
            path = self.directory / name
            found = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
            yield from (str(item.relative_to(self.directory)) for item in found)

    def _forget(self, stages: Sequence[str]) -> None:
        """Remove what stages left; a project stays in its place until `build` replaces it."""
        for stage in stages:
            self._stages.pop(stage, None)
            for name in _FILES[stage] if stage != "build" else ():
                (self.directory / name).unlink(missing_ok=True)

    # -- results ------------------------------------------------------------------------------------------------------

    @property
    def graph(self) -> Graph:
        return Graph.load(self.directory / "quantize")

    def pipeline(self) -> Pipeline:
        """Kernels and buffers, folded as `build` does it, where only `quantize` has run."""
        graph = self.graph
        return make_pipeline(graph, self.config.folding.budget.fold(graph, self.config.hls.clock_mhz, self._folding()))

    @property
    def project(self) -> Project:
        return Project.open(self.directory / "project")

    def summary(self, stage: str) -> dict[str, Any]:
        """The JSON result of a stage that has been made."""
        return dict(read_json(self._result(stage)))

    @property
    def psnr(self) -> float:
        """Of the golden model against float, in dB; infinite where they are equal (JSON has no infinity)."""
        value = self.summary("quantize")["psnr"]
        return math.inf if value is None else float(value)

    def run_report(self) -> RunReport:
        """What the report says of this run; stages up to cosim must have been made."""
        csim, cosim = self.summary("csim"), self.summary("cosim")
        pipeline = self.project.pipeline
        with np.load(self.directory / "samples.npz", allow_pickle=False) as samples:
            real, golden = samples["real"], samples["golden"]
        return RunReport(
            label=self.config.label,
            pipeline=pipeline,
            real_images=real,
            golden=golden,
            csim=_load_images(self.directory / "csim.npy", pipeline),
            rtl=_load_images(self.directory / "cosim.npy", pipeline),
            compared_values={"C++": csim["values"], "RTL": cosim["values"]},
            differing_values=0,
            psnr=self.psnr,
            latency_cycles=cosim["latency_cycles"],
            interval_cycles=cosim["interval_cycles"],
            clock_mhz=self.config.hls.clock_mhz,
        )

    def _result(self, stage: str) -> Path:
        """The file whose presence says that a stage was finished."""
        return self.directory / _FILES[stage][-1]

    # -- stages -------------------------------------------------------------------------------------------------------

    def _quantize(self) -> None:
        float_model = load_float_model(self.config.model)
        calibration = calibration_inputs(self.config.calibration, float_model.input_shape)
        quantized = quantize_float_model(float_model, calibration, self.config.quantize)
        graph = integerize(quantized)
        simulation = self.config.simulation
        z = latents(max(simulation.csim_images, simulation.cosim_images), float_model.input_shape, simulation.seed)
        with torch.no_grad():
            real = float_model.forward(torch.from_numpy(z)).numpy()
        golden = graph.run(z)
        # What `build` would refuse is refused before anything is replaced.
        self.config.folding.budget.fold(graph, self.config.hls.clock_mhz, self._folding())
        self._write_manifest()  # now the folder is ours, whenever this is interrupted
        graph.save(self.directory / "quantize")
        write_arrays(self.directory / "samples.npz", latents=z, real=real, golden=golden)
        quality = psnr(golden, real)
        result = {"psnr": quality if math.isfinite(quality) else None, "proxy": proxy_distance(quantized, graph, z)}
        write_json(self._result("quantize"), result)

    def _build(self) -> None:
        config = self.config
        build(
            self.graph,
            self.directory / "project",
            **dataclasses.asdict(config.folding.budget),
            folding=self._folding(),
            part=config.hls.part,
            clock_mhz=config.hls.clock_mhz,
        )

    def _folding(self) -> dict[str, Fold]:
        return {name: Fold(**dataclasses.asdict(fold)) for name, fold in self.config.folding.layers.items()}

    def _csim(self) -> None:
        project = self.project
        inputs, golden = self._vectors(project.graph, self.config.simulation.csim_images)
        outputs = project.csim(inputs)
        self._compare("C++", "csim", project.graph, outputs, golden, {})

    def _cosim(self) -> None:
        project, simulation = self.project, self.config.simulation
        inputs, golden = self._vectors(project.graph, simulation.cosim_images)
        result = project.cosim(inputs, stalls=simulation.stalls, seed=simulation.seed)
        measured = ("latency_cycles", "interval_cycles", "free_frames", "steady_frames", "edited")
        cycles = {name: getattr(result, name) for name in measured}
        self._compare("RTL", "cosim", project.graph, result.outputs, golden, cycles)

    def waves(self, path: Path) -> None:
        """Simulate one frame and write its waveform (VCD)."""
        project = self.project
        inputs, _ = self._vectors(project.graph, 1)
        project.cosim(inputs, stalls=False, waves=path)

    def _report(self) -> None:
        write_reports(self.directory, "gan2hls", [self.run_report()])

    def _vectors(self, graph: Graph, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Input integers and the golden model's output integers, in door order."""
        with np.load(self.directory / "samples.npz", allow_pickle=False) as samples:
            inputs = graph.quantize_input(samples["latents"][:count])
        return inputs, graph.run_integers(inputs)

    def _compare(
        self, what: str, stage: str, graph: Graph, outputs: np.ndarray, golden: np.ndarray, more: dict[str, Any]
    ) -> None:
        """Keep the outputs as arrays and as a picture, and fail if they differ from the golden model's."""
        with tempfile.TemporaryFile() as stream:
            np.save(stream, outputs)
            stream.seek(0)
            write_bytes(self.directory / f"{stage}.npy", stream.read())
        if _is_image(outputs):
            save_image(self.directory / f"{stage}.png", image_grid(graph.to_real(outputs).clip(-1, 1)))
        difference = check_equal(f"{what} against the golden model", outputs, golden)
        if difference:
            raise MismatchError(difference)
        write_json(self._result(stage), {"images": len(outputs), "values": int(outputs.size), "equal": True, **more})


def write_reports(directory: Path, title: str, reports: Sequence[RunReport]) -> None:
    """Write `report.html` and its numbers: `report.json`, `report.csv` (the layers) and `report.md`."""
    tools = [(row.name, row.version) for row in doctor_rows() if row.found]
    write_report_json(directory / "report.json", title, reports, tools=tools)
    write_csv(directory / "report.csv", reports)
    write_markdown(directory / "report.md", title, reports, tools=tools)
    write_report(directory / "report.html", title, reports, tools=tools)


def _load_images(path: Path, pipeline: Pipeline) -> np.ndarray:
    return pipeline.graph.to_real(np.load(path, allow_pickle=False))


def _is_image(outputs: np.ndarray) -> bool:
    return outputs.ndim == 4 and outputs.shape[1] in (1, 3)
