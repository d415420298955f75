"""Random cases of the modules with several ports, or none: what goes in and must come out, beat by beat.

Both languages run the same cases (`tests/rtl/test_branches.py`, `tests/hls/test_branches.py`). Expected values are
written with plain Python integers here, once more than in the ops.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

FRAMES = 4


@dataclass
class Side:
    """One port: `lanes` bit patterns of `bits` bits a beat, FRAMES frames of (beats, lanes)."""

    lanes: int
    bits: int
    frames: list[np.ndarray]
    used: np.ndarray | None = None
    """(beats, lanes) where a lane holds a channel; None: in all."""


@dataclass
class BranchCase:
    """A module with its parameters, its ports, and what it takes at full speed."""

    module: str
    parameters: dict[str, int | tuple[int, ...]]
    ins: list[Side]
    outs: list[Side]
    interval: int
    signed: bool = False
    memories: dict[str, np.ndarray] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.module} {self.parameters}"


def _patterns(rng: np.random.Generator, bits: int, shape: tuple[int, ...]) -> np.ndarray:
    """Bit patterns; the extremes more often than chance would have them."""
    values = rng.integers(0, 1 << bits, shape)
    special = rng.choice([0, (1 << bits) - 1, 1 << (bits - 1), (1 << (bits - 1)) - 1], shape)
    return np.where(rng.random(shape) < 0.3, special, values)


def fork_case(rng: np.random.Generator, outputs: int) -> BranchCase:
    lanes, bits, beats = int(rng.integers(1, 5)), int(rng.integers(1, 17)), int(rng.integers(2, 20))
    frames = [_patterns(rng, bits, (beats, lanes)) for _ in range(FRAMES)]
    side = Side(lanes, bits, frames)
    parameters = {"Outputs": outputs, "Beats": beats, "Bits": lanes * bits}
    return BranchCase("stream_fork", parameters, [side], [side] * outputs, beats)


def add_case(rng: np.random.Generator, inputs: int, bits: int, signed: bool, subtract: bool = False) -> BranchCase:
    channels, lanes, pixels = int(rng.integers(1, 8)), int(rng.integers(1, 5)), int(rng.integers(1, 6))
    pixel_beats = math.ceil(channels / lanes)
    beats = pixels * pixel_beats
    ins = [Side(lanes, bits, [_patterns(rng, bits, (beats, lanes)) for _ in range(FRAMES)]) for _ in range(inputs)]
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    ends = [low * inputs, high * inputs]
    if subtract:
        ends = [low - high * (inputs - 1), high - low * (inputs - 1)]
    magnitude = max(ends[1], -ends[0] - 1)
    out_bits = max(1, magnitude.bit_length() + (ends[0] < 0))
    used = (np.arange(beats * lanes).reshape(pixels, -1) % (pixel_beats * lanes) < channels).reshape(beats, lanes)

    def value(pattern: int) -> int:
        return pattern - (1 << bits) if signed and pattern >> (bits - 1) else pattern

    outs = []
    for frame in range(FRAMES):
        result = np.zeros((beats, lanes), dtype=np.int64)
        for beat, lane in np.ndindex(beats, lanes):
            first, *others = (value(int(side.frames[frame][beat, lane])) for side in ins)
            total = first + (-1 if subtract else 1) * sum(others)
            assert ends[0] <= total <= ends[1]
            result[beat, lane] = total % (1 << out_bits)
        outs.append(result)
    parameters = {
        "Inputs": inputs, "Beats": beats, "Lanes": lanes, "InBits": bits, "InSigned": int(signed), "OutBits": out_bits,
        "Subtract": int(subtract),
    }  # fmt: skip
    return BranchCase("add", parameters, ins, [Side(lanes, out_bits, outs, used)], beats, signed)


def concat_case(rng: np.random.Generator, inputs: int) -> BranchCase:
    lanes, bits, pixels = int(rng.integers(1, 4)), int(rng.integers(1, 17)), int(rng.integers(1, 5))
    pixel_beats = [int(n) for n in rng.integers(1, 5, inputs)]
    last_lanes = int(rng.integers(1, lanes + 1))  # channels in the last beat of a pixel
    ins = [Side(lanes, bits, [_patterns(rng, bits, (pixels * n, lanes)) for _ in range(FRAMES)]) for n in pixel_beats]
    outs = []
    for frame in range(FRAMES):
        pixels_in = [side.frames[frame].reshape(pixels, -1, lanes) for side in ins]
        outs.append(np.array([beat for p in range(pixels) for part in pixels_in for beat in part[p]]))
    used = np.ones((pixels, sum(pixel_beats), lanes), dtype=bool)
    used[:, -1, last_lanes:] = False
    beats = pixels * sum(pixel_beats)
    parameters = {
        "Inputs": inputs, "Pixels": pixels, "Lanes": lanes, "Bits": bits, "PixelBeats": tuple(pixel_beats),
    }  # fmt: skip
    return BranchCase("concat", parameters, ins, [Side(lanes, bits, outs, used.reshape(beats, lanes))], beats)


def slice_case(rng: np.random.Generator, start: int, stop: int, channels: int, lanes: int) -> BranchCase:
    bits, pixels = int(rng.integers(1, 17)), int(rng.integers(1, 5))
    in_beats, out_beats = math.ceil(channels / lanes), math.ceil((stop - start) / lanes)
    frames = [_patterns(rng, bits, (pixels, in_beats * lanes)) for _ in range(FRAMES)]
    outs = []
    for frame in frames:
        result = np.zeros((pixels, out_beats * lanes), dtype=np.int64)
        for pixel in range(pixels):
            for channel in range(start, stop):
                result[pixel, channel - start] = frame[pixel, channel]
        outs.append(result.reshape(-1, lanes))
    used = np.tile(np.arange(out_beats * lanes) < stop - start, pixels).reshape(-1, lanes)
    parameters = {
        "Pixels": pixels, "Channels": channels, "Start": start, "Stop": stop, "Lanes": lanes, "Bits": bits
    }  # fmt: skip
    into = Side(lanes, bits, [frame.reshape(-1, lanes) for frame in frames])
    return BranchCase("slice", parameters, [into], [Side(lanes, bits, outs, used)], pixels * in_beats)


def random_slice(rng: np.random.Generator) -> BranchCase:
    lanes = int(rng.integers(1, 4))
    start = lanes * int(rng.integers(0, 4))
    stop = start + int(rng.integers(1, 9))
    return slice_case(rng, start, stop, stop + int(rng.integers(0, 7)), lanes)


def constant_case(rng: np.random.Generator, beats: int) -> BranchCase:
    lanes, bits = int(rng.integers(1, 5)), int(rng.integers(1, 17))
    values = _patterns(rng, bits, (beats, lanes))
    parameters = {"Beats": beats, "Lanes": lanes, "Bits": bits}
    out = Side(lanes, bits, [values] * FRAMES)
    return BranchCase("constant", parameters, [], [out], beats, memories={"values": values})


def _add(bits: range, inputs: int, signed: bool, subtract: bool = False) -> Callable[[np.random.Generator], BranchCase]:
    return lambda rng: add_case(rng, inputs, int(rng.choice(bits)), signed, subtract)


BRANCH_CASES: dict[str, Callable[[np.random.Generator], BranchCase]] = {
    "stream_fork-2": lambda rng: fork_case(rng, 2),
    "stream_fork-3": lambda rng: fork_case(rng, 3),
    "add-2-signed": _add(range(2, 17), 2, True),
    "add-2-unsigned": _add(range(2, 17), 2, False),
    "add-3": lambda rng: add_case(rng, 3, int(rng.integers(1, 17)), bool(rng.integers(2))),
    "add-1-bit": _add(range(1, 2), 2, True),
    "sub-signed": _add(range(1, 17), 2, True, True),
    "sub-unsigned": _add(range(1, 17), 2, False, True),
    "concat-2": lambda rng: concat_case(rng, 2),
    "concat-3": lambda rng: concat_case(rng, 3),
    "slice-any": random_slice,
    "slice-all": lambda rng: slice_case(rng, 0, 5, 5, 2),
    "slice-one-beat": lambda rng: slice_case(rng, 0, 2, 3, 3),
    "slice-end": lambda rng: slice_case(rng, 4, 7, 7, 2),
    "constant-any": lambda rng: constant_case(rng, int(rng.integers(2, 20))),
    "constant-1": lambda rng: constant_case(rng, 1),
}
