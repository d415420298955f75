"""What is done for a point: tasks that take values and give values, so that any process of any machine can do them.

A task says by `key` all that its outcome depends on. Nothing it needs lies in files: graphs go along as bytes, and what
tools leave goes to a temporary folder.
"""

import dataclasses
import io
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from gan2hls.assembly import make_pipeline
from gan2hls.backends.rtl import write_rtl
from gan2hls.budget import Budget
from gan2hls.errors import Gan2HlsError, MismatchError, ToolError, UserError
from gan2hls.estimate import LayerEstimate, estimate
from gan2hls.files import scratch_folder
from gan2hls.frontends.float_model import FloatModel
from gan2hls.inputs import LatentSource
from gan2hls.integerize import integerize
from gan2hls.ir import Fold
from gan2hls.metrics import fid, psnr, ssim
from gan2hls.models import Distribution, latents
from gan2hls.passes import check_equal
from gan2hls.pipeline import Folding, Pipeline
from gan2hls.quantization.config import QuantizeConfig
from gan2hls.quantization.ptq import quantize_float_model
from gan2hls.report.points import Quality
from gan2hls.resources import program_digest
from gan2hls.simulate import COSIM_TOOLS, RtlDesign, simulate_rtl, steady_prediction
from gan2hls.sweep.graphs import GraphFiles, graph_files, read_graph
from gan2hls.synth import synthesize
from gan2hls.synth.nextpnr import placer_of
from gan2hls.synth.synthesis import choose_tool
from gan2hls.synth.yosys import yosys_tool
from gan2hls.targets import target as target_of
from gan2hls.tools import find_tool

PICTURES = 16
"""Images of each bit width that a report may show."""

FORWARD_CHUNK = 128
"""Latents that go through the float model at a time."""


@dataclass(frozen=True)
class Outcome:
    """What a task gave: JSON values and files by name; or why it gave none, with a tool's log if one failed."""

    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    files: dict[str, bytes] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    log: bytes = b""


@dataclass(frozen=True, eq=False)
class Model:
    """The float model, and the samples (n, *input shape) that it is calibrated on."""

    float_model: FloatModel
    calibration: np.ndarray


@dataclass(frozen=True)
class Task:
    """Something to do.

    Attributes:
        title: for people.
        kind: short name, a class attribute.
    """

    title: str = dataclasses.field(compare=False)
    kind = ""

    def key(self) -> dict[str, Any]:
        """JSON values of all that the outcome depends on, beside gan2hls itself."""
        values = dataclasses.asdict(self)
        del values["title"]
        return values

    def run(self, payload: Any) -> Outcome:
        """Do it; `payload` is what the key tells by digests only: a `Model` to quantize, or else `GraphFiles`."""
        raise NotImplementedError

    def tools(self) -> dict[str, str]:
        """Versions here of what the outcome depends on, "" where it is missing."""
        return {}


# -- quantization and quality -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class QuantizeTask(Task):
    """Quantize the model, and compare `images` images of the golden model with the float model's.

    Attributes:
        inputs: digest of the model's and calibration's files.
        calibration: settings of the calibration.
        seed: of the latents.
        source: of the latents.
    """

    inputs: str
    calibration: dict[str, Any]
    config: QuantizeConfig
    images: int
    seed: int
    source: LatentSource
    kind = "quantize"

    def tools(self) -> dict[str, str]:
        return _numeric_versions()

    def run(self, payload: Model) -> Outcome:
        model = payload.float_model
        z = self.source.draw(self.images, model.input_shape, self.seed, payload.calibration)
        graph = integerize(quantize_float_model(model, payload.calibration, self.config))
        key = (self.inputs, self.images, self.seed, self.source)
        real = _references.get(key, lambda: _forward(model, z))
        golden = graph.run(z).astype(np.float32)
        files = {**graph_files(graph), "images.npz": _npz(real=real[:PICTURES], golden=golden[:PICTURES])}
        quality = _quality(golden, real, self.source.text(self.images, payload.calibration))
        return Outcome({"quality": dataclasses.asdict(quality)}, files)


@cache
def _numeric_versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"numpy": np.__version__, "torch": str(torch.__version__)}
    try:
        found["torchmetrics"] = version("torchmetrics")
    except PackageNotFoundError:
        found["torchmetrics"] = ""
    return found


