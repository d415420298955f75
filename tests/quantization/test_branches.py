"""Networks that branch: blocks, formats of values that meet, the proxy, the integers."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan2hls.errors import UserError
from gan2hls.frontends import from_torch
from gan2hls.frontends.float_model import AddLayer
from gan2hls.frontends.running import run_steps
from gan2hls.integerize import integerize, proxy_distance
from gan2hls.ir import Graph, IntType
from gan2hls.ops import Add
from gan2hls.quantization import branching as branching_choice
from gan2hls.quantization.blocks import make_blocks
from gan2hls.quantization.config import LayerConfig, QuantizeConfig
from gan2hls.quantization.ptq import quantize_float_model
from gan2hls.quantization.quantized_model import QuantizedModel
from tests.quantization.branches import BRANCHES, SEEDS, branching, branching_module, conv, inputs_of, random_model
from tests.quantization.models import samples, settle

BITS = {"W8A8": {}, "W4A4": {"weight_bits": 4, "activation_bits": 4}}


def quantize(model, count: int = 64, **options) -> QuantizedModel:
    return quantize_float_model(model, inputs_of(model, count), QuantizeConfig(**options))


def outputs_of(result, names) -> list[np.ndarray]:
    found = [result[name] for name in names] if isinstance(result, dict) else [result]
    return [np.asarray(value) for value in found]


# -- blocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BRANCHES)
def test_blocks_compute_what_the_module_computes(name):
    module, model = branching_module(name).double(), branching(name).to_double()
    x = {key: value.double() for key, value in inputs_of(model).items()}
    steps = make_blocks(model)
    found = run_steps(steps.steps, x, steps.outputs)
    expected = module(**x)
    expected = list(expected.values()) if isinstance(expected, dict) else [expected]
    for got, wanted in zip(found.values(), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)


def members(forward, shape=(4,), **parts):
    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                self.add_module(name, part)

        def forward(self, x: Tensor) -> Tensor:
            return forward(self, x)

    return [block.members for block in make_blocks(from_torch.trace(settle(Module()), shape)).blocks]


def test_what_is_read_by_others_is_not_changed_by_one():
    parts = {"a": nn.Linear(4, 4), "norm": nn.BatchNorm1d(4)}
    assert members(lambda m, x: m.norm(m.a(x)), **parts) == [("a", "norm")]
    assert members(lambda m, x: (y := m.a(x)) + m.norm(y), **parts) == [("a",), ("norm",), ("add",)]
    assert members(lambda m, x: (y := m.a(x), m.norm(y)), **parts) == [("a",), ("norm",)]
    # Through a reshape that somebody else reads, too.
    assert members(
        lambda m, x: (y := m.a(x).view(-1, 1, 2, 2), m.norm(y)), a=nn.Linear(4, 4), norm=nn.BatchNorm2d(1)
    ) == [("a",), ("norm",)]


def test_a_sum_takes_in_what_follows_it():
    parts = {"a": nn.Linear(4, 4), "b": nn.Linear(4, 4), "norm": nn.BatchNorm1d(4), "slopes": nn.PReLU(4)}
    assert members(lambda m, x: F.relu(m.norm(m.a(x) + m.b(x))), **parts)[2:] == [("add", "norm", "relu")]
    assert members(lambda m, x: m.slopes(m.a(x) - x), **parts)[1:] == [("sub", "slopes")]
    assert members(lambda m, x: m.a(x) + m.b(x) + x, **parts)[2:] == [("add_1", "add")]
    # Nothing is read twice by one sum.
    assert members(lambda m, x: m.a(x) + x + x, **parts)[1:] == [("add",), ("add_1",)]
    assert members(lambda m, x: F.relu(m.a(x) + m.b(x)) + x, **parts)[2:] == [("add", "relu"), ("add_1",)]


# -- formats ----------------------------------------------------------------------------------------------------------


def test_sums_are_exact_and_grow_by_a_bit_only():
    proxy = quantize(branching("residual"))
    graph = integerize(proxy)
    adds = [node for node in graph.nodes if isinstance(node.op, Add)]
    assert len(adds) == 2
    for node in adds:
        entering = [graph.types[name] for name in node.inputs]
        assert entering[0].int_type == entering[1].int_type
        assert graph.types[node.name].int_type.bits == entering[0].int_type.bits + 1
        (user,) = graph.users[node.name]
        assert user == f"{node.name}.requantize"
        assert graph.types[user].int_type.bits == 8


def test_a_long_chain_of_sums_does_not_grow():
    class Long(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList(conv(3, 3) for _ in range(6))
            self.last = conv(3, 1)

        def forward(self, x: Tensor) -> Tensor:
            for part in self.parts:
                x = x + part(x)
            return self.last(x)

    graph = integerize(quantize(from_torch.trace(settle(Long()), (3, 4, 4)), activation_bits=6, input_bits=6))
    kinds = {graph.types[node.name].int_type for node in graph.nodes if isinstance(node.op, Add)}
    assert kinds == {IntType(7, True)}


def test_a_type_holds_what_all_members_need():
    proxy = quantize(branching("dense"), activation_bits=4)
    assert {choice.sources for choice in proxy.groups} <= {("x", "a", "b", "c")}
    for step in proxy.steps:
        if len(step.inputs) > 1:
            assert proxy.formats[step.name].int_type.signed


def test_given_scales_hold_for_the_group():
    proxy = quantize(branching("forked"), layers={"right": LayerConfig(activation_scale=0.25)})
    assert proxy.block("left").output.scale == proxy.block("right").output.scale == 0.25
    layers = {"left": LayerConfig(activation_scale=0.5), "right": LayerConfig(activation_scale=0.25)}
    with pytest.raises(UserError, match=r"left, right meet and need one scale, but .*left: 0.5, right: 0.25"):
        quantize(branching("forked"), layers=layers)


def test_two_images_of_tanh_keep_its_range():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = conv(2, 1), conv(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([torch.tanh(self.a(x)), torch.tanh(self.b(x))], 1)

    proxy = quantize(from_torch.trace(settle(Two()), (2, 4, 4)), activation_bits=4)
    assert (proxy.output.int_type, proxy.output.scale) == (IntType(8, True), 1 / 127)


class Uneven(nn.Module):
    """A residual sum in which the branch is much larger than what it skips, which another layer reads finely."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.first, self.small, self.large = conv(2, 4), conv(4, 4), conv(4, 4)
        self.last, self.other, self.factor = conv(4, 2), conv(4, 2), factor

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = F.relu(self.first(x))
        return self.last(y + self.large(y) * self.factor), self.other(y)


