"""cocotb test bench that runs all designs of a job like `sim/cocotb_bench.py`, and notes which of them fail."""

import json
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotb_bench import PERIOD_NS, drive


async def attempt(dut, folder: Path, job: dict, design: dict, failures: dict[str, str]) -> None:
    try:
        await drive(dut, folder, job, design)
    except Exception as error:
        failures[design["top"]] = f"{type(error).__name__}: {error}"


@cocotb.test()
async def bench(dut):
    folder = Path(cocotb.plusargs["job"])
    job = json.loads((folder / "job.json").read_text())
    failures: dict[str, str] = {}
    cocotb.start_soon(Clock(dut.clk, PERIOD_NS, "ns").start())
    dut.rst_n.value = 0
    running = [cocotb.start_soon(attempt(dut, folder, job, design, failures)) for design in job["designs"]]
    await ClockCycles(dut.clk, 5)
    dut.rst_n.value = 1
    for task in running:
        await task
    (folder / "failures.json").write_text(json.dumps(failures))
