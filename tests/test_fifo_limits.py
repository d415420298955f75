"""A FIFO that is larger than a part's memory: one error that names it, wherever a target is named."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gan2hls import assembly, flow, project
from gan2hls.cli import app
from gan2hls.estimate import estimate
from gan2hls.estimate.buffers import check_fifos
from gan2hls.ir import Graph, IntType, Node, TensorType
from gan2hls.ops import Add, Requantize
from gan2hls.pipeline import Folding, Pipeline, Sizes
from gan2hls.project_files import CLOCK_MHZ, PART, ProjectSettings, write_project
from tests.messages import message_of
from tests.ops.contract import GraphCase
from tests.ops.mac_cases import S8

LONG, WIDE = 70_000, 20_000
FIFOS = {"stream_1": LONG, "stream_2": 40}


def chain() -> Graph:
    ones, zeros = np.full(4, 2), np.zeros(4, dtype=np.int64)
    nodes = tuple(Node(f"op{index}", Requantize(ones, zeros, 1, -128, 127, S8, 1.0)) for index in range(2))
    return Graph.chain(TensorType((2, 2, 4), S8, 1.0), nodes, (4, 2, 2), (4, 2, 2)).verify()


def with_fifos(graph: Graph, folding: Folding, sizes: Sizes | None = None) -> Pipeline:
    """In place of a search, which finds such FIFOs in graphs whose branches take very different times only."""
    return assembly.make_pipeline(graph, folding, sizes or Sizes(fifos=FIFOS))


def test_all_of_them_are_named_with_their_sizes() -> None:
    x = TensorType((8, 8, 4), IntType(8, True), 1.0)
    case = GraphCase("skip", {"x": x, "y": x}, (Node("sum", Add(), ("x", "y")),), {"sum": 4})
    fifos = {"stream_0": LONG, "stream_1": 40, "stream_2": WIDE}
    pipeline = assembly.make_pipeline(case.graph(), case.pipeline().folding, Sizes(fifos=fifos))
    assert message_of(check_fifos, pipeline, "gw1nr-9").splitlines() == [
        "gw1nr-9 is too small for these FIFOs; use a larger part:",
        "  the FIFO u_stream_0_fifo between the input and u_sum, 70,000 beats × 32 bits, takes 140 block RAMs; "
        "gw1nr-9 has 26",
        "  the FIFO u_stream_2_fifo between u_sum and the output, 20,000 beats × 36 bits, takes 50 block RAMs; "
        "gw1nr-9 has 26",
    ]


@pytest.mark.parametrize("target", ["ecp5", "zu3eg", None])
def test_a_family_and_a_larger_part_and_no_target_take_it(target: str | None) -> None:
    graph = chain()
    check_fifos(with_fifos(graph, project.Budget().fold(graph, CLOCK_MHZ)), target)


def test_fifos_that_fit_alone_are_a_problem_of_the_sum() -> None:
    graph = chain()
    fifos = {"stream_1": 12_000, "stream_2": 12_000}
    pipeline = assembly.make_pipeline(graph, project.Budget().fold(graph, CLOCK_MHZ), Sizes(fifos=fifos))
    check_fifos(pipeline, "gw1nr-9")
    (problem,) = estimate(pipeline, "gw1nr-9").problems()
    assert "block RAMs needed, it has 26" in problem


def test_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(project, "make_pipeline", with_fifos)
    message = message_of(project.build, chain(), tmp_path / "project", target="gw1nr-9")
    assert message.startswith("the FIFO u_stream_1_fifo between u_op0 and u_op1, 70,000 beats × ")
    assert message.endswith(" block RAMs; gw1nr-9 has 26")
    assert not (tmp_path / "project").exists()
    assert project.build(chain(), tmp_path / "project").pipeline.sizes.fifos == FIFOS


def test_a_run_of_the_command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(flow, "make_pipeline", with_fifos)
    result = CliRunner().invoke(app, ["build", "--target", "gw1nr-9", "--out", str(tmp_path / "run")])
    assert "the FIFO u_stream_1_fifo between " in str(result.exception)


@pytest.mark.parametrize("command", ["estimate", "synth"])
def test_a_project_that_was_built_without_a_target(command: str, tmp_path: Path) -> None:
    graph = chain()
    pipeline = with_fifos(graph, project.Budget().fold(graph, CLOCK_MHZ))
    write_project(pipeline, tmp_path / "project", ProjectSettings(PART, CLOCK_MHZ, None))
    result = CliRunner().invoke(app, [command, str(tmp_path / "project"), "--target", "gw1nr-9"])
    assert str(result.exception).startswith("the FIFO u_stream_1_fifo between u_op0 and u_op1, 70,000 beats × ")
    assert "takes" not in result.output.replace(str(result.exception), "")
