"""Activations and arithmetic: the two definitions agree, what is joined computes the same, integers are near it."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan2hls.activations import LINEAR, TABLES, scalar_function
from gan2hls.frontends import from_torch
from gan2hls.frontends.float_model import ACTIVATIONS
from gan2hls.integerize import integerize, proxy_distance
from gan2hls.ir import IntType
from gan2hls.models.layer_types import Affine
from gan2hls.ops import Lookup, Requantize
from gan2hls.quantization.activation import Activation
from gan2hls.quantization.blocks import make_blocks
from gan2hls.quantization.config import LayerConfig, QuantizeConfig
from gan2hls.quantization.ptq import quantize_float_model
from tests.quantization.models import float_model, samples, settle

PARAMETERS = {
    "leaky_relu": {"slope": 0.3},
    "clamp": {"low": -0.7, "high": 1.5},
    "affine": {"scale": -1.5, "offset": 0.25},
    "elu": {"alpha": 1.3},
    "celu": {"alpha": 0.7},
    "softplus": {"beta": 1.5, "threshold": 20.0},
}
KINDS = [*TABLES, *LINEAR]


def function_of(kind):
    return scalar_function(kind, PARAMETERS.get(kind, {}))


def test_both_lists_have_the_same_kinds():
    assert set(KINDS) == set(ACTIVATIONS)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_and_tensors_agree(kind):
    x = torch.cat([torch.linspace(-40, 40, 4001, dtype=torch.float64), torch.tensor([-1e4, 1e4, 0.0]).double()])
    expected = ACTIVATIONS[kind](x, **PARAMETERS.get(kind, {}))
    given = torch.tensor([function_of(kind).compute(value) for value in x.tolist()], dtype=torch.float64)
    torch.testing.assert_close(given, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_bounds_and_limits_hold(kind):
    function = function_of(kind)
    values = [function.compute(x) for x in np.linspace(-50, 50, 20_001).tolist()]
    assert function.low <= min(values)
    assert max(values) <= function.high
    for end, limit in ((-1e6, function.left), (1e6, function.right)):
        value = function.compute(end)
        assert math.copysign(1, value) == math.copysign(1, limit) if math.isinf(limit) else abs(value - limit) < 1e-5
    # Bounds are near: a bound that is much too low would cost a bit.
    if math.isfinite(function.low):
        assert min(values) - function.low < 0.02
    if math.isfinite(function.high):
        assert function.high - max(values) < 0.03


# -- joining ----------------------------------------------------------------------------------------------------------


class Chain(nn.Module):
    """Linear, a function, Linear."""

    def __init__(self, function, channels: int = 6) -> None:
        super().__init__()
        self.first, self.last, self.function = nn.Linear(5, channels), nn.Linear(channels, 3), function

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.function(self.first(x)))


JOINED = {
    "plus_half": lambda x: (x + 1) / 2,
    "tanh_to_unit": lambda x: (torch.tanh(x) + 1) / 2,
    "one_minus_sigmoid": lambda x: 1 - torch.sigmoid(x),
    "minus_relu": lambda x: -F.relu(x),
    "relu_scaled": lambda x: F.relu(x) * 1.7 - 0.3,
    "relu_down": lambda x: 0.5 - F.relu6(x),
    "leaky_gain": lambda x: F.leaky_relu(x, 0.2) * math.sqrt(2),
    "leaky_gain_clamp": lambda x: torch.clamp(F.leaky_relu(x, 0.2) * math.sqrt(2), -0.2, 1.0),
    "clamp_clamp": lambda x: x.clamp(-1, 2).clamp(0, 3),
    "tanh_clamp_scale": lambda x: torch.tanh(x).clamp(-0.25, 0.5) * 2 + 1,
    "hardsigmoid": F.hardsigmoid,
    "hardsigmoid_after_table": lambda x: F.hardsigmoid(F.silu(x) * 3),
    "relu_of_tanh": lambda x: F.relu(torch.tanh(x)),
    "two_tables": lambda x: torch.sigmoid(F.gelu(x)),
    "leaky_then_relu": lambda x: F.relu(F.leaky_relu(x)),
    "relu_then_leaky": lambda x: F.leaky_relu(F.relu(x)),
    "clamp_upside_down": lambda x: torch.clamp(x, 1.0, -1.0),
}
APART = {
    "leaky_then_offset": lambda x: F.leaky_relu(x, 0.2) + 0.5,
    "leaky_negated": lambda x: -F.leaky_relu(x, 0.2),
    "clamp_then_tanh": lambda x: torch.tanh(x.clamp(-1, 1)),
    "relu_then_channels": lambda x: F.relu(x) * torch.arange(-2.0, 4.0),
    "tanh_then_channels": lambda x: torch.tanh(x) + torch.arange(6.0),
    "clamp_then_leaky": lambda x: F.leaky_relu(x.clamp(-1, 1)),
}


def blocks_of(model):
    return make_blocks(model).blocks


@pytest.mark.parametrize("name", [*JOINED, *APART])
def test_blocks_compute_the_function(name):
    function = {**JOINED, **APART}[name]
    module = settle(Chain(function)).eval()
    model = from_torch.trace(module, (5,)).to_double()
    x = samples((5,), 500).double() * 3
    y = x
    for block in blocks_of(model):
        y = block.activate(block.before_activation(y))
    torch.testing.assert_close(y, module.double()(x), rtol=1e-6, atol=1e-6)
    assert len(blocks_of(model)) == (2 if name in JOINED else 3)


@pytest.mark.parametrize("name", JOINED)
@pytest.mark.parametrize("bits", [2, 5, 8])
def test_powers_of_two_stay_exact(name, bits):
    model = from_torch.trace(settle(Chain(JOINED[name])), (5,))
    config = QuantizeConfig(scales="power_of_two", activation_bits=bits)
    proxy = quantize_float_model(model, samples((5,)), config)
    assert proxy_distance(proxy, integerize(proxy), samples((5,), 300, 8)) == {"max_steps": 0, "mean_steps": 0}


@pytest.mark.parametrize(
    ("name", "signed", "scale"),
    [
        ("tanh_to_unit", False, 1 / 255),
        ("one_minus_sigmoid", False, 1 / 255),
        ("relu_of_tanh", False, 1 / 255),
        ("tanh_clamp_scale", False, 2 / 255),
        ("minus_relu", True, None),
        ("hardsigmoid", False, None),
        ("leaky_gain_clamp", True, None),
    ],
)
def test_sign_and_scale_follow_from_the_range(name, signed, scale):
    model = from_torch.trace(settle(Chain(JOINED[name])), (5,))
    output = quantize_float_model(model, samples((5,))).blocks[0].output
    assert output.int_type == IntType(8, signed)
    assert scale is None or output.scale == pytest.approx(scale)


def test_softplus_of_a_negative_threshold_is_signed():
    """It gives its argument from the threshold on, so values from there to 0."""
    function = scalar_function("softplus", {"beta": 2.0, "threshold": -3.0})
    assert function.low == -1.5 and function.compute(-1.4) == -1.4
    model = from_torch.trace(nn.Sequential(nn.Linear(5, 3), nn.Softplus(2.0, -3.0)), (5,))
    assert quantize_float_model(model, samples((5,))).blocks[0].output.int_type.signed


@pytest.mark.parametrize("scales", ["free", "power_of_two"])
@pytest.mark.parametrize("after", [[Affine(scale=0.0)], [Affine(offset=-1.0), nn.ReLU()]], ids=["times 0", "relu"])
def test_a_table_of_zeros(after, scales):
    model = from_torch.trace(nn.Sequential(nn.Linear(5, 3), nn.Tanh(), *after), (5,))
    quantized = quantize_float_model(model, samples((5,)), QuantizeConfig(scales=scales))
    assert not integerize(quantized).run(samples((5,)).numpy()).any()


def test_bounds_are_those_of_the_requantizer():
    model = from_torch.trace(settle(Chain(lambda x: torch.clamp(x, -0.5, 0.25))), (5,))
    layers = {"first": LayerConfig(activation_scale=1 / 64)}
    op = integerize(quantize_float_model(model, samples((5,)), QuantizeConfig(layers=layers))).computed[1].op
    assert isinstance(op, Requantize)
    assert (op.low, op.high) == (-32, 16)


def test_a_scale_by_channels_folds_into_the_requantizer():
    gain = nn.Parameter(torch.tensor([1.0, -2.0, 0.5, 3.0, 1.0, 0.25]))

    class Scaled(Chain):
        def __init__(self):
            super().__init__(None)
            self.gain = gain

        def forward(self, x):
            return self.last(F.relu(self.first(x) * self.gain + 0.1))

    (first, _) = blocks_of(from_torch.trace(Scaled(), (5,)))
    assert first.gain.tolist() == gain.tolist()


# -- quality and exactness --------------------------------------------------------------------------------------------

ACTIVATION_MODULES = [
    nn.ReLU6(),
    nn.Hardtanh(-0.5, 2.0),
    nn.ELU(),
    nn.SELU(),
    nn.CELU(0.5),
    nn.SiLU(),
    nn.GELU(),
    nn.GELU(approximate="tanh"),
    nn.Softplus(),
    nn.Hardswish(),
    nn.Hardsigmoid(),
    nn.LogSigmoid(),
    nn.Softsign(),
    nn.Mish(),
    nn.Tanhshrink(),
    nn.Tanh(),
    nn.Sigmoid(),
]


@pytest.mark.parametrize("activation", ACTIVATION_MODULES, ids=str)
@pytest.mark.parametrize("bits", [2, 4, 8, 10])
def test_the_error_of_an_activation_is_that_of_its_steps(activation, bits):
    """The graph's result is within half a step of the result, and of what the steps before it can cause."""
    layer = nn.Linear(4, 4, bias=False)
    model = from_torch.trace(nn.Sequential(layer, activation), (4,))
    model.layers[0].weight.copy_(torch.eye(4) * 127 / 128)
    z = samples((4,), 4000) * 3
    exact = {"method": "minmax", "weight_quantizer": "symmetric", "bias_correction": False}  # nothing is clipped
    config = QuantizeConfig(input_bits=16, output_bits=bits, table_bits=12, **exact)
    proxy = quantize_float_model(model, z, config)
    graph = integerize(proxy)
    (block,) = proxy.blocks
    error = np.abs(graph.run(z.numpy()) - model(z).double().numpy())
    before = proxy.input.scale / 2 + (block.table.scale / 2 if block.table is not None else 0)
    steepest = 1.12  # of all these, GELU's slope is the largest
    # A table's ends may be half a step beyond which nothing is told apart; requantizing rounds by 2^-17.
    bound = block.output.scale * (0.5 + 0.5 * (block.table is not None)) + steepest * before + 2e-4
    assert error.max() <= bound
    span = float(model(z).max() - model(z).min())
    low, high = block.activation.function.low, block.activation.function.high
    if low >= 0:
        assert not block.output.int_type.signed
        assert block.output.scale <= max(span, high if math.isfinite(high) else span) / (2**bits - 1) * 1.01


