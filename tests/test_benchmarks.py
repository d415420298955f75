"""The forms that benchmarks compare with are what they claim, and docs/benchmarks.md is what was measured."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gan2hls.folding import choose_folding
from gan2hls.ir import Fold, Graph, IntType, Node, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d

ROOT = Path(__file__).resolve().parent.parent
S8 = IntType(8, True)


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks_folding", ROOT / "benchmarks" / "folding.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmarks_folding"] = module
    spec.loader.exec_module(module)
    return module


SHAPES = [(4, 2, 1, 0), (3, 2, 0, 0), (3, 2, 1, 1), (4, 1, 0, 0), (5, 3, 2, 1), (2, 2, 0, 0)]
"""Kernel, stride, padding, output padding."""


@pytest.mark.parametrize(("kernel", "stride", "padding", "extra"), SHAPES)
def test_zero_insertion_gives_the_same_integers_and_walks_every_tap(
    benchmark: ModuleType, rng: np.random.Generator, kernel: int, stride: int, padding: int, extra: int
) -> None:
    tensor = TensorType((4, 3, 5), S8, 1.0)
    codes = rng.integers(-128, 128, (kernel, kernel, 5, 4))
    op = ConvTranspose2d(codes, 8, None, 1.0, (stride, stride), (padding, padding), (extra, extra))
    x = rng.integers(-128, 128, (2, *tensor.shape))
    conv, inserted = benchmark.zero_inserted(op, tensor)
    np.testing.assert_array_equal(
        conv.reference(benchmark.insert_zeros(x, op, tensor), inserted), op.reference(x, tensor)
    )
    height, width = op.output_size(tensor)
    assert conv.macs(inserted) == height * width * kernel**2 * 5 * 4
    form = benchmark.ZeroInserted(codes, 8, None, 1.0, (stride, stride), (padding, padding), (extra, extra))
    fold = Fold(2, 3)
    assert form.kernel((tensor,), fold).cycles == conv.kernel((inserted,), fold).cycles
    assert form.output_type(tensor) == op.output_type(tensor)


def test_upsampling_takes_the_cycles_of_a_convolution_on_the_upsampled_image(
    benchmark: ModuleType, rng: np.random.Generator
) -> None:
    tensor = TensorType((4, 4, 5), S8, 1.0)
    op = ConvTranspose2d(rng.integers(-128, 128, (4, 4, 5, 4)), 8, None, 1.0, (2, 2), (1, 1))
    graph = Graph.chain(tensor, (Node("up", op),), (5, 4, 4), (4, 8, 8)).verify()
    other = benchmark.with_layers(graph, benchmark.Upsampled)
    form = other.node("up").op
    assert other.output.shape == graph.output.shape
    conv = Conv2d(rng.integers(-128, 128, (3, 3, 5, 4)), 8, padding=(1, 1))
    upsampled = TensorType((8, 8, 5), S8, 1.0)
    for fold in (Fold(1, 1), Fold(2, 3), Fold(4, 5)):
        assert form.kernel((tensor,), fold).cycles == conv.kernel((upsampled,), fold).cycles
    assert choose_folding(other, multipliers=8)["up"].pe >= 1


def test_the_page_shows_what_was_measured(benchmark: ModuleType) -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "folding.json").read_text(encoding="utf-8"))
    assert (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8") == benchmark.table(result)
