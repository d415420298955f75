"""Reading modules: what is accepted computes the same, what is not is named."""

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan2hls.errors import UserError
from gan2hls.frontends import from_torch
from gan2hls.frontends.float_model import ActivationLayer, AffineLayer, ConvTranspose2dLayer, ReshapeLayer
from tests.frontends.generators import ZOO, dcgan, shake

PUBLIC_MODELS = Path(__file__).parents[3] / "shared" / "models"


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_float_model_computes_what_the_module_computes(name):
    torch.manual_seed(1)
    make, input_shape = ZOO[name]
    module = shake(make())
    before = copy.deepcopy(module.state_dict())
    model = from_torch.trace(module, input_shape)
    x = torch.randn(4, *input_shape, dtype=torch.float64)
    with torch.no_grad():
        expected = copy.deepcopy(from_torch.load(module)).double()(x)
    given = model.to_double().forward(x)
    assert given.dtype == torch.float64
    # Norms of weights are computed in float32 by the trace; all else is exact up to rounding in float64.
    tolerance = 1e-6 if "norm" in name else 1e-9
    torch.testing.assert_close(given, expected, rtol=tolerance, atol=tolerance)
    assert given.shape[1:] == model.output_shape
    assert module.training
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    for layer, following in zip(model.layers, model.layers[1:], strict=False):
        assert layer.out_shape == following.in_shape
    assert len({layer.name for layer in model.layers}) == len(model.layers)


def test_names_and_attributes():
    module = shake(dcgan())
    model = from_torch.trace(module, (8, 1, 1))
    assert [layer.name for layer in model.layers] == [str(i) for i in range(8)]
    second = model.layers[3]
    assert isinstance(second, ConvTranspose2dLayer)
    assert (second.stride, second.padding, second.output_padding) == ((2, 2), (1, 1), (0, 0))
    assert second.weight.dtype == torch.float32
    assert second.bias is None
    norm = model.layers[1]
    assert isinstance(norm, AffineLayer)
    assert norm.scale.dtype == torch.float64
    assert model.layers[7].kind == "tanh"


def test_dropout_and_identity_vanish_and_reshapes_merge():
    module = nn.Sequential(nn.Dropout(), nn.Unflatten(1, (2, 2, 1)), nn.Identity(), nn.Flatten(), nn.Linear(4, 2))
    assert [layer.name for layer in from_torch.trace(module, (4,)).layers] == ["4"]
    module = nn.Sequential(nn.Linear(4, 8), nn.Unflatten(1, (8, 1)), nn.Unflatten(2, (1, 1)), nn.ReLU())
    reshape = from_torch.trace(module, (4,)).layers[1]
    assert isinstance(reshape, ReshapeLayer)
    assert (reshape.in_shape, reshape.out_shape) == ((8,), (8, 1, 1))


def test_shared_module_gets_unique_names():
    shared = nn.Linear(3, 3)
    model = from_torch.trace(nn.Sequential(shared, nn.ReLU(), shared), (3,))
    assert [layer.name for layer in model.layers] == ["0", "1", "0#2"]


