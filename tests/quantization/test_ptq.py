"""Post-training quantization: blocks, formats, calibration, exceptions by layer."""

import numpy as np
import pytest
import torch
from torch import nn

from gan2hls.errors import UserError
from gan2hls.frontends.running import run_steps
from gan2hls.integerize import integerize
from gan2hls.ir import IntType
from gan2hls.quantization import measure
from gan2hls.quantization.blocks import make_blocks
from gan2hls.quantization.config import LayerConfig, QuantizeConfig
from gan2hls.quantization.measure import Measurement
from gan2hls.quantization.ptq import quantize_float_model
from gan2hls.quantization.quantizers import WEIGHT_QUANTIZERS, QuantizedWeight, weight_quantizer
from tests.quantization.models import ZOO, float_model, samples, up, zoo


def quantize(model, **options):
    return quantize_float_model(model, samples(model.input_shape), QuantizeConfig(**options))


@pytest.mark.parametrize("name", ZOO)
def test_blocks_compute_what_the_layers_compute(name):
    model = zoo(name).to_double()
    x = samples(model.input_shape).double()
    steps = make_blocks(model)
    shapes = {**steps.inputs, **{step.name: step.out_shape for step in steps.steps}}
    assert all(step.in_shape == shapes[step.inputs[0]] for step in steps.steps)
    (y,) = run_steps(steps.steps, dict.fromkeys(steps.inputs, x), steps.outputs).values()
    torch.testing.assert_close(y, model(x), rtol=1e-9, atol=1e-9)


def members(name):
    return [block.members for block in make_blocks(zoo(name)).blocks]


def test_what_makes_a_block():
    assert members("dcgan") == [("0", "1", "2"), ("3", "4", "5"), ("6", "7")]
    # Through Unflatten and Upsample; a second activation is joined where the requantizer does both.
    assert members("linear_then_image") == [("0", "2"), ("4", "5", "6", "8"), ("9", "10")]
    assert members("mlp_norm_after_activation") == [("0", "1"), ("2",), ("3", "4")]
    assert members("norms_without_layer_before") == [("0", "2"), ("3",), ("4", "5")]
    assert members("image_to_vector") == [("0", "1"), ("3",), ("4", "5"), ("6", "8", "9")]


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("scales", ["free", "power_of_two"])
def test_eight_bits_stay_near_the_float_model(name, scales):
    model = zoo(name)
    proxy = quantize_float_model(model, samples(model.input_shape, 2000), QuantizeConfig(scales=scales))
    x = samples(model.input_shape, seed=9)
    y = model(x)
    error = float((proxy(x) - y).square().mean() / y.square().mean())
    assert error < 2e-3
    assert tuple(proxy(x).shape[1:]) == proxy.output_shape == model.output_shape


@pytest.mark.parametrize("weight_bits", [1, 2, 3, 4, 6, 8, 12, 16])
def test_weight_bits(weight_bits):
    proxy = quantize(zoo("dcgan"), weight_bits=weight_bits)
    for block in proxy.blocks:
        assert block.weight.bits == weight_bits
        limit = max(1, 2 ** (weight_bits - 1) - 1)
        assert int(block.weight.integers.abs().max()) == limit


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 11, 16])
def test_activation_bits(bits):
    proxy = quantize(zoo("dcgan"), activation_bits=bits)
    kinds = [block.output.int_type for block in proxy.blocks]
    assert kinds == [IntType(bits, False), IntType(bits, True), IntType(8, True)]
    assert proxy.input.int_type == IntType(max(8, bits), True)
    assert proxy.blocks[2].table.int_type == IntType(10, True)


