"""cocotb test bench of generated designs: frames in, frames out, and the clock cycles they took.

The job folder (plusarg `+job=<folder>`) holds `job.json` and, for each design, `<top>.input.npy`: bytes (frames, beats,
bytes a beat). First `free_frames` frames run without stalls, these again and again, which gives latency and interval;
then all run back to back, with random idle cycles at the input and random back-pressure at the output. Received bytes
go to `<top>.free.npy` and `<top>.stalled.npy`, cycles to `<top>.cycles.json`.
"""

import itertools
import json
import logging
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

PERIOD_NS = 10
DRAIN_CYCLES = 200


def pauses(seed: int):
    """Endless stall pattern, True = stall: stretches of free flow, of scattered stalls and of long stops, at random."""
    draw = random.Random(seed)
    while True:
        kind = draw.choice(("flow", "scattered", "scattered", "stop"))
        length = draw.randint(1, 64)
        if kind == "scattered":
            share = draw.choice((0.1, 0.5, 0.9))
            yield from (draw.random() < share for _ in range(length))
        else:
            yield from itertools.repeat(kind == "stop", length)


async def send_and_receive(source, sink, frames, timeout_cycles):
    """Send frames back to back and receive as many.

    Returns:
        The received bytes (frames, beats, bytes a beat), and two lists of clock cycles: when each frame's first beat
        was offered, and when its last output beat was taken.
    """
    offered, received, taken = [], [], []
    for frame in frames:
        words = [int.from_bytes(beat.tobytes(), "little") for beat in frame]
        done = lambda item: offered.append(item.sim_time_start)  # noqa: E731
        await source.send(AxiStreamFrame(words, tx_complete=done))
    for _ in frames:
        item = await with_timeout(sink.recv(compact=False), timeout_cycles * PERIOD_NS, "ns")
        received.append([word.to_bytes(sink.width // 8, "little") for word in item.tdata])
        taken.append(item.sim_time_end)
    steps_per_cycle = PERIOD_NS * 1000
    shape = (len(frames), -1, sink.width // 8)
    if len({len(frame) for frame in received}) > 1:
        raise AssertionError(f"frames of different lengths: {[len(frame) for frame in received]} beats")
    data = np.frombuffer(b"".join(b"".join(frame) for frame in received), dtype=np.uint8).reshape(shape)
    return data, [int(t) // steps_per_cycle for t in offered], [int(t) // steps_per_cycle for t in taken]


async def drive(dut, folder, job, design):
    """Run one design's frames without and with stalls, and write what came out."""
    top = design["top"]
    frames = np.load(folder / f"{top}.input.npy")
    options = {"reset_active_level": False, "byte_lanes": 1}
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, f"{top}_s_axis"), dut.clk, dut.rst_n, **options)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, f"{top}_m_axis"), dut.clk, dut.rst_n, **options)
    for side in (source, sink):
        side.log.setLevel(logging.WARNING)
    await RisingEdge(dut.rst_n)
    await ClockCycles(dut.clk, 10)

    # A beat offered at one edge is taken at the next: counted from the edge that takes the first input beat.
    timeout = design["timeout_cycles"]
    again = [frames[index % len(frames)] for index in range(design["free_frames"])]
    free, offered, taken = await send_and_receive(source, sink, again, timeout)
    np.save(folder / f"{top}.free.npy", free)
    cycles = {"finished": [cycle - offered[0] - 1 for cycle in taken]}
    (folder / f"{top}.cycles.json").write_text(json.dumps(cycles))
    if job["stalls"]:
        source.set_pause_generator(pauses(2 * job["seed"]))
        sink.set_pause_generator(pauses(2 * job["seed"] + 1))
        stalled, _, _ = await send_and_receive(source, sink, frames, timeout)
        np.save(folder / f"{top}.stalled.npy", stalled)
        sink.clear_pause_generator()
        sink.pause = False
    await ClockCycles(dut.clk, DRAIN_CYCLES)
    assert source.empty(), f"{top} did not take all input"
    valid = getattr(dut, f"{top}_m_axis_tvalid").value
    assert sink.empty(), f"{top} gave more frames than it should"
    assert not valid, f"{top} gave more output than it should"


@cocotb.test()
async def bench(dut):
    folder = Path(cocotb.plusargs["job"])
    job = json.loads((folder / "job.json").read_text())
    cocotb.start_soon(Clock(dut.clk, PERIOD_NS, "ns").start())
    dut.rst_n.value = 0
    running = [cocotb.start_soon(drive(dut, folder, job, design)) for design in job["designs"]]
    await ClockCycles(dut.clk, 5)
    dut.rst_n.value = 1
    for task in running:
        await task
