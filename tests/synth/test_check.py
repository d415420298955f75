"""Netlists simulated: what yosys makes of a design gives what the golden model gives, bit for bit."""

from pathlib import Path

import numpy as np
import pytest

from gan2hls.errors import MismatchError, UserError
from gan2hls.pipeline import Pipeline
from gan2hls.synth.check import check_netlist
from tests.synth.networks import TOP, network, requantizer, write

pytest.importorskip("pyosys", reason='needs pyosys (pip install "gan2hls[synth]")')
pytest.importorskip("cocotb", reason='needs cocotb (pip install "gan2hls[sim]")')


def frames(pipeline: Pipeline, rng: np.random.Generator) -> np.ndarray:
    kind = pipeline.graph.input.int_type
    return rng.integers(kind.min, kind.max + 1, (2, *pipeline.graph.input.shape))


def test_a_netlist_with_multipliers_and_block_ram(rng: np.random.Generator, tmp_path: Path) -> None:
    x = frames(network(), rng)
    values = check_netlist(network(), write(tmp_path / "rtl"), TOP, "ecp5", x, work=tmp_path / "work")
    assert values == 2 * 8 * 16 * 8
    gates = (tmp_path / "work" / "gates" / "gates.v").read_text()
    assert "u_op0.u_engine.u_weights.gen_single.u_memory.mem.0.0" in gates
    assert "conv_transpose2d" not in gates


def test_a_wrong_netlist_is_noticed(rng: np.random.Generator, tmp_path: Path) -> None:
    """One bit of a memory differs from what the golden model has; inputs for which no output saturates."""
    pipeline = requantizer()
    x = rng.integers(-15, 16, (2, *pipeline.graph.input.shape))
    write(tmp_path / "rtl", pipeline)
    memory = tmp_path / "rtl" / f"{TOP}_u_op0_bias.mem"
    words = memory.read_text().split()
    words[1] = f"{int(words[1], 16) ^ 1 << 9:0{len(words[1])}x}"  # two steps of the output
    memory.write_text("".join(f"{word}\n" for word in words))
    with pytest.raises(MismatchError, match=r"netlist of network for ecp5 differs .* at \(0, \d, \d, 1\)"):
        check_netlist(pipeline, tmp_path / "rtl", TOP, "ecp5", x)


def test_a_family_without_models(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lifcl-40: netlists of nexus can not be simulated; use ecp5"):
        check_netlist(network(), tmp_path, TOP, "lifcl-40", np.zeros((1, 4, 8, 16), int))
