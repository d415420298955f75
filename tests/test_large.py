"""Networks far larger than the other tests': millions of weights, images of 256×256, a thousand channels, odd sizes.

Golden model, C++ and RTL are equal, and each frame ends when the model of time says. Minutes each, a gigabyte at most.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from gan2hls import tools
from gan2hls.assembly import make_pipeline
from gan2hls.folding import choose_folding
from gan2hls.ir import Graph, Node, Op, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense, Requantize, Reshape, Upsample
from gan2hls.ops.mac import MacOp
from gan2hls.targets import FAMILIES
from tests.fuzz.chains import draw_frames
from tests.fuzz.check import check
from tests.fuzz.networks import chain_network, name_of
from tests.ops.mac_cases import S8, integers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(tools.find_tool(name) for name in ("verilator", "cocotb", "cocotbext-axi", "g++", "make")),
        reason="needs Verilator, cocotb and cocotbext-axi",
    ),
]

Draw = Callable[[np.random.Generator], Sequence[Op]]


def up(rng: np.random.Generator, inputs: int, outputs: int, **options: tuple[int, int]) -> Op:
    """A DCGAN's layer: twice as high and wide."""
    return ConvTranspose2d(integers(rng, (4, 4, inputs, outputs)), 8, stride=(2, 2), padding=(1, 1), **options)


def three_million_weights(rng: np.random.Generator) -> Sequence[Op]:
    """A Linear to 4×4×512 and a DCGAN: 2,982,320 weights."""
    last = Conv2d(integers(rng, (3, 3, 16, 3)), 8, padding=(1, 1))
    return [
        Dense(integers(rng, (1, 1, 100, 8192)), 8),
        Reshape((4, 4, 512)),
        up(rng, 512, 256),
        up(rng, 256, 16),
        last,
    ]


def three_million_in_vectors(rng: np.random.Generator) -> Sequence[Op]:
    """3,145,728 weights in few and deep memories, of more than a hundred banks each."""
    return [Dense(integers(rng, (1, 1, 1024, 1024)), 8), Dense(integers(rng, (1, 1, 1024, 2048)), 8)]


def image_of_256(rng: np.random.Generator) -> Sequence[Op]:
    """64×64 to 128×128 to 256×256."""
    return [up(rng, 8, 8), Upsample((2, 2)), Conv2d(integers(rng, (3, 3, 8, 3)), 8, padding=(1, 1))]


def image_of_256_by_transposition(rng: np.random.Generator) -> Sequence[Op]:
    return [up(rng, 6, 6), up(rng, 6, 3)]


def image_of_257_by_260(rng: np.random.Generator) -> Sequence[Op]:
    first = ConvTranspose2d(integers(rng, (7, 7, 4, 3)), 8, stride=(7, 6), padding=(1, 0), output_padding=(0, 1))
    return [first, Conv2d(integers(rng, (5, 5, 3, 2)), 8, padding=(2, 2))]


def row_of_257(rng: np.random.Generator) -> Sequence[Op]:
    """Kernels of 7, strides of 3, one row high."""
    first = ConvTranspose2d(integers(rng, (7, 7, 3, 5)), 8, stride=(3, 3), padding=(2, 3), output_padding=(1, 2))
    return [first, Conv2d(integers(rng, (7, 7, 5, 4)), 8, stride=(3, 3), padding=(3, 2))]


def thousand_channels(rng: np.random.Generator) -> Sequence[Op]:
    one = Conv2d(integers(rng, (1, 1, 1000, 1000)), 8)
    return [one, ConvTranspose2d(integers(rng, (7, 7, 1000, 3)), 8, stride=(3, 3))]


LARGE: dict[Draw, tuple[tuple[int, int, int], int, str | None]] = {
    three_million_weights: ((1, 1, 100), 256, "xcup"),
    three_million_in_vectors: ((1, 1, 1024), 16, None),
    image_of_256: ((64, 64, 8), 64, None),
    image_of_256_by_transposition: ((64, 64, 6), 48, "ecp5"),
    image_of_257_by_260: ((37, 43, 4), 24, None),
    row_of_257: ((1, 257, 3), 32, None),
    thousand_channels: ((1, 1, 1000), 128, None),
}
"""Shape of the input, multipliers and family."""


def graph_of(rng: np.random.Generator, shape: tuple[int, int, int], ops: Sequence[Op]) -> Graph:
    """The ops in a row, each layer's result requantized to 8 bits of which few saturate."""
    tensor = start = TensorType(shape, S8, 1.0)
    nodes: list[Node] = []
    for op in ops:
        nodes.append(Node(f"op{len(nodes)}", op))
        products = op.macs(tensor) / op.output_type(tensor).elements
        tensor = op.output_type(tensor)
        if isinstance(op, MacOp):
            nodes.append(Node(f"op{len(nodes)}", requantize(rng, tensor.channels, products)))
            tensor = nodes[-1].op.output_type(tensor)
    doors = [(shape[2], *shape[:2]) for shape in (start.shape, tensor.shape)]
    return Graph.chain(start, tuple(nodes), doors[0], doors[1], name_of(0)).verify()


def requantize(rng: np.random.Generator, channels: int, products: float) -> Op:
    """To 8 bits, of which few saturate, from sums of `products` random products of 8 by 8 bits."""
    deviation = products**0.5 * 74 * 60
    shift = max(0, round(np.log2(deviation * 96 / 40)))
    bias = rng.integers(-(4 << shift), 4 << shift, channels)
    return Requantize(rng.integers(64, 128, channels), bias, shift, S8.min, S8.max, S8, 1.0)


@pytest.mark.parametrize("draw", LARGE, ids=lambda draw: draw.__name__)
def test_large_network(draw: Draw, rng: np.random.Generator, tmp_path: Path) -> None:
    shape, multipliers, family = LARGE[draw]
    graph = graph_of(rng, shape, draw(rng))
    folding = choose_folding(graph, multipliers=multipliers, family=FAMILIES[family] if family else None)
    network = chain_network(0, make_pipeline(graph, folding), draw_frames(rng, graph.input, 2), draw.__name__)
    problems = check([network], tmp_path, stalls=graph.macs() < 2_000_000, optimize=True)
    assert not problems, f"{problems[0]}\n{network.describe()}"
    values = graph.run_stream(network.x)
    assert len(np.unique(values)) > 50, "an output that is mostly saturated shows little"
