"""C simulation's traces against the model of time: the iteration that reads and writes each word, of every kernel."""

import ctypes
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gan2hls.assembly import make_pipeline
from gan2hls.hls_schedule import HlsModel
from gan2hls.ir import IntType, TensorType
from gan2hls.ops import Add, Concat, Constant, Lookup, Reshape, Slice, Upsample
from gan2hls.pipeline import Pipeline
from tests.fuzz.chains import draw_folding, draw_frames
from tests.fuzz.graphs import Builder
from tests.hls.bench import Case, build
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