def test_output_size_becomes_output_padding():
    class Sized(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose2d(1, 1, 3, 2, 1)

        def forward(self, x):
            return self.up(x, output_size=[8, 8])

    assert from_torch.trace(Sized(), (1, 4, 4)).layers[0].output_padding == (1, 1)


def test_half_precision_and_double_modules_are_read_in_float32():
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        model = from_torch.trace(nn.Sequential(nn.Linear(3, 2), nn.LeakyReLU(0.3)).to(dtype), (3,))
        assert model.layers[0].weight.dtype == torch.float32
        assert isinstance(model.layers[1], ActivationLayer)
        assert model.layers[1].parameters == {"slope": 0.3}


class Calls(nn.Module):
    """A module whose forward is given."""

    def __init__(self, forward, **parts):
        super().__init__()
        self._call = forward
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self._call(self, x)


def problems_of(module: nn.Module, input_shape: tuple[int, ...]) -> str:
    with pytest.raises(UserError) as caught:
        from_torch.trace(module, input_shape)
    return str(caught.value)


@pytest.mark.parametrize(
    ("layer", "input_shape", "message"),
    [
        (nn.ConvTranspose2d(2, 2, 3, dilation=2), (2, 4, 4), "1 (ConvTranspose2d): dilation 2 is not supported; use 1"),
        (nn.Conv2d(2, 2, 2, dilation=(1, 3)), (2, 5, 5), "1 (Conv2d): dilation (1, 3) is not supported; use 1"),
        (nn.Conv2d(2, 2, 3, groups=2), (2, 4, 4), "1 (Conv2d): groups 2 is not supported; use 1"),
        (
            nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"),
            (2, 4, 4),
            "1 (Conv2d): padding_mode 'reflect' is not supported; use 'zeros'",
        ),
        (nn.Conv2d(2, 2, 4, padding="same"), (2, 4, 4), "padding 'same' with kernel 4 pads more on one side"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), (2, 4, 4), "mode 'bilinear' is not supported; use 'nearest'"),
        (nn.Upsample(scale_factor=1.5), (2, 4, 4), "scale factor 1.5 is not supported; use whole numbers"),
        (nn.Upsample(size=(6, 4)), (2, 4, 4), "from 4x4 to 6x4 is not supported; use whole multiples"),
        (nn.BatchNorm2d(2, track_running_stats=False), (2, 4, 4), "use running statistics"),
        (nn.PixelShuffle(2), (4, 2, 2), "1 (PixelShuffle): not supported"),
        (nn.RReLU(), (4,), "1 (RReLU): not supported"),
        (nn.Linear(4, 2), (2, 4, 4), "1 (Linear): its input has the shape (2, 4, 4)"),
    ],
)
def test_unsupported_layer_is_named_with_what_is_accepted(layer, input_shape, message):
    assert message in problems_of(nn.Sequential(nn.ReLU(), layer), input_shape)


def test_all_problems_come_at_once_with_one_list_of_what_is_accepted():
    class Bad(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(
                nn.ConvTranspose2d(2, 2, 3, dilation=2, groups=2), nn.RReLU(), nn.Conv2d(2, 2, 3, dilation=2)
            )

        def forward(self, x):
            return torch.sin(self.layers(x)) ** 2

    text = problems_of(Bad(), (2, 4, 4))
    assert text.splitlines()[0] == "the module can not be turned into hardware:"
    for line in (
        "layers.0 (ConvTranspose2d): dilation 2 is not supported; use 1",
        "layers.0 (ConvTranspose2d): groups 2 is not supported; use 1",
        "layers.1 (RReLU): not supported",
        "layers.2 (Conv2d): dilation 2 is not supported; use 1",
        "sin (sin): not supported",
        "pow_1 (pow): not supported",
    ):
        assert f"  {line}" in text.splitlines()
    assert text.count("accepted are") == 1


def test_problems_after_a_wrong_shape_are_listed_too():
    module = nn.Sequential(nn.Linear(4, 3), nn.Linear(5, 2), nn.RReLU(), nn.Conv2d(2, 2, 3, groups=2))
    text = problems_of(module, (4,))
    assert "1 (Linear): its input has the shape (3,) without the batch; (5,) is needed" in text
    assert "2 (RReLU): not supported" in text
    assert "3 (Conv2d): groups 2" in text


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda m, x: torch.ones(2), "output: the module does not give a tensor that depends on the input"),
        (lambda m, x: m.a(x).permute(0, 1), "permute (permute): not supported"),
        (lambda m, x: m.a(x).view(-1, 2), "view (view): changes the batch: (2, 4) becomes (4, 2)"),
        (lambda m, x: m.a(x).view(2, 4), "works for a batch of 2 but not of 3"),
        (lambda m, x: F.dropout(m.a(x)), "dropout stays active in eval mode"),
        (lambda m, x: m.a(x) if x.sum() > 0 else m.b(x), "torch.fx can not trace Calls: an if, while, and, or depends"),
        (lambda m, x: m.a(x).view(x.size(0), 2, 2), "view: its output has the shape (2, 2)"),
        (lambda m, x: m.a(x).numpy(), "numpy (numpy): not supported"),
        (lambda m, x: m.a(x) + torch.randn(4), "random numbers, are not supported"),
        (lambda m, x: m.a(torch.randn_like(x)), "randn_like (randn_like): not supported"),
        (lambda m, x: m.a(x.new_zeros(x.size(0), 4)), "new_zeros (new_zeros): not supported"),
        (lambda m, x: m.a(torch.randn(x.size(0), 4)), "forward draws random numbers, which are not supported"),
        (lambda m, x: m.a(x).view(x.size(0), 3), "view (view): does not accept an input of shape (4,)"),
        (lambda m, x: x, "has no layers"),
    ],
)
def test_what_is_no_graph_of_layers(forward, message):
    assert message in problems_of(Calls(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 4)), (4,))


