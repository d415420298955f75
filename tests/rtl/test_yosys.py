"""Yosys' own reader takes every kernel, and makes of it what was meant: multipliers, block RAM, and no latch."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gan2hls.backends.rtl import kernel_sources, write_rtl
from gan2hls.ir import IntType
from gan2hls.ops import ConvTranspose2d
from gan2hls.resources import resource
from tests.ops.contract import Case, single
from tests.ops.mac_cases import S8, integers
from tests.rtl.designs import designs

pytest.importorskip("pyosys", reason="needs pyosys (pip install pyosys), the yosys that runs inside Python")

RUN = """
import sys
from pyosys import libyosys

design = libyosys.Design()
for line in sys.stdin:
    libyosys.run_pass(line, design)
"""
KERNELS = sorted(path.stem for path in resource("hw", "rtl").glob("*.sv") if not path.stem.endswith("_assert"))


def yosys(script: list[str], folder: Path) -> dict[str, int]:
    """Run a script in a folder; gives the cells of the design, by type."""
    lines = [*script, "check -assert", "tee -q -o stat.json stat -json"]
    command = [sys.executable, "-c", RUN]
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    assert not re.search("^ *latch inferred", done.stdout, re.IGNORECASE | re.MULTILINE)
    return json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]


def synthesize(case: Case, folder: Path, synth: str) -> dict[str, int]:
    write_rtl(case.pipeline(), folder, name="dut")
    sources = " ".join((folder / "sources.f").read_text().split())
    return yosys([f"read_verilog -sv -DSYNTHESIS {sources}", f"{synth} -top dut"], folder)


@pytest.mark.parametrize("kernel", KERNELS)
def test_each_kernel_is_read(kernel: str, tmp_path: Path) -> None:
    """At its default parameters, which nobody uses together."""
    sources = " ".join(str(resource("hw", "rtl", f"{name}.sv")) for name in kernel_sources([kernel]))
    script = [f"read_verilog -sv -DSYNTHESIS {sources}", f"hierarchy -check -top {kernel}", "proc", "opt -fast"]
    assert yosys(script, tmp_path)


@pytest.mark.parametrize("name", designs(np.random.default_rng(0)))
def test_designs_synthesize(name: str, rng: np.random.Generator, tmp_path: Path) -> None:
    cells = synthesize(designs(rng)[name], tmp_path, "synth -noabc")
    assert not [cell for cell in cells if "latch" in cell.lower()]


def test_multipliers_and_block_ram_on_ecp5(rng: np.random.Generator, tmp_path: Path) -> None:
    """8×8 bits: one multiplier for each of PE × SIMD; 64 KiB of weights and a ring of rows lie in block RAM."""
    op = ConvTranspose2d(integers(rng, (4, 4, 32, 16)), 8, stride=(2, 2), padding=(1, 1))
    case = single("DCGAN layer", op, (16, 16, 32), S8, 2, 4)
    (stage,) = case.pipeline().stages
    cells = synthesize(case, tmp_path, "synth_ecp5")
    assert cells["MULT18X18D"] == 2 * 4
    ring_bits = stage.parameters["RingPixels"] * 32 * 8
    weight_bits = 4 * 4 * 32 * 16 * 8
    assert (ring_bits + weight_bits) / 18432 <= cells["DP16KD"] <= 8
    assert "TRELLIS_DPR16X4" not in cells, "a memory went into LUTs"


@pytest.mark.parametrize(
    ("synth", "cell", "weight_bits", "in_bits", "packing"),
    [
        ("synth_ecp5", "MULT18X18D", 4, 8, 2),
        ("synth_ecp5", "MULT18X18D", 4, 4, 2),
        ("synth_xilinx -family xcup", "DSP48E2", 8, 8, 2),
        ("synth_xilinx -family xcup", "DSP48E2", 4, 4, 3),
        ("synth_xilinx -family xc7", "DSP48E1", 4, 8, 2),
    ],
)
def test_packed_multipliers(
    synth: str, cell: str, weight_bits: int, in_bits: int, packing: int, rng: np.random.Generator, tmp_path: Path
) -> None:
    """`packing` products in each hardware multiplier."""
    op = ConvTranspose2d(integers(rng, (2, 2, 4, 6), weight_bits), weight_bits, stride=(2, 2))
    case = single("packed", op, (4, 4, 4), IntType(in_bits, True), 6, 2, packing)
    assert synthesize(case, tmp_path, synth)[cell] == 6 * 2 // packing


def test_one_and_two_bit_weights_take_no_multiplier(rng: np.random.Generator, tmp_path: Path) -> None:
    op = ConvTranspose2d(integers(rng, (2, 2, 4, 4), 2), 2, stride=(2, 2))
    assert "MULT18X18D" not in synthesize(single("ternary", op, (4, 4, 4), S8, 2, 2), tmp_path, "synth_ecp5")