def psnr_of(model, **options):
    """PSNR in dB of the golden model against the float model, on other samples than those of the calibration."""
    graph = integerize(quantize_float_model(model, samples((6,), 1000), QuantizeConfig(**options)))
    z = samples((6,), 1000, 9)
    expected = model(z).double().numpy()
    error = float(np.square(graph.run(z.numpy()) - expected).mean())
    return 10 * math.log10(float(expected.max() - expected.min()) ** 2 / error)


@pytest.mark.parametrize("activation", [*ACTIVATION_MODULES, nn.ReLU(), nn.LeakyReLU(0.2)], ids=str)
def test_eight_bits_keep_the_quality(activation):
    """At W8A8, and better than with signed results where none is negative."""
    model = float_model((6,), nn.Linear(6, 12), activation, nn.Linear(12, 8), activation)
    psnr = psnr_of(model)
    assert psnr > 46, f"{psnr:.1f} dB"
    if not isinstance(activation, nn.ReLU | nn.ReLU6 | nn.Softplus | nn.Sigmoid | nn.Hardsigmoid):
        return
    signed = {name: LayerConfig(signed=True) for name in ("0", "2")}
    assert psnr > psnr_of(model, layers=signed) + 1.5


@pytest.mark.parametrize("bits", [*range(2, 13), 16])
@pytest.mark.parametrize("kind", TABLES)
def test_tables_at_all_widths(kind, bits):
    """The table that `integerize` makes holds the function itself, rounded half up and saturated, at each width."""
    modules = {"elu": nn.ELU(1.3), "selu": nn.SELU(), "celu": nn.CELU(0.7), "silu": nn.SiLU(), "gelu": nn.GELU()}
    modules |= {"gelu_tanh": nn.GELU("tanh"), "softplus": nn.Softplus(1.5), "hardswish": nn.Hardswish()}
    modules |= {"log_sigmoid": nn.LogSigmoid(), "softsign": nn.Softsign(), "mish": nn.Mish()}
    modules |= {"tanhshrink": nn.Tanhshrink(), "tanh": nn.Tanh(), "sigmoid": nn.Sigmoid()}
    model = float_model((4,), nn.Linear(4, 4), modules[kind])
    config = QuantizeConfig(output_bits=bits, table_bits=min(bits, 12))
    graph = integerize(quantize_float_model(model, samples((4,)), config))
    op, tensor = graph.computed[-1].op, graph.types[graph.computed[-1].inputs[0]]
    assert isinstance(op, Lookup)
    assert op.function == kind
    assert op.output.bits == bits
    x = torch.arange(tensor.int_type.min, tensor.int_type.max + 1, dtype=torch.float64) * tensor.scale
    real = model.layers[-1].forward(x) / op.scale
    exact = torch.floor(real + 0.5).clamp(op.output.min, op.output.max)
    near_half = ((real + 0.5) - (real + 0.5).round()).abs() < 1e-6
    assert torch.equal(torch.from_numpy(op.table)[~near_half], exact[~near_half].long())


