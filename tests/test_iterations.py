"""Which iterations of the C++'s loops read and write: what arrays say, step by step, as the kernels are described."""

from collections.abc import Iterator

import numpy as np
import pytest

from gan2hls.ir import Fold, Op, TensorType
from gan2hls.kernels import Iterations, Kernel, Port, WidthConverter
from gan2hls.kernels.mac import MacKernel
from gan2hls.kernels.mac_loop import MacLoop
from gan2hls.kernels.regroup import ReshapeKernel
from gan2hls.ops import Concat, Constant, Slice, Upsample
from gan2hls.ops.mac import MacOp
from tests.fuzz.chains import draw_chain, draw_folding
from tests.ops.mac_cases import S8


def check(found: Iterations, reads: list[list[int]], writes: list[list[int]], count: int) -> None:
    assert [port.tolist() for port in found.reads] == reads
    assert [port.tolist() for port in found.writes] == writes
    assert found.count == count
    at = np.cumsum(np.tile(found.events[0], found.repeats)) + found.before
    masks = np.tile(found.events[1], found.repeats)
    for index, port in enumerate([*reads, *writes]):
        assert at[masks >> index & 1 == 1].tolist() == port


def walk(need: list[int], free: list[int], steps: list[int], groups: int, words: int, ring: int) -> tuple:
    """The loop of a MAC kernel, an iteration at a time."""
    loaded = pixel = done = iteration = 0
    reads, writes = [], []
    need, free = [*need, words], [*free, words]
    while pixel < len(steps) or loaded < words:
        computes = pixel < len(steps) and loaded >= need[pixel]
        wanted = max(need[pixel], need[min(pixel + 1, len(steps))])
        if loaded < wanted and loaded < free[pixel] + ring:
            reads.append(iteration)
            loaded += 1
        if computes:
            done += 1
            if done % steps[pixel] == 0:
                writes.append(iteration)
            if done == steps[pixel] * groups:
                pixel, done = pixel + 1, 0
        iteration += 1
        assert iteration < 10**6, "a ring that is too small"
    return [reads], [writes], iteration


def mac_kernels(rng: np.random.Generator) -> Iterator[MacKernel]:
    while True:
        graph = draw_chain(rng)
        folding = draw_folding(rng, graph)
        for node, tensors, _ in graph.steps():
            if isinstance(node.op, MacOp):
                yield node.op.kernel(tensors, folding[node.name])


def test_mac_engine(rng: np.random.Generator) -> None:
    found = mac_kernels(rng)
    for _ in range(60):
        kernel = next(found)
        loop: MacLoop = kernel._loop
        needs = loop.need.tolist(), loop.free.tolist(), loop.steps.tolist(), loop.groups, loop.words
        lazy = kernel.in_cpp()
        least = max(1, int((loop.need - loop.free).max()))
        words = -(-kernel.input.channels // kernel.fold.simd)
        for ring in {lazy.ring_pixels, -(-least // words), kernel.ring_pixels + 3}:
            check(kernel.with_ring(ring).iterations(), *walk(*needs, ring * words))
        large = kernel.with_ring(kernel.input.pixels + 1).iterations()
        unread = loop.words - int(loop.need.max())  # what no pixel needs comes after the last one, or with it
        assert large.count <= lazy.iterations().count <= large.count + unread, "its ring never holds the C++ up"


def regrouped(kernel: Kernel) -> tuple:
    """The gearbox, an iteration at a time."""
    puts, takes = ([min(p.lanes, p.channels - c) for _ in range(p.pixels) for c in range(0, p.channels, p.lanes)]
                   for p in (kernel.input, kernel.output))  # fmt: skip
    held = iteration = 0
    reads, writes = [], []
    while takes:
        if held < takes[0]:
            held += puts.pop(0)
            reads.append(iteration)
        if held >= takes[0]:
            held -= takes.pop(0)
            writes.append(iteration)
        iteration += 1
    assert not puts and not held
    return [reads], [writes], iteration


@pytest.mark.parametrize("kernel", [WidthConverter, ReshapeKernel])
def test_regroup(kernel: type[Kernel], rng: np.random.Generator) -> None:
    for _ in range(200):
        channels, pixels = (int(rng.integers(1, 13)) for _ in range(2))
        elements = channels * pixels
        sides = [side for side in range(1, elements + 1) if elements % side == 0]
        others = channels if kernel is WidthConverter else int(rng.choice(sides))
        into = Port(pixels, channels, int(rng.integers(1, channels + 1)), 8, True)
        out = Port(elements // others, others, int(rng.integers(1, others + 1)), 8, True)
        made = kernel((into,), (out,))
        check(made.iterations(), *regrouped(made))


def test_the_others() -> None:
    def kernel(op: Op, *shapes: tuple[int, int, int]) -> Kernel:
        return op.kernel(tuple(TensorType(shape, S8, 1.0) for shape in shapes), Fold(2, 2))

    check(
        kernel(Concat(), (1, 2, 4), (1, 2, 3)).iterations(),
        [[0, 1, 4, 5], [2, 3, 6, 7]],
        [list(range(8))],
        8,
    )
    check(kernel(Slice(2, 5), (1, 2, 7)).iterations(), [list(range(8))], [[1, 2, 5, 6]], 8)
    check(kernel(Upsample((2, 3)), (2, 1, 3)).iterations(), [[0, 1, 12, 13]], [list(range(24))], 24)
    constant = Constant(np.zeros((2, 1, 3), dtype=np.int64), TensorType((2, 1, 3), S8, 1.0))
    check(kernel(constant).iterations(), [], [list(range(4))], 4)
