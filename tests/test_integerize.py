"""Integers: orders of channels, multipliers and shifts, and the distance between proxy and hardware."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from gan2hls import passes
from gan2hls.errors import UserError
from gan2hls.integerize import integerize, proxy_distance
from gan2hls.ir import Graph
from gan2hls.ops import Lookup, Requantize, Reshape
from gan2hls.quantization.config import LayerConfig, QuantizeConfig
from gan2hls.quantization.ptq import quantize_float_model
from tests.quantization.models import ZOO, float_model, qdcgan, samples, zoo


def quantize(model, **options):
    return quantize_float_model(model, samples(model.input_shape), QuantizeConfig(**options))


def requantizers(graph: Graph) -> list[Requantize]:
    return [node.op for node in graph.computed if isinstance(node.op, Requantize)]


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("weight_bits", [1, 3, 8])
def test_powers_of_two_make_the_proxy_exact(name, weight_bits):
    proxy = quantize(zoo(name), scales="power_of_two", weight_bits=weight_bits)
    graph = integerize(proxy)
    assert proxy_distance(proxy, graph, samples(proxy.input_shape, 200, 8)) == {"max_steps": 0, "mean_steps": 0}


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("options", [{}, {"granularity": "tensor"}, {"weight_bits": 2, "activation_bits": 4}])
def test_free_scales_stay_near_the_proxy(name, options):
    proxy = quantize(zoo(name), **options)
    graph = integerize(proxy)
    distance = proxy_distance(proxy, graph, samples(proxy.input_shape, 200, 8))
    assert distance["max_steps"] <= 2.01
    assert distance["mean_steps"] < 0.01


@pytest.mark.parametrize("name", ZOO)
def test_hardware_stays_near_the_float_model(name):
    model = zoo(name)
    graph = integerize(quantize_float_model(model, samples(model.input_shape, 2000)))
    x = samples(model.input_shape, seed=9)
    y, hardware = model(x).numpy(), graph.run(x.numpy())
    assert hardware.shape == y.shape
    assert np.square(hardware - y).mean() < 2e-3 * np.square(y).mean()


def random_chain(rng: np.random.Generator) -> tuple[tuple[int, ...], list[nn.Module]]:
    """Draw an input shape and layers that fit each other; a reshape to an image follows a Linear, as in generators."""

    def draw(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(low, high), draw(low, high)

    start = (draw(1, 6),) if rng.random() < 0.5 else (draw(1, 4), *pair(1, 3))
    shape, layers = start, []
    while len(layers) < 8:
        outputs, image = draw(1, 6), len(shape) == 3
        choices = [
            [nn.BatchNorm2d(shape[0]) if image else nn.BatchNorm1d(shape[0])],
            [nn.ReLU()],
            [nn.LeakyReLU(float(rng.choice([0.2, 0.01])))],
            [nn.Tanh()],
            [nn.Sigmoid()],
        ]
        if image:
            kernel, stride = pair(1, 4), pair(1, 3)
            padding = tuple(draw(0, (size - 1) // 2) for size in kernel)
            extra = tuple(draw(0, size - 1) for size in stride)
            small = (draw(1, min(3, shape[1])), draw(1, min(3, shape[2])))
            choices += [
                [nn.ConvTranspose2d(shape[0], outputs, kernel, stride, padding, extra, bias=bool(draw(0, 1)))],
                [nn.Conv2d(shape[0], outputs, small, pair(1, 2), tuple(size // 2 for size in small))],
                [nn.Upsample(scale_factor=pair(1, 2))],
                [nn.Flatten(), nn.Linear(int(np.prod(shape)), outputs)],
            ]
        else:
            height, width = pair(1, 3)
            choices += [
                [nn.Linear(shape[0], outputs)],
                [nn.Linear(shape[0], outputs * height * width), nn.Unflatten(1, (outputs, height, width))],
            ]
        added = choices[rng.integers(len(choices))]
        candidate = tuple(nn.Sequential(*layers, *added).eval()(torch.zeros(2, *start)).shape[1:])
        if np.prod(candidate) < 2000:
            layers, shape = [*layers, *added], candidate
    return start, layers


def test_random_chains(rng):
    for _ in range(8):
        shape, layers = random_chain(rng)
        model = float_model(shape, *layers, seed=int(rng.integers(1000)))
        bits = {"weight_bits": int(rng.integers(1, 10)), "activation_bits": int(rng.integers(2, 10))}
        bits["granularity"] = str(rng.choice(["channel", "tensor"]))
        free = quantize(model, **bits)
        graph = integerize(free)
        assert proxy_distance(free, graph, samples(shape, 50, 8))["mean_steps"] < 1, layers
        exact = quantize(model, scales="power_of_two", **bits)
        # A LeakyReLU behind a batch-norm of its own has a slope times a gain, too long for an exact product.
        lengthy = any(block.mac is None and block.activation.slope is not None for block in exact.blocks)
        distance = proxy_distance(exact, integerize(exact), samples(shape, 50, 8))
        assert distance["mean_steps"] <= (1 if lengthy else 0), layers


def test_power_of_two_needs_no_multiplier():
    for name in ("dcgan", "linear_then_image", "output_padding", "no_activation"):
        graph = integerize(quantize(zoo(name), scales="power_of_two"))
        mac_outputs = [node.op for node in graph.computed if node.name.endswith(".requantize")]
        assert mac_outputs
        assert not any(op.use_multiplier for op in mac_outputs)
        assert any(op.use_multiplier for op in requantizers(integerize(quantize(zoo(name)))))


def test_names_of_nodes():
    graph = integerize(quantize(zoo("norms_without_layer_before")), "up")
    assert graph.name == "up"
    assert [node.name for node in graph.computed] == [
        "0.requantize",
        "0.sigmoid",
        "1",
        "3",
        "4",
        "4.requantize",
    ]


def test_reshapes_at_the_doors_cost_nothing():
    for name in ("doors", "flat_door", "mlp_norm_after_activation"):
        assert not any(isinstance(node.op, Reshape) for node in integerize(quantize(zoo(name))).nodes)
    assert sum(isinstance(node.op, Reshape) for node in integerize(quantize(zoo("image_to_vector"))).nodes) == 1


def test_graph_survives_saving(tmp_path):
    graph = integerize(quantize(zoo("linear_then_image"), weight_bits=1))
    graph.save(tmp_path / "graph")
    x = samples((5,)).numpy()
    assert np.array_equal(Graph.load(tmp_path / "graph").run(x), graph.run(x))


@pytest.mark.parametrize("scales", ["free", "power_of_two"])
def test_numbers_are_the_nearest_to_the_real_ones(scales):
    proxy = quantize(zoo("dcgan"), scales=scales)
    graph = integerize(proxy)
    incoming = proxy.input.scale
    for block, op in zip(proxy.blocks, requantizers(graph), strict=True):
        entering = block.table or block.output
        real = block.weight.scale * incoming * block.gain / entering.scale
        step = 2.0**-op.shift
        assert np.abs(op.multiplier * step - real.numpy()).max() <= step / 2
        assert np.abs(op.bias * step - (block.offset / entering.scale).numpy()).max() <= step / 2
        if scales == "free":
            largest = max(np.abs(m).max() for m in (op.multiplier, op.negative_multiplier) if m is not None)
            assert 1 << 16 <= largest < 1 << 17
        incoming = block.output.scale


def test_leaky_relu_is_a_second_multiplier():
    model = float_model((4,), nn.Linear(4, 3), nn.LeakyReLU(0.3), nn.Linear(3, 2))
    op = requantizers(integerize(quantize(model)))[0]
    assert op.leaky
    assert np.abs(op.negative_multiplier - 0.3 * op.multiplier).max() <= 1
    assert np.abs(op.negative_bias - 0.3 * op.bias).max() <= 1
    assert not requantizers(integerize(quantize(model)))[1].leaky


def test_relu_with_a_signed_result_keeps_its_floor():
    layers = {"0": LayerConfig(signed=True)}
    proxy = quantize(float_model((4,), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), layers=layers)
    op = requantizers(integerize(proxy))[0]
    assert (op.low, op.high, op.output.signed) == (0, 127, True)
    assert proxy_distance(proxy, integerize(proxy), samples((4,)))["max_steps"] <= 1.01


def test_channel_of_zeros():
    model = zoo("dcgan")
    model.layers[0].weight[:, 2] = 0
    for scales in ("free", "power_of_two"):
        for bits in (1, 8):
            proxy = quantize(model, scales=scales, weight_bits=bits)
            graph = integerize(proxy)
            op = requantizers(graph)[0]
            if bits == 1:
                assert op.multiplier[2] == 0
            else:
                assert op.multiplier[2] > 0
                assert op.use_multiplier == (scales == "free")
            assert proxy_distance(proxy, graph, samples((8, 1, 1)))["max_steps"] <= (1.01 if scales == "free" else 0)


def test_layer_of_zeros():
    model = float_model((4,), nn.Linear(4, 3), nn.LeakyReLU(), nn.Linear(3, 2), nn.Tanh())
    model.layers[0].weight.zero_()
    for bits in (1, 2, 8):
        for scales in ("free", "power_of_two"):
            proxy = quantize(model, weight_bits=bits, scales=scales)
            assert proxy_distance(proxy, integerize(proxy), samples((4,)))["max_steps"] <= (
                1.01 if scales == "free" else 0
            )


def test_given_scales_are_kept_exactly():
    layers = {"0": LayerConfig(weight_scale=0.125, activation_scale=0.0625), "2": LayerConfig(weight_scale=0.25)}
    proxy = quantize(
        float_model((4,), nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2)), input_scale=0.5, layers=layers
    )
    op = requantizers(integerize(proxy))[0]
    assert op.multiplier.tolist() == [1, 1, 1]
    assert op.shift == 0
    assert not op.use_multiplier


def test_scales_too_far_apart():
    proxy = quantize(zoo("dcgan"), layers={"0": LayerConfig(activation_scale=1e-12)})
    with pytest.raises(UserError, match="0: the steps of its result are too small"):
        integerize(proxy)


def test_accumulator_too_wide():
    model = float_model((4096,), nn.Linear(4096, 2, bias=False), nn.Linear(2, 2))
    proxy = quantize(model, weight_bits=16, activation_bits=16, layers={"0": LayerConfig(weight_scale=1e-9)})
    graph = integerize(proxy)  # 16 + 16 + 12 bits still fit
    assert graph.types["0"].int_type.bits <= 48


@pytest.mark.parametrize(
    ("input_shape", "layers", "message"),
    [
        (
            (4, 2, 2),
            (nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 1, 1)),
            "from image to image",
        ),
        (
            (8,),
            (nn.BatchNorm1d(8), nn.Unflatten(1, (2, 2, 2)), nn.Conv2d(2, 1, 1)),
            r"1: makes an image of \(2, 2, 2\) out of a vector whose order is fixed",
        ),
        (
            (2, 2, 2),
            (nn.Conv2d(2, 2, 1), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(8)),
            "put a Linear layer after the reshape",
        ),
    ],
)
def test_orders_that_no_layer_can_make(input_shape, layers, message):
    proxy = quantize(float_model(input_shape, *layers))
    with pytest.raises(UserError, match=message):
        integerize(proxy)


def test_distance_checks_its_samples():
    proxy = quantize(zoo("no_activation"))
    with pytest.raises(UserError, match=r"samples have the shape \(3, 5\)"):
        proxy_distance(proxy, integerize(proxy), np.zeros((3, 5)))


def test_distance_counts_steps():
    proxy = quantize(zoo("no_activation"))
    graph = integerize(proxy)
    last = graph.computed[-1]
    wrong = Requantize(
        **{name: getattr(last.op, name) for name in ("multiplier", "shift", "low", "high", "output", "scale")},
        bias=last.op.bias + (3 << last.op.shift),
    )
    nodes = (*graph.computed[:-1], type(last)(last.name, wrong))
    moved = Graph.chain(graph.input, nodes, graph.input_shape, graph.output_shape)
    x = samples((4,), 8) * 0.1
    assert proxy_distance(proxy, moved, x)["mean_steps"] == pytest.approx(3, abs=0.5)


def test_table_of_tanh_is_the_function():
    graph = integerize(quantize(zoo("dcgan")))
    lookup, tensor = graph.computed[-1].op, graph.types[graph.computed[-1].inputs[0]]
    assert isinstance(lookup, Lookup)
    for x, y in zip(range(tensor.int_type.min, tensor.int_type.max + 1), lookup.table.tolist(), strict=True):
        assert y == math.floor(math.tanh(x * tensor.scale) / lookup.scale + 0.5)


def test_published_four_bit_generator(shared):
    model, reference = qdcgan(shared)
    hidden = LayerConfig(weight_scale=1 / 8, activation_scale=1 / 16)
    layers = {"0": hidden, "2": hidden, "4": hidden, "6": LayerConfig(weight_scale=1 / 8)}
    config = QuantizeConfig(weight_bits=4, activation_bits=4, input_bits=8, input_scale=1 / 128, layers=layers)
    proxy = quantize_float_model(model, reference["z"], config)
    graph = integerize(proxy)
    assert not any(op.use_multiplier for op in requantizers(graph)[:3])
    assert np.array_equal(graph.quantize_input(reference["z"]), reference["x_int"])
    before_tanh = passes.truncate(graph, "6").run_integers(reference["x_int"].astype(np.int64))
    assert np.array_equal(before_tanh, reference["pre_tanh_x128"])
    y = graph.run(reference["z"])
    assert np.abs(y - reference["y"]).max() < 1 / 64
    assert proxy_distance(proxy, graph, reference["z"])["max_steps"] <= 1.01
    assert Fraction(graph.types["6"].scale) == Fraction(1, 128)
