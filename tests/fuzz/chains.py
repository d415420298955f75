"""Random chains of integer ops, and random foldings and buffers of any chain."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gan2hls.budget import Budget
from gan2hls.errors import UserError
from gan2hls.ir import Fold, Graph, IntType, Node, Op, TensorType
from gan2hls.kernels.mac import MacKernel
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense, Lookup, Requantize, Reshape, Upsample
from gan2hls.ops.mac import MacOp
from gan2hls.pipeline import Folding, Pipeline, Sizes
from gan2hls.targets import TARGETS
from tests.ops.contract import draw_type
from tests.ops.mac_cases import draw_fold, draw_weights
from tests.ops.test_requantize import draw_op as draw_requantize

CLOCK_MHZ = 100.0
WIDEST = 16
"""Bits above which a MAC op's result is always requantized before the next op."""


@dataclass(frozen=True)
class Limits:
    """How large a chain may become.

    Args:
        channels, side, kernel, stride: the largest that are drawn.
        elements: of any tensor.
        weights: of a layer.
        lanes: products that a layer makes in a cycle; they take Verilator's time.
    """

    channels: int
    side: int
    kernel: int
    stride: int
    elements: int
    weights: int = 4_000
    lanes: int = 200


SMALL = Limits(channels=8, side=4, kernel=4, stride=3, elements=1_500)


# -- ops --------------------------------------------------------------------------------------------------------------


def _dense(rng: np.random.Generator, tensor: TensorType, limits: Limits) -> Op:
    return Dense(**draw_weights(rng, (1, 1, tensor.channels, _side(rng, limits.channels))))


