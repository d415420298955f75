"""Random torch networks with skips: the golden model stays within what their quantization can do."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

import gan2hls
from gan2hls.ir import Graph, Node
from gan2hls.ops import Concat, Slice, Sub
from tests.fuzz.modules import Quantized, Skip, Swap, draw_quantized
from tests.quantization.models import samples, settle


@pytest.mark.parametrize("seed", range(12))
def test_random_skips_stay_within_the_bound(seed):
    drawn = draw_quantized(np.random.default_rng(seed), 4, skips=True)
    assert drawn.problem(drawn.graph.run(drawn.x)) == ""


def test_skips_are_drawn():
    kinds = set()
    for seed in range(20):
        module = draw_quantized(np.random.default_rng(seed), 2, skips=True).module
        kinds |= {part.kind for part in module.modules() if isinstance(part, Skip)}
    assert kinds == {"add", "sub", "concat"}


def _with_nodes(graph: Graph, change: Callable[[Node], Node]) -> Graph:
    return replace(graph, nodes=tuple(map(change, graph.nodes))).verify()


def _reversed(graph: Graph, kind: type) -> Graph:
    return _with_nodes(graph, lambda n: replace(n, inputs=n.inputs[::-1]) if isinstance(n.op, kind) else n)


def _moved(graph: Graph, kind: type) -> Graph:
    """Slices that take the first channels, whichever they should."""

    def change(node: Node) -> Node:
        op = node.op
        return replace(node, op=Slice(0, op.stop - op.start)) if isinstance(op, Slice) else node

    return _with_nodes(graph, change)


def _network() -> Quantized:
    """Two skips and channels that change their places, at 16 bits, where the bound is tight."""
    layers = [Skip(nn.Conv2d(3, 3, 1), "sub"), Skip(nn.Conv2d(3, 3, 3, 1, 1), "concat"), Swap(2), nn.Conv2d(6, 2, 1)]
    module = settle(nn.Sequential(*layers)).eval()
    options = {"weight_bits": 16, "activation_bits": 16, "output_bits": 16, "method": "minmax"}
    x = samples((3, 3, 3), 16)
    return Quantized(module, options, x, gan2hls.quantize(module, x, **options), x.double().numpy())


@pytest.mark.parametrize(("change", "kind"), [(_reversed, Sub), (_reversed, Concat), (_moved, Slice)])
def test_seeded_bugs_leave_the_bound(change, kind):
    """Branches that are taken for each other, and wrong channels."""
    drawn = _network()
    assert any(isinstance(node.op, kind) for node in drawn.graph.nodes)
    assert drawn.problem(drawn.graph.run(drawn.x)) == ""
    assert "too far from the float model" in drawn.problem(change(drawn.graph, kind).run(drawn.x))