def _forward(model: FloatModel, z: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return np.concatenate([model.forward(part).numpy() for part in torch.from_numpy(z).split(FORWARD_CHUNK)])


def _quality(golden: np.ndarray, real: np.ndarray, latents_text: str) -> Quality:
    noise = psnr(golden, real)
    distance = fid(golden, real)
    return Quality(
        samples=len(real),
        psnr=noise if math.isfinite(noise) else None,
        ssim=ssim(golden, real),
        fid=distance.value,
        features=distance.features,
        no_fid=distance.reason,
        latents=latents_text,
    )


def _npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


# -- estimate ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EstimateTask(Task):
    """Fold the graph, and say what it takes of the target and how long a frame takes.

    Attributes:
        graph: digest of the graph.
        layers: folds that are given.
    """

    graph: str
    budget: Budget
    layers: dict[str, dict[str, int]]
    clock_mhz: float
    kind = "estimate"

    def run(self, payload: GraphFiles) -> Outcome:
        graph = read_graph(payload)
        assert self.budget.target is not None
        folding = self.budget.fold(graph, self.clock_mhz, {name: Fold(**fold) for name, fold in self.layers.items()})
        values = {name: dataclasses.asdict(fold) for name, fold in folding.items()}
        pipeline = _pipelines.get((self.graph, _fold_key(values)), lambda: make_pipeline(graph, folding))
        found = estimate(pipeline, self.budget.target, self.clock_mhz)
        return Outcome(
            {
                "folding": values,
                "usage": dataclasses.asdict(found.usage),
                "latency_cycles": found.latency_cycles,
                "interval_cycles": found.interval_cycles,
                "mac_multipliers": pipeline.mac_multipliers,
                "problems": found.problems(),
                "layers": [_layer_values(pipeline, layer) for layer in found.layers],
            }
        )


def _layer_values(pipeline: Pipeline, layer: LayerEstimate) -> dict[str, Any]:
    """Values of a `LayerPoint`, and the stage that it stands for."""
    nodes = {node.name: (node.op, tensors, output) for node, tensors, output in pipeline.graph.steps()}
    values: dict[str, Any] = {"stage": layer.stage, "cycles": layer.cycles, "fold": layer.fold}
    values["usage"] = dataclasses.asdict(layer.usage)
    if layer.layer:
        op, tensors, output = nodes[layer.layer]
        more = {"name": layer.layer, "type": type(op).__name__, "macs": op.macs(*tensors)}
        more |= {"weight_bits": op.stored_weight_bits, "inputs": list(pipeline.graph.node(layer.layer).inputs)}
        return {**values, **more, "shape": list(output.shape), "output_bits": output.int_type.bits}
    shape, output_bits = _between(pipeline, layer.stage)
    more = {"name": layer.stage, "type": layer.kernel, "weight_bits": None, "macs": 0}
    return {**values, **more, "shape": shape, "output_bits": output_bits}


def _between(pipeline: Pipeline, name: str) -> tuple[list[int], int]:
    """Shape and bits of what leaves a lane converter, fork or FIFO: those of the result that goes through it."""
    writers = {stream: stage for stage in pipeline.stages for stream in stage.outputs}
    entering = {stream: source for source, stream in pipeline.inputs.items()}
    stage = next(stage for stage in pipeline.stages if stage.name == name)
    while not stage.node and stage.inputs[0] not in entering:
        stage = writers[stage.inputs[0]]
    tensor = pipeline.graph.types[stage.node or entering[stage.inputs[0]]]
    return list(tensor.shape), tensor.int_type.bits


def _fold_key(folding: Mapping[str, Mapping[str, int]]) -> str:
    return repr(sorted((name, sorted(fold.items())) for name, fold in folding.items()))


# -- synthesis and simulation -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SynthTask(Task):
    """Synthesize the RTL of a folded graph, and place and route it where that can be done."""

    graph: str
    folding: dict[str, dict[str, int]]
    target: str
    tool: str
    place: bool
    clock_mhz: float | None
    seeds: int
    limit_s: float
    kind = "synth"

    @property
    def is_placed(self) -> bool:
        """Whether a tool will tell the clock."""
        part = target_of(self.target)
        return self.place and (choose_tool(self.tool, part) == "vivado" or placer_of(part) is not None)

    def tools(self) -> dict[str, str]:
        part = target_of(self.target)
        if choose_tool(self.tool, part) == "vivado":
            return _versions("vivado")
        placer = placer_of(part) if self.place else None
        try:
            yosys = yosys_tool()
        except UserError:
            return {"yosys": ""}
        return {yosys.name: yosys.version, **(_versions(placer.tool) if placer else {})}

    def run(self, payload: GraphFiles) -> Outcome:
        pipeline = _folded(self.graph, self.folding, payload)
        with scratch_folder("gan2hls-sweep") as folder, _kept_log():
            result = synthesize(
                pipeline,
                None,
                pipeline.graph.name,
                self.target,
                tool=self.tool,
                place=self.place,
                clock_mhz=self.clock_mhz if self.is_placed else None,
                seeds=self.seeds,
                limit_s=self.limit_s,
                scratch=folder,
            )
        return Outcome(dataclasses.replace(result, seconds={}).values())  # the same input gives the same bytes


@dataclass(frozen=True)
class CosimTask(Task):
    """Simulate the RTL of a folded graph, compare it with the golden model, and measure its cycles."""

    graph: str
    folding: dict[str, dict[str, int]]
    images: int
    stalls: bool
    seed: int
    distribution: Distribution
    kind = "cosim"

    def tools(self) -> dict[str, str]:
        return _versions(*COSIM_TOOLS)

    def run(self, payload: GraphFiles) -> Outcome:
        pipeline = _folded(self.graph, self.folding, payload)
        graph = pipeline.graph
        z = latents(self.images, graph.input_shape, self.seed, self.distribution)
        inputs = graph.quantize_input(z)
        with scratch_folder("gan2hls-sweep") as folder, _kept_log():
            write_rtl(pipeline, folder / "rtl", name=graph.name)
            stream = graph.to_stream(inputs)
            prediction = steady_prediction(pipeline, len(stream), self.stalls)
            design = RtlDesign(folder / "rtl", graph.name, pipeline, stream, prediction)
            (run,) = simulate_rtl([design], log=folder / "cosim.log", stalls=self.stalls, seed=self.seed)
        outputs, golden = graph.from_stream(run.outputs), graph.run_integers(inputs)
        difference = check_equal("RTL against the golden model", outputs, golden)
        if difference:
            raise MismatchError(difference)
        cycles = {"latency_cycles": run.latency_cycles, "interval_cycles": run.interval_cycles}
        return Outcome({"images": self.images, "values": int(outputs.size), **cycles})


def _versions(*names: str) -> dict[str, str]:
    found = {name: find_tool(name) for name in names}
    return {name: (tool.version or "found") if tool is not None else "" for name, tool in found.items()}


def _folded(graph: str, folding: Mapping[str, Mapping[str, int]], files: GraphFiles) -> Pipeline:
    folds: Folding = {name: Fold(**fold) for name, fold in folding.items()}
    return _pipelines.get((graph, _fold_key(folding)), lambda: make_pipeline(read_graph(files), folds))


# -- in a worker ------------------------------------------------------------------------------------------------------

T = TypeVar("T")


class _Last(Generic[T]):
    """What this process made last: the tasks of a point follow each other, and often come to the same worker."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.made: dict[Any, T] = {}

    def get(self, key: Any, make: Callable[[], T]) -> T:
        if key not in self.made:
            value = make()
            while len(self.made) >= self.most:
                self.made.pop(next(iter(self.made)), None)
            self.made[key] = value
            return value
        return self.made[key]


_references: _Last[np.ndarray] = _Last(1)
_pipelines: _Last[Pipeline] = _Last(6)


class _LoggedError(Gan2HlsError):
    """A tool's failure, with what its log says: the log itself lies in a folder that goes away."""

    def __init__(self, message: str, log: bytes) -> None:
        super().__init__(message)
        self.log = log


@contextmanager
def _kept_log() -> Iterator[None]:
    """Take a failed tool's log along before its folder is removed."""
    try:
        yield
    except ToolError as error:
        lines = [line for line in str(error).splitlines() if not line.startswith("whole log: ")]
        what = lines[0].split(" failed: ")[0] + " failed"
        reason = f": {lines[-1]}" if len(lines) > 1 else ""
        log = error.log.read_bytes() if error.log is not None and error.log.is_file() else b""
        raise _LoggedError(what + reason, log) from error


def execute(task: Task, payload: Any, program: str, tools: Mapping[str, str]) -> Outcome:
    """Do a task in a worker; what goes wrong becomes its outcome, since not every exception survives the way back.

    Args:
        task: what to do.
        payload: see `Task.run`.
        program: digest of the gan2hls that wants it; this one must be the same.
        tools: versions that the outcome is kept under; those that are known must be the ones here.
    """
    began = time.monotonic()
    try:
        if program_digest() != program:
            raise UserError("the worker has another gan2hls installed than this one")
        here = task.tools()
        others = [f"{name} {here[name]} and not {tools[name]}" for name in here if _differ(here[name], tools.get(name))]
        if others:
            raise UserError(f"the worker has {', '.join(others)}")
        outcome = task.run(payload)
    except Exception as error:
        message = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
        if not isinstance(error, Gan2HlsError):
            message = f"{type(error).__name__}: {message}"
        log = error.log if isinstance(error, _LoggedError) else b""
        outcome = Outcome(error=message or type(error).__name__, log=log)
    return dataclasses.replace(outcome, seconds=round(time.monotonic() - began, 2))


def _differ(here: str, wanted: str | None) -> bool:
    """Where one of the two is missing, nothing is compared: running the tool says so better."""
    return bool(here) and bool(wanted) and here != wanted
