"""What is done for a point: tasks that take values and give values, so that any process of any machine can do them.

A task says by `key` all that its outcome depends on. Nothing it needs lies in files: graphs go along as bytes, and what
tools leave goes to a temporary folder.
"""

import dataclasses
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from gan2hls.arguments import named_arrays
from gan2hls.assembly import make_pipeline
from gan2hls.backends.rtl import write_rtl
from gan2hls.budget import Budget
from gan2hls.errors import MismatchError, UserError
from gan2hls.estimate import LayerEstimate, estimate
from gan2hls.files import scratch_folder
from gan2hls.folding import read_given
from gan2hls.frontends.float_model import FloatModel
from gan2hls.inputs import LatentSource, Samples
from gan2hls.integerize import integerize
from gan2hls.metrics import fid, psnr, ssim
from gan2hls.models import Distribution
from gan2hls.passes import check_equal
from gan2hls.pipeline import Folding, Pipeline
from gan2hls.quantization.config import QuantizeConfig
from gan2hls.quantization.ptq import quantize_float_model
from gan2hls.report.points import Quality
from gan2hls.simulate import COSIM_TOOLS, RtlDesign, simulate_rtl, steady_prediction
from gan2hls.sweep.execution import kept_log
from gan2hls.sweep.graphs import GraphFiles, graph_files, read_graph
from gan2hls.sweep.task import Last, Model, Outcome, Task
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
        z = self.source.draw(self.images, model.inputs, self.seed, payload.calibration)
        graph = integerize(quantize_float_model(model, payload.calibration, self.config))
        key = (self.inputs, self.images, self.seed, self.source)
        real = _references.get(key, lambda: _forward(model, z))
        # Of several outputs, the quality is that of the first.
        first = named_arrays(graph.outputs, graph.run(z), "the golden model")[graph.outputs[0]]
        golden = first.astype(np.float32)
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


def _forward(model: FloatModel, z: Samples) -> np.ndarray:
    """The model's first output."""
    parts = zip(*(torch.from_numpy(values).split(FORWARD_CHUNK) for values in z.values()), strict=True)
    with torch.no_grad():
        found = [model.forward(dict(zip(z, part, strict=True))) for part in parts]
    return np.concatenate([(y if torch.is_tensor(y) else y[model.outputs[0]]).numpy() for y in found])


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
    layers: Folding
    clock_mhz: float
    kind = "estimate"

    def run(self, payload: GraphFiles) -> Outcome:
        graph = read_graph(payload)
        assert self.budget.target is not None
        folding = self.budget.fold(graph, self.clock_mhz, self.layers)
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
        with scratch_folder("gan2hls-sweep") as folder, kept_log():
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
        source = LatentSource(self.distribution)
        shapes = {name: graph.ports[name] for name in graph.input_types}
        inputs = graph.quantize_input(source.draw(self.images, shapes, self.seed, {}))
        with scratch_folder("gan2hls-sweep") as folder, kept_log():
            write_rtl(pipeline, folder / "rtl", name=graph.name)
            stream = graph.to_stream(inputs)
            prediction = steady_prediction(pipeline, self.images, self.stalls)
            design = RtlDesign(folder / "rtl", graph.name, pipeline, stream, prediction)
            (run,) = simulate_rtl([design], log=folder / "cosim.log", stalls=self.stalls, seed=self.seed)
        outputs, golden = graph.from_stream(run.outputs), graph.run_integers(inputs)
        found, expected = (named_arrays(graph.outputs, arrays, "the RTL") for arrays in (outputs, golden))
        for name in expected:
            if difference := check_equal("RTL against the golden model", found[name], expected[name]):
                raise MismatchError(difference)
        values = sum(int(array.size) for array in found.values())
        cycles = {"latency_cycles": run.latency_cycles, "interval_cycles": run.interval_cycles}
        return Outcome({"images": self.images, "values": values, **cycles})


def _versions(*names: str) -> dict[str, str]:
    found = {name: find_tool(name) for name in names}
    return {name: (tool.version or "found") if tool is not None else "" for name, tool in found.items()}


def _folded(graph: str, folding: Mapping[str, Mapping[str, int]], files: GraphFiles) -> Pipeline:
    def make() -> Pipeline:
        found = read_graph(files)
        return make_pipeline(found, read_given(found, folding))

    return _pipelines.get((graph, _fold_key(folding)), make)


_references: Last[np.ndarray] = Last(1)
_pipelines: Last[Pipeline] = Last(6)
