"""The folder of a project: what is written into it, and what its manifest may say when it is read again."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gan2hls.arguments import Arrays, plain_arrays
from gan2hls.assembly import make_pipeline
from gan2hls.backends.hls import part_problems, write_hls
from gan2hls.backends.rtl import write_rtl
from gan2hls.config import from_mapping
from gan2hls.errors import UserError, raise_problems
from gan2hls.files import MARKER, is_file, output_directory, read_bytes, read_json, sha256, write_json
from gan2hls.folding import read_given
from gan2hls.hls_depths import size_streams
from gan2hls.ir import Fold, Graph
from gan2hls.limits import CLOCKS_MHZ, number_problems
from gan2hls.pipeline import Pipeline, Sizes
from gan2hls.targets import TARGETS
from gan2hls.version import __version__

VECTORS = 2
"""Frames of golden vectors that a project carries for its own test bench."""

PART, CLOCK_MHZ = "xczu7ev-ffvc1156-2-e", 200.0
"""Of the Vitis HLS script, where nothing else is wanted."""


@dataclass(frozen=True)
class ProjectSettings:
    """What a project was built for: the part and clock of the Vitis HLS script, and the target of its multipliers."""

    part: str
    clock_mhz: float
    target: str | None

    def __post_init__(self) -> None:
        problems = list(part_problems(self.part))
        problems += number_problems("clock_mhz", self.clock_mhz, CLOCKS_MHZ)
        if self.target is not None and self.target not in TARGETS:
            problems.append(f"unknown target {self.target!r}; use one of {', '.join(TARGETS)}")
        raise_problems(problems)


def write_project(pipeline: Pipeline, directory: Path, settings: ProjectSettings) -> None:
    """Write a project into a folder that is new, empty or a project, which is replaced.

    Raises:
        UserError: the folder exists and is not ours. Gan2HlsError: the disk is full and the like.
    """
    pipeline = size_streams(pipeline)
    graph = pipeline.graph
    inputs = random_frames(graph, VECTORS)
    vectors = (inputs, graph.run_stream(inputs))
    part, clock_mhz = settings.part, settings.clock_mhz
    with output_directory(directory, "project") as folder:
        (folder / "graph").mkdir()
        graph.write(folder / "graph")
        write_hls(pipeline, folder / "hls", name=graph.name, part=part, clock_mhz=clock_mhz, vectors=vectors)
        write_rtl(pipeline, folder / "rtl", name=graph.name)
        folding = {name: dataclasses.asdict(fold) for name, fold in pipeline.folding.items()}
        values = {**dataclasses.asdict(settings), "folding": folding, "sizes": dataclasses.asdict(pipeline.sizes)}
        manifest = {"kind": "project", "gan2hls": __version__, **values, "sha256": _digest(folder, values)}
        write_json(folder / MARKER, manifest)


def random_frames(graph: Graph, count: int) -> Arrays:
    """Integers (count, height, width, channels) of the whole range of each input."""
    rng = np.random.default_rng(0)
    frames = {}
    for name, tensor in graph.input_types.items():
        kind = tensor.int_type
        frames[name] = rng.integers(kind.min, kind.max + 1, (count, *tensor.shape))
    return plain_arrays(frames)


def _digest(directory: Path, values: Any) -> str:
    """Of what sources and memories were written from: with another folding or graph, they do not fit it."""
    graph = (read_bytes(directory / "graph" / name) for name in ("graph.json", "weights.safetensors"))
    return sha256(json.dumps(values, sort_keys=True), *graph)


def _read_graph(folder: Path) -> Graph:
    try:
        return Graph.load(folder)
    except UserError as error:
        problem = str(error).splitlines()[-1].strip()
        where = "" if str(folder) in problem else f"{folder}: "
        raise UserError(f"{where}{problem}; build the project again") from None


@dataclass(frozen=True)
class _Manifest(ProjectSettings):
    folding: dict[str, Fold]
    sizes: Sizes


def read_project(directory: Path) -> tuple[Pipeline, ProjectSettings]:
    """What `write_project` wrote; a manifest or graph that was edited is believed in nothing that can not be.

    Raises:
        UserError: the folder is no project, or its manifest or graph is damaged or of another gan2hls.
    """
    path = directory / MARKER
    values = read_json(path) if is_file(path) else None
    if not isinstance(values, dict) or values.pop("kind", None) != "project":
        raise UserError(f"{directory}: not a project made by gan2hls build")
    version = values.pop("gan2hls", None)
    if not isinstance(version, str):
        raise UserError(f"{path}: damaged (it does not say by which gan2hls it was made); build the project again")
    if version != __version__:
        raise UserError(f"{path}: made by gan2hls {version:.40}, and this is {__version__}; build the project again")
    graph = _read_graph(directory / "graph")
    try:
        if values.pop("sha256", None) != _digest(directory, values):
            raise UserError("it or the graph was edited")
        manifest = from_mapping(_Manifest, values, "")
        missing = [node.name for node in graph.computed if node.name not in manifest.folding]
        raise_problems(f"folding: node {name!r} has none" for name in missing)
        pipeline = make_pipeline(graph, read_given(graph, manifest.folding), manifest.sizes)
    except UserError as error:
        problem = str(error).splitlines()[0].lstrip(".: ")
        raise UserError(f"{path}: damaged ({problem}); build the project again") from None
    return pipeline, ProjectSettings(manifest.part, manifest.clock_mhz, manifest.target)
