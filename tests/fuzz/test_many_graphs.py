"""Exact time of graphs that branch: 200 of them, each frame of which ends in the cycle that the model says."""

from pathlib import Path

import numpy as np
import pytest

from gan2hls.backends.rtl import write_rtl
from gan2hls.schedule import predict
from gan2hls.simulate import RtlDesign, simulate_rtl
from tests.fuzz.networks import difference, draw_graph_network
from tests.fuzz.test_fuzz import needs_rtl

GRAPHS, BATCH = 200, 20


@needs_rtl
@pytest.mark.slow
@pytest.mark.parametrize("batch", range(GRAPHS // BATCH))
def test_cycles_are_those_of_verilator(batch: int, rng: np.random.Generator, tmp_path: Path) -> None:
    first = int(rng.integers(1 << 31))
    networks = [draw_graph_network(seed) for seed in range(first, first + BATCH)]
    designs = []
    for network in networks:
        write_rtl(network.pipeline, tmp_path / network.name, name=network.name)
        designs.append(RtlDesign(tmp_path / network.name, network.name, network.pipeline, network.x))
    runs = simulate_rtl(designs, log=tmp_path / "log", stalls=False, optimize=False)
    wrong = []
    for network, run in zip(networks, runs, strict=True):
        model = predict(network.pipeline, len(run.finished)).finished[: len(run.finished)]
        problem = difference(run.outputs, network.golden())
        if problem or run.finished != model:
            wrong.append(f"{network.seed}: {problem}; ends {run.finished}, model {model}\n{network.describe()}")
    assert not wrong, "\n".join(wrong)
