"""What a seed of the fuzz stands for: a network, its folding and buffers, and samples.

The same seed gives the same network as long as nothing that draws it changes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import gan2hls
from gan2hls.arguments import Arrays, named_arrays, plain_arrays
from gan2hls.assembly import make_pipeline
from gan2hls.backends.hls import write_hls
from gan2hls.backends.rtl import write_rtl
from gan2hls.pipeline import Pipeline
from tests.fuzz import chains, graphs
from tests.fuzz.modules import draw_quantized
from tests.ops.outside import outside_graph

FRAMES = 4

WIDE = replace(chains.SMALL, channels=40, side=9, kernel=7, stride=4, elements=12_000, weights=20_000)
"""More channels, pixels and taps; a design takes as long as several small ones."""

MOST_CYCLES = 20_000
MOST_CYCLES_WIDE = 60_000
"""Busy cycles of all kernels for a frame: how long a simulation takes."""


@dataclass(frozen=True, eq=False)
class Network:
    """A pipeline that is written out by `write`, and integers (n, height, width, channels) to run it with.

    `x` is what enters by name, or of the only input; so is a result of the golden model.
    """

    seed: int
    pipeline: Pipeline
    x: Arrays
    golden_problem: Callable[[Arrays], str]
    """What is wrong with a result of the golden model, "" if nothing."""
    write: Callable[[Path], None]
    """Write `hls/` and `rtl/` into a folder."""
    about: str

    @property
    def name(self) -> str:
        """That of the top function and module."""
        return name_of(self.seed)

    def golden(self) -> Arrays:
        """What the golden model gives, int64."""
        found = self.pipeline.graph.run_stream(self.x)
        if isinstance(found, Mapping):
            return {name: values.astype(np.int64) for name, values in found.items()}
        return found.astype(np.int64)

    def describe(self) -> str:
        """The network in a few lines."""
        return f"{self.about}\n{chains.describe(self.pipeline)}"


def name_of(seed: int) -> str:
    return f"net{seed}"


def draw_network(seed: int) -> Network:
    """The network of a seed: a chain of integer ops, a graph of them that branches, or a torch module."""
    rng = np.random.default_rng(seed)
    return (_module, _chain, _graph)[rng.integers(3)](seed, rng)


def draw_graph_network(seed: int) -> Network:
    """A graph that branches."""
    return _graph(seed, np.random.default_rng(seed))


def _graph(seed: int, rng: np.random.Generator) -> Network:
    while True:
        graph = graphs.draw_graph(rng, name=name_of(seed))
        chosen = bool(rng.integers(2))
        folding = chains.choose(rng, graph) if chosen else chains.draw_folding(rng, graph)
        busy = [node.op.kernel(tensors, folding[node.name]).cycles for node, tensors, _ in graph.steps()]
        if sum(busy) <= MOST_CYCLES:
            break
    pipeline = make_pipeline(graph, folding)
    x = {name: chains.draw_frames(rng, tensor, FRAMES) for name, tensor in graph.input_types.items()}
    inputs = ", ".join(map(str, graph.input_types.values()))
    about = f"graph, inputs {inputs}, {len(graph.outputs)} outputs, {'chosen' if chosen else 'drawn'} folds"
    return chain_network(seed, pipeline, plain_arrays(x), about)


def _chain(seed: int, rng: np.random.Generator) -> Network:
    wide = rng.integers(4) == 0
    most = MOST_CYCLES_WIDE if wide else MOST_CYCLES
    while True:
        graph = chains.draw_chain(rng, WIDE if wide else chains.SMALL, name_of(seed))
        chosen = bool(rng.integers(2))
        folding = chains.choose(rng, graph) if chosen else chains.draw_folding(rng, graph)
        busy = sum(node.op.kernel(tensors, folding[node.name]).cycles for node, tensors, _ in graph.steps())
        if busy <= most:
            break
    pipeline = make_pipeline(graph, folding)
    buffers = "sized"
    if rng.integers(3) == 0:
        pipeline, buffers = chains.with_random_buffers(rng, pipeline), "random"
    about = f"chain, input {graph.input}, {'chosen' if chosen else 'drawn'} folds, {buffers} buffers"
    return chain_network(seed, pipeline, chains.draw_frames(rng, graph.input, FRAMES), about)


def chain_network(seed: int, pipeline: Pipeline, x: Arrays, about: str) -> Network:
    """The network of a pipeline whose graph is called `name_of(seed)`; each op is compared with `outside`."""
    graph = pipeline.graph

    def problem(golden: Arrays) -> str:
        return difference(golden, plain_arrays(outside_graph(graph, named_arrays(graph.input_types, x, "the graph"))))

    def write(folder: Path) -> None:
        write_hls(pipeline, folder / "hls", name=graph.name)
        write_rtl(pipeline, folder / "rtl", name=graph.name)

    return Network(seed, pipeline, x, problem, write, about)


def _module(seed: int, rng: np.random.Generator) -> Network:
    while True:
        drawn = draw_quantized(rng, FRAMES, name_of(seed), skips=bool(rng.integers(2)))
        graph = drawn.graph
        folding = chains.choose(rng, graph) if rng.integers(3) else chains.draw_folding(rng, graph)
        if sum(node.op.kernel(tensors, folding[node.name]).cycles for node, tensors, _ in graph.steps()) <= MOST_CYCLES:
            break

    def problem(golden: Arrays) -> str:
        return drawn.problem(graph.to_real(graph.from_stream(golden)))

    def write(folder: Path) -> None:
        gan2hls.build(graph, folder, folding=folding, multipliers=1 << 20)

    layers = ", ".join(str(layer) for layer in drawn.module)
    about = f"torch module ({layers}), {drawn.options}"
    pipeline = make_pipeline(graph, folding)
    return Network(seed, pipeline, graph.to_stream(graph.integers(drawn.x)), problem, write, about)


def difference(got: Arrays, expected: Arrays) -> str:
    """The first element that differs, "" if none does."""
    if isinstance(got, Mapping) and isinstance(expected, Mapping):
        if got.keys() != expected.keys():
            return f"outputs {', '.join(got)} instead of {', '.join(expected)}"
        found = {name: difference(got[name], expected[name]) for name in expected}
        return "; ".join(f"{name}: {problem}" for name, problem in found.items() if problem)
    assert isinstance(got, np.ndarray) and isinstance(expected, np.ndarray)
    if got.shape != expected.shape:
        return f"shape {got.shape} instead of {expected.shape}"
    wrong = np.argwhere(got != expected)
    if not len(wrong):
        return ""
    first = tuple(int(i) for i in wrong[0])
    return f"{len(wrong)} of {got.size} values differ, first {first}: {got[first]} instead of {expected[first]}"
