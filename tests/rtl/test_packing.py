"""Packed multiplication gives each product exactly: exhaustively where that is possible, else corners and at random."""

import itertools
import json
from pathlib import Path

import cocotb_tools.runner as cocotb_runner
import numpy as np
import pytest

from gan2hls.ir import IntType
from gan2hls.resources import resource
from gan2hls.tools import environment_with, require_tool

CASES = [
    # lanes, input bits, input signed, weight bits, no weight the most negative
    (2, 4, True, 4, False),
    (2, 4, False, 4, False),
    (3, 4, True, 4, False),
    (3, 4, False, 4, False),
    (4, 2, True, 2, False),
    (4, 2, False, 2, False),
    (3, 3, True, 3, False),
    (2, 8, True, 4, False),
    (2, 8, False, 4, False),
    (2, 8, True, 8, False),
    (2, 8, False, 8, False),
    (2, 6, True, 6, False),
    (2, 6, True, 6, True),
    (5, 3, True, 3, True),
    (5, 3, False, 3, True),
    (3, 5, True, 5, True),
    (3, 4, True, 4, True),
    (2, 8, False, 8, True),
]


def vectors(case: tuple[int, int, bool, int, bool], rng: np.random.Generator) -> np.ndarray:
    """(n, 1 + lanes) integers: x and the weights; all combinations if they are few, else corners and random ones."""
    lanes, in_bits, signed, weight_bits, symmetric = case
    x, weight = IntType(in_bits, signed), IntType(weight_bits, True)
    ranges = [range(x.min, x.max + 1)] + [range(weight.min + symmetric, weight.max + 1)] * lanes
    if in_bits + lanes * weight_bits <= 16:
        return np.array(list(itertools.product(*ranges)))
    corners = [sorted({r[0], r[1], max(r[0], -1), 0, 1, r[-1]}) for r in ranges]
    found = np.array(list(itertools.product(*corners)))
    drawn = np.stack([rng.integers(r.start, r.stop, 20_000) for r in ranges], axis=1)
    return np.concatenate([found, drawn])


def wrapper() -> str:
    """A module `packing` with an instance for each case."""
    ports, instances = ["  input logic clk", "  input logic enable"], []
    for index, (lanes, in_bits, signed, weight_bits, symmetric) in enumerate(CASES):
        ports += [
            f"  input logic [{in_bits - 1}:0] x{index}",
            f"  input logic [{lanes * weight_bits - 1}:0] weights{index}",
            f"  output logic [{lanes * (in_bits + weight_bits) - 1}:0] products{index}",
        ]
        parameters = f".Lanes({lanes}), .InBits({in_bits}), .InSigned({int(signed)}), .WeightBits({weight_bits})"
        parameters += f", .Symmetric({int(symmetric)})"
        connections = f".clk, .enable, .x(x{index}), .weights(weights{index}), .products(products{index})"
        instances.append(f"  packed_multiply #({parameters}) u{index} ({connections});")
    return "\n".join(["module packing (", ",\n".join(ports), ");", *instances, "endmodule", ""])


def fields(values: np.ndarray, bits: int) -> np.ndarray:
    """(n, lanes) integers packed into words, lane 0 low."""
    masked = values.astype(np.uint64) & np.uint64((1 << bits) - 1)
    return (masked << (np.arange(values.shape[1], dtype=np.uint64) * np.uint64(bits))).sum(1, dtype=np.uint64)


def test_every_lane_is_exact(rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", environment_with(require_tool("verilator"))["PATH"])
    monkeypatch.setenv("MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include OPT_GLOBAL=-O0")
    monkeypatch.syspath_prepend(Path(__file__).parent)
    expected = []
    for index, case in enumerate(CASES):
        lanes, in_bits, _, weight_bits, _ = case
        values = vectors(case, rng)
        x, weights = values[:, :1], values[:, 1:]
        np.save(tmp_path / f"x{index}.npy", fields(x, in_bits))
        np.save(tmp_path / f"w{index}.npy", fields(weights, weight_bits))
        expected.append(fields(x * weights, in_bits + weight_bits))
        assert lanes == weights.shape[1]
    (tmp_path / "cases.json").write_text(json.dumps(CASES))
    (tmp_path / "packing.sv").write_text(wrapper())
    runner = cocotb_runner.get_runner("verilator")
    runner.build(
        sources=[resource("hw", "rtl", "packed_multiply.sv"), tmp_path / "packing.sv"],
        hdl_toplevel="packing",
        build_args=["-Wall", "--assert"],
        build_dir=tmp_path / "build",
        timescale=("1ns", "1ps"),
        log_file=tmp_path / "build.log",
    )
    runner.test(
        hdl_toplevel="packing",
        test_module="packing_bench",
        build_dir=tmp_path / "build",
        test_dir=tmp_path,
        extra_env={"PACKING_CASE": str(tmp_path)},
        log_file=tmp_path / "test.log",
    )
    for index, (case, words) in enumerate(zip(CASES, expected, strict=True)):
        got = np.load(tmp_path / f"products{index}.npy")
        wrong = np.flatnonzero(got != words)
        assert not len(wrong), f"{case}: {len(wrong)} of {len(words)} wrong"
