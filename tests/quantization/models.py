"""Small float models for the tests of quantization and of integers."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from gan2hls.frontends import from_torch
from gan2hls.frontends.float_model import FloatModel


def settle(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give a module repeatable weights, and batch-norms statistics as after training, some scales negative."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / max(1, parameter[0].numel()) ** 0.5)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                part.running_mean.copy_(torch.randn(part.num_features, generator=generator) * 0.3)
                part.running_var.copy_(torch.rand(part.num_features, generator=generator) + 0.1)
                if part.affine:
                    part.weight.copy_(torch.randn(part.num_features, generator=generator))
    return module


def float_model(input_shape: tuple[int, ...], *layers: nn.Module, seed: int = 0) -> FloatModel:
    """Trace a settled chain of layers."""
    return from_torch.trace(settle(nn.Sequential(*layers), seed), input_shape)


def samples(shape: tuple[int, ...], count: int = 64, seed: int = 5) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


def up(inputs: int, outputs: int, kernel: int = 4, stride: int = 2, padding: int = 1, **options: object) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, **options)


ZOO = {
    "dcgan": (
        (8, 1, 1),
        lambda: (
            up(8, 6, 4, 1, 0, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            up(6, 4),
            nn.BatchNorm2d(4),
            nn.LeakyReLU(0.2),
            up(4, 3),
            nn.Tanh(),
        ),
    ),
    "linear_then_image": (
        (5,),
        lambda: (
            nn.Linear(5, 24),
            nn.Unflatten(1, (6, 2, 2)),
            nn.BatchNorm2d(6),
            nn.Upsample(scale_factor=(2, 1)),
            nn.Conv2d(6, 4, 3, padding=1),
            nn.BatchNorm2d(4, affine=False),
            nn.LeakyReLU(0.01),
            nn.Upsample(scale_factor=2),
            nn.ReLU(),
            nn.Conv2d(4, 1, (1, 3)),
            nn.Sigmoid(),
        ),
    ),
    "mlp_norm_after_activation": (
        (5,),
        lambda: (
            nn.Linear(5, 9),
            nn.LeakyReLU(0.2),
            nn.BatchNorm1d(9),
            nn.Linear(9, 16),
            nn.Tanh(),
            nn.Unflatten(1, (1, 4, 4)),
        ),
    ),
    "norms_without_layer_before": (
        (3, 2, 2),
        lambda: (nn.BatchNorm2d(3), nn.Upsample(scale_factor=2), nn.Sigmoid(), nn.BatchNorm2d(3), up(3, 2), nn.ReLU()),
    ),
    "image_to_vector": (
        (2, 3, 2),
        lambda: (
            nn.Conv2d(2, 4, 2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.BatchNorm1d(48),
            nn.Linear(48, 12),
            nn.ReLU(),
            nn.BatchNorm1d(12),
            nn.Unflatten(1, (3, 2, 2)),
            nn.BatchNorm2d(3),
            nn.Tanh(),
        ),
    ),
    "doors": ((12,), lambda: (nn.Unflatten(1, (3, 2, 2)), nn.Conv2d(3, 2, 1), nn.Tanh(), nn.ReLU(), nn.Flatten())),
    "flat_door": ((3, 2, 2), lambda: (nn.Flatten(), nn.Linear(12, 5), nn.Sigmoid())),
    "one_pixel_images": (
        (4, 1, 1),
        lambda: (
            nn.Conv2d(4, 12, 1),
            nn.ReLU(),
            nn.Unflatten(1, (12, 1)),
            nn.Flatten(),
            nn.Unflatten(1, (3, 2, 2)),
            up(3, 1),
        ),
    ),
    "same_channels": (
        (2, 4, 1),
        lambda: (nn.Conv2d(2, 3, 1), nn.Flatten(2), nn.Unflatten(2, (2, 2)), nn.Conv2d(3, 1, 2)),
    ),
    "no_activation": ((4,), lambda: (nn.Linear(4, 3), nn.Linear(3, 2, bias=False))),
    "output_padding": (
        (2, 3, 3),
        lambda: (up(2, 3, 3, 2, 1, output_padding=1), nn.ReLU(), up(3, 1, 2, 3, 0), nn.Tanh()),
    ),
}


def zoo(name: str) -> FloatModel:
    input_shape, layers = ZOO[name]
    return float_model(input_shape, *layers())


def qdcgan(shared: Path) -> tuple[FloatModel, dict[str, np.ndarray]]:
    """Give the published 4-bit DCGAN for MNIST, and its reference values."""
    folder = shared / "models" / "qdcgan-mnist"
    weights = np.load(folder / "MNIST-W4A4.npz")
    layers: list[nn.Module] = []
    for i in range(4):
        stored = weights[f"arr_{i}"]
        layer = up(stored.shape[1], stored.shape[0], 4, 1 if i == 0 else 2, 0 if i == 0 else 1, bias=False)
        weight = np.ascontiguousarray(stored[:, :, ::-1, ::-1].transpose(1, 0, 2, 3))
        layer.weight.data.copy_(torch.from_numpy(weight))
        layers += [layer, nn.Tanh() if i == 3 else nn.ReLU()]
    return from_torch.trace(nn.Sequential(*layers), (32, 1, 1)), dict(np.load(folder / "ref_mnist.npz"))
