"""DCGAN (Radford, Metz, Chintala 2015): a generator of transposed convolutions and its discriminator."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gan2hls.errors import raise_problems
from gan2hls.limits import FILE_BYTES
from gan2hls.models import Distribution
from gan2hls.models.architecture import Architecture, Chain, Layer, build_module

MOST_WIDTH, MOST_WIDTHS = 65_536, 12
"""Channels of a layer, and layers: the largest image has 4,096 pixels a side."""


def _width_problems(widths: Sequence[int]) -> Iterator[str]:
    if not widths or min(widths) < 1 or max(widths) > MOST_WIDTH or len(widths) > MOST_WIDTHS:
        yield (
            f"widths must be a list of integers of at least 1, and at most {MOST_WIDTH:,}, {MOST_WIDTHS} of them, "
            f"got {list(widths)}"
        )


@dataclass(frozen=True)
class GeneratorConfig:
    """Section `[generator]`."""

    latent: int = 64  # enough directions for ten digits in many hands; the first layer's cost grows with it
    distribution: Distribution = "normal"  # of the latent vector's elements: N(0, 1); "uniform" is U(-1, 1)
    widths: tuple[int, ...] = (96, 48, 24)  # 190,000 parameters: small enough for a small FPGA, digits are crisp

    def __post_init__(self) -> None:
        problems = []
        if not 1 <= self.latent <= MOST_WIDTH:
            problems.append(f"latent must be at least 1, and at most {MOST_WIDTH:,}, got {self.latent}")
        problems += _width_problems(self.widths)
        raise_problems(problems)


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Section `[discriminator]`."""

    widths: tuple[int, ...] = (32, 64, 128)  # somewhat stronger than the generator: its judgement is the signal
    normalization: Literal["batch", "spectral", "none"] = "batch"  # clearer digits after equal epochs than spectral
    slope: float = 0.2  # LeakyReLU's slope in the DCGAN paper

    def __post_init__(self) -> None:
        problems = list(_width_problems(self.widths))
        if not 0 <= self.slope < 1:
            problems.append(f"slope must be at least 0 and below 1, got {self.slope}")
        raise_problems(problems)


@dataclass(frozen=True)
class DcganConfig:
    """Both networks for square images of `size` pixels a side.

    Each width halves the side (discriminator) or doubles it (generator), so `size` must be a multiple of 2^len(widths).
    """

    size: int = 32
    channels: int = 1
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)

    def __post_init__(self) -> None:
        problems = []
        for name in ("generator", "discriminator"):
            halvings = len(getattr(self, name).widths)
            if self.size % 2**halvings:
                problems.append(
                    f"{name}.widths: {halvings} widths need a size that is a multiple of {2**halvings}, got {self.size}"
                )
        raise_problems(problems)
        for name, first in (("generator", self.generator.latent), ("discriminator", self.channels)):
            widths = (first, *getattr(self, name).widths, self.channels)
            base = self.size // 2 ** (len(widths) - 2)
            weights = max(base, 4) ** 2 * sum(a * b for a, b in itertools.pairwise(widths))
            FILE_BYTES.check(weights * 4, f"{name}: its weights")


def architecture_of(config: DcganConfig) -> Architecture:
    """The generator as data: latent (latent, 1, 1) -> image (channels, size, size) in [-1, 1].

    The first transposed convolution makes size/2^len(widths) pixels a side of the latent vector, each further one
    (kernel 4, stride 2, padding 1) doubles the side. Batch normalization and ReLU follow all but the last one, tanh
    follows it.
    """
    widths = config.generator.widths
    base = config.size // 2 ** len(widths)
    layers: list[Layer] = []

    def add(kind: str, **arguments: object) -> None:
        layers.append(Layer(f"layers.{len(layers)}", kind, arguments))

    inputs = (config.generator.latent, *widths)
    outputs = (*widths, config.channels)
    for index, (in_channels, out_channels) in enumerate(zip(inputs, outputs, strict=True)):
        kernel, stride, padding = (base, 1, 0) if index == 0 else (4, 2, 1)
        add(
            "ConvTranspose2d",
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel,
            stride=stride,
            padding=padding,
            bias=False,
        )
        if index < len(widths):
            add("BatchNorm2d", num_features=out_channels)
            add("ReLU")
    add("Tanh")
    return Architecture((config.generator.latent, 1, 1), tuple(layers), config.generator.distribution)


def build_generator(config: DcganConfig) -> Chain:
    """The generator of `architecture_of`, weights drawn from N(0, 0.02) as in the DCGAN paper (torch's global RNG)."""
    generator = build_module(architecture_of(config))
    for module in generator.modules():
        if isinstance(module, nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
    return generator


class Discriminator(nn.Module):
    """Images (n, channels, size, size) in [-1, 1] -> one score an image (n,), a logit: above 0 means "real".

    With batch normalization, real and generated images must come in batches of their own.
    """

    def __init__(self, config: DcganConfig) -> None:
        super().__init__()
        options = config.discriminator
        layers: list[nn.Module] = []
        in_channels = config.channels
        for index, out_channels in enumerate(options.widths):
            batch_norm = options.normalization == "batch" and index > 0  # not on pixels, as in the paper
            layers.append(self._conv(options, nn.Conv2d(in_channels, out_channels, 4, 2, 1, bias=not batch_norm)))
            if batch_norm:
                layers.append(nn.BatchNorm2d(out_channels))
            layers.append(nn.LeakyReLU(options.slope))
            in_channels = out_channels
        base = config.size // 2 ** len(options.widths)
        layers.append(self._conv(options, nn.Conv2d(in_channels, 1, base)))
        self.layers = nn.Sequential(*layers)

    @staticmethod
    def _conv(options: DiscriminatorConfig, conv: nn.Conv2d) -> nn.Module:
        if options.normalization == "spectral":
            # Torch's default initialization: the norm is divided away, and N(0, 0.02) makes scores vanish.
            return spectral_norm(conv)
        nn.init.normal_(conv.weight, 0.0, 0.02)
        return conv

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.layers(x))


def build_discriminator(config: DcganConfig) -> Discriminator:
    """The discriminator of `config`, freshly initialized from torch's global RNG."""
    return Discriminator(config)