@pytest.mark.parametrize(("factor", "own"), [(100.0, True), (0.5, False)])
def test_a_branch_is_requantized_where_the_error_says_so(factor, own):
    """What is chosen is no worse than either way for all, on the calibration samples."""
    model = from_torch.trace(settle(Uneven(factor)), (2, 5, 5))
    x = inputs_of(model)
    proxy = quantize(model)
    (choice,) = proxy.groups
    assert choice.sources == ("first", "large")
    assert bool(choice.branches) == own
    assert (choice.own_error * branching_choice.WORTH < choice.common_error) == own
    assert [block.name for block in proxy.blocks if block.name == "add.first"] == ["add.first"] * own

    def error(chosen: QuantizedModel) -> float:
        given = chosen(x)
        return sum(float(torch.square(given[n] - y).mean() / y.square().mean()) for n, y in model(x).items())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(branching_choice, "WORTH", 0.0 if not own else float("inf"))
        other = quantize(model)
    assert {bool(other.groups[0].branches), own} == {True, False}
    assert error(proxy) < error(other) * 1.25


# -- proxy and integers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", BRANCHES)
def test_powers_of_two_make_the_proxy_exact(name, bits):
    model = branching(name)
    proxy = quantize(model, scales="power_of_two", **BITS[bits])
    distance = proxy_distance(proxy, integerize(proxy), inputs_of(model, 100, 8))
    assert distance == {"max_steps": 0, "mean_steps": 0}


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", BRANCHES)
def test_free_scales_stay_near_the_proxy(name, bits):
    model = branching(name)
    proxy = quantize(model, **BITS[bits])
    distance = proxy_distance(proxy, integerize(proxy), inputs_of(model, 100, 8))
    assert distance["mean_steps"] < 0.02
    assert distance["max_steps"] <= 16


