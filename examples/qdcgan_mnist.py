"""A generator that was quantized elsewhere: 4-bit weights and activations whose scales are given, not calibrated.

    python examples/qdcgan_mnist.py MNIST-W4A4.npz out [--synth]

The file holds four arrays (out, in, kh, kw), multiples of 1/8, stored flipped. Latents are rounded to multiples of
1/128, and activations are clip(round(16·relu(x)), 0, 15) / 16. With these scales the integers before tanh are those of
the published network, exactly. `--synth` has yosys count what it takes of a Zynq UltraScale+: the publication gives
32,792 LUTs and 1 DSP (QDCGAN, arXiv:2201.06878).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

import gan2hls
from gan2hls.models import latents

TARGET, CLOCK_MHZ = "zu3eg", 100.0


def read_generator(path: Path) -> nn.Module:
    """Build the network as a torch module."""
    layers: list[nn.Module] = []
    with np.load(path, allow_pickle=False) as stored:
        arrays = [stored[f"arr_{i}"] for i in range(4)]
    for index, array in enumerate(arrays):
        out_channels, in_channels, height, width = array.shape
        stride, padding = (1, 0) if index == 0 else (2, 1)
        layer = nn.ConvTranspose2d(in_channels, out_channels, (height, width), stride, padding, bias=False)
        weight = array[:, :, ::-1, ::-1].transpose(1, 0, 2, 3).astype(np.float32)
        layer.weight.data = torch.from_numpy(np.ascontiguousarray(weight))
        layers += [layer, nn.ReLU() if index < 3 else nn.Tanh()]
    return nn.Sequential(*layers)


def quantize_as_published(model: nn.Module) -> gan2hls.Graph:
    """Give the integer graph with the scales that the network was trained with."""
    hidden = {"weight_scale": 1 / 8, "activation_scale": 1 / 16}
    overrides = {"0": hidden, "2": hidden, "4": hidden, "6": {"weight_scale": 1 / 8}}
    samples = latents(64, (32, 1, 1), seed=0)
    return gan2hls.quantize(
        model, samples, weight_bits=4, activation_bits=4, input_bits=8, input_scale=1 / 128, overrides=overrides
    )


def build(graph: gan2hls.Graph, out: Path) -> gan2hls.Project:
    """A design for 1,000 frames a second."""
    return gan2hls.build(graph, out, frames_per_second=1000, target=TARGET, clock_mhz=CLOCK_MHZ)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--synth", action="store_true", help="synthesize with yosys")
    arguments = parser.parse_args()
    graph = quantize_as_published(read_generator(arguments.weights))
    project = build(graph, arguments.out)
    z = latents(4, (32, 1, 1), seed=1)
    golden = graph.run(z)
    print("golden = C++:", bool((project.csim(z) == golden).all()))
    result = project.cosim(z)
    print("golden = RTL:", bool((result.outputs == golden).all()))
    rate = CLOCK_MHZ * 1e6 / result.interval_cycles
    print(f"latency {result.latency_cycles} cycles, a frame every {result.interval_cycles} cycles")
    print(f"{rate:,.0f} frames/s at {CLOCK_MHZ:g} MHz")
    if arguments.synth:
        usage = project.synth(TARGET, place=False).usage
        print(f"{usage.luts:,} LUTs, {usage.dsps:g} DSPs, {usage.block_rams:g} block RAMs of {TARGET} (yosys)")


if __name__ == "__main__":
    main()
