"""Networks that branch, from torch to both languages: golden model, C++ and RTL are equal, and the cycles exact."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import gan2hls
from gan2hls.backends.rtl import write_rtl
from gan2hls.errors import UserError
from gan2hls.ir import Graph
from gan2hls.project import Project
from gan2hls.simulate import RtlDesign, simulate_rtl, steady_prediction
from tests.fuzz.networks import difference
from tests.quantization.branches import BRANCHES, branching, branching_module, inputs_of

BITS = {"w8a8": (8, 8), "w4a4": (4, 4)}


def quantized(name: str, bits: tuple[int, int]) -> tuple[Graph, dict[str, np.ndarray]]:
    """The graph of a network, and two frames of each input."""
    calibration = {port: values.numpy() for port, values in inputs_of(branching(name)).items()}
    graph = gan2hls.quantize(branching_module(name), calibration, weight_bits=bits[0], activation_bits=bits[1])
    return graph, {port: values[:2] for port, values in calibration.items()}


@pytest.mark.parametrize("bits", BITS)
def test_all_worlds_are_equal(bits: str, tmp_path: Path) -> None:
    """Skips, splits and joins, several inputs and several outputs; also that each frame ends when the model says."""
    designs, expected = [], []
    for name in BRANCHES:
        graph, x = quantized(name, BITS[bits])
        project = gan2hls.build(graph, tmp_path / name, multipliers=24)
        golden = graph.run_integers(graph.quantize_input(x))
        assert not difference(project.csim(graph.quantize_input(x)), golden), name
        opened = Project.open(tmp_path / name)
        assert opened.pipeline.sizes == project.pipeline.sizes
        stream = graph.to_stream(graph.integers(x))
        prediction = steady_prediction(opened.pipeline, 2)
        top = f"dut_{name}"
        rtl = tmp_path / f"{name}_rtl"
        write_rtl(opened.pipeline, rtl, name=top)
        designs.append(RtlDesign(rtl, top, opened.pipeline, stream, prediction))
        expected.append((name, graph, golden))
    runs = simulate_rtl(designs, log=tmp_path / "log", optimize=False)
    for (name, graph, golden), design, run in zip(expected, designs, runs, strict=True):
        assert not difference(graph.from_stream(run.outputs), golden), name
        assert run.finished[0] == design.prediction.latency_cycles  # type: ignore[union-attr]
        assert design.prediction.interval_cycles == design.pipeline.interval_cycles, name  # type: ignore[union-attr]


def test_a_project_takes_and_gives_mappings(tmp_path: Path) -> None:
    graph, x = quantized("conditional", (8, 8))
    assert list(graph.input_types) == ["z", "label"]
    project = gan2hls.build(graph, tmp_path / "project")
    result = project.cosim(x)
    assert np.array_equal(result.outputs, graph.run(x))
    assert np.array_equal(project.csim(x), result.outputs)
    with pytest.raises(UserError, match=r"input 'label' is missing \(accepted: z, label\)"):
        project.csim({"z": x["z"]})
    with pytest.raises(UserError, match=r"unknown input 'noise' \(accepted: z, label\)"):
        project.csim({**x, "noise": x["z"]})
    with pytest.raises(UserError, match="the graph takes 2 inputs; give a mapping with an array for each of z, label"):
        project.csim(x["z"])
    with pytest.raises(UserError, match="different numbers of frames: z has 2, label has 1"):
        project.csim({"z": x["z"], "label": x["label"][:1]})


def test_several_outputs_come_by_name(tmp_path: Path) -> None:
    graph, x = quantized("heads", (8, 8))
    project = gan2hls.build(graph, tmp_path / "project")
    found, golden = project.csim(x), graph.run(x)
    assert isinstance(found, Mapping) and list(found) == list(graph.outputs) and len(found) == 2
    for name in graph.outputs:
        assert np.array_equal(found[name], golden[name])
    top = (tmp_path / "project" / "rtl" / "generator.sv").read_text()
    assert "m_axis_small" in top and "s_axis_tdata" in top
