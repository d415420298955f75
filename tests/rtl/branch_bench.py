"""The simulator's side of test_branches.py: drive a module with several ports, or none, each with stalls of its own.

The case is a JSON file named by BRANCH_CASE: `ins` and `outs` (for each port its frames, lists of beats, each an
integer), `masks` (for each output the bits of each beat that count), and the expected `interval` in cycles.
"""

import itertools
import json
import os
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge, with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

CASE = json.loads(Path(os.environ["BRANCH_CASE"]).read_text())
PERIOD_NS = 10


class Bench:
    """A module between a source at each input and a sink at each output."""

    def __init__(self, dut):
        self.dut = dut
        reset = {"reset_active_level": False, "byte_lanes": 1}
        self.sources = [
            AxiStreamSource(AxiStreamBus.from_prefix(dut, f"s{i}_axis"), dut.clk, dut.rst_n, **reset)
            for i in range(len(CASE["ins"]))
        ]
        self.sinks = [
            AxiStreamSink(AxiStreamBus.from_prefix(dut, f"m{i}_axis"), dut.clk, dut.rst_n, **reset)
            for i in range(len(CASE["outs"]))
        ]
        # A module without inputs goes on for ever.
        self.ends = bool(CASE["ins"])

    async def start(self) -> None:
        cocotb.start_soon(Clock(self.dut.clk, PERIOD_NS, unit="ns").start())
        self.dut.rst_n.value = 0
        await ClockCycles(self.dut.clk, 4)
        self.dut.rst_n.value = 1
        await ClockCycles(self.dut.clk, 2)

    async def run_frames(self, only: list[int] | None = None) -> None:
        """Send all frames back to back, and compare what comes at each output, or at some of them."""
        for source, frames in zip(self.sources, CASE["ins"], strict=True):
            for frame in frames:
                source.send_nowait(AxiStreamFrame(frame))
        beats = sum(len(frame) for frames in CASE["ins"] + CASE["outs"] for frame in frames)
        for port, (sink, frames, masks) in enumerate(zip(self.sinks, CASE["outs"], CASE["masks"], strict=True)):
            if only is not None and port not in only:
                continue
            for number, expected in enumerate(frames):
                frame = await with_timeout(sink.recv(), PERIOD_NS * (1000 + 50 * beats), "ns")
                got = [beat & mask for beat, mask in zip(frame.tdata, masks, strict=True)]
                assert got == expected, f"output {port}, frame {number}: {got} instead of {expected}"
        if self.ends and only is None:
            await ClockCycles(self.dut.clk, 20)
            for port, sink in enumerate(self.sinks):
                assert sink.empty(), f"output {port}: a beat too many"
                assert not getattr(self.dut, f"m{port}_axis_tvalid").value, f"output {port}: a beat is left"

    def stall(self, draw: random.Random, source_idle: list[float], sink_stall: list[float]) -> None:
        """Each port pauses by itself, in the cycles that its own share of pauses gives."""
        for ports, shares in ((self.sources, source_idle), (self.sinks, sink_stall)):
            for port, share in zip(ports, itertools.cycle(shares)):  # shares go round
                own = random.Random(draw.random())
                port.set_pause_generator(own.random() < share for _ in itertools.count())


async def frame_ends(dut, ends: list[int]) -> None:
    """Note the cycles in which frames end at output 0."""
    for cycle in itertools.count():
        await RisingEdge(dut.clk)
        await ReadOnly()
        if dut.m0_axis_tvalid.value and dut.m0_axis_tready.value and dut.m0_axis_tlast.value:
            ends.append(cycle)


@cocotb.test()
async def full_speed(dut):
    """Without stalls: the exact cycles from frame to frame."""
    bench = Bench(dut)
    await bench.start()
    ends = []
    cocotb.start_soon(frame_ends(dut, ends))
    await bench.run_frames()
    intervals = [b - a for a, b in itertools.pairwise(ends)]
    assert intervals
    assert set(intervals) == {CASE["interval"]}, f"intervals {intervals} instead of {CASE['interval']}"


@cocotb.test()
@cocotb.parametrize(source_idle=[[0.0], [0.3], [0.8, 0.0, 0.5], [0.0, 0.8]], sink_stall=[[0.0], [0.7], [0.0, 0.8, 0.3]])
async def stalls(dut, source_idle, sink_stall):
    """Random stalls, each port's own, change nothing."""
    bench = Bench(dut)
    bench.stall(random.Random(CASE["seed"]), source_idle, sink_stall)
    await bench.start()
    await bench.run_frames()


@cocotb.test()
async def bursts(dut):
    """Each port works and pauses for long, out of step with the others."""
    bench = Bench(dut)
    for index, port in enumerate([*bench.sources, *bench.sinks]):
        cycle = [False] * (7 + 3 * index) + [True] * (5 + 4 * index)
        port.set_pause_generator(itertools.cycle(cycle[index:] + cycle[:index]))
    await bench.start()
    await bench.run_frames()


@cocotb.test()
async def full_then_drained(dut):
    """The sinks stay away until nothing moves any more, then take everything; so does one input that comes last."""
    bench = Bench(dut)
    held = [*bench.sinks, *bench.sources[:1]]
    for port in held:
        port.pause = True
    await bench.start()

    async def release() -> None:
        await ClockCycles(dut.clk, 40)
        for port in held:
            port.pause = False
            await ClockCycles(dut.clk, 10)

    cocotb.start_soon(release())
    await bench.run_frames()


@cocotb.test(skip=CASE["module"] != "stream_fork")
async def independent(dut):
    """An output that stalls for good stops no other one before its own two beats are full."""
    ports = range(len(CASE["outs"]))
    counts = [0] * len(ports)
    bench = Bench(dut)
    bench.sinks[-1].pause = True
    await bench.start()

    async def count() -> None:
        while True:
            await RisingEdge(dut.clk)
            await ReadOnly()
            for port in ports:
                valid, ready = (getattr(dut, f"m{port}_axis_{name}").value for name in ("tvalid", "tready"))
                counts[port] += bool(valid and ready)

    cocotb.start_soon(count())
    for frame in CASE["ins"][0]:
        bench.sources[0].send_nowait(AxiStreamFrame(frame))
    await ClockCycles(dut.clk, 40)
    assert counts == [2] * (len(ports) - 1) + [0], counts
