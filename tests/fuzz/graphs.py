"""Random graphs that branch: nested residuals, dense blocks, forks of three ways, inputs that join late, branches of
unequal rates, with a convolution, an `Upsample` or a `ConvTranspose2d` on one of them."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from gan2hls.ir import Graph, Input, IntType, Node, Op, TensorType
from gan2hls.ops import Add, Concat, Constant, Conv2d, ConvTranspose2d, Requantize, Slice, Sub, Upsample
from tests.fuzz.chains import SMALL, Limits
from tests.ops.contract import draw_type
from tests.ops.mac_cases import draw_weights
from tests.ops.test_requantize import draw_op as draw_requantize

MOST_DEPTH = 2
"""How deep residuals may nest."""


@dataclass
class Builder:
    """A graph that grows: each op is put on results that are there already, whose names it takes."""

    rng: np.random.Generator
    nodes: list[Node] = field(default_factory=list)
    types: dict[str, TensorType] = field(default_factory=dict)

    def put(self, op: Op, *inputs: str) -> str:
        """A node more; gives its name."""
        tensors = [self.types[name] for name in inputs]
        problems = list(op.verify(*tensors))
        assert not problems, problems
        name = f"{type(op).__name__.lower()}{len(self.nodes)}"
        self.nodes.append(Node(name, op, inputs))
        self.types[name] = op.output_type(*tensors)
        return name

    def input(self, shape: tuple[int, int, int], kind: IntType) -> str:
        return self.put(Input(TensorType(shape, kind, 1.0)))

    def graph(self, outputs: tuple[str, ...], name: str = "generator") -> Graph:
        """The graph so far, and its ports in torch's order."""
        inputs = [node.name for node in self.nodes if isinstance(node.op, Input)]
        shapes = {port: self.types[port].shape for port in (*inputs, *outputs)}
        ports = {port: (shape[2], *shape[:2]) for port, shape in shapes.items()}
        return Graph(tuple(self.nodes), outputs, ports, name).verify()

    # -- pieces -------------------------------------------------------------------------------------------------------

    def requantize(self, source: str, kind: IntType) -> str:
        """The same in another type, scaled at random, its real step 1."""
        tensor = self.types[source]
        while True:
            op = draw_requantize(self.rng, tensor.channels, tensor.int_type, most_bits=16)
            low, high = sorted((max(op.low, kind.min), min(op.high, kind.max)))
            if not kind.min <= low <= high <= kind.max:
                low, high = kind.min, kind.max
            fitted = Requantize(
                op.multiplier,
                op.bias,
                op.shift,
                low,
                high,
                kind,
                1.0,
                op.negative_multiplier,
                op.negative_bias,
            )
            if not list(fitted.verify(tensor)):
                return self.put(fitted, source)

    def convolution(self, source: str, channels: int, kind: IntType, kernel: int = 3) -> str:
        """A convolution that keeps the size, and its requantization."""
        while True:
            weights = draw_weights(self.rng, (kernel, kernel, self.types[source].channels, channels))
            op = Conv2d(**weights, stride=(1, 1), padding=(kernel // 2, kernel // 2))
            if not list(op.verify(self.types[source])):
                return self.requantize(self.put(op, source), kind)

    def transposed(self, source: str, channels: int, kind: IntType) -> str:
        """A transposed convolution to twice the size, and its requantization."""
        while True:
            weights = draw_weights(self.rng, (4, 4, self.types[source].channels, channels))
            op = ConvTranspose2d(**weights, stride=(2, 2), padding=(1, 1))
            if not list(op.verify(self.types[source])):
                return self.requantize(self.put(op, source), kind)

    def branch(self, source: str, kind: IntType, depth: int) -> str:
        """Something of the same shape as `source`, in another type: 0 to 3 layers, with a residual within at times."""
        channels, result = self.types[source].channels, source
        for _ in range(int(self.rng.integers(0, 3))):
            if depth and self.rng.integers(3) == 0:
                result = self.residual(result, depth - 1)
            result = self.convolution(result, channels, kind, int(self.rng.choice([1, 3, 3, 5])))
        return result if self.types[result].int_type == kind else self.requantize(result, kind)

    # -- blocks -------------------------------------------------------------------------------------------------------

    def residual(self, source: str, depth: int = MOST_DEPTH) -> str:
        """Two to four branches that meet in a sum; the source itself is one, if its type allows."""
        kind = self.types[source].int_type
        same = source if kind.bits <= 12 else self.requantize(source, draw_type(self.rng, 2, 8))
        kind = self.types[same].int_type
        branches = [self.branch(source, kind, depth) for _ in range(int(self.rng.integers(1, 4)))]
        branches.insert(int(self.rng.integers(0, len(branches) + 1)), same)
        if len(branches) == 2 and self.rng.integers(3) == 0:
            return self.requantize(self.put(Sub(), *branches), draw_type(self.rng, 2, 8))
        return self.requantize(self.put(Add(), *branches), draw_type(self.rng, 2, 8))

    def dense(self, source: str) -> str:
        """Each layer sees the channels of all before it."""
        kind = draw_type(self.rng, 2, 8)
        result = self.requantize(source, kind)
        for _ in range(int(self.rng.integers(1, 4))):
            more = self.convolution(result, int(self.rng.integers(1, 5)), kind, int(self.rng.choice([1, 3])))
            result = self.put(Concat(), *((result, more) if self.rng.integers(3) else (more, result)))
        return result

    def larger(self, source: str) -> str:
        """Twice the size on two ways that meet: repeated pixels, and a transposed convolution."""
        kind, channels = draw_type(self.rng, 2, 8), self.types[source].channels
        first = self.requantize(self.put(Upsample((2, 2)), source), kind)
        second = self.transposed(source, channels, kind)
        return self.put(Concat() if self.rng.integers(2) else Add(), first, second)

    def parts(self, source: str) -> str:
        """Channels apart, one part changed, and together again."""
        channels = self.types[source].channels
        if channels < 2:
            return self.residual(source, 0)
        cut = int(self.rng.integers(1, channels))
        kind = self.types[source].int_type
        first, second = (self.put(Slice(*ends), source) for ends in ((0, cut), (cut, channels)))
        return self.put(Concat(), self.branch(first, kind, 0), second)

    def constant(self, source: str) -> str:
        """A constant added."""
        tensor = self.types[source]
        if tensor.int_type.bits > 12:
            source = self.requantize(source, draw_type(self.rng, 2, 8))
            tensor = self.types[source]
        kind = tensor.int_type
        values = self.rng.integers(kind.min, kind.max + 1, tensor.shape)
        return self.put(Add(), source, self.put(Constant(values, tensor)))

    def late(self, source: str) -> str:
        """An input more, which joins only here."""
        tensor = self.types[source]
        if tensor.int_type.bits > 12:
            source = self.requantize(source, draw_type(self.rng, 2, 8))
            tensor = self.types[source]
        return self.put(Concat() if self.rng.integers(2) else Add(), source, self.input(tensor.shape, tensor.int_type))


BLOCKS: list[Callable[[Builder, str], str]] = [
    *(Builder.residual, Builder.residual, Builder.dense, Builder.larger, Builder.parts, Builder.constant, Builder.late),
]


def draw_graph(rng: np.random.Generator, limits: Limits = SMALL, name: str = "generator") -> Graph:
    """One to three blocks one after the other; at times a result on the way is an output too."""
    while True:
        try:
            return _drawn(rng, limits, name)
        except _TooLargeError:
            continue


class _TooLargeError(Exception):
    pass


def _drawn(rng: np.random.Generator, limits: Limits, name: str) -> Graph:
    builder = Builder(rng)
    height, width = (int(rng.integers(1, limits.side + 1)) for _ in range(2))
    result = builder.input((height, width, int(rng.integers(1, limits.channels + 1))), draw_type(rng, 2, 8))
    ends: list[str] = []
    for index in range(int(rng.integers(1, 4))):
        if index and rng.integers(5) == 0:
            ends.append(result)
        result = BLOCKS[rng.integers(len(BLOCKS))](builder, result)
        if any(tensor.elements > limits.elements for tensor in builder.types.values()):
            raise _TooLargeError
    outputs = tuple(dict.fromkeys([*ends, result]))
    return builder.graph(outputs, name)
