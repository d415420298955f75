"""The flow behind the command line and the Makefile: named stages, each with a checkpoint.

A run is a folder in which each stage of `STAGES` leaves its result. `gan2hls.json` there records from what each was
made, and what it wrote. A stage whose inputs and files are as recorded is not made again, so an interrupted run goes on
where it stopped. What a user edits in `project/hls` and `project/rtl` is kept, and simulated as it is, until a stage
before it has to be made again.
"""

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan2hls.arguments import named_arrays, plain_arrays
from gan2hls.assembly import make_pipeline
from gan2hls.data import write_arrays
from gan2hls.errors import MismatchError, ToolError
from gan2hls.estimate.buffers import check_fifos
from gan2hls.files import (
    MARKER,
    check_output_directory,
    disk_errors,
    files_below,
    locked,
    made_folder,
    read_bytes,
    read_json,
    sha256,
    write_json,
)
from gan2hls.flow_config import FlowConfig
from gan2hls.hls_depths import size_streams
from gan2hls.inputs import calibration_inputs, input_contents, latent_source, load_float_model
from gan2hls.integerize import integerize, proxy_distance
from gan2hls.ir import Fold, Graph
from gan2hls.metrics import psnr
from gan2hls.passes import check_equal
from gan2hls.pipeline import Pipeline
from gan2hls.project import Project
from gan2hls.project_files import ProjectSettings, write_project
from gan2hls.quantization.ptq import quantize_float_model
from gan2hls.report import RunReport, write_csv, write_markdown, write_report
from gan2hls.report import write_json as write_report_json
from gan2hls.resources import program_digest
from gan2hls.run_arrays import keyed, keys, load_images, write_outputs
from gan2hls.simulate import COSIM_TOOLS, CSIM_TOOLS
from gan2hls.staging import recover, staged
from gan2hls.tools import doctor_rows, require_tool
from gan2hls.version import __version__

STAGES = ("quantize", "build", "csim", "cosim", "report")
"""In order; each needs those before it."""