@pytest.mark.parametrize(("bits", "limit"), [("W8A8", 3e-3), ("W4A4", 0.3)])
@pytest.mark.parametrize("name", BRANCHES)
def test_hardware_stays_near_the_module(name, bits, limit):
    """Torch in float64 against the golden model."""
    model, module = branching(name), branching_module(name).double()
    proxy = quantize_float_model(model, inputs_of(model, 500), QuantizeConfig(**BITS[bits]))
    graph = integerize(proxy)
    x = inputs_of(model, seed=90)
    expected = module(**{key: value.double() for key, value in x.items()})
    wanted = list(expected.values()) if isinstance(expected, dict) else [expected]
    given = graph.run({key: value.numpy() for key, value in x.items()})
    for got, y in zip(outputs_of(given, graph.outputs), wanted, strict=True):
        assert got.shape == tuple(y.shape)
        error = np.square(got - y.detach().numpy()).mean() / float(y.square().mean())
        assert error < limit, error


def test_more_bits_are_nearer_on_random_graphs():
    """At 16 bits what is left is a rounding here and there: no wrong edge, order of channels or scale."""
    for seed in SEEDS:
        module, model = random_model(seed)
        proxy = quantize(model, weight_bits=16, activation_bits=16, output_bits=16, method="minmax")
        x = samples((4, 2, 3), 32)
        y = module.double()(x.double()).detach().numpy()
        module.float()
        error = np.abs(integerize(proxy).run(x.numpy()) - y).max() / np.abs(y).max()
        assert error < 2e-3, (seed, error)


def test_the_graph_survives_saving(tmp_path):
    graph = integerize(quantize(branching("conditional")))
    graph.save(tmp_path / "graph")
    x = {name: value.numpy() for name, value in inputs_of(branching("conditional"), 4).items()}
    assert np.array_equal(Graph.load(tmp_path / "graph").run(x), graph.run(x))


def test_names_of_inputs_and_outputs():
    graph = integerize(quantize(branching("heads")))
    assert graph.outputs == ("small.0.tanh", "large.0.sigmoid")
    assert graph.ports == {"x": (5, 2, 2), "small.0.tanh": (1, 4, 4), "large.0.sigmoid": (2, 8, 8)}
    assert tuple(integerize(quantize(branching("conditional"))).input_types) == ("z", "label")


def test_vectors_and_images_on_two_ways():
    """A flattened image meets another one, and a vector becomes two images."""

    class Ways(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.start, self.image, self.last = nn.Linear(5, 12), conv(3, 3), nn.Linear(12, 4)

        def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
            y = self.start(z)
            image = y.view(-1, 3, 2, 2)
            return self.last(F.relu(self.image(image)).flatten(1) + image.flatten(1)), image

    module = settle(Ways()).eval()
    model = from_torch.trace(module, (5,))
    proxy = quantize(model, weight_bits=16, activation_bits=16, output_bits=16, method="minmax")
    x = samples((5,), 20)
    given = integerize(proxy).run(x.numpy())
    for got, y in zip(given.values(), module(x), strict=True):
        np.testing.assert_allclose(got, y.detach().numpy(), atol=2e-3 * float(y.abs().max()))


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x["z"], "calibration samples takes 2 inputs; give a mapping"),
        (lambda x: {"z": x["z"]}, "input 'label' is missing"),
        (lambda x: {**x, "q": x["z"]}, "unknown input 'q' (accepted: z, label)"),
        (lambda x: {**x, "label": x["z"]}, "calibration samples of 'label' have the shape (64, 6); (n, 5) is needed"),
        (lambda x: {**x, "label": x["label"][:3]}, "differ in number: 64 of 'z', 3 of 'label'"),
        (lambda x: {**x, "z": x["z"] * float("nan")}, "calibration samples of 'z' contain NaN"),
    ],
)
def test_calibration_by_name_is_checked(change, message):
    model = branching("conditional")
    with pytest.raises(UserError) as caught:
        quantize_float_model(model, change(inputs_of(model)))
    assert message in str(caught.value)


def test_one_value_under_two_shapes():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            y = F.relu(self.a(x))
            return y.view(-1, 4, 1, 1), y

    with pytest.raises(UserError, match="output: gives the value of a under 2 shapes; give it once"):
        integerize(quantize(from_torch.trace(settle(Twice()), (4,))))


def test_a_sum_of_other_shapes_is_refused():
    add = AddLayer(name="add", inputs=("x", "first"), in_shape=(2, 5, 5), out_shape=(2, 5, 5))
    model = branching("forked")
    with pytest.raises(UserError, match=r"add: joins values of the shapes \(2, 5, 5\) and \(6, 5, 5\)"):
        dataclasses.replace(model, layers=(*model.layers, add), outputs=(*model.outputs, "add"))
