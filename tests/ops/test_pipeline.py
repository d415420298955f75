"""Ops in a row with lanes that differ, so that width converters stand between them."""

import numpy as np

from gan2hls.ir import Fold, IntType, Op, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense, Requantize, Reshape, Upsample
from tests.ops.contract import Case, OpContract
from tests.ops.mac_cases import integers


def narrow(rng: np.random.Generator, channels: int, shift: int, bits: int, signed: bool) -> Requantize:
    output = IntType(bits, signed)
    multiplier, bias = rng.integers(200, 400, channels), rng.integers(-9000, 9000, channels)
    return Requantize(multiplier, bias, shift, output.min, output.max, output, 1.0)


def network(rng: np.random.Generator) -> tuple[Op, ...]:
    """A small generator that has an op of each kind that changes shapes."""
    return (
        Dense(integers(rng, (1, 1, 6, 20)), 8),
        narrow(rng, 20, 12, 6, False),
        Reshape((2, 2, 5)),
        ConvTranspose2d(integers(rng, (4, 4, 5, 6), 4), 4, stride=(2, 2), padding=(1, 1)),
        narrow(rng, 6, 13, 5, True),
        Upsample((2, 1)),
        Conv2d(integers(rng, (3, 3, 6, 3), 4), 4, padding=(1, 1)),
    )


def chain(label: str, ops: tuple[Op, ...], folds: list[Fold]) -> Case:
    return Case(label, TensorType((1, 1, 6), IntType(8, True), 1.0), ops, tuple(folds))


class TestPipeline(OpContract):
    exact_interval = False  # that of a stage may be longer where another one gives its input in bursts
    random_references = 5
    random_designs = 2

    def draw(self, rng: np.random.Generator) -> Case:
        ops = network(rng)
        most = [(20, 6), (20, 20), (5, 20), (6, 5), (6, 6), (6, 6), (3, 6)]
        folds = [Fold(*(int(rng.integers(1, limit + 1)) for limit in limits)) for limits in most]
        one_number = (Requantize, Upsample)
        folds = [Fold(f.pe, f.pe) if isinstance(op, one_number) else f for op, f in zip(ops, folds, strict=True)]
        return chain("random", ops, folds)

    def corners(self, rng: np.random.Generator) -> list[Case]:
        lanes = [(3, 4), (5, 5), (2, 4), (4, 5), (6, 6), (4, 4), (2, 5)]
        return [chain("no two alike", network(rng), [Fold(*pair) for pair in lanes])]

    def test_converters_stand_where_lanes_differ(self, rng: np.random.Generator) -> None:
        (case,) = self.corners(rng)
        stages = case.pipeline().stages
        pairs = [(s.parameters["InLanes"], s.parameters["OutLanes"]) for s in stages if s.module == "width_converter"]
        assert pairs == [(3, 5), (5, 4), (2, 5), (4, 6), (6, 4), (4, 5)]
