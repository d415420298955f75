"""Modules whose values branch: several users, joins, parts, inputs and outputs."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan2hls.errors import UserError
from gan2hls.frontends import from_torch
from gan2hls.frontends.float_model import (
    AddLayer,
    AffineLayer,
    ConcatLayer,
    ConstantLayer,
    FloatModel,
    LinearLayer,
    ReshapeLayer,
    SliceLayer,
    SubLayer,
)
from tests.frontends.test_from_torch import Calls, problems_of
from tests.quantization.branches import BRANCHES, branching_module, inputs_of


def results(module: nn.Module, values: dict[str, Tensor]) -> list[Tensor]:
    found = module(**{name: value.clone() for name, value in values.items()})
    if isinstance(found, dict):
        return list(found.values())
    return list(found) if isinstance(found, tuple | list) else [found]


def check(module: nn.Module, shapes) -> FloatModel:
    """Trace, and compare all outputs with the module's."""
    module.eval()
    model = from_torch.trace(module, shapes)
    x = inputs_of(model)
    with torch.no_grad():
        given = model(x)
        given = [given[name] for name in model.outputs] if isinstance(given, dict) else [given]
        for expected, got in zip(results(module, x), given, strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    return model


@pytest.mark.parametrize("name", BRANCHES)
def test_the_float_model_is_the_module(name):
    check(branching_module(name), BRANCHES[name][1])


def parts() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)}


def _in_place(m: Calls, x: Tensor) -> Tensor:
    y = m.a(x)
    y += m.b(x)
    return y


JOINED = {
    "operator": (lambda m, x: m.a(x) + m.b(x), AddLayer),
    "function": (lambda m, x: torch.add(m.a(x), m.b(x)), AddLayer),
    "method": (lambda m, x: m.a(x).add_(x), AddLayer),
    "in_place": (_in_place, AddLayer),
    "difference": (lambda m, x: m.a(x) - x, SubLayer),
    "the_other_way": (lambda m, x: torch.rsub(m.a(x), m.b(x)), SubLayer),
    "minus_one": (lambda m, x: torch.add(m.a(x), x, alpha=-1), SubLayer),
    "concat": (lambda m, x: torch.concat((m.a(x), x), -1), ConcatLayer),
}


@pytest.mark.parametrize("name", JOINED)
def test_ways_to_join(name):
    forward, kind = JOINED[name]
    model = check(Calls(forward, **parts()), (4,))
    assert any(isinstance(layer, kind) for layer in model.layers)


def test_a_value_and_itself():
    model = check(Calls(lambda m, x: (y := m.a(x)) + y, **parts()), (4,))
    assert isinstance(model.layers[-1], AffineLayer)
    check(Calls(lambda m, x: (y := m.a(x)) - y * 2, **parts()), (4,))
    model = check(Calls(lambda m, x: torch.cat([y := m.a(x), y], 1), **parts()), (4,))
    assert model.layers[-1].inputs == ("a", "a")


def _swapped(m: Calls, x: Tensor) -> Tensor:
    first, second = m.a(x).chunk(2, dim=1)
    return torch.cat([second, first], 1)


POSITIONS = torch.arange(12.0).reshape(1, 3, 2, 2) / 10


@pytest.mark.parametrize(
    ("forward", "kind", "sign"),
    [
        (lambda m, x: m.a(x) + POSITIONS, AddLayer, 1),
        (lambda m, x: torch.add(m.a(x), POSITIONS[0], alpha=2), AddLayer, 2),
        (lambda m, x: m.a(x) - POSITIONS[:, :1], AddLayer, -1),
        (lambda m, x: POSITIONS + m.a(x), AddLayer, 1),
        (lambda m, x: POSITIONS - m.a(x), SubLayer, 1),
    ],
)
def test_a_constant_for_each_pixel_is_added(forward, kind, sign):
    model = check(Calls(forward, a=nn.Conv2d(2, 3, 1)), (2, 2, 2))
    (constant,) = [layer for layer in model.layers if isinstance(layer, ConstantLayer)]
    assert (constant.inputs, constant.out_shape) == ((), (3, 2, 2))
    assert constant.name == f"{model.layers[-1].name}.constant"
    assert isinstance(model.layers[-1], kind)
    if sign == 2:
        torch.testing.assert_close(constant.value, 2 * POSITIONS[0])