def test_more_bits_are_nearer():
    model, x = zoo("dcgan"), samples((8, 1, 1), seed=9)
    errors = [
        float(
            (quantize(model, weight_bits=b, activation_bits=b, output_bits=16, table_bits=12)(x) - model(x))
            .abs()
            .mean()
        )
        for b in (2, 4, 6, 8, 12)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 50


def test_powers_of_two_everywhere():
    for name in ZOO:
        proxy = quantize(zoo(name), scales="power_of_two")
        formats = [proxy.input, *(block.output for block in proxy.blocks), *(b.table for b in proxy.blocks if b.table)]
        scales = [f.scale for f in formats]
        for block in proxy.blocks:
            if block.weight is not None:
                scales += block.weight.scale.tolist()
                assert set(block.gain.tolist()) <= {0.0, 1.0}
        assert all(np.frexp(scale)[0] == 0.5 for scale in scales)


def test_batch_norm_stays_out_of_the_weights_where_the_requantizer_can_multiply():
    norm = nn.BatchNorm2d(3)
    layers = (up(2, 3), norm, nn.ReLU())
    proxy = quantize(float_model((2, 2, 2), *layers), granularity="tensor")
    assert len(proxy.blocks[0].weight.scale.unique()) == 1
    torch.testing.assert_close(proxy.blocks[0].gain, (norm.weight / (norm.running_var + norm.eps).sqrt()).double())


def test_percentile_clips_and_minmax_does_not():
    model = float_model((4,), nn.Linear(4, 50), nn.ReLU(), nn.Linear(50, 2))
    data = samples((4,), 2000)
    largest = model.layers[1].forward(model.layers[0].forward(data)).max()
    wide = quantize_float_model(model, data, QuantizeConfig(method="minmax")).blocks[0].output
    narrow = quantize_float_model(model, data, QuantizeConfig(method="percentile", percentile=99.0)).blocks[0].output
    assert wide.scale * 255 == pytest.approx(float(largest), rel=1e-5)
    assert narrow.scale < wide.scale * 0.8


def test_table_input_ends_where_tanh_saturates():
    module = nn.Linear(4, 4, bias=False)
    model = float_model((4,), module, nn.Tanh())
    wide = quantize_float_model(model, samples((4,)) * 1000).blocks[0]
    assert np.tanh(wide.table.scale * 511) == pytest.approx(1 - wide.output.scale / 2)
    narrow = quantize_float_model(model, samples((4,)) * 0.1).blocks[0]
    assert narrow.table.scale < wide.table.scale / 3
    assert wide.output.scale == 1 / 127
    dyadic = quantize_float_model(model, samples((4,)), QuantizeConfig(scales="power_of_two")).blocks[0]
    assert dyadic.output.scale == 1 / 128
    sigmoid = quantize(float_model((4,), nn.Linear(4, 4), nn.Sigmoid())).blocks[0]
    assert sigmoid.output.int_type == IntType(8, False)
    assert sigmoid.output.scale == 1 / 255


@pytest.mark.parametrize(("activation", "bits"), [(nn.Tanh(), 4), (nn.Tanh(), 8), (nn.Sigmoid(), 4), (nn.Sigmoid(), 8)])
def test_what_saturates_does_not_lie_between_two_results(activation, bits):
    """Float32, float64 and the table of the hardware give 1 for all that is beyond the table, not the step below."""
    model = float_model((4,), nn.Linear(4, 4), activation)
    proxy = quantize_float_model(model, samples((4,)) * 1000, QuantizeConfig(output_bits=bits))
    far = torch.full((1, 4), 1e6)
    for x in (far, -far):
        expected = model(x)
        ones = (expected == 1).numpy()
        assert ones.any()
        for got in (proxy(x).numpy(), proxy(x.double()).numpy(), integerize(proxy).run(x.numpy())):
            np.testing.assert_allclose(got[ones], 1, rtol=1e-6)


def test_exceptions_by_layer():
    layer = LayerConfig(
        weight_bits=1, activation_bits=5, activation_scale=0.25, granularity="tensor", signed=True, weight_scale=0.5
    )
    last = LayerConfig(table_bits=6, table_scale=0.125, activation_bits=4)
    proxy = quantize(zoo("dcgan"), layers={"0": layer, "6": last}, input_scale=0.0625, input_bits=6, input_signed=False)
    first = proxy.block("0")
    assert (first.output.int_type, first.output.scale) == (IntType(5, True), 0.25)
    assert first.weight.bits == 1
    assert set(first.weight.scale.tolist()) == {0.5}
    assert proxy.block("3").weight.bits == 8
    assert (proxy.block("6").table.int_type, proxy.block("6").table.scale) == (IntType(6, True), 0.125)
    assert proxy.output.int_type == IntType(4, True)
    assert (proxy.input.int_type, proxy.input.scale) == (IntType(6, False), 0.0625)
    with pytest.raises(UserError, match="there are 0, 3, 6"):
        proxy.block("1")


def test_unknown_layer_names():
    with pytest.raises(UserError) as caught:
        quantize(
            zoo("mlp_norm_after_activation"), layers={"1": LayerConfig(), "33": LayerConfig(), "net": LayerConfig()}
        )
    text = str(caught.value)
    assert "layers: no layer '1' is quantized; it is quantized together with '0': use that name" in text
    assert "no layer '33' is quantized; did you mean '3'? (accepted: 0, 2, 3)" in text
    assert "no layer 'net' is quantized (accepted: 0, 2, 3)" in text


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (torch.zeros(4, 8), r"calibration samples have the shape \(4, 8\); \(n, 8, 1, 1\) is needed"),
        (torch.zeros(0, 8, 1, 1), "calibration samples are empty"),
        (torch.full((2, 8, 1, 1), float("nan")), "calibration samples contain NaN or infinite values"),
        (np.full((2, 8, 1, 1), np.inf), "calibration samples contain NaN or infinite values"),
    ],
)
def test_calibration_samples_are_checked(calibration, message):
    with pytest.raises(UserError, match=message):
        quantize_float_model(zoo("dcgan"), calibration)


@pytest.mark.parametrize("scales", ["free", "power_of_two"])
@pytest.mark.parametrize("bits", [1, 2, 8])
def test_zeros_anywhere_do_no_harm(scales, bits):
    model = zoo("dcgan")
    model.layers[0].weight[:, 2] = 0
    model.layers[3].weight.zero_()
    for data in (samples((8, 1, 1)), torch.zeros(3, 8, 1, 1)):
        proxy = quantize_float_model(model, data, QuantizeConfig(weight_bits=bits, scales=scales))
        y = proxy(data)
        assert torch.isfinite(y).all()
    first = proxy.blocks[0]
    alone = first.forward(samples((8, 1, 1)).double())[:, 2]
    assert len(alone.unique()) == 1, "a channel of zero weights depends on the input"