def _geometry(rng: np.random.Generator, tensor: TensorType, limits: Limits) -> tuple[dict, list[int]]:
    kernel = [_side(rng, limits.kernel) for _ in range(2)]
    stride = [_side(rng, limits.stride) for _ in range(2)]
    if rng.integers(2):  # as most people have it
        kernel[1], stride[1] = kernel[0], stride[0]
    padding = [int(rng.integers(0, side + 1)) if rng.integers(2) else (side - 1) // 2 for side in kernel]
    weights = draw_weights(rng, (*kernel, tensor.channels, _side(rng, limits.channels)))
    return {**weights, "stride": tuple(stride), "padding": tuple(padding)}, stride


def _conv2d(rng: np.random.Generator, tensor: TensorType, limits: Limits) -> Op:
    return Conv2d(**_geometry(rng, tensor, limits)[0])


def _conv_transpose2d(rng: np.random.Generator, tensor: TensorType, limits: Limits) -> Op:
    values, stride = _geometry(rng, tensor, limits)
    extra = (int(rng.integers(0, stride[0])), int(rng.integers(0, stride[1])))
    return ConvTranspose2d(**values, output_padding=extra if rng.integers(2) else (0, 0))


def _upsample(rng: np.random.Generator, tensor: TensorType, limits: Limits) -> Op:
    return Upsample((int(rng.integers(1, 4)), int(rng.integers(1, 4))))


def _reshape(rng: np.random.Generator, tensor: TensorType, limits: Limits) -> Op:
    sides = [side for side in range(1, tensor.elements + 1) if tensor.elements % side == 0]
    height = int(rng.choice(sides[: len(sides) // 2 + 1]))
    rest = tensor.elements // height
    width = int(rng.choice([side for side in sides if rest % side == 0]))
    return Reshape((height, width, rest // width))


def _vector(rng: np.random.Generator, tensor: TensorType, limits: Limits) -> Op:
    return Reshape((1, 1, tensor.elements))


def _lookup(rng: np.random.Generator, tensor: TensorType, limits: Limits) -> Op:
    output = draw_type(rng, 1, 16)
    return Lookup(rng.integers(output.min, output.max + 1, 1 << min(tensor.int_type.bits, 12)), output, 1.0)


def _requantize(rng: np.random.Generator, tensor: TensorType, limits: Limits) -> Op:
    return draw_requantize(rng, tensor.channels, tensor.int_type, most_bits=16)


Maker = Callable[[np.random.Generator, TensorType, Limits], Op]
MAKERS: list[Maker] = [
    *(_dense, _conv2d, _conv2d, _conv_transpose2d, _conv_transpose2d, _conv_transpose2d),
    *(_upsample, _reshape, _vector, _lookup, _requantize),
]


def _side(rng: np.random.Generator, most: int) -> int:
    """1 to `most`, the small ones more often."""
    return int(rng.integers(1, 1 + (most if rng.integers(2) else min(most, 4))))


def _fits(op: Op, tensor: TensorType, limits: Limits) -> bool:
    if list(op.verify(tensor)) or op.output_type(tensor).elements > limits.elements:
        return False
    return not isinstance(op, MacOp) or op.codes.size <= limits.weights


def draw_chain(rng: np.random.Generator, limits: Limits = SMALL, name: str = "generator") -> Graph:
    """Two ops or more on tensors of any types; wide integers are requantized at once, others mostly."""
    height, width = (_side(rng, limits.side) for _ in range(2))
    tensor = start = TensorType((height, width, _side(rng, limits.channels)), draw_type(rng, 1, 16), 1.0)
    ops: list[Op] = []
    while len(ops) < 2 or rng.integers(4):
        op = MAKERS[rng.integers(len(MAKERS))](rng, tensor, limits)
        if not _fits(op, tensor, limits):
            continue
        ops.append(op)
        tensor = op.output_type(tensor)
        if isinstance(op, MacOp) and (tensor.int_type.bits > WIDEST or rng.integers(4)):
            while True:
                narrow = _requantize(rng, tensor, limits)
                if _fits(narrow, tensor, limits):
                    break
            ops.append(narrow)
            tensor = narrow.output_type(tensor)
    nodes = tuple(Node(f"op{index}", op) for index, op in enumerate(ops))
    doors = [(shape[2], *shape[:2]) for shape in (start.shape, tensor.shape)]
    return Graph.chain(start, nodes, doors[0], doors[1], name).verify()


# -- foldings ---------------------------------------------------------------------------------------------------------


def draw_folding(rng: np.random.Generator, graph: Graph, lanes: int = SMALL.lanes) -> Folding:
    """Any fold for each node, of layers those that make `lanes` products a cycle at most."""
    folding = {}
    for node, tensors, _ in graph.steps():
        most = node.op.largest_fold(tensors)
        fold = Fold(int(rng.integers(1, most.pe + 1)), int(rng.integers(1, most.simd + 1)))
        if isinstance(node.op, MacOp):
            drawn = (draw_fold(rng, node.op, *tensors) for _ in range(20))
            fold = next((one for one in drawn if one.pe * one.lanes <= lanes), Fold(1, 1))
        elif not isinstance(node.op, Reshape):
            parts = int(rng.integers(1, 3)) if isinstance(node.op, Requantize) else 1
            possible = (n for n in range(fold.pe, 0, -1) if not list(node.op.fold_problems(tensors, Fold(n, n))))
            fold = Fold(pe := next(possible), pe, parts=parts)
        folding[node.name] = fold
    return folding


def draw_budget(rng: np.random.Generator, graph: Graph, lanes: int = SMALL.lanes) -> dict[str, object]:
    """Arguments of `Budget`, `lanes` multipliers at most; they may ask for too little."""
    target = str(rng.choice(list(TARGETS))) if rng.integers(4) else None
    most = int(rng.integers(1, lanes + 1))
    kind = rng.integers(3)
    if kind == 0 and target is not None:
        limit = TARGETS[target].dsps
        return {"dsps": most if limit is None else min(most, limit), "target": target}
    if kind == 1:
        return {"frames_per_second": CLOCK_MHZ * 1e6 / int(rng.integers(50, 20_000)), "target": target}
    return {"multipliers": most, "target": target, "slack": float(rng.choice([0.0, 0.05, 0.5]))}


def choose(rng: np.random.Generator, graph: Graph, lanes: int = SMALL.lanes) -> Folding:
    """What the search makes of some budget, at times with folds that are given; drawn folds where it makes nothing."""
    drawn = draw_folding(rng, graph, lanes)
    given = {name: fold for name, fold in drawn.items() if rng.integers(5) == 0}
    for _ in range(10):
        budget = draw_budget(rng, graph, lanes)
        try:
            folding = Budget(**budget).fold(graph, CLOCK_MHZ, given)  # type: ignore[arg-type]
        except UserError:
            continue  # too few multipliers, or too many frames a second, for this chain
        if all(
            folding[n.name].pe * folding[n.name].lanes <= 2 * lanes for n in graph.computed if isinstance(n.op, MacOp)
        ):
            return folding
    return drawn


# -- buffers ----------------------------------------------------------------------------------------------------------


def with_ring(pipeline: Pipeline, stage: str, pixels: int) -> Pipeline:
    sizes = pipeline.sizes
    return pipeline.with_sizes(Sizes({**sizes.rings, stage: pixels}, sizes.fifos))


def with_fifo(pipeline: Pipeline, stream: str, depth: int) -> Pipeline:
    """The pipeline with a FIFO of another depth in a stream; 0 takes it away."""
    sizes = pipeline.sizes
    fifos = {**sizes.fifos, stream: depth}
    return pipeline.with_sizes(Sizes(sizes.rings, {name: beats for name, beats in fifos.items() if beats}))


def least_ring(pipeline: Pipeline, stage: str) -> int:
    """Input pixels that the stage's ring needs if its input always waits."""
    kernel = next(made.kernel for made in pipeline.stages if made.name == stage)
    assert isinstance(kernel, MacKernel)
    return kernel.least_ring


def with_random_buffers(rng: np.random.Generator, pipeline: Pipeline) -> Pipeline:
    """Other sizes, so that the kernels wait for each other."""
    rings = {stage: least_ring(pipeline, stage) + int(rng.integers(0, 4)) for stage in pipeline.sizes.rings}
    bare = pipeline.with_sizes(Sizes(rings))
    depths = {name: int(rng.choice([0, 0, 0, 1, 2, 3, 7])) for name in bare.streams}
    return bare.with_sizes(Sizes(rings, {name: depth for name, depth in depths.items() if depth}))


def describe(pipeline: Pipeline) -> str:
    """A line for each stage, and the buffers."""
    lines = [f"    {s.module} {s.parameters} {s.cycles}" for s in pipeline.kernels]
    lines.append(f"    {pipeline.sizes}")
    return "\n".join(lines)


def draw_frames(rng: np.random.Generator, tensor: TensorType, count: int) -> np.ndarray:
    """(count, height, width, channels): the smallest and largest values more often than chance would have them."""
    kind: IntType = tensor.int_type
    x = rng.integers(kind.min, kind.max + 1, (count, *tensor.shape))
    pick = rng.random(x.shape)
    return np.where(pick < 0.1, kind.min, np.where(pick > 0.9, kind.max, x))
