"""The model of the C++'s time against one that counts every cycle, and the depths that are found with it."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from gan2hls.assembly import make_pipeline
from gan2hls.backends.hls import write_hls
from gan2hls.budget import Budget
from gan2hls.errors import UserError
from gan2hls.estimate.buffers import check_fifos
from gan2hls.hls_depths import hls_prediction, size_streams
from gan2hls.hls_schedule import HlsModel, predict_hls
from gan2hls.ir import IntType
from gan2hls.network import PythonEngine, StandstillError
from gan2hls.ops import Add
from gan2hls.pipeline import STREAM_DEPTH, Pipeline
from gan2hls.project import Project, build
from gan2hls.schedule import Run
from tests.fuzz.chains import draw_chain, draw_folding
from tests.fuzz.graphs import Builder, draw_graph
from tests.hls.projects import projects
from tests.messages import message_of

S8 = IntType(8, True)
FRAMES = 4


def residual(rng: np.random.Generator, size: int) -> Pipeline:
    builder = Builder(rng)
    start = builder.requantize(builder.input((size, size, 2), S8), S8)
    branch = builder.convolution(builder.convolution(start, 2, S8), 2, S8)
    graph = builder.graph((builder.put(Add(), start, branch),))
    return make_pipeline(graph, Budget(multipliers=4).fold(graph, 100.0))


def pipelines(rng: np.random.Generator, count: int) -> Iterator[Pipeline]:
    for index in range(count):
        graph = draw_chain(rng) if index % 2 else draw_graph(rng)
        yield make_pipeline(graph, draw_folding(rng, graph))


# -- every cycle ------------------------------------------------------------------------------------------------------


def counted(pipeline: Pipeline, frames: int) -> list[int] | None:
    """When each frame's last beat has left, cycle by cycle, counted from the first beat; None: all stand still."""
    model = HlsModel(pipeline)
    bare = model.pipeline
    depths = {name: (pipeline.depths or {}).get(name, STREAM_DEPTH) for name in bare.streams}
    processes = []  # reads and writes of each iteration of a frame: lists of names
    beats = {name: stream.beats for name, stream in bare.streams.items()}
    for stage in bare.stages:
        found = model.kernels[stage.name].iterations()
        what: list[tuple[list[str], list[str]]] = [([], []) for _ in range(found.count)]
        for side, names, ports in ((0, stage.inputs, found.reads), (1, stage.outputs, found.writes)):
            for name, port in zip(names, ports, strict=True):
                for iteration in port.tolist():
                    what[iteration][side].append(name)
        processes.append(what)
    processes += [[([], [name])] * beats[name] for name in bare.inputs.values()]
    processes += [[([name], [])] * beats[name] for name in bare.outputs.values()]
    sinks = range(len(processes) - len(bare.outputs), len(processes))
    at, held, ends = [0] * len(processes), dict.fromkeys(bare.streams, 0), []
    cycle, moved = 0, True
    while len(ends) < frames and moved:
        now = dict(held)
        moved = False
        for index, what in enumerate(processes):
            reads, writes = what[at[index] % len(what)]
            if all(now[name] for name in reads) and all(now[name] < depths[name] for name in writes):
                at[index] += 1
                moved = True
                for name in reads:
                    held[name] -= 1
                for name in writes:
                    held[name] += 1
        cycle += 1
        if all(at[index] >= (len(ends) + 1) * len(processes[index]) for index in sinks):
            ends.append(cycle)
    return ends if len(ends) == frames else None


def test_every_cycle(rng: np.random.Generator) -> None:
    """Interval and latency in every cycle, with depths that are found and with shallower ones, standstills included."""
    stood = 0
    for pipeline in pipelines(rng, 8):
        sized = size_streams(pipeline)
        some = {name: int(rng.integers(2, depth + 1)) for name, depth in (sized.depths or {}).items()}
        for depths in (sized.depths, {}, some):
            made = replace(sized, depths=depths)
            expected = counted(made, FRAMES)
            if expected is None:
                stood += 1
                with pytest.raises(StandstillError):
                    predict_hls(made, FRAMES)
                continue
            assert list(predict_hls(made, FRAMES).finished) == expected
    assert stood, "no pipeline stood still"


def test_both_engines(rng: np.random.Generator) -> None:
    for pipeline in pipelines(rng, 3):
        sized = size_streams(pipeline)
        model = HlsModel(sized)
        network = model.network(model.pipeline.stages, sized.depths or {})
        compiled, reference = Run(network), Run(network)
        reference._engine = PythonEngine(network)
        for _ in range(3):
            compiled.frame()
            reference.frame()
        assert compiled.ends == reference.ends and compiled.steady == reference.steady


