"""The simulator's side of test_glue.py: drive a stream module, and compare it beat by beat with a prepared case.

The case is a JSON file named by GLUE_CASE: `frames_in` and `frames_out` (lists of beats, each an integer), and the
expected `latency` and `interval` in cycles.
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

CASE = json.loads(Path(os.environ["GLUE_CASE"]).read_text())
PERIOD_NS = 10


class Bench:
    """A stream module between a source and a sink."""

    def __init__(self, dut):
        self.dut = dut
        self.source = AxiStreamSource(
            AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst_n, reset_active_level=False, byte_lanes=1
        )
        self.sink = AxiStreamSink(
            AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst_n, reset_active_level=False, byte_lanes=1
        )

    async def start(self) -> None:
        cocotb.start_soon(Clock(self.dut.clk, PERIOD_NS, unit="ns").start())
        self.dut.rst_n.value = 0
        await ClockCycles(self.dut.clk, 4)
        self.dut.rst_n.value = 1
        await ClockCycles(self.dut.clk, 2)

    async def run_frames(self) -> None:
        """Send all frames back to back, and compare what comes: data, ends of frames, and nothing more."""
        for frame in CASE["frames_in"]:
            self.source.send_nowait(AxiStreamFrame(frame))
        beats = sum(len(frame) for frame in CASE["frames_in"] + CASE["frames_out"])
        for number, expected in enumerate(CASE["frames_out"]):
            frame = await with_timeout(self.sink.recv(), PERIOD_NS * (1000 + 50 * beats), "ns")
            assert list(frame.tdata) == expected, f"frame {number}: {list(frame.tdata)} instead of {expected}"
        await ClockCycles(self.dut.clk, 20)
        assert self.sink.empty(), "a beat too many"
        assert not self.dut.m_axis_tvalid.value, "a beat is left"

    async def watch(self, first_in: list[int], first_out: list[int], frame_ends: list[int]) -> None:
        """Note the cycles of the first input and output beats and of the ends of the output frames."""
        dut = self.dut
        for cycle in itertools.count():
            await RisingEdge(dut.clk)
            await ReadOnly()
            if dut.s_axis_tvalid.value and dut.s_axis_tready.value and not first_in:
                first_in.append(cycle)
            if dut.m_axis_tvalid.value and not first_out:
                first_out.append(cycle)
            if dut.m_axis_tvalid.value and dut.m_axis_tready.value and dut.m_axis_tlast.value:
                frame_ends.append(cycle)


@cocotb.test()
async def full_speed(dut):
    """Without stalls: the exact latency, and the exact cycles from frame to frame."""
    bench = Bench(dut)
    await bench.start()
    first_in, first_out, frame_ends = [], [], []
    cocotb.start_soon(bench.watch(first_in, first_out, frame_ends))
    await bench.run_frames()
    latency = first_out[0] - first_in[0]
    assert latency == CASE["latency"], f"latency {latency} instead of {CASE['latency']}"
    # From the second frame on: the first one may start into empty buffers.
    intervals = [b - a for a, b in itertools.pairwise(frame_ends)][1:]
    assert intervals
    assert set(intervals) == {CASE["interval"]}, f"intervals {intervals} instead of {CASE['interval']}"


@cocotb.test()
@cocotb.parametrize(source_idle=[0.0, 0.3, 0.8], sink_stall=[0.2, 0.7])
async def stalls(dut, source_idle, sink_stall):
    """Random stalls on both sides change nothing."""
    draw = random.Random(CASE["seed"])
    bench = Bench(dut)
    bench.source.set_pause_generator(draw.random() < source_idle for _ in itertools.count())
    bench.sink.set_pause_generator(draw.random() < sink_stall for _ in itertools.count())
    await bench.start()
    await bench.run_frames()


@cocotb.test()
async def full_then_drained(dut):
    """The sink stays away until nothing moves any more, then takes everything."""
    bench = Bench(dut)
    bench.sink.pause = True
    await bench.start()

    async def release() -> None:
        await ClockCycles(dut.clk, 10 + 2 * len(CASE["frames_in"][0]) * len(CASE["frames_in"]))
        bench.sink.pause = False

    cocotb.start_soon(release())
    if CASE["capacity"]:
        accepted = cocotb.start_soon(_count_accepted(dut))
        await bench.run_frames()
        assert await accepted == CASE["capacity"]
    else:
        await bench.run_frames()


async def _count_accepted(dut) -> int:
    """Input beats taken before the first output beat is."""
    count = 0
    while True:
        await RisingEdge(dut.clk)
        await ReadOnly()
        if dut.m_axis_tvalid.value and dut.m_axis_tready.value:
            return count
        count += bool(dut.s_axis_tvalid.value and dut.s_axis_tready.value)
