"""C simulation's traces against the model of time: the iteration that reads and writes each word, of every kernel."""

import ctypes
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan2hls.assembly import make_pipeline
from gan2hls.backends.hls import write_hls
from gan2hls.errors import ToolError
from gan2hls.hls_depths import size_streams
from gan2hls.hls_schedule import HlsModel, predict_hls
from gan2hls.ir import Graph, IntType, Node, TensorType
from gan2hls.network import StandstillError
from gan2hls.ops import Add, Concat, Constant, Dense, Lookup, Reshape, Slice, Upsample
from gan2hls.pipeline import Pipeline
from gan2hls.simulate import compile_csim, run_csim
from tests.fuzz.chains import draw_chain, draw_folding, draw_frames
from tests.fuzz.graphs import Builder, draw_graph
from tests.hls.bench import Case, build
from tests.hls.test_time import residual
from tests.ops.contract import draw_type

FRAMES = 2
S8 = IntType(8, True)

Trace = dict[tuple[str, str, bool], list[int]]


def traced(library: ctypes.CDLL) -> tuple[Trace, dict[str, list[int]]]:
    """By process, stream and direction the iterations that moved a word, frame after frame, and by process how many
    iterations each frame took."""
    library.gan2hls_trace.restype = ctypes.c_char_p
    moved: Trace = defaultdict(list)
    counts: dict[str, list[int]] = defaultdict(list)
    index = 0
    while (text := library.gan2hls_trace(ctypes.c_int64(index))) is not None:
        process, stream, read, iteration = text.decode().split()
        if stream == "-":
            counts[process].append(int(iteration))
        else:
            moved[process, stream, read == "1"].append(int(iteration))
        index += 1
    library.gan2hls_trace_clear()
    return moved, counts


def check(pipelines: Sequence[Pipeline], rng: np.random.Generator, folder: Path) -> set[str]:
    """Every process of every pipeline does what its kernel says; gives the modules that were seen."""
    cases = []
    for index, pipeline in enumerate(pipelines):
        (tensor,) = pipeline.graph.input_types.values()
        x = draw_frames(rng, tensor, FRAMES)
        cases.append(Case(f"case{index}", pipeline, x, pipeline.graph.run_stream(x)))
    library = build(cases, folder, "-DGAN2HLS_TRACE")
    modules = set()
    for case in cases:
        y, message = library.run(case)
        assert not message, message
        np.testing.assert_array_equal(y, case.golden)
        moved, counts = traced(library._library)
        model = HlsModel(case.pipeline)
        for stage in model.pipeline.stages:
            found = model.kernels[stage.name].iterations()
            modules.add(stage.module)
            assert counts[stage.name] == [found.count] * FRAMES, (stage.module, stage.parameters)
            for names, ports, read in ((stage.inputs, found.reads, True), (stage.outputs, found.writes, False)):
                for name, port in zip(names, ports, strict=True):
                    assert moved[stage.name, name, read] == port.tolist() * FRAMES, (stage.module, stage.parameters)
        for bus in model.pipeline.slaves + model.pipeline.masters:
            read = bus in model.pipeline.masters
            assert moved[bus.prefix, bus.stream.name, read] == list(range(bus.stream.beats)) * FRAMES
    return modules


def without_weights(rng: np.random.Generator) -> Pipeline:
    """All kernels but those that multiply weights, under any lanes."""
    channels, other = (int(rng.integers(2, 9)) for _ in range(2))
    height, width = (int(rng.integers(1, 5)) for _ in range(2))
    builder = Builder(rng)
    start = builder.requantize(builder.input((height, width, channels), draw_type(rng, 2, 9)), S8)
    stop = int(rng.integers(1, channels + 1))
    one = builder.put(Slice(int(rng.integers(0, stop)), stop), start)
    two = builder.put(Lookup(rng.integers(-128, 128, 256), S8, 1.0), start)
    shape = TensorType((height, width, other), S8, 1.0)
    three = builder.put(Constant(rng.integers(-128, 128, shape.shape), shape))
    joined = builder.put(Concat(), one, two, three)
    tensor = builder.types[joined]
    result = builder.put(
        Upsample((int(rng.integers(1, 4)), int(rng.integers(1, 4)))), builder.put(Add(), joined, joined)
    )
    sides = [side for side in range(1, width + 1) if width % side == 0]
    result = builder.requantize(result, S8)
    side = int(rng.choice(sides))
    tensor = builder.types[result]
    result = builder.put(Reshape((tensor.shape[0], tensor.shape[1] // side, tensor.shape[2] * side)), result)
    graph = builder.graph((result,))
    return make_pipeline(graph, draw_folding(rng, graph))


def test_kernels_without_weights(rng: np.random.Generator, tmp_path: Path) -> None:
    seen = check([without_weights(rng) for _ in range(5)], rng, tmp_path)
    assert seen >= {"add", "concat", "constant", "lookup", "requantize", "slice", "stream_fork", "upsample"}
    assert seen >= {"reshape", "width_converter"}


def one_input(rng: np.random.Generator) -> Graph:
    while len((graph := draw_graph(rng)).input_types) > 1 or len(graph.outputs) > 1:
        pass
    return graph


def test_kernels_with_weights(rng: np.random.Generator, tmp_path: Path) -> None:
    dense = Graph.chain(  # which chains seldom have
        TensorType((1, 1, 7), S8, 1.0), (Node("layer", Dense(rng.integers(-8, 8, (1, 1, 7, 5)), 8)),), (7,), (5,)
    )
    graphs = [dense, *(draw_chain(rng) for _ in range(6)), *(one_input(rng) for _ in range(2))]
    seen = check([make_pipeline(graph, draw_folding(rng, graph)) for graph in graphs], rng, tmp_path)
    assert seen >= {"conv2d", "conv_transpose2d", "dense"}


def stands_still(pipeline: Pipeline) -> bool:
    try:
        predict_hls(pipeline)
    except StandstillError:
        return True
    return False


def test_what_the_model_says_stands_still_deadlocks(rng: np.random.Generator, tmp_path: Path) -> None:
    """With the words that the model asks for it runs; with three less it does not.

    In hardware an iteration does all that it does at once. In C simulation a fork gives a word to one branch before it
    waits for room in the other one, and an add takes a word of the skip before it waits for the other: two words more.
    """
    pipeline = size_streams(residual(rng, 8))
    depths = dict(pipeline.depths or {})
    name = max(depths, key=lambda name: depths[name])  # of the skip
    while not stands_still(replace(pipeline, depths={**depths, name: depths[name] - 1})):
        depths[name] -= 1
    x = draw_frames(rng, pipeline.graph.input, FRAMES)
    for less in (0, 3):
        folder = tmp_path / str(less)
        write_hls(replace(pipeline, depths={**depths, name: depths[name] - less}), folder, name="generator")
        compile_csim(folder, "generator", tmp_path / f"{less}.so", log=tmp_path / "log")
        if less:
            with pytest.raises(
                ToolError, match=rf"deadlock: .* waits to write full {name} \(depth {depths[name] - 3}\)"
            ):
                run_csim(tmp_path / "3.so", pipeline, x)
        else:
            np.testing.assert_array_equal(run_csim(tmp_path / "0.so", pipeline, x), pipeline.graph.run_stream(x))