# -- depths -----------------------------------------------------------------------------------------------------------


def interval(pipeline: Pipeline) -> float:
    """Mean of the last ten, as long and short ones may take turns; infinite if all stand still."""
    try:
        ends = predict_hls(pipeline, 30).finished
    except StandstillError:
        return math.inf
    return (ends[-1] - ends[-11]) / 10


def test_depths_are_as_small_as_they_can_be(rng: np.random.Generator) -> None:
    """Frames follow each other as the slowest loop takes them; a word less costs cycles, or all stands still."""
    tried = slower = stood = 0
    for pipeline in [residual(rng, 8), *pipelines(rng, 6)]:
        sized = size_streams(pipeline)
        target = HlsModel(sized).interval_cycles
        assert interval(sized) == target
        for name, depth in (sized.depths or {}).items():
            assert depth > STREAM_DEPTH
            less = {**(sized.depths or {}), name: depth - 1}
            found = interval(replace(sized, depths=less))
            assert found > target, f"{name} needs no {depth} words"
            tried, slower, stood = tried + 1, slower + (found < math.inf), stood + (found == math.inf)
    assert tried > 8 and slower and stood, (tried, slower, stood)


def test_a_skip_holds_what_the_windows_of_the_branch_take_not_a_frame(rng: np.random.Generator) -> None:
    most = []
    for size in (12, 48):
        sized = size_streams(residual(rng, size))
        name, depth = max((sized.depths or {}).items(), key=lambda item: item[1])
        assert depth < sized.streams[name].beats
        most.append(depth)
    assert most[1] < 6 * most[0], "it grows with the width, not with the area"


def test_a_standstill_says_who_waits_for_whom(rng: np.random.Generator) -> None:
    pipeline = replace(size_streams(residual(rng, 8)), depths={})
    with pytest.raises(StandstillError) as caught:
        predict_hls(pipeline)
    text = str(caught.value)
    assert text.startswith("the C++ comes to a standstill: ")
    assert "waits for beat" in text and "waits for room in stream_" in text and "fork" in text


# -- projects ---------------------------------------------------------------------------------------------------------


def test_a_project_keeps_its_depths(rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = residual(rng, 8)
    project = build(pipeline.graph, tmp_path / "project", multipliers=4)
    assert project.pipeline.depths == size_streams(pipeline).depths and project.pipeline.depths
    monkeypatch.setattr("gan2hls.hls_depths._HlsSizing", None)  # nothing is sought again
    opened = Project.open(tmp_path / "project")
    assert opened.pipeline.depths == project.pipeline.depths
    assert opened.hls_prediction == project.hls_prediction == hls_prediction(opened.pipeline)
    top = (tmp_path / "project" / "hls" / "firmware" / "generator.cpp").read_text()
    for name, depth in (project.pipeline.depths or {}).items():
        assert f"{name}" in top and str(depth) in top


def test_what_is_too_large_is_said(rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = size_streams(residual(rng, 8))
    name = next(iter(pipeline.depths or {}))
    huge = replace(pipeline, depths={name: 10_000_000})
    assert f"in C++ the stream {name} between " in message_of(check_fifos, huge, "gw1nr-9")
    assert "10,000,000 words × " in message_of(check_fifos, huge, "gw1nr-9")
    monkeypatch.setattr("gan2hls.backends.hls._MOST_ITERATIONS", 100)
    with pytest.raises(UserError, match=r"u_\w+ takes [\d,]+ iterations a frame; its loop counts to 99 at most"):
        write_hls(pipeline, tmp_path / "hls")
    monkeypatch.setattr("gan2hls.backends.hls._WIDEST", 9)
    with pytest.raises(
        UserError, match=r"the stream to u_\w+ has \d lanes? of \d+ bits; use fewer, ap_uint holds 9 bits"
    ):
        write_hls(pipeline, tmp_path / "hls")


def test_an_output_that_is_ahead_of_another_one_is_no_standstill(rng: np.random.Generator) -> None:
    """With small frames: what gives the second output lies behind a beat of the first one's next frame."""
    sized = size_streams(projects(rng)["ports"])
    ends = predict_hls(sized, 8).finished
    assert len(ends) == 8
    assert all(before < after for before, after in pairwise(ends))
