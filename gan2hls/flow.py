"""The flow behind the command line and the Makefile: named stages, each with a checkpoint.

A run is a folder in which each stage of `STAGES` leaves its result. `gan2hls.json` there records from which inputs each
was made; a stage that was made from the same inputs is not made again, so that an interrupted run goes on where it
stopped.
"""

import dataclasses
import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan2hls import __version__
from gan2hls.config import from_mapping, read_toml
from gan2hls.data import image_grid, save_image
from gan2hls.errors import MismatchError, UserError, raise_problems
from gan2hls.files import MARKER, check_output_directory, read_json, sha256, write_bytes, write_json
from gan2hls.folding import Pipeline
from gan2hls.frontends import from_torch
from gan2hls.integerize import integerize, proxy_distance
from gan2hls.ir import Graph
from gan2hls.metrics import psnr
from gan2hls.models import latents, shipped_generator
from gan2hls.passes import check_equal
from gan2hls.project import CLOCK_MHZ, PART, Project, build
from gan2hls.quantization.config import QuantizeConfig
from gan2hls.quantization.ptq import quantize_float_model
from gan2hls.report import RunReport, write_report
from gan2hls.report import write_json as write_report_json
from gan2hls.tools import doctor_rows

STAGES = ("quantize", "build", "csim", "cosim", "report")
"""In order; each needs those before it."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class ModelConfig:
    """Section `[model]`: what to build; by default the generator that ships with gan2hls."""

    source: str | None = None  # weights: .safetensors or .pth; relative to the file that names it
    architecture: str | None = None  # TOML or JSON; by default the card beside the weights


@dataclass(frozen=True)
class CalibrationConfig:
    """Section `[calibration]`: inputs on which activation ranges are measured."""

    samples: int = 256  # ranges hardly change with more
    seed: int = 0  # of standard-normal latents
    file: str | None = None  # .npy of (n, *input shape) instead of normal latents

    def __post_init__(self) -> None:
        raise_problems([f"samples {self.samples} is not supported; use 1 or more"] if self.samples < 1 else [])


@dataclass(frozen=True)
class FoldConfig:
    """Section `[folding.layers."<node>"]`: a given folding."""

    pe: int
    simd: int


@dataclass(frozen=True)
class FoldingConfig:
    """Section `[folding]`."""

    multipliers: int = 64  # weight multipliers of all layers together: fits the smallest boards
    layers: dict[str, FoldConfig] = field(default_factory=dict)


@dataclass(frozen=True)
class HlsConfig:
    """Section `[hls]`: target of the Vitis HLS script."""

    part: str = PART
    clock_mhz: float = CLOCK_MHZ


@dataclass(frozen=True)
class SimulationConfig:
    """Section `[simulation]`: how much is compared with the golden model."""

    csim_images: int = 64  # a second's work
    cosim_images: int = 4  # enough to see frames follow each other
    stalls: bool = True  # random idle cycles and back-pressure
    seed: int = 1  # of the latents that are compared and of the stalls

    def __post_init__(self) -> None:
        small = [name for name in ("csim_images", "cosim_images") if getattr(self, name) < 1]
        raise_problems(f"{name} {getattr(self, name)} is not supported; use 1 or more" for name in small)


@dataclass(frozen=True)
class FlowConfig:
    """The whole configuration; every key has a default."""

    model: ModelConfig = field(default_factory=ModelConfig)
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    quantize: QuantizeConfig = field(default_factory=QuantizeConfig)
    folding: FoldingConfig = field(default_factory=FoldingConfig)
    hls: HlsConfig = field(default_factory=HlsConfig)
    simulation: SimulationConfig = field(default_factory=SimulationConfig)


def read_flow_config(path: Path | None, changes: Sequence[tuple[str, str, Any]] = ()) -> FlowConfig:
    """Read a configuration from TOML (None: the defaults), with single values changed.

    Args:
        path: the file; paths inside it are relative to its folder.
        changes: (section, key, value) that go before what the file says; None as value changes nothing.

    Raises:
        UserError: unreadable, or unknown keys or values that are not accepted, all listed.
    """
    values = read_toml(path) if path is not None else {}
    where = str(path) if path is not None else "options"
    for section, key in (("model", "source"), ("model", "architecture"), ("calibration", "file")):
        table = values.get(section)
        if path is not None and isinstance(table, dict) and isinstance(table.get(key), str):
            table[key] = str(path.parent / table[key])
    for section, key, value in changes:
        if value is not None:
            table = values.setdefault(section, {})
            if not isinstance(table, dict):
                raise UserError(f"{where}.{section}: expected a table, got {table!r}")
            table[key] = value
    return from_mapping(FlowConfig, values, where)


class Run:
    """A flow in a folder.

    Args:
        directory: a new or empty folder, or an earlier run's.
        config: what to build.
        say: called with a line when a stage starts or is skipped.

    Raises:
        UserError: the folder exists and is not a run of gan2hls.
    """

    def __init__(self, directory: Path | str, config: FlowConfig, say: Say = lambda line: None) -> None:
        self.directory = Path(directory)
        self.config = config
        self._say = say
        check_output_directory(self.directory)
        manifest = self.directory / MARKER
        self._done: dict[str, str] = {}
        if manifest.exists():
            content = read_json(manifest)
            if not isinstance(content, dict) or content.get("kind") != "run":
                raise UserError(f"{self.directory}: made by gan2hls, but not a run; name another folder")
            stages = content.get("stages")
            self._done = {str(k): str(v) for k, v in stages.items()} if isinstance(stages, dict) else {}
        self._keys = self._make_keys()

    def until(self, last: str) -> "Run":
        """Make all stages up to `last` that are not there yet, or were made from something else."""
        makers = (self._quantize, self._build, self._csim, self._cosim, self._report)
        for stage, make in zip(STAGES[: STAGES.index(last) + 1], makers, strict=False):
            if self._done.get(stage) == self._keys[stage] and self._result(stage).exists():
                self._say(f"{stage}: as before")
                continue
            self._say(f"{stage}: working")
            make()
            self._done[stage] = self._keys[stage]
            write_json(self.directory / MARKER, {"kind": "run", "gan2hls": __version__, "stages": self._done})
        return self

    # -- results ------------------------------------------------------------------------------------------------------

    @property
    def graph(self) -> Graph:
        return Graph.load(self.directory / "quantize")

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

    def run_report(self, label: str) -> RunReport:
        """What the report says of this run; stages up to cosim must have been made."""
        csim, cosim = self.summary("csim"), self.summary("cosim")
        pipeline = self.project.pipeline
        with np.load(self.directory / "samples.npz", allow_pickle=False) as samples:
            real, golden = samples["real"], samples["golden"]
        return RunReport(
            label=label,
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
        names = {"build": f"project/{MARKER}", "report": "report.html"}
        return self.directory / names.get(stage, f"{stage}.json")

    # -- stages -------------------------------------------------------------------------------------------------------

    def _make_keys(self) -> dict[str, str]:
        """What each stage is made from, hashed: its part of the configuration, its files, and the stage before."""
        config = dataclasses.asdict(self.config)
        source, architecture = self._model_files()
        parts: dict[str, list[Any]] = {
            "quantize": [config["quantize"], config["calibration"], config["simulation"]["csim_images"]],
            "build": [config["folding"], config["hls"]],
            "csim": [config["simulation"]],
            "cosim": [config["simulation"]],
            "report": [],
        }
        files = [_content(source), _content(architecture) if architecture else b""]
        if self.config.calibration.file:
            files.append(_content(Path(self.config.calibration.file)))
        keys: dict[str, str] = {}
        previous = sha256(__version__, *files)
        for stage in STAGES:
            previous = keys[stage] = sha256(previous, stage, json.dumps(parts[stage], sort_keys=True))
        return keys

    def _model_files(self) -> tuple[Path, Path | None]:
        model = self.config.model
        if model.source is None:
            return shipped_generator()
        card = Path(model.source).with_suffix(".json")
        architecture = Path(model.architecture) if model.architecture else card if card.is_file() else None
        return Path(model.source), architecture

    def _calibration(self, input_shape: tuple[int, ...]) -> np.ndarray:
        config = self.config.calibration
        if config.file is None:
            return latents(config.samples, input_shape, config.seed)
        try:
            return np.asarray(np.load(config.file, allow_pickle=False))
        except (OSError, ValueError) as error:
            raise UserError(f"{config.file}: not readable as .npy: {error}") from None

    def _quantize(self) -> None:
        source, architecture = self._model_files()
        module = from_torch.load(source, architecture=self.config.model.architecture and architecture)
        float_model = from_torch.trace(module)
        quantized = quantize_float_model(float_model, self._calibration(float_model.input_shape), self.config.quantize)
        graph = integerize(quantized)
        simulation = self.config.simulation
        z = latents(max(simulation.csim_images, simulation.cosim_images), float_model.input_shape, simulation.seed)
        with torch.no_grad():
            real = float_model.forward(torch.from_numpy(z)).numpy()
        golden = graph.run(z)
        graph.save(self.directory / "quantize")
        _save_arrays(self.directory / "samples.npz", latents=z, real=real, golden=golden)
        quality = psnr(golden, real)
        result = {"psnr": quality if math.isfinite(quality) else None, "proxy": proxy_distance(quantized, graph, z)}
        write_json(self._result("quantize"), result)

    def _build(self) -> None:
        config = self.config
        build(
            self.graph,
            self.directory / "project",
            multipliers=config.folding.multipliers,
            folding={name: dataclasses.asdict(fold) for name, fold in config.folding.layers.items()},
            part=config.hls.part,
            clock_mhz=config.hls.clock_mhz,
        )

    def _csim(self) -> None:
        project = self.project
        inputs, golden = self._vectors(project.graph, self.config.simulation.csim_images)
        outputs = project.csim(inputs)
        self._compare("C++", "csim", project.graph, outputs, golden, {})

    def _cosim(self) -> None:
        project, simulation = self.project, self.config.simulation
        inputs, golden = self._vectors(project.graph, simulation.cosim_images)
        result = project.cosim(inputs, stalls=simulation.stalls, seed=simulation.seed)
        cycles = {"latency_cycles": result.latency_cycles, "interval_cycles": result.interval_cycles}
        self._compare("RTL", "cosim", project.graph, result.outputs, golden, cycles)

    def waves(self, path: Path) -> None:
        """Simulate one frame and write its waveform (VCD)."""
        project = self.project
        inputs, _ = self._vectors(project.graph, 1)
        project.cosim(inputs, stalls=False, waves=path)

    def _report(self) -> None:
        bits = self.config.quantize
        reports = [self.run_report(f"W{bits.weight_bits}A{bits.activation_bits}")]
        write_reports(self.directory, "gan2hls", reports)

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
    """Write `report.html` and `report.json`."""
    tools = [(row.name, row.version) for row in doctor_rows() if row.found]
    write_report_json(directory / "report.json", title, reports, tools=tools)
    write_report(directory / "report.html", title, reports, tools=tools)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: not readable: {error.strerror}") from None


def _save_arrays(path: Path, **arrays: np.ndarray) -> None:
    with tempfile.TemporaryFile() as stream:
        np.savez(stream, **arrays)
        stream.seek(0)
        write_bytes(path, stream.read())


def _load_images(path: Path, pipeline: Pipeline) -> np.ndarray:
    return pipeline.graph.to_real(np.load(path, allow_pickle=False))


def _is_image(outputs: np.ndarray) -> bool:
    return outputs.ndim == 4 and outputs.shape[1] in (1, 3)
