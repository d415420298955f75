"""The networks that the model of `gan2hls estimate` is fitted to and judged by: the same ones each time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan2hls.assembly import make_pipeline
from gan2hls.folding import choose_folding
from gan2hls.ir import Fold, Graph, IntType, Node, Op, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense, Lookup, Requantize, Reshape, Upsample
from gan2hls.ops.mac import MacOp
from gan2hls.pipeline import Pipeline
from gan2hls.targets import FAMILIES, Family

DRAWN = 10
"""Random pipelines that the model is fitted to."""

Layer = tuple[Any, ...]
"""("dense", features), ("image", height, width), ("up", kernel, stride, padding, channels), ("conv", kernel, channels)
or ("upsample", factor)."""


@dataclass(frozen=True, eq=False)
class Case:
    """A network of the set; `held_out` is left out of the fit."""

    name: str
    held_out: bool
    pipeline: Pipeline
    families: tuple[str, ...] = tuple(FAMILIES)


class Chain:
    """A row of ops on random weights, each verified as it is added."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int, int], kind: IntType) -> None:
        self.rng = rng
        self.input = self.tensor = TensorType(shape, kind, 1.0)
        self.ops: list[Op] = []

    def add(self, op: Op) -> bool:
        """Whether the op can follow; if so, it does."""
        if list(op.verify(self.tensor)):
            return False
        self.ops.append(op)
        self.tensor = op.output_type(self.tensor)
        return True

    def weights(self, shape: tuple[int, ...], bits: int, codebook_bits: int = 0) -> dict[str, Any]:
        """Stored weights of `bits` bits, or codes of as many into a table of values of `codebook_bits` bits."""
        if codebook_bits:
            half = 1 << (codebook_bits - 1)
            values = np.sort(self.rng.choice(np.arange(-half, half), 1 << bits, replace=False))
            return {
                "codes": self.rng.integers(0, 1 << bits, shape),
                "code_bits": bits,
                "codebook": tuple(values.tolist()),
            }
        if bits == 1:
            return {"codes": self.rng.integers(0, 2, shape), "code_bits": 1, "codebook": (-1, 1)}
        half = 1 << (bits - 1)
        return {"codes": self.rng.integers(1 - half, half, shape), "code_bits": bits}

    def requantize(self, output: IntType, *, leaky: bool = False, power: bool = False, bits: int = 15) -> bool:
        """To `output`, by multipliers of about `bits` bits that keep the range."""
        kind, channels = self.tensor.int_type, self.tensor.channels
        shift = max(0, kind.bits - output.bits + bits - 2)
        m = self.rng.integers(1 << (bits - 2), 1 << (bits - 1), channels)
        if power:
            m = 1 << self.rng.integers(bits - 4, bits - 1, channels)
        size = 1 << max(1, min(40, kind.bits + bits - 4))
        b = self.rng.integers(-size, size, channels)
        more = {"negative_multiplier": m // 5 + 1, "negative_bias": b // 5} if leaky else {}
        return self.add(Requantize(m, b, min(shift, 47), output.min, output.max, output, 1.0, **more))

    def graph(self) -> Graph:
        nodes = tuple(Node(f"op{index}", op) for index, op in enumerate(self.ops))
        shapes = ((kind.channels, *kind.shape[:2]) for kind in (self.input, self.tensor))
        return Graph.chain(self.input, nodes, *shapes).verify()


def draw(seed: int) -> Pipeline:
    """A pipeline of two or three layers, all sorts of widths, kernels and folds."""
    rng = np.random.default_rng(seed)
    while True:
        size = int(rng.choice([1, 1, 2, 3, 4]))
        kind = IntType(int(rng.integers(2, 11)), bool(rng.integers(4)))
        chain = Chain(rng, (size, size, int(rng.integers(3, 25))), kind)
        for _ in range(int(rng.integers(2, 4))):
            _draw_layer(chain)
        if sum(isinstance(op, MacOp) for op in chain.ops) < 2:
            continue
        graph = chain.graph()
        family = FAMILIES[str(rng.choice(list(FAMILIES)))] if rng.integers(3) else None
        budget = int(rng.integers(8, 32))
        given: dict[str, Fold] = {}
        for node, tensors, _ in graph.steps():
            if isinstance(node.op, MacOp) and rng.integers(3) == 0:
                given[node.name] = _draw_fold(rng, node.op, *tensors, family)
                budget += node.op.kernel(tensors, given[node.name]).multipliers
        pipeline = make_pipeline(graph, choose_folding(graph, multipliers=budget, family=family, given=given))
        if sum(fold.pe * fold.lanes for fold in pipeline.folding.values()) < 90:
            return pipeline


def _draw_layer(chain: Chain) -> None:
    rng, (height, _, channels) = chain.rng, chain.tensor.shape
    bits = int(rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 10, 12]))
    table = int(rng.integers(4, 10)) if rng.integers(5) == 0 and bits <= 3 else 0
    out, kernel = int(rng.integers(2, 25)), int(rng.integers(1, 5))
    what = rng.integers(10)
    done = False
    if what < 5 and height <= 12:
        stride = int(rng.integers(1, 3))
        weights = chain.weights((kernel, kernel, channels, out), bits, table)
        done = chain.add(ConvTranspose2d(**weights, stride=(stride, stride), padding=(kernel // 2,) * 2))
    elif what < 8:
        weights = chain.weights((kernel, kernel, channels, out), bits, table)
        done = chain.add(Conv2d(**weights, stride=(1, 1), padding=(kernel // 2, kernel // 2)))
    elif height == 1:
        done = chain.add(Dense(**chain.weights((1, 1, channels, 16 * out), bits, table)))
    if not done:
        return
    output = IntType(int(rng.integers(2, 11)), bool(rng.integers(2)))
    variant = int(rng.integers(5))
    chain.requantize(output, leaky=variant == 0, power=variant == 1, bits=int(rng.integers(8, 18)))
    if height == 1 and chain.tensor.shape[2] % 16 == 0 and chain.tensor.pixels == 1:
        chain.add(Reshape((4, 4, chain.tensor.channels // 16)))
    if rng.integers(4) == 0:
        to = IntType(int(rng.integers(2, 10)), True)
        values = rng.integers(to.min, to.max + 1, 1 << chain.tensor.int_type.bits)
        chain.add(Lookup(values, to, 1.0))
    if rng.integers(4) == 0 and chain.tensor.shape[0] <= 6:
        chain.add(Upsample((2, 2)))


def _draw_fold(rng: np.random.Generator, op: MacOp, tensor: TensorType, family: Family | None) -> Fold:
    pe, simd = int(rng.integers(1, min(6, op.codes.shape[3]) + 1)), int(rng.integers(1, min(5, tensor.channels) + 1))
    kind = tensor.int_type
    most = family.products(kind.bits, op.weight_bits, signed=kind.signed, symmetric=op.symmetric) if family else 1
    fold = Fold(pe, simd, min(pe, most))
    taps = [max(1, int(walk.count.max())) for walk in op.walks(tensor)]
    if rng.integers(2) and taps[0] * taps[1] * pe * simd <= 40:
        full = Fold(pe, simd, min(pe, most), taps[0], taps[1])
        fold = fold if op.fold_problem(tensor, full) else full
    return fold


def generator(
    shape: tuple[int, int, int],
    layers: Sequence[Layer],
    bits: tuple[int, int],
    multipliers: int,
    family: str | None,
    seed: int,
    *,
    leaky: bool = False,
) -> Pipeline:
    """Layers with ReLU, or leaky ReLU, behind those that have weights, but for the last one, which has tanh by table.

    Args:
        shape: (height, width, channels) of the input.
        bits: of weights and activations.
    """
    weight_bits, activation_bits = bits
    chain = Chain(np.random.default_rng(seed), shape, IntType(activation_bits, True))
    last = max(index for index, (kind, *_) in enumerate(layers) if kind in ("dense", "up", "conv"))
    for index, layer in enumerate(layers):
        if _add(chain, layer, weight_bits):
            signed = leaky or index == last
            assert chain.requantize(IntType(activation_bits, signed), leaky=leaky and index < last, bits=16)
    kind = chain.tensor.int_type
    values = np.clip(np.round(np.tanh(np.arange(kind.min, kind.max + 1) / 40) * 127), -128, 127).astype(np.int64)
    assert chain.add(Lookup(values, IntType(8, True), 1.0))
    graph = chain.graph()
    given = FAMILIES[family] if family else None
    return make_pipeline(graph, choose_folding(graph, multipliers=multipliers, family=given))


def _add(chain: Chain, layer: Layer, weight_bits: int) -> bool:
    """Add a layer; whether it has weights."""
    kind, *values = layer
    channels = chain.tensor.channels
    if kind == "dense":
        assert chain.add(Dense(**chain.weights((1, 1, channels, values[0]), weight_bits)))
    elif kind == "up":
        kernel, stride, padding, out = values
        weights = chain.weights((kernel, kernel, channels, out), weight_bits)
        assert chain.add(ConvTranspose2d(**weights, stride=(stride, stride), padding=(padding, padding)))
    elif kind == "conv":
        kernel, out = values
        weights = chain.weights((kernel, kernel, channels, out), weight_bits)
        assert chain.add(Conv2d(**weights, padding=(kernel // 2, kernel // 2)))
    elif kind == "image":
        assert chain.add(Reshape((*values, channels // (values[0] * values[1]))))
    else:
        assert chain.add(Upsample((values[0], values[0])))
    return kind in ("dense", "up", "conv")


def dcgan(
    widths: tuple[int, ...], weight_bits: int, activation_bits: int, multipliers: int, family: str | None, seed: int
) -> Pipeline:
    """A generator as DCGAN has it: latents, transposed convolutions with ReLU, tanh by table at the end."""
    layers = [("up", 4, 2, 1, out) if index else ("up", 4, 1, 0, out) for index, out in enumerate(widths[1:])]
    return generator((1, 1, widths[0]), layers, (weight_bits, activation_bits), multipliers, family, seed)


def cases() -> Iterator[Case]:
    """All networks of the set.

    Families of LUT4s are close to each other, so most networks are mapped for one of them.
    """
    lut4, lut6 = ("ecp5", "gowin", "nexus"), ("xc7", "xcup")
    for seed in range(DRAWN):
        some = (lut4[(seed + 1) % 3], *lut6)
        yield Case(f"random {seed}", False, draw(seed), (*lut4, *lut6) if seed == 0 else some)
    yield Case("dcgan 24-16-8-1 W8A8 M12", False, dcgan((24, 16, 8, 1), 8, 8, 12, None, 1))
    yield Case("dcgan 16-12-3 W4A4 M24", False, dcgan((16, 12, 3), 4, 4, 24, "ecp5", 2), ("ecp5", *lut6))
    for seed in (100, 101, 102):
        yield Case(f"random {seed}", True, draw(seed))
    yield Case("dcgan 32-24-12-1 W6A6 M24", True, dcgan((32, 24, 12, 1), 6, 6, 24, None, 3))
    yield Case("qdcgan 24-16-3 W2A4 M48", True, dcgan((24, 16, 3), 2, 4, 48, "xc7", 4))
    yield from _large()


def _large() -> Iterator[Case]:
    """Networks of real generators' shapes: with deep banks of weights, wide layers, long chains."""
    latent = (1, 1, 64)
    yield Case(
        "dcgan 64-128-64-32-1 W8A8 M64", False, dcgan((64, 128, 64, 32, 1), 8, 8, 64, "ecp5", 5), ("ecp5", "xcup")
    )
    dense = [("dense", 1568), ("image", 7, 7), ("up", 4, 2, 1, 16), ("up", 4, 2, 1, 1)]
    yield Case("dense 48-1568 k4 W6A6 M48", False, generator((1, 1, 48), dense, (6, 6), 48, None, 6), ("gowin", "xc7"))
    upsampled = [("up", 4, 1, 0, 48), ("upsample", 2), ("conv", 5, 24), ("upsample", 2), ("conv", 3, 3)]
    yield Case(
        "upsampled 48-24-3 k5 k3 W4A8 M72",
        False,
        generator((1, 1, 32), upsampled, (4, 8), 72, "xcup", 7),
        ("nexus", "xcup"),
    )
    chain = [("conv", 3, channels) for channels in (16, 20, 24, 20, 16, 12, 3)]
    yield Case("chain of 7 k3 W5A5 M60", False, generator((6, 6, 12), chain, (5, 5), 60, None, 8), ("ecp5", "xc7"))
    yield Case("dcgan 64-192-96-3 W1A4 M256", False, dcgan((64, 192, 96, 3), 1, 4, 256, "xc7", 9), ("gowin", "xcup"))
    leaky = [("up", 5, 1, 0, 40), ("up", 3, 2, 1, 24), ("up", 2, 2, 0, 3)]
    yield Case(
        "k5 k3 k2 40-24-3 leaky W10A10 M40",
        False,
        generator((1, 1, 24), leaky, (10, 10), 40, None, 10, leaky=True),
        ("nexus", "xc7"),
    )
    # Held out.
    digits = [("up", 3, 2, 0, 256), ("up", 4, 1, 0, 128), ("up", 3, 2, 0, 64), ("up", 4, 2, 0, 1)]
    yield Case(
        "digits 64-256-128-64-1 k3 k4 W8A8 M32", True, generator(latent, digits, (8, 8), 32, None, 11), ("ecp5", "xcup")
    )
    yield Case(
        "dcgan 100-256-512-128-64-3 W4A8 M256",
        True,
        dcgan((100, 256, 512, 128, 64, 3), 4, 8, 256, "xcup", 12),
        ("ecp5",),
    )
    linear = [("dense", 6272), ("image", 7, 7), ("up", 5, 2, 2, 64), ("up", 5, 2, 2, 1)]
    yield Case(
        "dense 100-6272 k5 W8A8 M64", True, generator((1, 1, 100), linear, (8, 8), 64, None, 13), ("gowin", "xc7")
    )
    nearest = [("dense", 1024), ("image", 4, 4), *(("upsample", 2), ("conv", 3, 32), ("upsample", 2), ("conv", 5, 3))]
    yield Case(
        "dense 64-1024 upsampled W3A6 M96", True, generator(latent, nearest, (3, 6), 96, "xc7", 14), ("nexus", "xcup")
    )
    deep = [("up", 4, 1, 0, 32), *[("conv", 3, 32)] * 3, ("up", 4, 2, 1, 16), ("conv", 3, 1)]
    yield Case(
        "deep 32-16-1 leaky W6A8 M80", True, generator(latent, deep, (6, 8), 80, None, 15, leaky=True), ("gowin", "xc7")
    )
