"""Budgets as users give them: multipliers, DSPs of a target, frames a second; and what good foldings reach."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gan2hls
from gan2hls.assembly import make_pipeline
from gan2hls.budget import Budget
from gan2hls.errors import UserError
from gan2hls.estimate import estimate
from gan2hls.folding import fewest_cycles
from gan2hls.ir import Fold, Graph, IntType, Node, TensorType
from gan2hls.models import latents, shipped_generator
from gan2hls.ops import ConvTranspose2d, Requantize
from gan2hls.pipeline import Folding
from tests.test_third_party import ROOT, example

S8 = IntType(8, True)
CLOCK_MHZ = 100.0


def requantize(channels: int) -> Requantize:
    return Requantize(np.full(channels, 3), np.zeros(channels, int), 8, -128, 127, S8, 1.0)


@pytest.fixture
def graph(rng: np.random.Generator) -> Graph:
    """Two transposed convolutions, 4×4 to 16×16, with weights that no most negative value keeps apart."""
    ops = {
        "up": ConvTranspose2d(rng.integers(-127, 128, (4, 4, 16, 12)), 8, None, 1.0, (2, 2), (1, 1)),
        "up.out": requantize(12),
        "draw": ConvTranspose2d(rng.integers(-127, 128, (4, 4, 12, 3)), 8, None, 1.0, (2, 2), (1, 1)),
        "draw.out": requantize(3),
    }
    nodes = tuple(Node(name, op) for name, op in ops.items())
    return Graph.chain(TensorType((4, 4, 16), S8, 1.0), nodes, (16, 4, 4), (3, 16, 16)).verify()


def multipliers(graph: Graph, folding: Folding, *, mac: bool) -> int:
    kernels = [node.op.kernel(tensors, folding[node.name]) for node, tensors, _ in graph.steps()]
    return sum(kernel.multipliers for kernel in kernels if kernel.weighted == mac)


def interval(graph: Graph, folding: Folding) -> int:
    """Cycles of the slowest op; lane converters take no more than their neighbours."""
    return max(node.op.kernel(tensors, folding[node.name]).cycles for node, tensors, _ in graph.steps())


@pytest.mark.parametrize("dsps", [12, 20, 37, 64])
@pytest.mark.parametrize("target", ["xcup", "ecp5"])
def test_dsps_count_requantization(graph: Graph, dsps: int, target: str) -> None:
    folding = Budget(dsps=dsps, target=target).fold(graph, CLOCK_MHZ)
    mac, other = multipliers(graph, folding, mac=True), multipliers(graph, folding, mac=False)
    assert other > 0
    assert mac + other <= dsps
    for budget in range(2, dsps + 1):  # no other budget of the MACs that leaves enough for the rest is faster
        other_folding = Budget(multipliers=budget, target=target).fold(graph, CLOCK_MHZ)
        if sum(multipliers(graph, other_folding, mac=is_mac) for is_mac in (True, False)) <= dsps:
            assert interval(graph, folding) <= 1.051 * interval(graph, other_folding)


def test_too_few_dsps_for_requantization(graph: Graph) -> None:
    with pytest.raises(UserError, match="3 hardware multipliers are too few: MACs need at least 2, and"):
        Budget(dsps=3, target="xcup").fold(graph, CLOCK_MHZ)


def test_a_target_turns_packing_on(graph: Graph) -> None:
    packed = {name: Budget(multipliers=16, target=name).fold(graph, CLOCK_MHZ) for name in ("xcup", "zu3eg", "ecp5")}
    assert packed["xcup"]["up"].packing == packed["zu3eg"]["up"].packing == 2
    assert packed["ecp5"]["up"].packing == 1  # 18 bits do not take two products of 16
    plain = Budget(multipliers=16).fold(graph, CLOCK_MHZ)
    assert interval(graph, packed["xcup"]) < 0.7 * interval(graph, plain)


@pytest.mark.parametrize("rate", [20_000, 50_000.5, 100_000, 200_000])
def test_a_rate_is_reached_with_few_multipliers(graph: Graph, rate: float) -> None:
    folding = Budget(frames_per_second=rate).fold(graph, CLOCK_MHZ)
    pipeline = make_pipeline(graph, folding)
    assert CLOCK_MHZ * 1e6 / pipeline.interval_cycles >= rate
    fewer = Budget(multipliers=pipeline.mac_multipliers - 1, slack=0).fold(graph, CLOCK_MHZ)
    assert CLOCK_MHZ * 1e6 / interval(graph, fewer) < rate


def test_a_rate_that_no_folding_reaches(graph: Graph) -> None:
    fewest = fewest_cycles(graph)
    assert fewest == {"up": 64, "up.out": 64, "draw": 256, "draw.out": 256}
    said = (
        "1,000,000 frames/s at 100 MHz can not be reached: draw takes at least 256 cycles a frame; use at most 390,625"
    )
    with pytest.raises(UserError, match=re.escape(said)):
        Budget(frames_per_second=1e6).fold(graph, CLOCK_MHZ)
    best = Budget(frames_per_second=390_625).fold(graph, CLOCK_MHZ)
    assert make_pipeline(graph, best).interval_cycles == 256


def test_a_given_fold_that_is_too_slow_for_the_rate(graph: Graph) -> None:
    with pytest.raises(UserError, match=r"up takes at least 37,632 cycles a frame; use at most 2,657\.312"):
        Budget(frames_per_second=1e4).fold(graph, CLOCK_MHZ, {"up": (1, 1)})


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown target": ({"target": "zu99"}, "unknown target 'zu99'; use one of ecp5, gowin, nexus, xc7, xcup, ecp5-25k"),
    "two wishes": (
        {"multipliers": 8, "frames_per_second": 5.0},
        "multipliers and frames_per_second are given; use one",
    ),
    "no target": ({"dsps": 8}, "dsps needs a target"),
    "more than there are": ({"dsps": 400, "target": "zu3eg"}, "dsps 400 is not supported; zu3eg has 360"),
    "no dsps": ({"dsps": 0, "target": "xcup"}, "dsps 0 is not supported; use 1 or more"),
    "no rate": ({"frames_per_second": 0.0}, "frames_per_second 0.0 is not supported; use a number above 0"),
    "slack": ({"slack": -0.1}, "slack -0.1 is not supported; use 0 or more"),
    "infinite": ({"frames_per_second": math.inf}, "frames_per_second inf is not supported"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_accepted(name: str) -> None:
    values, message = REFUSED[name]
    with pytest.raises(UserError, match=re.escape(message)):
        Budget(**values)


def test_a_project_keeps_target_and_whole_folds(graph: Graph, tmp_path: Path) -> None:
    given = {"up": {"pe": 4, "simd": 5, "packing": 2, "tap_columns": 2, "rest_rows": 2, "rest_columns": 2}}
    project = gan2hls.build(graph, tmp_path / "p", multipliers=32, target="xcup", folding=given)
    opened = gan2hls.Project.open(tmp_path / "p")
    assert opened.target == project.target == "xcup"
    assert opened.pipeline.folding == project.pipeline.folding
    assert opened.pipeline.folding["up"] == Fold(4, 5, 2, 1, 2, 2, 2)
    x = graph.integers(np.random.default_rng(0).integers(-128, 128, (2, 16, 4, 4)))
    np.testing.assert_array_equal(opened.csim(x), graph.run_integers(x))


# What is reached


def shipped(shared: Callable[[], Path]) -> Graph:
    return gan2hls.quantize(gan2hls.load(shipped_generator()[0]), latents(256, (64, 1, 1), 0))


def digit_dcgan(shared: Callable[[], Path]) -> Graph:
    source = shared() / "models" / "digit-dcgan" / "generator.pth"
    model = gan2hls.load(source, architecture=ROOT / "examples" / "digit-dcgan-architecture.toml")
    return gan2hls.quantize(model, latents(128, (64, 1, 1), 0), overrides={"gen.3.0": {"weight_bits": 6}})


def qdcgan_mnist(shared: Callable[[], Path]) -> Graph:
    script = example("qdcgan_mnist")
    graph: Graph = script.quantize_as_published(
        script.read_generator(shared() / "models" / "qdcgan-mnist" / "MNIST-W4A4.npz")
    )
    return graph


@pytest.mark.parametrize("make", [shipped, digit_dcgan, qdcgan_mnist], ids=lambda make: make.__name__)
def test_useful_products_per_cycle_and_multiplier(
    make: Callable[[Callable[[], Path]], Graph], request: pytest.FixtureRequest
) -> None:
    """At 32 multipliers a layer's share is a few of them, and whole ones: there 0.95 can not always be had."""
    graph = make(lambda: request.getfixturevalue("shared"))
    macs = graph.macs()
    for budget, goal in ((32, 0.93), (128, 0.95), (512, 0.95), (1024, 0.95)):
        folding = Budget(multipliers=budget).fold(graph, CLOCK_MHZ)
        mac, other = multipliers(graph, folding, mac=True), multipliers(graph, folding, mac=False)
        cycles = interval(graph, folding)
        assert mac <= budget
        assert macs / (cycles * mac) >= goal
        assert budget < 128 or other <= 0.05 * mac
    pipeline = make_pipeline(graph, folding)
    assert pipeline.interval_cycles == cycles
    assert pipeline.utilization >= goal


@pytest.mark.parametrize("family", ["ecp5", "gowin", "xc7", "xcup"])
@pytest.mark.parametrize("budget", [32, 128])
def test_block_rams_of_weights_hold_weights(budget: int, family: str) -> None:
    """At least 70 % of their bits; a layer of fewer than 358 words can not fill them so far."""
    model = gan2hls.load(shipped_generator()[0])
    graph = gan2hls.quantize(model, latents(16, (64, 1, 1), 0))
    found = estimate(make_pipeline(graph, Budget(multipliers=budget, target=family).fold(graph, CLOCK_MHZ)), family)
    assert found.weight_bits > 100_000 * 8
    assert found.ram_weight_bits / found.weight_ram_bits >= 0.7
    assert found.ram_weight_bits / found.weight_bits >= 0.8, "in LUTs they would cost more"