def test_gradients_pass_through_the_proxy():
    proxy = quantize(zoo("dcgan"))
    x = samples((8, 1, 1), 2).requires_grad_()
    proxy(x).square().sum().backward()
    assert x.grad.abs().sum() > 0


def test_own_weight_quantizer():
    @weight_quantizer("ternary_for_this_test")
    def ternary(weight, request):
        return QuantizedWeight(weight.sign().long() + 1, 2, torch.ones(len(weight), dtype=torch.float64), (-1, 0, 1, 0))

    try:
        proxy = quantize(zoo("dcgan"), layers={"3": LayerConfig(weight_quantizer="ternary_for_this_test")})
        assert proxy.block("3").weight.codebook == (-1, 0, 1, 0)
        assert proxy.block("0").weight.codebook is None
    finally:
        del WEIGHT_QUANTIZERS["ternary_for_this_test"]


def test_nothing_to_quantize():
    with pytest.raises(UserError, match="nothing to quantize"):
        quantize(float_model((4,), nn.Unflatten(1, (1, 2, 2))))


BEFORE = {"method": "minmax", "weight_quantizer": "symmetric", "bias_correction": False}


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("scales", ["free", "power_of_two"])
@pytest.mark.parametrize("bits", [8, 3])
def test_what_is_chosen_by_measured_error_is_no_worse_than_what_is_not(name, scales, bits):
    """On the calibration samples themselves: that more samples say the same is seen by `benchmarks/quantization.py`."""
    model, data = zoo(name), samples(zoo(name).input_shape, 256)

    def error(**options):
        config = QuantizeConfig(weight_bits=bits, activation_bits=bits, scales=scales, input_bits=8, **options)
        graph = integerize(quantize_float_model(model, data, config))
        return float(np.square(graph.run(data.numpy()) - model(data).numpy()).mean())

    limit = min(error(**BEFORE), error(**{**BEFORE, "method": "percentile"}))
    assert error() <= limit * 1.1, "each format may give up 5 % for a wider range"


def test_offsets_take_what_layers_lack_on_average():
    """Without an activation behind it, a layer of 2-bit weights has float's mean in every channel, to a step."""
    model = float_model((6,), nn.Linear(6, 40), nn.Linear(40, 12))
    data = samples((6,), 500) + 1
    for correct in (True, False):
        settings = QuantizeConfig(weight_bits=2, bias_correction=correct)
        graph = integerize(quantize_float_model(model, data, settings))
        off = np.abs((graph.run(data.numpy()) - model(data).numpy()).mean(0))
        step = graph.output.scale
        assert (off.max() < 0.6 * step) if correct else (off.max() > 5 * step)


def test_scales_that_are_given_switch_the_correction_off():
    """Whoever trained with scales gets the network that was trained."""
    model = zoo("dcgan")
    for given in ({"weight_scale": 1 / 8}, {"activation_scale": 1 / 16}):
        proxy = quantize(model, layers={"0": LayerConfig(**given)})
        assert torch.equal(proxy.block("0").offset, make_blocks(model).blocks[0].offset)
        assert not torch.equal(proxy.block("3").offset, make_blocks(model).blocks[1].offset)


def test_the_input_has_eight_bits_or_as_many_as_activations():
    for activation_bits, expected in ((2, 8), (8, 8), (12, 12)):
        assert quantize(zoo("dcgan"), activation_bits=activation_bits).input.int_type == IntType(expected, True)
    assert quantize(zoo("dcgan"), activation_bits=12, input_bits=5).input.int_type == IntType(5, True)


def test_the_number_of_threads_changes_nothing():
    """Sums over several threads round in another order; what is chosen must not depend on it."""
    model, before = zoo("dcgan"), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            graph = integerize(quantize_float_model(model, samples((8, 1, 1), 64), QuantizeConfig(weight_bits=3)))
            arrays = [
                value for node in graph.computed for value in vars(node.op).values() if isinstance(value, np.ndarray)
            ]
            found.append([value.tobytes() for value in arrays])
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_a_large_network_is_measured_on_fewer_samples():
    """The limits bound time and memory whatever the network."""
    steps = make_blocks(float_model((4, 1, 1), up(4, 8, 4, 1, 0), nn.ReLU(), up(8, 2)))
    macs = 4 * 8 * 16 + 8 * 2 * 16 * 16
    data = samples((4, 1, 1), 64)

    def kept_of() -> torch.Tensor:
        return Measurement(steps, {"input": data}).real["input"]

    assert len(kept_of()) == 64
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "MEASURED_MACS", 7 * macs + macs // 2)
        kept = kept_of()
        assert len(kept) == 7
        assert torch.equal(kept[0], data[0])
        assert torch.equal(kept[-1], data[-1])
        patch.setattr(measure, "MEASURED_VALUES", 3 * 128)
        assert len(kept_of()) == 3
        patch.setattr(measure, "MEASURED_VALUES", 1)
        assert len(kept_of()) == 1