SLICED = {
    "chunk": lambda m, x: m.a(x).chunk(2, 1)[1],
    "both": _swapped,
    "split": lambda m, x: torch.split(m.a(x), [1, 3], 1)[1],
    "split_equal": lambda m, x: m.a(x).split(3, dim=-1)[-1],
    "slice": lambda m, x: m.a(x)[:, 1:3],
    "from_the_end": lambda m, x: m.a(x)[:, -3:],
    "narrow": lambda m, x: m.a(x).narrow(1, 1, 2),
    "tensor_split": lambda m, x: torch.tensor_split(m.a(x), 3, dim=1)[0],
}


@pytest.mark.parametrize("name", SLICED)
def test_ways_to_take_channels(name):
    model = check(Calls(SLICED[name], **parts()), (4,))
    assert any(isinstance(layer, SliceLayer) for layer in model.layers)


def test_channels_of_images():
    model = check(Calls(lambda m, x: m.a(x[:, 1:3, :, :]) + m.a(x[:, ::1][:, :2]), a=nn.Conv2d(2, 3, 1)), (4, 3, 3))
    assert [type(layer).__name__ for layer in model.layers if "getitem" in layer.name] == ["SliceLayer"] * 2


def test_names_of_ports():
    def three(m: Calls, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        y = m.a(x)
        return y, torch.relu(m.b(y))

    model = check(Calls(three, **parts()), (4,))
    assert tuple(model.inputs) == ("x",)
    assert model.outputs == ("a", "relu")
    with pytest.raises(ValueError, match="too many"):
        _ = model.output_shape
    assert model.output_shapes == {"a": (4,), "relu": (4,)}
    assert tuple(from_torch.trace(nn.Sequential(nn.Linear(2, 2)), (2,)).inputs) == ("input",)


def test_a_layer_keeps_its_name_where_an_input_has_it_too():
    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input = nn.Linear(4, 4)

        def forward(self, input: Tensor) -> Tensor:
            return self.input(input) + input

    model = check_positional(Same())
    assert tuple(model.inputs) == ("input_in",)
    assert [(layer.name, layer.inputs) for layer in model.layers] == [
        ("input", ("input_in",)),
        ("add", ("input", "input_in")),
    ]


def check_positional(module: nn.Module) -> FloatModel:
    model = from_torch.trace(module.eval(), (4,))
    x = torch.randn(3, 4)
    with torch.no_grad():
        torch.testing.assert_close(model(x), module(x))
    return model


class Several(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(3, 4)

    def forward(self, z: Tensor, label: Tensor, gain: float = 1.0, *, shift: Tensor | None = None) -> Tensor:
        y = self.a(z) + self.b(label) * gain
        return y if shift is None else y + shift


def test_inputs_by_name_and_defaults():
    model = check(Several(), {"label": (3,), "z": (4,)})
    assert tuple(model.inputs) == ("z", "label")
    model = check(Several(), {"z": (4,), "label": (3,), "shift": (4,)})
    assert tuple(model.inputs) == ("z", "label", "shift")


def test_reshapes_on_two_ways():
    def forward(m: Calls, x: Tensor) -> Tensor:
        y = m.a(x).view(-1, 2, 2, 1)
        return torch.cat([y.flatten(1), m.b(y.flatten(1).view(-1, 4, 1, 1).flatten(1))], 1)

    model = check(Calls(forward, **parts()), (4,))
    assert not any(isinstance(layer, ReshapeLayer) for layer in model.layers)
    assert model.layers[-1].inputs == ("a", "b")


BAD = {
    "mul": (lambda m, x: m.a(x) * m.b(x), "mul (mul): joins branches (a, b); only + and - and cat do that"),
    "square": (lambda m, x: x * x, "both values depend on the input"),
    "alpha": (lambda m, x: torch.add(m.a(x), x, alpha=2), "alpha 2 between two branches is not supported; use 1"),
    "broadcast": (
        lambda m, x: m.a(x) + m.a(x)[:, :1],
        "add (add): joins values of the shapes (4,) and (1,); equal ones are needed",
    ),
    "sizes": (lambda m, x: m.a(x) + m.a(x)[:, :2], "joins values of the shapes (4,) and (2,); equal ones are needed"),
    "batch": (lambda m, x: torch.cat([m.a(x), x]), "cat (cat): changes the batch: (2, 4) becomes (4, 4)"),
    "width": (lambda m, x: torch.cat([y := x.view(-1, 1, 2, 2), y], 3), "concatenation over dimension 3"),
    "constant": (lambda m, x: torch.cat([m.a(x), torch.ones(2, 4)], 1), "a constant beside values"),
    "heights": (
        lambda m, x: torch.cat([x.view(-1, 1, 2, 2), x.view(-1, 1, 4, 1)], 1),
        "joins the channels of (1, 2, 2) and (1, 4, 1); equal heights and widths are needed",
    ),
    "step": (lambda m, x: m.a(x)[:, ::2], "or to take neighbouring channels, x[:, 2:5]"),
    "one": (lambda m, x: m.a(x)[:, 1], "or to take neighbouring channels, x[:, 2:5]"),
    "nothing": (lambda m, x: m.a(x)[:, :0], "its output is empty: shape (0,)"),
    "rows": (lambda m, x: x.view(-1, 1, 2, 2).chunk(2, 2)[0], "a split along dimension 2 is not supported; use 1"),
    "twice": (lambda m, x: (y := m.a(x), y), "output: gives the value of a 2 times; give it once"),
    "input": (lambda m, x: (m.a(x), x), "output: gives the input x as it is"),
    "none": (lambda m, x: (m.a(x), None), "output: part 1 does not give a tensor that depends on the input"),
    "keys": (lambda m, x: {"y": m.a(x), "n": 3}, "output: part 'n' does not give a tensor"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_can_not_be_joined(name):
    forward, message = BAD[name]
    assert message in problems_of(Calls(forward, **parts()), (4,))


@pytest.mark.parametrize(
    ("shapes", "messages"),
    [
        ((4,), ["Several: forward takes 2 inputs (z, label); no shape is given for label"]),
        ({"z": (4,), "lable": (3,)}, ["unknown input 'lable' (accepted: z, label, gain, shift)", "'label' is missing"]),
        ({"z": (4, 2), "label": 3}, ["z: input shape (4, 2) is not accepted", "label: input shape 3 is not accepted"]),
    ],
)
def test_inputs_that_there_are_not(shapes, messages):
    text = problems_of(Several(), shapes)
    assert all(message in text for message in messages), text


def test_an_input_without_effect():
    class Ignores(nn.Module):
        def forward(self, x: Tensor, noise: Tensor) -> Tensor:
            return F.relu(x)

    assert "the input noise: no output depends on it" in problems_of(Ignores(), {"x": (4,), "noise": (4,)})


def layer(name: str, inputs: tuple[str, ...], kind=AddLayer, size: int = 2) -> AddLayer:
    return kind(name=name, inputs=inputs, in_shape=(size,), out_shape=(size,))


@pytest.mark.parametrize(
    ("layers", "outputs", "messages"),
    [
        ((layer("a", ("x", "b")), layer("b", ("a", "x"))), ("b",), ["a: its input 'b' is not a layer before it"]),
        ((layer("a", ("x", "x")), layer("b", ("x", "x"))), ("b",), ["a: nobody uses its result"]),
        ((layer("a", ("x", "y")),), ("a",), ["joins values of the shapes (2,) and (3,)"]),
        ((layer("a", ("x", "x")), layer("a", ("a", "x"))), ("a",), ["have this name", "input 'y': nobody uses it"]),
        ((layer("a", ("x", "x")),), ("c",), ["output 'c': there is no such layer", "a: nobody uses its result"]),
    ],
)
def test_a_float_model_that_is_not_valid(layers, outputs, messages):
    with pytest.raises(UserError) as caught:
        FloatModel({"x": (2,), "y": (3,)}, layers, outputs)
    assert all(message in str(caught.value) for message in messages), str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"z": torch.zeros(1, 4)}, "input 'label' is missing"),
        ({"z": torch.zeros(1, 4), "label": torch.zeros(1, 3), "q": torch.zeros(1)}, "unknown input 'q'"),
        (torch.zeros(1, 4), "takes 2 inputs; give a mapping with an array for each of z, label"),
    ],
)
def test_arrays_that_are_missing_or_too_many(given, message):
    model = from_torch.trace(Several(), {"z": (4,), "label": (3,)})
    with pytest.raises(UserError, match=message):
        model(given)


def test_one_linear_layer_is_a_model():
    model = from_torch.trace(nn.Linear(3, 2), (3,))
    assert isinstance(model.layers[0], LinearLayer)
    assert model.users == {"input": 1, "linear": 1}