def test_what_saturates_is_not_told_apart():
    activation = Activation(table=(("silu", ()),))
    step = 0.01
    end = activation.flat_beyond(-100.0, step)
    assert -12 < end < -5
    assert abs(activation.function.compute(end)) == pytest.approx(step / 2 * (1 - 1e-4))
    assert activation.flat_beyond(100.0, step) == 100.0
    tanh = Activation(table=(("tanh", ()),))
    assert tanh.flat_beyond(100.0, step) == pytest.approx(math.atanh(1 - step / 2 * (1 - 1e-4)))
    assert tanh.flat_beyond(0.5, step) == 0.5
    assert tanh.flat_beyond(0.0, step) == 0.0


# -- slopes of channels -----------------------------------------------------------------------------------------------


def prelu(channels: int) -> nn.PReLU:
    module = nn.PReLU(channels)
    module.register_parameter("weight", nn.Parameter(torch.linspace(-0.25, 1.5, channels)))
    return module


def prelu_model(*layers: nn.Module, shape=(5,)):
    """Settled layers, but for the slopes."""
    slopes = [(layer, layer.weight.detach().clone()) for layer in layers if isinstance(layer, nn.PReLU)]
    module = settle(nn.Sequential(*layers)).eval()
    for layer, weight in slopes:
        layer.weight.data.copy_(weight)
    return module, from_torch.trace(module, shape)


