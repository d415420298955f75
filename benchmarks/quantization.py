"""What the choices of quantization are worth: the default against "minmax" and "percentile" as they were, in one run.

    python benchmarks/quantization.py [--networks shipped,digit-dcgan] [--widths 8/8,4/4]

PSNR in dB of the golden model (`Graph.run`) against float: the mean over several seeds of latents that nobody was
calibrated on, and the spread of these seeds. "minmax" and "percentile" have unclipped weights, no correction of
offsets, and an input of as many bits as activations, as the default once had. Seconds are of processor time on one
thread.
"""

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

import gan2hls
from gan2hls.config import read_toml
from gan2hls.errors import UserError
from gan2hls.frontends import from_torch
from gan2hls.frontends.float_model import FloatModel
from gan2hls.integerize import integerize
from gan2hls.metrics import psnr
from gan2hls.models import latents, shipped_generator
from gan2hls.quantization.config import QuantizeConfig
from gan2hls.quantization.ptq import quantize_float_model

ROOT = Path(__file__).resolve().parent.parent
DIGIT = ROOT.parent / "shared" / "models" / "digit-dcgan" / "generator.pth"

WIDTHS = ((8, 8), (6, 6), (4, 8), (8, 4), (4, 4), (3, 3), (2, 4))
"""Bits of weights, of activations."""
CALIBRATION, SEEDS, IMAGES = 256, (11, 12, 13), 64

BEFORE = {"weight_quantizer": "symmetric", "bias_correction": False}
METHODS = ("minmax", "percentile", "auto")


@dataclass(frozen=True)
class Row:
    """One network at one width: PSNR of each method by seed, and seconds that "auto" took."""

    network: str
    weight_bits: int
    activation_bits: int
    psnr: dict[str, list[float]]
    seconds: float

    def mean(self, method: str) -> float:
        return float(np.mean(self.psnr[method]))

    def cells(self) -> list[str]:
        spread = max(self.psnr["auto"]) - min(self.psnr["auto"])
        gain = self.mean("auto") - max(self.mean(name) for name in METHODS[:2])
        means = [f"{self.mean(name):.1f}" for name in METHODS]
        widths = f"{self.weight_bits} / {self.activation_bits}"
        return [self.network, widths, *means, f"{gain:+.1f}", f"{spread:.1f}", f"{self.seconds:.1f}"]


def _random(seed: int, activation: Callable[[], nn.Module], last: nn.Module) -> nn.Module:
    """A DCGAN whose weights nobody trained; batch-norm statistics as training leaves them."""
    layers: list[nn.Module] = []
    widths = (32, 48, 24, 12)
    for i, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        stride, padding = (1, 0) if i == 0 else (2, 1)
        layers += [nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False), nn.BatchNorm2d(outputs)]
        layers.append(activation())
    module = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1), last)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / max(1, parameter[0].numel()) ** 0.5)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.copy_(torch.randn(part.num_features, generator=generator) * 0.3)
                part.running_var.copy_(torch.rand(part.num_features, generator=generator) + 0.1)
    return module


def networks() -> dict[str, Callable[[], FloatModel]]:
    """By name; those of others only where they are."""
    found: dict[str, Callable[[], FloatModel]] = {
        "shipped": lambda: from_torch.trace(gan2hls.load(shipped_generator()[0])),
        "random ReLU": lambda: from_torch.trace(_random(1, nn.ReLU, nn.Tanh()), (32, 1, 1)),
        "random LeakyReLU": lambda: from_torch.trace(_random(2, lambda: nn.LeakyReLU(0.2), nn.Sigmoid()), (32, 1, 1)),
    }
    if DIGIT.exists():
        architecture = read_toml(ROOT / "examples" / "digit-dcgan-architecture.toml")
        found["digit-dcgan"] = lambda: from_torch.trace(gan2hls.load(DIGIT, architecture=architecture))
    return found


def measure(name: str, model: FloatModel, widths: tuple[int, int]) -> Row:
    """All methods at one width."""
    weight_bits, activation_bits = widths
    calibration = latents(CALIBRATION, model.input_shape, 0)
    figures: dict[str, list[float]] = {}
    seconds = 0.0
    for method in METHODS:
        before = {} if method == "auto" else {**BEFORE, "method": method, "input_bits": activation_bits}
        config = QuantizeConfig(weight_bits=weight_bits, activation_bits=activation_bits, **before)  # type: ignore[arg-type]
        began = time.process_time()
        graph = integerize(quantize_float_model(model, calibration, config))
        seconds = time.process_time() - began
        figures[method] = [_quality(model, graph, seed) for seed in SEEDS]
    return Row(name, weight_bits, activation_bits, figures, seconds)


def _quality(model: FloatModel, graph: gan2hls.Graph, seed: int) -> float:
    z = latents(IMAGES, model.input_shape, seed)
    with torch.no_grad():
        return psnr(graph.run(z), model.forward(torch.from_numpy(z)).numpy())


HEADINGS = ("network", "weights / activations", *METHODS, "gain", "spread", "seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--networks", help="names with commas between them")
    parser.add_argument("--widths", help="e.g. 8/8,4/4")
    arguments = parser.parse_args()
    known = networks()
    names = arguments.networks.split(",") if arguments.networks else list(known)
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"no network {unknown[0]!r} is at hand; there are {', '.join(known)}")
    widths = WIDTHS
    if arguments.widths:
        widths = tuple(tuple(map(int, pair.split("/"))) for pair in arguments.widths.split(","))  # type: ignore[assignment]
    torch.set_num_threads(1)
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS))
    for name in names:
        model = known[name]()
        for pair in widths:
            print("| " + " | ".join(measure(name, model, pair).cells()) + " |", flush=True)


if __name__ == "__main__":
    main()
