"""Architectures and weights of generators: read, built, loaded; what is wrong with them is said."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan2hls.config import from_mapping
from gan2hls.models.architecture import (
    build_module,
    dump_architecture,
    layer_shapes,
    read_architecture,
)
from gan2hls.models.dcgan import DcganConfig, architecture_of, build_discriminator, build_generator
from gan2hls.models.layer_types import LAYER_TYPES
from gan2hls.models.weights import load_weights, read_state_dict, write_safetensors
from tests.messages import message_of

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "train-digits.toml"
LAYERS = [
    {"name": "net.up.0", "type": "ConvTranspose2d", "in_channels": 4, "out_channels": 3, "kernel_size": [2, 3]},
    {"name": "net.up.1", "type": "BatchNorm2d", "num_features": 3},
    {"type": "ReLU"},
]


# Architectures


def test_architecture_is_read_and_built():
    architecture = read_architecture({"input_shape": [4, 1, 1], "layers": LAYERS})
    module = build_module(architecture)
    assert [name for name in module.state_dict() if "num_batches" not in name] == [
        "net.up.0.weight",
        "net.up.0.bias",
        "net.up.1.weight",
        "net.up.1.bias",
        "net.up.1.running_mean",
        "net.up.1.running_var",
    ]
    assert layer_shapes(architecture) == [(3, 2, 3)] * 3
    assert module(torch.zeros(5, 4, 1, 1)).shape == (5, 3, 2, 3)


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_architecture_files(tmp_path, suffix):
    architecture = read_architecture({"input_shape": [4, 1, 1], "layers": LAYERS})
    path = tmp_path / f"net{suffix}"
    if suffix == ".json":
        path.write_text(dump_architecture(architecture))
    else:
        text = "input_shape = [4, 1, 1]\n"
        for layer in architecture.to_mapping()["layers"]:
            text += "[[layers]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in layer.items())
        path.write_text(text)
    assert read_architecture(path) == architecture


def test_architecture_can_be_traced_layer_by_layer():
    layers = [
        {"type": "Linear", "in_features": 5, "out_features": 12},
        {"type": "Reshape", "shape": [3, 2, 2]},
        *LAYERS,
    ]
    layers[2] = {**LAYERS[0], "in_channels": 3}
    module = build_module(read_architecture({"input_shape": [5], "layers": layers})).eval()
    graph = torch.fx.symbolic_trace(module)
    called = [node.target for node in graph.graph.nodes if node.op.startswith("call")]
    assert called == ["layers.0", "reshape", "net.up.0", "net.up.1", "layers.4"]
    x = torch.randn(2, 5)
    assert torch.equal(graph(x), module(x))


def test_every_layer_type_can_be_used():
    layers = [
        {"type": "Linear", "in_features": 8, "out_features": 16, "bias": False},
        {"type": "BatchNorm1d", "num_features": 16, "eps": 1e-3},
        {"type": "Unflatten", "unflattened_size": [4, 2, 2]},
        {"type": "ConvTranspose2d", "in_channels": 4, "out_channels": 4, "kernel_size": 3, "output_padding": 0},
        {"type": "BatchNorm2d", "num_features": 4},
        {"type": "LeakyReLU", "negative_slope": 0.1},
        {"type": "Upsample", "scale_factor": [2, 3], "mode": "nearest"},
        {"type": "Conv2d", "in_channels": 4, "out_channels": 2, "kernel_size": 3, "padding": [1, 0]},
        {"type": "Dropout2d", "p": 0.5},
        {"type": "Sigmoid"},
        {"type": "ReLU", "inplace": True},
        {"type": "Flatten"},
        {"type": "Dropout"},
        {"type": "Reshape", "shape": [1, 16, 10]},
        {"type": "Identity"},
        {"type": "Tanh"},
        {"type": "ReLU6"},
        {"type": "Hardtanh", "min_val": 0.0, "max_val": 2.0},
        {"type": "ELU", "alpha": 0.5},
        {"type": "SELU"},
        {"type": "CELU", "alpha": 0.5},
        {"type": "SiLU"},
        {"type": "GELU", "approximate": "tanh"},
        {"type": "Softplus", "beta": 2, "threshold": 10},
        {"type": "Hardswish"},
        {"type": "Hardsigmoid"},
        {"type": "LogSigmoid"},
        {"type": "Softsign"},
        {"type": "Mish"},
        {"type": "Tanhshrink"},
        {"type": "Affine", "scale": 0.5, "offset": 0.5},
        {"name": "prelu", "type": "PReLU", "num_parameters": 1, "init": 0.1},
        {"name": "part", "type": "Slice", "start": 0, "stop": 1},
        {"name": "add", "type": "Add", "inputs": ["prelu", "part"]},
        {"name": "sub", "type": "Sub", "inputs": ["add", "part"]},
        {"name": "concat", "type": "Concat", "inputs": ["sub", "part"]},
    ]
    assert {layer["type"] for layer in layers} == set(LAYER_TYPES)
    architecture = read_architecture({"input_shape": [8], "layers": layers})
    assert layer_shapes(architecture)[-1] == (2, 16, 10)
    assert build_module(architecture).eval()(torch.zeros(2, 8)).shape == (2, 2, 16, 10)


def test_all_problems_of_an_architecture_are_listed():
    layers = [
        {"type": "ConvTranspos2d"},
        {"type": "Conv2d", "in_channels": 3, "kernel_size": [3, 0], "padding_mode": "reflect"},
        {"name": "half", "type": "ReLU"},
        {"name": "a..b", "type": "Tanh"},
        {"name": "same", "type": "Tanh"},
        {"name": "same", "type": "Tanh"},
        {"name": "same.inner", "type": "Tanh"},
        {"type": "Upsample", "scale_factor": 2, "mode": "bilinear"},
        "Tanh",
    ]
    error = message_of(read_architecture, {"input_shape": [0], "layers": layers, "extra": 1}, "net")
    for part in (
        "net: unknown key 'extra' (accepted: input_shape, distribution, outputs, layers)",
        "input_shape must be [features] or [channels, height, width], got [0]",
        "layers.0: type 'ConvTranspos2d' is not supported; did you mean 'ConvTranspose2d'? accepted: Linear,",
        "layers.1 (Conv2d): kernel_size must be an integer of at least 1, up to 16,777,216, or [height, width], "
        "got [3, 0]",
        "layers.1 (Conv2d): unknown argument 'padding_mode' (accepted: in_channels,",
        "layers.1 (Conv2d): argument 'out_channels' is missing",
        "half: 'half' is a word of torch.nn.Module and can not be part of a name",
        "'a..b': a name is made of non-empty parts with dots between them",
        "same: two layers have this name",
        "same.inner: lies inside another layer, same",
        "layers.7 (Upsample): mode must be 'nearest', got 'bilinear'",
        "layers[8]: expected a table, got 'Tanh'",
    ):
        assert part in error


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"input_shape": [2], "layers": []}, "layers must be a list of at least one table"),
        (
            {"input_shape": [3, 1, 1], "layers": LAYERS},
            "net.up.0 (ConvTranspose2d): in_channels is 4, but the layer before it gives 3 (shape [3, 1, 1])",
        ),
        ({"input_shape": [4], "layers": LAYERS}, "needs an input of shape [channels, height, width], got [4]"),
        (
            {"input_shape": [4, 1, 1], "layers": [{"type": "Linear", "in_features": 4, "out_features": 2}]},
            "layers.0 (Linear): needs an input of shape [features] (a Flatten before it gives that), got [4, 1, 1]",
        ),
        (
            {"input_shape": [4], "layers": [{"type": "Reshape", "shape": [3]}]},
            "layers.0 (Reshape): does not accept an input of shape (4,)",
        ),
    ],
)
def test_architecture_that_does_not_fit(values, message):
    assert message in message_of(read_architecture, values)


def test_architecture_files_that_can_not_be_read(tmp_path):
    assert "an architecture is a .toml or a .json file" in message_of(read_architecture, tmp_path / "net.yaml")
    assert "no such file" in message_of(read_architecture, tmp_path / "net.toml")
    (tmp_path / "net.json").write_text("[1, 2]")
    assert "expected a table with input_shape and layers" in message_of(read_architecture, tmp_path / "net.json")


# Weight files


@pytest.fixture
def module():
    torch.manual_seed(0)
    return build_module(read_architecture({"input_shape": [4, 1, 1], "layers": LAYERS}))


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"generator": s}])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_weights_come_back(tmp_path, module, suffix, wrap):
    path, state = tmp_path / f"w{suffix}", module.state_dict()
    if suffix == ".safetensors":
        write_safetensors(path, state)
    else:
        torch.save(wrap(state), path)
    other = build_module(module.architecture)
    load_weights(other, read_state_dict(path), path.name)
    for key, tensor in other.state_dict().items():
        assert torch.equal(tensor, state[key]), key


def test_generator_is_taken_among_several(tmp_path, module):
    state = module.state_dict()
    torch.save({"generator": state, "discriminator": {"a": torch.zeros(1)}}, tmp_path / "w.pt")
    assert set(read_state_dict(tmp_path / "w.pt")) == set(state)
    torch.save({"a": state, "b": {"a": torch.zeros(1)}}, tmp_path / "w.pt")
    assert "expected one dictionary of tensors, found several: a, b" in message_of(read_state_dict, tmp_path / "w.pt")
    torch.save({"epoch": 3}, tmp_path / "w.pt")
    assert "found none among epoch" in message_of(read_state_dict, tmp_path / "w.pt")
    torch.save([1], tmp_path / "w.pt")
    assert "holds a list, not a dictionary of tensors" in message_of(read_state_dict, tmp_path / "w.pt")


class Hostile:
    """What a pickle can do to whoever loads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_hostile_pickle_is_refused_and_not_run(tmp_path, how):
    path, sign = tmp_path / "w.pth", tmp_path / "code-was-run"
    if how == "torch":
        torch.save({"a": torch.zeros(1), "b": Hostile(sign)}, path)
    else:
        path.write_bytes(pickle.dumps(Hostile(sign)))
    error = message_of(read_state_dict, path)
    assert str(path) in error
    assert "refused because loading them can run code" in error
    assert not sign.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"hello there"])