_TOOLS = {"csim": CSIM_TOOLS, "cosim": COSIM_TOOLS}
_FILES = {
    "quantize": ("quantize", "samples.npz", "quantize.json"),
    "build": ("project/graph", "project/hls", "project/rtl", f"project/{MARKER}"),
    "csim": ("csim.npy", "csim.npz", "csim.png", "csim.json"),
    "cosim": ("cosim.npy", "cosim.npz", "cosim.png", "cosim.json"),
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
        with disk_errors(self.directory):
            check_output_directory(self.directory, "run")
        self._stages = self._read_manifest()
        self._inputs = self._hash_inputs()
        self._planned: Pipeline | None = None

    def until(self, last: str) -> "Run":
        """Make all stages up to `last` that are not there yet, or were made from something else.

        Raises:
            UserError: input that can not be accepted; another process works in the folder. MissingToolError, ToolError,
            MismatchError: from the simulations.
        """
        stages = STAGES[: STAGES.index(last) + 1]
        with disk_errors(self.directory), made_folder(self.directory), locked(self.directory):
            recover(self.directory)
            self._stages = self._read_manifest()
            self._check(self._pending(stages))  # now, not after minutes of work
            for stage in stages:
                self._make(stage, plan=last != "quantize")
        return self

    def _pending(self, stages: Sequence[str]) -> Sequence[str]:
        """The stages that are not there as they should be, and those that may change with them."""
        for index, stage in enumerate(stages):
            if not self._is_made(stage):
                return stages[index:]
        return ()

    def _check(self, stages: Sequence[str]) -> None:
        """Refuse what stages could not do, before any of them changes anything."""
        for stage in stages:
            for tool in _TOOLS.get(stage, ()):
                require_tool(tool)
        if "build" in stages and "build" not in self._stages:
            check_output_directory(self.directory / "project", "project")

    def _make(self, stage: str, plan: bool) -> None:
        if self._is_made(stage):
            self._say(stage, "as before")
            return
        self._say(stage, "working")
        began = time.monotonic()
        old, made_from = self._stages.get(stage, {}), self._made_from(stage)
        with staged(self.directory) as staging:
            try:
                self._makers(plan)[stage](staging.new)
            except (MismatchError, ToolError):
                if old.get("made_from") != made_from:  # what was said before is of other sources
                    self._record(staging.new, {stage: None, "report": None})
                    staging.commit(self._outputs([stage, "report"]))
                raise
            files = {name: sha256((staging.new / name).read_bytes()) for name in self._written(stage, staging.new)}
            entry = {"made_from": made_from, "files": files}
            later = STAGES[STAGES.index(stage) + 1 :] if stage in ("quantize", "build") else ("report",)
            gone = [name for name in later if entry != old and name != stage]
            self._record(staging.new, {stage: entry, **dict.fromkeys(gone)})
            staging.commit(self._outputs(gone))
        self._say(stage, f"{time.monotonic() - began:.1f} s")

    def _makers(self, plan: bool) -> dict[str, Callable[[Path], None]]:
        """What makes each stage's files in a folder."""
        makers = (lambda new: self._quantize(new, plan), self._build, self._csim, self._cosim, self._report)
        return dict(zip(STAGES, makers, strict=True))

    # -- checkpoints --------------------------------------------------------------------------------------------------

    def _read_manifest(self) -> dict[str, dict[str, Any]]:
        if not (self.directory / MARKER).is_file():
            return {}
        manifest = read_json(self.directory / MARKER)
        stages = manifest.get("stages") if isinstance(manifest, dict) else None
        entries = stages if isinstance(stages, dict) else {}
        return {stage: entries[stage] for stage in STAGES if _is_entry(entries.get(stage))}

    def _record(self, new: Path, changes: dict[str, dict[str, Any] | None]) -> None:
        """Write a manifest in which stages have other entries, or none."""
        entries = {**self._stages, **changes}
        self._stages = {stage: entry for stage in STAGES if (entry := entries.get(stage)) is not None}
        write_json(new / MARKER, {"kind": "run", "gan2hls": __version__, "stages": self._stages})

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

    def _is_made(self, stage: str) -> bool:
        entry = self._stages.get(stage, {})
        return bool(entry.get("made_from") == self._made_from(stage) and self._is_intact(entry.get("files")))

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

    @staticmethod
    def _written(stage: str, folder: Path) -> Iterator[str]:
        """Files of a stage, relative to the folder, in an order that does not depend on the file system."""
        for name in _FILES[stage]:
            path = folder / name
            if path.exists():  # no picture where the output is no image; `.npz` where there are several outputs
                found = files_below(path) if path.is_dir() else [path]
                yield from (str(item.relative_to(folder)) for item in found)

    @staticmethod
    def _outputs(stages: Iterable[str]) -> list[str]:
        """Names of what stages left; a project stays in its place until `build` replaces it."""
        return [name for stage in stages if stage != "build" for name in _FILES[stage]]

    # -- results ------------------------------------------------------------------------------------------------------

    @property
    def graph(self) -> Graph:
        return Graph.load(self.directory / "quantize")

    def pipeline(self) -> Pipeline:
        """Kernels and buffers, folded as `build` does it, where only `quantize` has run."""
        graph = self.graph
        return self._made(graph, self._chosen_folding(graph))

    def _made(self, graph: Graph, folding: dict[str, Fold]) -> Pipeline:
        pipeline = size_streams(make_pipeline(graph, folding))
        check_fifos(pipeline, self.config.folding.target)
        return pipeline

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
        graph = pipeline.graph
        shown = graph.outputs[0]
        real, golden = (self._samples(what, graph.outputs)[shown] for what in ("real", "golden"))
        return RunReport(
            label=self.config.label,
            pipeline=pipeline,
            real_images=real,
            golden=golden,
            csim=load_images(self.directory / "csim", graph),
            rtl=load_images(self.directory / "cosim", graph),
            compared_values={"C++": csim["values"], "RTL": cosim["values"]},
            differing_values=0,
            psnr=self.psnr,
            latents=self.summary("quantize")["latents"],
            output=shown,
            latency_cycles=cosim["latency_cycles"],
            interval_cycles=cosim["interval_cycles"],
            clock_mhz=self.config.hls.clock_mhz,
        )

    def _result(self, stage: str) -> Path:
        """The file whose presence says that a stage was finished."""
        return self.directory / _FILES[stage][-1]

    # -- stages -------------------------------------------------------------------------------------------------------

    def _quantize(self, new: Path, plan: bool) -> None:
        float_model = load_float_model(self.config.model)
        source = latent_source(self.config)
        calibration = calibration_inputs(self.config.calibration, float_model.inputs, source.distribution)
        quantized = quantize_float_model(float_model, calibration, self.config.quantize)
        graph = integerize(quantized)
        simulation = self.config.simulation
        count = max(simulation.csim_images, simulation.cosim_images)
        z = source.draw(count, float_model.inputs, simulation.seed, calibration)
        with torch.no_grad():
            found = float_model.forward({name: torch.from_numpy(values) for name, values in z.items()})
        floats = found.values() if isinstance(found, Mapping) else [found]
        real = {name: values.numpy() for name, values in zip(graph.outputs, floats, strict=True)}
        golden = named_arrays(graph.outputs, graph.run(z), "the golden model")
        # What `build` would refuse is refused before anything is replaced.
        folding = self._chosen_folding(graph)
        self._planned = self._made(graph, folding) if plan else None
        graph.save(new / "quantize")
        write_arrays(new / "samples.npz", **keyed("latents", z), **keyed("real", real), **keyed("golden", golden))
        quality = {name: psnr(golden[name], real[name]) for name in golden}
        finite = {name: value if math.isfinite(value) else None for name, value in quality.items()}
        result: dict[str, Any] = {
            "psnr": finite[graph.outputs[0]],
            **({"psnr_by_output": finite} if len(finite) > 1 else {}),
            "latents": source.text(count, calibration),
            "proxy": proxy_distance(quantized, graph, z),
        }
        if quantized.groups:
            result["groups"] = [dataclasses.asdict(group) for group in quantized.groups]
        write_json(new / "quantize.json", result)

    def _build(self, new: Path) -> None:
        hls = self.config.hls
        pipeline = self._planned or self.pipeline()
        write_project(pipeline, new / "project", ProjectSettings(hls.part, hls.clock_mhz, self.config.folding.target))

    def _chosen_folding(self, graph: Graph) -> dict[str, Fold]:
        return self.config.folding.budget.fold(graph, self.config.hls.clock_mhz, self.config.folding.layers)

    def _csim(self, new: Path) -> None:
        project = self.project
        inputs, golden = self._vectors(project.graph, self.config.simulation.csim_images)
        outputs = project.csim(inputs)
        self._compare("C++", new / "csim", project.graph, outputs, golden, {})

    def _cosim(self, new: Path) -> None:
        project, simulation = self.project, self.config.simulation
        inputs, golden = self._vectors(project.graph, simulation.cosim_images)
        result = project.cosim(inputs, stalls=simulation.stalls, seed=simulation.seed)
        measured = ("latency_cycles", "interval_cycles", "free_frames", "steady_frames", "edited")
        cycles = {name: getattr(result, name) for name in measured}
        self._compare("RTL", new / "cosim", project.graph, result.outputs, golden, cycles)

    def waves(self, path: Path) -> None:
        """Simulate one frame and write its waveform (VCD)."""
        project = self.project
        inputs, _ = self._vectors(project.graph, 1)
        project.cosim(inputs, stalls=False, waves=path)

    def _report(self, new: Path) -> None:
        write_reports(new, "gan2hls", [self.run_report()])

    def _vectors(self, graph: Graph, count: int) -> tuple[Any, Any]:
        """Input integers and the golden model's output integers, in the ports' order."""
        latents = {name: z[:count] for name, z in self._samples("latents", tuple(graph.input_types)).items()}
        inputs = graph.quantize_input(plain_arrays(latents))
        return inputs, graph.run_integers(inputs)

    def _samples(self, what: str, names: Sequence[str]) -> dict[str, np.ndarray]:
        """What `samples.npz` holds of the inputs or outputs."""
        with np.load(self.directory / "samples.npz", allow_pickle=False) as samples:
            return {name: samples[key] for name, key in zip(names, keys(what, names), strict=True)}

    def _compare(self, what: str, path: Path, graph: Graph, outputs: Any, golden: Any, more: dict[str, Any]) -> None:
        """Keep the outputs as arrays and as a picture, and fail if they differ from the golden model's."""
        found, expected = (named_arrays(graph.outputs, arrays, what) for arrays in (outputs, golden))
        write_outputs(path, found, graph)
        where = {name: f" at output {name}" if len(found) > 1 else "" for name in found}
        differences = [
            check_equal(f"{what} against the golden model{where[name]}", found[name], expected[name]) for name in found
        ]
        if any(differences):
            raise MismatchError("\n".join(filter(None, differences)))
        count = sum(int(values.size) for values in found.values())
        write_json(
            path.with_suffix(".json"),
            {"images": len(next(iter(found.values()))), "values": count, "equal": True, **more},
        )


def _is_entry(value: Any) -> bool:
    """Whether this is what a manifest says of a stage."""
    if not isinstance(value, dict) or value.keys() != {"made_from", "files"} or not isinstance(value["files"], dict):
        return False
    return all(isinstance(text, str) for text in (value["made_from"], *value["files"].values()))


def write_reports(directory: Path, title: str, reports: Sequence[RunReport]) -> None:
    """Write `report.html` and its numbers: `report.json`, `report.csv` (the layers) and `report.md`."""
    tools = [(row.name, row.version) for row in doctor_rows() if row.found]
    write_report_json(directory / "report.json", title, reports, tools=tools)
    write_csv(directory / "report.csv", reports)
    write_markdown(directory / "report.md", title, reports, tools=tools)
    write_report(directory / "report.html", title, reports, tools=tools)
