"""Cases of the multiply-accumulate ops."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from gan2hls.ir import Fold, IntType, TensorType
from gan2hls.ops.mac import MacOp
from tests.ops.contract import Case, draw_type

U8, S8 = IntType(8, False), IntType(8, True)


def integers(rng: np.random.Generator, shape: Sequence[int], bits: int = 8) -> np.ndarray:
    """Signed integers of `bits` bits, its smallest and largest among them."""
    kind = IntType(bits, True)
    values = rng.integers(kind.min, kind.max + 1, shape)
    flat = values.reshape(-1)
    flat[rng.integers(flat.size)] = kind.max
    flat[rng.integers(flat.size)] = kind.min
    return values


def draw_weights(rng: np.random.Generator, shape: Sequence[int]) -> dict[str, Any]:
    """`codes`, `code_bits` and `codebook` of any kind that there is."""
    kind = rng.choice(["narrow", "wide", "binary", "codebook"])
    if kind == "binary":
        return {"codes": rng.integers(0, 2, shape), "code_bits": 1, "codebook": (-1, 1)}
    if kind == "codebook":
        bits, value_bits = int(rng.integers(1, 5)), int(rng.integers(2, 17))
        return {
            "codes": rng.integers(0, 1 << bits, shape),
            "code_bits": bits,
            "codebook": tuple(integers(rng, (1 << bits,), value_bits).tolist()),
        }
    bits = int(rng.integers(1, 9) if kind == "narrow" else rng.integers(9, 17))
    return {"codes": integers(rng, shape, bits), "code_bits": bits}


def draw_case(rng: np.random.Generator, make: Callable[[np.random.Generator], tuple[MacOp, tuple[int, int]]]) -> Case:
    """The first valid case of what `make` draws: an op and the (height, width) of its input."""
    while True:
        op, (height, width) = make(rng)
        kind = draw_type(rng, 2, 16 if rng.integers(3) == 0 else 8)
        in_channels = op.codes.shape[2]
        tensor = TensorType((height, width, in_channels), kind, 1.0)
        if not list(op.verify(tensor)):
            return Case("random", tensor, (op,), (draw_fold(rng, op, tensor),))


def draw_fold(rng: np.random.Generator, op: MacOp, tensor: TensorType) -> Fold:
    """Any fold that the op takes: one tap at a time as often as blocks of taps, packing as far as it goes."""
    pe, simd = int(rng.integers(1, op.codes.shape[3] + 1)), int(rng.integers(1, tensor.channels + 1))
    packing = int(rng.integers(1, min(pe, op.most_packing(tensor)) + 1))
    if rng.integers(3) == 0:
        return Fold(pe, simd, packing)
    rows, columns = (range(1, max(1, int(walk.count.max())) + 1) for walk in op.walks(tensor))
    taps = int(rng.choice(rows)), int(rng.choice(columns))
    folds = [Fold(pe, simd, packing, *taps, *rest) for rest in product(rows, columns)]
    folds = [fold for fold in folds if not op.fold_problem(tensor, fold)]
    return folds[rng.integers(len(folds))]


def sizes(rng: np.random.Generator, count: int, most: int) -> list[int]:
    return [int(value) for value in rng.integers(1, most + 1, count)]
