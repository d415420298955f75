"""cocotb test bench of generated designs: frames in, frames out, and the clock cycles they took.

The job folder (plusarg `+job=<folder>`) holds `job.json` and, for each input port of each design, `<top>.<port>.npy`:
bytes (frames, beats, bytes a beat). First `free_frames` frames run without stalls, these again and again, which gives
latency and interval; then all run back to back, with random idle cycles at the inputs and random back-pressure at the
outputs, at each port by itself. Received bytes go to `<top>.<port>.free.npy` and `<top>.<port>.stalled.npy`, cycles to
`<top>.cycles.json`.
"""

import itertools
import json
import logging
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, gather, with_timeout
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


async def send(source, frames):
    """Send frames back to back; gives a list that gets the time at which each frame's first beat was offered."""
    offered = []
    for frame in frames:
        words = [int.from_bytes(beat.tobytes(), "little") for beat in frame]
        done = lambda item: offered.append(item.sim_time_start)  # noqa: E731
        await source.send(AxiStreamFrame(words, tx_complete=done))
    return offered


async def receive(sink, count, timeout_cycles):
    """Receive frames: bytes (frames, beats, bytes a beat), and the times at which their last beats were taken."""
    received, taken = [], []
    for _ in range(count):
        item = await with_timeout(sink.recv(compact=False), timeout_cycles * PERIOD_NS, "ns")
        received.append([word.to_bytes(sink.width // 8, "little") for word in item.tdata])
        taken.append(item.sim_time_end)
    if len({len(frame) for frame in received}) > 1:
        raise AssertionError(f"frames of different lengths: {[len(frame) for frame in received]} beats")
    data = np.frombuffer(b"".join(b"".join(frame) for frame in received), dtype=np.uint8)
    return data.reshape(count, -1, sink.width // 8), taken


async def send_and_receive(sources, sinks, frames, timeout_cycles):
    """Send frames back to back through all inputs and receive as many from all outputs.

    Returns:
        The received bytes (frames, beats, bytes a beat) by output, and two lists of clock cycles: when each frame's
        first beat was offered, at the first input that did, and when its last beat was taken, at the last output.
    """
    count = len(next(iter(frames.values())))
    offered = [await send(source, frames[name]) for name, source in sources.items()]
    # Together, so that whoever waits for this hears of a failure at any of them.
    results = await gather(*(receive(sink, count, timeout_cycles) for sink in sinks.values()))
    found = dict(zip(sinks, results, strict=True))
    cycle = PERIOD_NS * 1000
    first = [int(min(times)) // cycle for times in zip(*offered, strict=True)]
    last = [int(max(times)) // cycle for times in zip(*(taken for _, taken in found.values()), strict=True)]
    return {name: data for name, (data, _) in found.items()}, first, last


async def drive(dut, folder, job, design):
    """Run one design's frames without and with stalls, and write what came out."""
    top = design["top"]
    frames = {port: np.load(folder / f"{top}.{port}.npy") for port in design["slaves"]}

    def side(kind, ports):
        options = {"reset_active_level": False, "byte_lanes": 1}
        return {p: kind(AxiStreamBus.from_prefix(dut, f"{top}_{p}"), dut.clk, dut.rst_n, **options) for p in ports}

    sources, sinks = side(AxiStreamSource, design["slaves"]), side(AxiStreamSink, design["masters"])
    for end in (*sources.values(), *sinks.values()):
        end.log.setLevel(logging.WARNING)
    await RisingEdge(dut.rst_n)
    await ClockCycles(dut.clk, 10)

    # A beat offered at one edge is taken at the next: counted from the edge that takes the first input beat.
    timeout = design["timeout_cycles"]
    again = {p: [data[index % len(data)] for index in range(design["free_frames"])] for p, data in frames.items()}
    free, offered, taken = await send_and_receive(sources, sinks, again, timeout)
    for port, data in free.items():
        np.save(folder / f"{top}.{port}.free.npy", data)
    cycles = {"finished": [cycle - offered[0] - 1 for cycle in taken]}
    (folder / f"{top}.cycles.json").write_text(json.dumps(cycles))
    if job["stalls"]:
        ends = [sources[design["slaves"][0]], sinks[design["masters"][0]]]  # whose patterns one port alone has too
        ends += [end for end in (*sources.values(), *sinks.values()) if end not in ends]
        for index, end in enumerate(ends):
            end.set_pause_generator(pauses(2 * job["seed"] + index))
        stalled, _, _ = await send_and_receive(sources, sinks, frames, timeout)
        for port, data in stalled.items():
            np.save(folder / f"{top}.{port}.stalled.npy", data)
        for sink in sinks.values():
            sink.clear_pause_generator()
            sink.pause = False
    await ClockCycles(dut.clk, DRAIN_CYCLES)
    for port, source in sources.items():
        assert source.empty(), f"{top} did not take all input of {port}"
    for port, sink in sinks.items():
        valid = getattr(dut, f"{top}_{port}_tvalid").value
        assert sink.empty(), f"{top} gave more frames than it should at {port}"
        assert not valid, f"{top} gave more output than it should at {port}"


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
