"""A small network whose weights and ring are large enough for block RAM, written as RTL."""

from functools import cache
from pathlib import Path

import numpy as np

from gan2hls.backends.rtl import write_rtl
from gan2hls.ir import Fold, IntType, TensorType
from gan2hls.ops import ConvTranspose2d, Requantize
from gan2hls.pipeline import Pipeline
from tests.ops.contract import Case, single
from tests.ops.mac_cases import S8, integers

PE, SIMD = 2, 4
CHANNELS = 8
TOP = "network"


@cache
def network() -> Pipeline:
    rng = np.random.default_rng(3)
    op = ConvTranspose2d(integers(rng, (4, 4, 16, CHANNELS)), 8, stride=(2, 2), padding=(1, 1))
    multipliers, biases = rng.integers(300, 900, CHANNELS), rng.integers(-1000, 1000, CHANNELS)
    narrow = Requantize(multipliers, biases, 18, -128, 127, S8, 1.0)
    return Case("network", TensorType((4, 8, 16), S8, 1.0), (op, narrow), (Fold(PE, SIMD), Fold(1, 1))).pipeline()


def requantizer() -> Pipeline:
    """A single kernel, soon synthesized."""
    op = Requantize(np.array([570, -1310, 900]), np.array([1000, -77, 5]), 8, -100, 90, S8, 1.0)
    return single("requantizer", op, (2, 2, 3), IntType(9, True)).pipeline()


def write(folder: Path, pipeline: Pipeline | None = None) -> Path:
    """Write a pipeline, or else the network."""
    write_rtl(pipeline or network(), folder, name=TOP)
    return folder
