"""Small networks that branch, with random weights: residual, dense, U-Net, several inputs and outputs."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan2hls.frontends import from_torch
from gan2hls.frontends.float_model import FloatModel, Shape
from tests.quantization.models import samples, settle


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias)


class Residual(nn.Module):
    """A ResNet generator's middle: two residual blocks, the second with an activation behind its sum."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.first = nn.Sequential(conv(3, channels, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
        self.a = nn.Sequential(conv(channels, channels), nn.BatchNorm2d(channels), nn.ReLU(), conv(channels, channels))
        self.b = nn.Sequential(conv(channels, channels), nn.ReLU(), conv(channels, channels))
        self.last = nn.Sequential(conv(channels, 2), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = x + self.a(x)
        x = F.relu(x + self.b(x))
        return self.last(x)


class Dense(nn.Module):
    """A dense block: each layer reads the channels of all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = conv(3, 4), conv(7, 4), conv(11, 4)
        self.norm = nn.BatchNorm2d(15)
        self.last = conv(15, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x, F.leaky_relu(self.a(x), 0.2)], 1)
        x = torch.cat([x, F.leaky_relu(self.b(x), 0.2)], 1)
        x = torch.cat([x, F.leaky_relu(self.c(x), 0.2)], 1)
        return torch.tanh(self.last(F.relu(self.norm(x))))


class UNet(nn.Module):
    """Two scales down, two up, with the channels of the way down beside those of the way up."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Sequential(conv(2, 4), nn.LeakyReLU(0.2))
        self.down2 = nn.Sequential(conv(4, 6, stride=2), nn.BatchNorm2d(6), nn.LeakyReLU(0.2))
        self.middle = nn.Sequential(conv(6, 8, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.up2 = nn.Sequential(nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.up1 = nn.Sequential(nn.ConvTranspose2d(12, 4, 4, 2, 1), nn.ReLU())
        self.last = nn.Sequential(conv(8, 2), nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        one = self.down1(image)
        two = self.down2(one)
        up = self.up2(self.middle(two))
        up = self.up1(torch.cat((up, two), dim=1))
        return self.last(torch.cat((up, one), dim=1))


class Conditional(nn.Module):
    """A latent and the embedding of a label."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(5, 4)
        self.start = nn.Sequential(nn.Linear(10, 24), nn.Unflatten(1, (6, 2, 2)), nn.BatchNorm2d(6), nn.ReLU())
        self.up = nn.Sequential(nn.ConvTranspose2d(6, 2, 4, 2, 1), nn.Sigmoid())

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return self.up(self.start(torch.cat([z, self.embed(label)], 1)))


class Heads(nn.Module):
    """Two images of different scales out of one trunk, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.ConvTranspose2d(5, 6, 3), nn.ReLU())
        self.small = nn.Sequential(conv(6, 1), nn.Tanh())
        self.large = nn.Sequential(nn.ConvTranspose2d(6, 2, 4, 2, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.trunk(x)
        return {"small": self.small(x), "large": self.large(x)}


class Forked(nn.Module):
    """A batch-norm on one branch only, a difference, and parts of the channels on two ways."""

    def __init__(self) -> None:
        super().__init__()
        self.first = conv(2, 6)
        self.norm = nn.BatchNorm2d(6)
        self.left, self.right = conv(3, 4), conv(3, 4)
        self.slopes = nn.PReLU(4)
        self.last = conv(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        y = y - torch.relu(self.norm(y))
        a, b = y.chunk(2, 1)
        return self.last(self.slopes(self.left(a) + self.right(b)))


class Positions(nn.Module):
    """A value for each pixel is added, as of an embedding of positions, and subtracted from."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.zeros(1, 4, 3, 3))
        self.register_buffer("ramp", torch.linspace(0, 1, 9).reshape(3, 3))
        self.first, self.last = conv(2, 4), conv(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.ramp - self.last(F.relu(self.first(x) + self.embedding))


BRANCHES: Mapping[str, tuple[Callable[[], nn.Module], Shape | Mapping[str, Shape]]] = {
    "residual": (Residual, (3, 6, 6)),
    "dense": (Dense, (3, 5, 5)),
    "unet": (UNet, (2, 8, 8)),
    "conditional": (Conditional, {"z": (6,), "label": (5,)}),
    "heads": (Heads, (5, 2, 2)),
    "forked": (Forked, (2, 5, 5)),
    "positions": (Positions, (2, 3, 3)),
}


def branching_module(name: str, seed: int = 0) -> nn.Module:
    made, _ = BRANCHES[name]
    return settle(made(), seed).eval()


def branching(name: str, seed: int = 0) -> FloatModel:
    return from_torch.trace(branching_module(name, seed), BRANCHES[name][1])


def inputs_of(model: FloatModel, count: int = 64, seed: int = 5) -> dict[str, Tensor]:
    """Samples of each input by name."""
    return {name: samples(shape, count, seed + i) for i, (name, shape) in enumerate(model.inputs.items())}


class RandomDag(nn.Module):
    """Values of one size, each made of earlier ones by a random layer; the rest is concatenated at the end."""

    def __init__(self, rng: np.random.Generator, size: int = 4, count: int = 7) -> None:
        super().__init__()
        self.plan: list[tuple[str, int, int]] = []
        self.layers = nn.ModuleList()
        for i in range(count):
            kind = str(rng.choice(["mac", "add", "sub", "concat", "act", "norm", "slice"]))
            self.plan.append((kind, int(rng.integers(0, i + 1)), int(rng.integers(0, i + 1))))
            self.layers.append(nn.BatchNorm2d(size) if kind == "norm" else conv(size, size, 1))
        self.last = conv(size, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        values, used = [x], set()
        for layer, (kind, first, second) in zip(self.layers, self.plan, strict=True):
            a, b = values[first], values[second]
            used |= {first}
            if kind in ("add", "sub", "concat") and first != second:
                used |= {second}
                values.append(a + b if kind == "add" else a - b if kind == "sub" else torch.cat([a, b], 1)[:, 2:6])
            elif kind == "act":
                values.append(F.leaky_relu(a, 0.3))
            elif kind == "slice":
                values.append(torch.cat([a[:, 2:], F.relu(a[:, :2])], 1))
            else:
                values.append(layer(a))
        rest = [value for i, value in enumerate(values) if i not in used]
        total = rest[0]
        for value in rest[1:]:
            total = total + value
        return self.last(total)


def random_model(seed: int):
    module = settle(RandomDag(np.random.default_rng(seed)), seed).eval()
    return module, from_torch.trace(module, (4, 2, 3))


SEEDS = range(12)
