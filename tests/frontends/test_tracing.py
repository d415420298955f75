"""What a forward() does beside calling layers: changes in place, control flow on shapes, several inputs."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan2hls.errors import UserError
from gan2hls.frontends import from_torch, reading, tracing
from gan2hls.frontends.float_model import ActivationLayer, AffineLayer
from tests.frontends.test_from_torch import Calls, problems_of


def traced_equals_module(module: nn.Module, input_shape: tuple[int, ...]) -> from_torch.FloatModel:
    """Trace, and compare on input of which each gets its own copy."""
    module = module.eval()
    model = from_torch.trace(module, input_shape)
    x = torch.randn(5, *input_shape, generator=torch.Generator().manual_seed(1)) * 2
    with torch.no_grad():
        torch.testing.assert_close(model(x.clone()), module(x.clone()), rtol=1e-5, atol=1e-6)
    return model


# -- changes in place -------------------------------------------------------------------------------------------------


def _twice(x: Tensor) -> Tensor:
    x.mul_(2)
    return x


def _relu(x: Tensor) -> Tensor:
    torch.relu_(x)
    return x


def _clamp(x: Tensor) -> Tensor:
    x.clamp_(0, 1)
    return x


def _augmented(x: Tensor) -> Tensor:
    same = x
    x += 1
    x *= 0.5
    x -= 0.25
    x /= 2
    return same


def _inplace_module(x: Tensor) -> Tensor:
    F.leaky_relu(x, 0.3, inplace=True)
    return x


def _data(x: Tensor) -> Tensor:
    x.data.mul_(3)
    return x


def _out(x: Tensor) -> Tensor:
    detached = x.detach()
    detached.neg_()
    return x


@pytest.mark.parametrize("change", [_twice, _relu, _clamp, _augmented, _inplace_module, _data, _out])
@pytest.mark.parametrize("at", ["input", "middle", "end"])
def test_a_change_in_place_is_followed(change, at):
    def forward(m: Calls, x: Tensor) -> Tensor:
        if at == "input":
            return m.b(m.a(change(x)))
        y = m.a(x)
        return m.b(change(y)) if at == "middle" else change(m.b(y))

    torch.manual_seed(0)
    model = traced_equals_module(Calls(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 4)), (4,))
    assert any(isinstance(layer, ActivationLayer | AffineLayer) for layer in model.layers)


def test_a_change_after_the_last_use_changes_nothing():
    def forward(m: Calls, x: Tensor) -> Tensor:
        y = m.a(x)
        x.mul_(5)
        return y

    assert len(traced_equals_module(Calls(forward, a=nn.Linear(4, 4)), (4,)).layers) == 1


def test_modules_in_place_behind_a_view():
    net = nn.Sequential(nn.Linear(3, 8), nn.Unflatten(1, (2, 2, 2)), nn.ReLU(inplace=True), nn.Conv2d(2, 1, 1))
    traced_equals_module(net, (3,))


def _through_a_view(m: Calls, x: Tensor) -> Tensor:
    y = m.a(x)
    y.view(-1, 2, 2).relu_()
    return m.b(y)


def _part(m: Calls, x: Tensor) -> Tensor:
    y = m.a(x)
    y[:, :2].zero_()
    return m.b(y)


def _assigned(m: Calls, x: Tensor) -> Tensor:
    y = m.a(x)
    y[:, 0] = 1
    return m.b(y)


def _view_of_changed(m: Calls, x: Tensor) -> Tensor:
    y = m.a(x)
    flat = y.view(-1, 2, 2)
    y.mul_(2)
    return m.b(flat.flatten(1))


@pytest.mark.parametrize("forward", [_through_a_view, _part, _assigned, _view_of_changed])
def test_a_change_of_shared_memory_is_refused(forward):
    module = Calls(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    assert "changes values in place that" in problems_of(module, (4,))
    assert "clone()" in problems_of(module, (4,))


def test_writing_into_a_buffer_is_refused():
    class Filled(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("memory", torch.zeros(2, 4))
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            self.memory.copy_(x)
            return self.layer(x)

    assert "copy_: writes into a constant or a buffer" in problems_of(Filled(), (4,))


def test_the_check_gives_each_side_its_own_samples():
    """A module that changes its input in a way no trace shows must not change what the float model is given."""
    module = nn.Sequential(nn.Linear(4, 4))
    module[0].register_forward_pre_hook(lambda m, x: x[0].mul_(2))
    assert "its output differs" in problems_of(module, (4,))


def test_a_hook_of_a_container_is_followed():
    module = nn.Sequential(nn.Linear(4, 4))
    module.register_forward_pre_hook(lambda m, x: x[0].mul_(2))
    assert len(traced_equals_module(module, (4,)).layers) == 2


# -- control flow on shapes -------------------------------------------------------------------------------------------


def _dim(m: Calls, x: Tensor) -> Tensor:
    y = m.up(x)
    return torch.tanh(y) if y.dim() == 4 else torch.relu(y)


def _assert(m: Calls, x: Tensor) -> Tensor:
    y = m.up(x)
    assert y.size(1) == 3
    assert y.shape == (x.shape[0], 3, 2, 2)
    assert y.shape[1:] == torch.Size([3, 2, 2])
    assert isinstance(y.shape, torch.Size)
    assert isinstance(y, Tensor)
    assert torch.is_tensor(y)
    assert not isinstance(y.chunk(3, 1), Tensor)
    return y


def _while(m: Calls, x: Tensor) -> Tensor:
    y = m.up(x)
    while y.shape[2] < 8:
        y = F.interpolate(y, scale_factor=2)
    return y


def _numbers(m: Calls, x: Tensor) -> Tensor:
    y = m.up(x)
    steps = int(math.log2(16 // y.size(-1))) + len(y.shape) - 4
    for _ in range(steps):
        y = F.interpolate(y, size=tuple(2 * side for side in y.shape[2:]))
    batch, channels, height, width = y.shape
    return y.view(batch, channels * 4, height // 2, width // 2) if f"{height}" == "16" else m.missing


def _tables(m: Calls, x: Tensor) -> Tensor:
    y = m.up(x)
    factor = {2: 3, 4: 5}[y.shape[2]]
    if y.numel() // len(y) > 5 and y.is_floating_point() and not y.is_cuda and y.dtype == torch.float32:
        y = F.interpolate(y, scale_factor=factor)
    return y.to(y.device)


@pytest.mark.parametrize("forward", [_dim, _assert, _while, _numbers, _tables])
def test_control_flow_on_shapes_is_followed(forward):
    module = Calls(forward, up=nn.ConvTranspose2d(2, 3, 2))
    traced_equals_module(module, (2, 1, 1))


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda m, x: m.a(x) if m.a(x).max() > 0 else x, "an if, while, and, or depends on values of"),
        (lambda m, x: next(m.a(row) for row in m.a(x)), "a loop or an unpacking depends on values of a"),
        (lambda m, x: m.a(x) * int(x[0, 0]), "int() depends on values of"),
        (lambda m, x: m.a(x) * float(x.sum()), "float() depends on values of"),
        (lambda m, x: m.a(x) if 1.0 in x else x, "the word in depends on values of the input"),
        (lambda m, x: m.a(x) if torch.equal(x, x + 1) else x, "equal"),
        (lambda m, x: m.a(x) * x.max().item(), "item"),
    ],
)
def test_what_depends_on_values_is_refused(forward, message):
    text = problems_of(Calls(forward, a=nn.Linear(4, 4)), (4,))
    assert message in text
    assert len(text) < 2000


def _same_again(m: Calls, x: Tensor) -> Tensor:
    y = m.up(x)
    while y.shape[2] < 8:
        y = y + 0 if m.adds else y
    return y


@pytest.mark.parametrize("adds", [False, True])
def test_an_endless_loop_on_a_shape_ends_with_a_message(adds, monkeypatch):
    monkeypatch.setattr(tracing, "MAX_STEPS", 300)
    monkeypatch.setattr(tracing, "MAX_QUESTIONS", 3000)
    module = Calls(_same_again, up=nn.ConvTranspose2d(2, 3, 2))
    module.adds = adds
    assert "forward() does not end: it" in problems_of(module, (2, 1, 1))


def test_a_network_that_grows_without_end_takes_no_memory():
    def forward(m: Calls, x: Tensor) -> Tensor:
        while x.shape[2] < 1 << 20:
            x = F.interpolate(x, scale_factor=2)
        return x

    assert f"values a sample; {reading.MAX_ELEMENTS:,} is the most" in problems_of(Calls(forward), (1, 1, 1))


def test_an_error_in_forward_is_told_with_its_place():
    def forward(m: Calls, x: Tensor) -> Tensor:
        y = m.a(F.rrelu(x))
        if y.size(1) != 5:
            raise ValueError("five features are needed")
        return y

    text = problems_of(Calls(forward, a=nn.Linear(4, 4)), (4,))
    assert "rrelu (rrelu): not supported" in text
    assert "ValueError: five features are needed (test_tracing.py, line " in text


# -- several problems at once -----------------------------------------------------------------------------------------


class Modulated(nn.Module):
    """A style-modulated convolution with noise, as in StyleGAN."""

    def __init__(self) -> None:
        super().__init__()
        self.style = nn.Linear(6, 3)
        self.weight = nn.Parameter(torch.randn(3, 3, 3, 3))
        self.noise_strength = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None = None) -> Tensor:
        style = self.style(w)
        x = x * style[:, :, None, None]
        x = F.conv2d(x, self.weight, padding=1)
        demodulate = torch.rsqrt(style.square().sum(1) + 1e-8)
        x = x * demodulate.view(-1, 1, 1, 1)
        if noise is None:
            noise = torch.randn(x.shape[0], 1, x.shape[2], x.shape[3], device=x.device)
        return F.leaky_relu(x + noise * self.noise_strength, 0.2) * math.sqrt(2)


class StyleGenerator(nn.Module):
    def __init__(self, inputs: int = 1) -> None:
        super().__init__()
        self.mapping = nn.Sequential(nn.Linear(6, 6), nn.LeakyReLU(0.2))
        self.constant = nn.Parameter(torch.randn(1, 3, 4, 4))
        self.blocks = nn.ModuleList([Modulated(), Modulated()])
        self.to_rgb = nn.Conv2d(3, 3, 1, groups=3)

    def forward(self, z: Tensor) -> Tensor:
        z = z * torch.rsqrt(torch.mean(z**2, dim=1, keepdim=True) + 1e-8)
        w = self.mapping(z)
        x = self.constant.repeat(z.shape[0], 1, 1, 1)
        for block in self.blocks:
            x = block(x, w)
        return self.to_rgb(x)


def test_a_style_based_generator_is_told_all_its_problems_by_layer():
    text = problems_of(StyleGenerator(), (6,))
    assert "overload" not in text
    assert "invalid combination" not in text
    for part in (
        "pow",
        "(mul) in blocks.0 (Modulated): ",
        "(mul) in blocks.1 (Modulated): joins branches",
        "conv2d",
        "(rsqrt) in blocks.0 (Modulated): not supported",
        "to_rgb (Conv2d): groups 3 is not supported",
        "forward draws random numbers",
    ):
        assert part in text, text


def test_several_inputs_are_told_with_the_other_problems():
    class Conditional(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(10, 4)
            self.net = nn.Sequential(nn.Linear(8, 4), nn.RReLU())

        def forward(self, z, label, *, truncation):
            return self.net(torch.cat([z, self.embed(label)], 1)) * truncation

    text = problems_of(Conditional(), (4,))
    assert "forward takes 3 inputs (z, label, truncation); no shape is given for label, truncation" in text
    assert "net.1 (RReLU): not supported" in text
    assert "embed (Embedding): not supported" in text


@pytest.mark.parametrize("shape", [(8, 8), (4, 8, 8, 2), ()])
def test_an_input_shape_of_other_dimensions_is_shown_whole(shape):
    with pytest.raises(UserError) as caught:
        from_torch.trace(nn.Linear(8, 8), shape)
    assert f"input shape {shape} is not accepted" in str(caught.value)
