"""cocotb side of test_packing.py: a vector a cycle into each instance, and what comes out three cycles later."""

import json
import os
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

LATENCY = 3


async def check(dut, folder: Path, index: int) -> None:
    """Feed the vectors of one instance and collect its products."""
    factors = np.load(folder / f"x{index}.npy").tolist()
    words = np.load(folder / f"w{index}.npy").tolist()
    x, weights, products = (getattr(dut, f"{name}{index}") for name in ("x", "weights", "products"))
    seen = []
    for cycle in range(len(factors) + LATENCY):
        if cycle < len(factors):
            x.value = factors[cycle]
            weights.value = words[cycle]
        await FallingEdge(dut.clk)
        if cycle >= LATENCY - 1:
            seen.append(int(products.value))
    np.save(folder / f"products{index}.npy", np.array(seen[: len(factors)], dtype=np.uint64))


@cocotb.test()
async def bench(dut):
    folder = Path(os.environ["PACKING_CASE"])
    dut.enable.value = 1
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    await FallingEdge(dut.clk)
    count = len(json.loads((folder / "cases.json").read_text()))
    tasks = [cocotb.start_soon(check(dut, folder, index)) for index in range(count)]
    for task in tasks:
        await task
