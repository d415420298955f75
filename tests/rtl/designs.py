"""Small designs that have, together, every RTL kernel in it."""

import numpy as np

from gan2hls.ir import Fold, IntType, Node, TensorType
from gan2hls.ops import (
    Add,
    Concat,
    Constant,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Lookup,
    Requantize,
    Reshape,
    Slice,
    Sub,
    Upsample,
)
from tests.ops.contract import Case, GraphCase, single
from tests.ops.mac_cases import S8, U8, integers


def lanes(before: int, after: int) -> Case:
    """Pixels of 7 channels that pass two kernels which change nothing, each with another number of lanes."""
    ops = (Upsample((1, 1)), Lookup(np.arange(-128, 128), S8, 1.0))
    return Case("lanes", TensorType((3, 3, 7), S8, 1.0), ops, (Fold(before, before), Fold(after, after)))


def branches(rng: np.random.Generator) -> dict[str, GraphCase]:
    """Forks and joins whose inputs and outputs each stall by themselves."""
    x, y = TensorType((2, 3, 5), S8, 1.0), TensorType((2, 3, 3), S8, 1.0)
    constant = Node("c", Constant(integers(rng, x.shape), x))
    table = Lookup(rng.permutation(256) - 128, S8, 1.0)
    ends = (Node("a", table, ("x",)), Node("b", Slice(0, 5), ("x",)), Node("d", Slice(2, 4), ("x",)))
    lanes = {"a": 2, "b": 2, "d": 2}
    add, concat = Node("y", Add(), ("x", "z", "c")), Node("y", Concat(), ("w", "x", "z"))
    return {
        "fork": GraphCase("fork", {"x": x}, ends, lanes, outputs=tuple(lanes)),
        "sum": GraphCase("sum", {"x": x, "z": x}, (constant, add), {"c": 2, "y": 2}),
        "difference": GraphCase("difference", {"x": x, "z": x}, (Node("y", Sub(), ("x", "z")),), {"y": 2}),
        "concat": GraphCase("concat", {"w": y, "x": y, "z": x}, (concat,), {"y": 3}),
    }


def designs(rng: np.random.Generator) -> dict[str, Case | GraphCase]:
    transposed = ConvTranspose2d(integers(rng, (4, 4, 4, 4)), 8, stride=(2, 2), padding=(1, 1))
    conv = Conv2d(integers(rng, (3, 3, 4, 3)), 8, stride=(1, 1), padding=(1, 1))
    square = Conv2d(integers(rng, (3, 4, 2, 3)), 8, padding=(1, 1))
    sparse = ConvTranspose2d(integers(rng, (5, 5, 5, 3), 4), 4, stride=(2, 2), padding=(1, 1))
    # Code 0, that of the missing channels, is not 0 here.
    ragged = Conv2d(rng.integers(0, 16, (2, 2, 5, 3)), 4, codebook=tuple(range(-9, 7)))
    empty = ConvTranspose2d(integers(rng, (1, 1, 2, 2)), 8, stride=(2, 2), output_padding=(1, 1))
    codebook = Conv2d(rng.permutation(16).reshape(1, 1, 4, 4), 4, codebook=tuple(range(-9, 7)))
    multipliers, biases = np.array([570, -1310, 900]), np.array([1000, -77, 5])
    leaky = Requantize(multipliers, biases, 8, -100, 90, S8, 1.0, np.array([300, 90, -140]), np.zeros(3, int))
    # A shift that leaves what the lower part's sign is worth, 2^17 times the multiplier, and does not saturate.
    wide = Requantize(np.array([90_000, -131_072, 7]), biases, 30, -30_000, 30_000, IntType(16, True), 1.0)
    table = Lookup(rng.permutation(256) - 128, S8, 1.0)
    return {
        "transposed": single("transposed", transposed, (3, 3, 4), S8, 2, 2),
        "packed": single("packed", transposed, (3, 3, 4), S8, 3, 2, 2),
        "conv": single("conv", conv, (5, 4, 4), U8, 3, 2),
        "blocks": Case("blocks", TensorType((4, 5, 2), S8, 1.0), (square,), (Fold(2, 1, 1, 2, 2),)),
        "gathered": Case("gathered", TensorType((4, 3, 5), U8, 1.0), (sparse,), (Fold(2, 4, 2, 1, 1, 2, 2),)),
        "banks": single("banks", Conv2d(integers(rng, (3, 3, 15, 16), 9), 9), (3, 3, 15), U8, 1, 1),
        "ragged": single("ragged", ragged, (3, 3, 5), S8, 2, 3),
        "dense": single("dense", Dense(integers(rng, (1, 1, 6, 5)), 8), (1, 1, 6), U8, 2, 3),
        "empty": single("empty", empty, (3, 3, 2), S8, 2, 2),
        "codebook": single("codebook", codebook, (2, 3, 4), S8, 4, 2),
        "leaky": single("leaky", leaky, (6, 6, 3), IntType(9, True), 2),
        "parts": Case("parts", TensorType((4, 4, 3), IntType(26, True), 1.0), (wide,), (Fold(2, 2, parts=2),)),
        "lookup": single("lookup", table, (6, 6, 3), S8, 2),
        "upsample": single("upsample", Upsample((2, 3)), (3, 4, 3), S8, 2),
        "reshape": single("reshape", Reshape((3, 3, 4)), (2, 3, 6), S8, 3, 4),
        "narrower": lanes(4, 2),
        "wider": lanes(2, 4),
        "general": lanes(2, 3),
        **branches(rng),
    }