def test_damaged_weights(tmp_path, module, suffix, damage):
    path = tmp_path / f"w{suffix}"
    if suffix == ".pth":
        torch.save(module.state_dict(), path)
    else:
        write_safetensors(path, module.state_dict())
    path.write_bytes(damage(path.read_bytes()))
    error = message_of(read_state_dict, path)
    assert str(path) in error
    assert "damaged" in error
    assert "accepted: .safetensors, or .pth and .pt" in error


def test_weights_missing_or_of_another_kind(tmp_path):
    assert "w.pth: no such file; accepted: .safetensors" in message_of(read_state_dict, tmp_path / "w.pth")
    assert "suffix '.h5' are not supported; accepted: .safet" in message_of(read_state_dict, tmp_path / "w.h5")
    (tmp_path / "w.pt").mkdir()
    assert "w.pt: a folder; name a regular file" in message_of(read_state_dict, tmp_path / "w.pt")


def test_all_misfits_are_listed_and_nothing_is_loaded(module):
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    state = {key: tensor + 1 for key, tensor in before.items() if "num_batches" not in key}
    del state["net.up.0.bias"]
    state["net.up.0.weight"] = torch.zeros(3, 4, 2, 3)
    state["net.up.1.weight"] = torch.tensor([1.0, float("nan"), 1.0])
    state["net.up.1.running_var"] = torch.tensor([1.0, float("inf"), 1.0])
    state["net.up.1.bias"] = torch.zeros(3, dtype=torch.complex64)
    state["other"] = torch.zeros(1)
    error = message_of(load_weights, module, state, "w.pth")
    for part in (
        "w.pth: net.up.0.bias: missing, expected shape (3,)",
        "w.pth: net.up.0.weight: shape (3, 4, 2, 3), expected (4, 3, 2, 3)",
        "w.pth: net.up.1.weight: holds NaN or infinite values",
        "w.pth: net.up.1.running_var: holds NaN or infinite values",
        "w.pth: net.up.1.bias: type torch.complex64 is not supported",
        "w.pth: other: unexpected, the architecture has no such tensor",
    ):
        assert part in error
    for key, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[key])


# DCGAN


@pytest.mark.parametrize(
    ("size", "channels", "widths", "base"), [(32, 1, (6, 4, 2), 4), (28, 1, (6, 4), 7), (16, 3, (5,), 8)]
)
def test_dcgan_shapes(size, channels, widths, base):
    values = {"size": size, "channels": channels, "generator": {"latent": 5, "widths": widths}}
    config = from_mapping(DcganConfig, {**values, "discriminator": {"widths": widths}}, "dcgan")
    assert layer_shapes(architecture_of(config))[0] == (widths[0], base, base)
    images = build_generator(config)(torch.randn(2, 5, 1, 1))
    assert images.shape == (2, channels, size, size)
    assert images.abs().max() <= 1
    for normalization in ("batch", "spectral", "none"):
        options = replace(config.discriminator, normalization=normalization)
        assert build_discriminator(replace(config, discriminator=options))(images).shape == (2,)


# Training
