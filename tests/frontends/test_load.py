"""Loading files of weights: one clear error each, and never code from them."""

import json
import os
import pickle

import pytest
import safetensors.torch
import torch
from torch import nn

from gan2hls.errors import UserError
from gan2hls.frontends import from_torch

ARCHITECTURE = {
    "input_shape": [3],
    "layers": [
        {"name": "net.0", "type": "Linear", "in_features": 3, "out_features": 8},
        {"name": "net.1", "type": "Unflatten", "unflattened_size": [2, 2, 2]},
        {"name": "net.2", "type": "ConvTranspose2d", "in_channels": 2, "out_channels": 1, "kernel_size": 3},
        {"name": "net.3", "type": "Tanh"},
    ],
}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Unflatten(1, (2, 2, 2)), nn.ConvTranspose2d(2, 1, 3), nn.Tanh())

    def forward(self, z):
        return self.net(z)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


def save(net, path):
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(net.state_dict(), path)
    else:
        torch.save(net.state_dict(), path)
    return path


@pytest.mark.parametrize("name", ["g.safetensors", "g.pth", "g.pt"])
@pytest.mark.parametrize("form", ["mapping", "json", "toml", "card"])
def test_weights_with_architecture(tmp_path, net, name, form):
    path = save(net, tmp_path / name)
    architecture = ARCHITECTURE
    if form == "json":
        architecture = tmp_path / "a.json"
        architecture.write_text(json.dumps(ARCHITECTURE))
    elif form == "toml":
        architecture = tmp_path / "a.toml"
        tables = "".join(
            "[[layers]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in layer.items())
            for layer in ARCHITECTURE["layers"]
        )
        architecture.write_text("input_shape = [3]\n" + tables)
    elif form == "card":
        architecture = None
        (tmp_path / "g.json").write_text(json.dumps({"license": "MIT", "architecture": ARCHITECTURE}))
    module = from_torch.load(path, architecture=architecture)
    assert not module.training
    z = torch.randn(2, 3)
    assert torch.equal(module(z), net(z))
    model = from_torch.trace(module)
    assert [layer.name for layer in model.layers] == ["net.0", "net.1", "net.2", "net.3"]


def test_module_is_copied_and_put_into_eval_mode(net):
    loaded = from_torch.load(net)
    assert net.training
    assert not loaded.training
    loaded.net[0].weight.zero_()
    assert net.net[0].weight.abs().sum() > 0


def test_sources_that_are_neither_module_nor_file(tmp_path, net):
    with pytest.raises(UserError, match="no such file"):
        from_torch.load(tmp_path / "missing.pth", architecture=ARCHITECTURE)
    with pytest.raises(UserError, match="OrderedDict can not be read"):
        from_torch.load(net.state_dict())
    with pytest.raises(UserError, match="goes with a file of weights"):
        from_torch.load(net, architecture=ARCHITECTURE)


def test_missing_architecture(tmp_path, net):
    path = save(net, tmp_path / "g.pth")
    with pytest.raises(UserError, match="give an architecture"):
        from_torch.load(path)
    (tmp_path / "g.json").write_text("{}")
    with pytest.raises(UserError, match='key "architecture"'):
        from_torch.load(path)


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_hostile_pickle_is_refused_and_not_run(tmp_path, writer):
    path, proof = tmp_path / "g.pth", tmp_path / "ran"
    content = {"net.0.weight": Hostile(str(proof))}
    if writer == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=r"g\.pth"):
        from_torch.load(path, architecture=ARCHITECTURE)
    assert not proof.exists()


@pytest.mark.parametrize("name", ["g.safetensors", "g.pth"])
def test_truncated_file(tmp_path, net, name):
    path = save(net, tmp_path / name)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=name):
        from_torch.load(path, architecture=ARCHITECTURE)


def test_weights_that_do_not_fit(tmp_path, net):
    net.net[0] = nn.Linear(4, 8)
    path = save(net, tmp_path / "g.safetensors")
    with pytest.raises(UserError, match=r"net\.0\.weight"):
        from_torch.load(path, architecture=ARCHITECTURE)


def test_weights_with_nan(tmp_path, net):
    with torch.no_grad():
        net.net[2].bias.fill_(float("nan"))
    path = save(net, tmp_path / "g.safetensors")
    with pytest.raises(UserError, match=r"net\.2\.bias"):
        from_torch.load(path, architecture=ARCHITECTURE)