@pytest.mark.parametrize("scales", ["free", "power_of_two"])
@pytest.mark.parametrize(
    ("layers", "count"),
    [
        (lambda: (nn.Linear(5, 6), prelu(6)), 1),
        (lambda: (nn.Linear(5, 6), nn.BatchNorm1d(6), prelu(6), nn.Linear(6, 2)), 2),
        # The slopes of channels go through a reshape to those of the layer before it, whose order integers change.
        (lambda: (nn.Linear(5, 12), nn.Unflatten(1, (3, 2, 2)), prelu(3), nn.Conv2d(3, 2, 2)), 2),
        (lambda: (nn.Linear(5, 6), nn.ReLU(), prelu(6)), 1),
        (lambda: (nn.Linear(5, 6), prelu(6), nn.ReLU6()), 1),
        (lambda: (nn.Linear(5, 6), nn.Tanh(), prelu(6)), 2),
        (lambda: (nn.Linear(5, 6), prelu(6), nn.Tanh()), 2),
        (lambda: (nn.Linear(5, 6), nn.Hardtanh(), prelu(6)), 2),
        (lambda: (prelu(5), nn.Linear(5, 2)), 2),
    ],
)
def test_prelu_has_a_slope_for_each_channel(layers, count, scales):
    module, model = prelu_model(*layers())
    assert len(blocks_of(model)) == count
    config = QuantizeConfig(weight_bits=12, activation_bits=12, output_bits=12, table_bits=12, scales=scales)
    proxy = quantize_float_model(model, samples((5,), 200), config)
    graph, x = integerize(proxy), samples((5,), 100, 8)
    assert proxy_distance(proxy, graph, x)["max_steps"] <= (1.01 if scales == "power_of_two" else 4)
    y = module.double()(x.double()).detach().numpy()
    assert np.abs(graph.run(x.numpy()) - y).max() < 0.02 * np.abs(y).max()


def test_a_shared_slope_is_a_leaky_relu():
    _, model = prelu_model(nn.Linear(5, 6), nn.PReLU())
    (block,) = blocks_of(model)
    assert block.activation.slope == pytest.approx(0.25)
    (op,) = (
        node.op for node in integerize(quantize_float_model(model, samples((5,)))).nodes if node.name == "0.requantize"
    )
    assert op.leaky


def test_positive_slopes_only_make_a_signed_result():
    def signed(slopes: list[float]) -> bool:
        layer = nn.PReLU(2)
        layer.weight.data.copy_(torch.tensor(slopes))
        _, model = prelu_model(nn.Linear(5, 2), layer)
        return quantize_float_model(model, samples((5,))).output.int_type.signed

    assert signed([0.0, 0.1])
    assert not signed([0.0, -0.1])