def test_several_inputs():
    class Conditional(nn.Module):
        def forward(self, z, label):
            return z + label

    assert "forward takes 2 inputs (z, label); no shape is given for label" in problems_of(Conditional(), (4,))


def test_hook_that_changes_values_is_noticed():
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    module[0].register_forward_hook(lambda m, x, y: y + 1)
    assert "forward hooks that change values" in problems_of(module, (4,))


@pytest.mark.parametrize("shape", [(), (2, 3), (0,), (4.0,), (True,), 5, (1, 2, 3, 4), None])
def test_input_shape_is_checked(shape):
    assert "is not accepted; use (features,) or (channels, height, width)" in problems_of(nn.Linear(4, 4), shape)


def test_wrong_input_shape_names_the_layer():
    assert "0 (ConvTranspose2d): its input has the shape (8,)" in problems_of(dcgan(), (8,))
    assert "(8, height, width) is needed" in problems_of(dcgan(), (9, 1, 1))
    assert "0 (Conv2d): does not accept" in problems_of(nn.Sequential(nn.Conv2d(1, 1, 5)), (1, 2, 2))
    assert "1 (BatchNorm2d): its input has the shape (4,)" in problems_of(
        nn.Sequential(nn.Linear(4, 4), nn.BatchNorm2d(4)), (4,)
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_damaged_weights_are_named(value):
    module = dcgan()
    with torch.no_grad():
        module[3].weight[0, 0, 0, 0] = value
    assert "3.weight: holds NaN or infinite values" in problems_of(module, (8, 1, 1))
    with pytest.raises(UserError, match=r"3\.weight: holds NaN"):
        from_torch.load(module)


def test_batch_norm_with_impossible_statistics():
    module = dcgan()
    module[1].running_var.fill_(-1)
    assert "1 (BatchNorm2d): scale and offset not finite" in problems_of(module, (8, 1, 1))


def test_modules_without_values():
    assert "0.weight: has no values yet" in problems_of(nn.Sequential(nn.LazyLinear(3)), (4,))
    assert "weight: has no values (meta device)" in problems_of(nn.Linear(3, 3, device="meta"), (3,))


def test_digit_dcgan():
    path = PUBLIC_MODELS / "digit-dcgan" / "generator.pth"
    if not path.is_file():
        pytest.skip("the public digit-dcgan generator is not here")
    sizes = [(64, 256, 3, 2), (256, 128, 4, 1), (128, 64, 3, 2), (64, 1, 4, 2)]
    layers = []
    for i, (inputs, outputs, kernel, stride) in enumerate(sizes):
        up = {"in_channels": inputs, "out_channels": outputs, "kernel_size": kernel, "stride": stride}
        layers.append({"name": f"gen.{i}.0", "type": "ConvTranspose2d", **up})
        if i < 3:
            layers.append({"name": f"gen.{i}.1", "type": "BatchNorm2d", "num_features": outputs})
        layers.append({"name": f"gen.{i}.2", "type": "ReLU" if i < 3 else "Tanh"})
    module = from_torch.load(path, architecture={"input_shape": [64, 1, 1], "layers": layers})
    model = from_torch.trace(module)
    assert model.output_shape == (1, 28, 28)
    assert sum(layer.weight.numel() for layer in model.layers if isinstance(layer, ConvTranspose2dLayer)) > 740_000
    x = torch.randn(2, 64, 1, 1, dtype=torch.float64)
    torch.testing.assert_close(model.to_double()(x), copy.deepcopy(module).double()(x), rtol=1e-9, atol=1e-9)
