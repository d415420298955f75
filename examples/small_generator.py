"""A small generator from a torch module to C++ and SystemVerilog; runs as it stands, in a few seconds, without data.

    python examples/small_generator.py [out] [--cosim]

The weights are random: put your trained module, and latents as it was trained on, in their place. `--cosim` also
simulates the SystemVerilog, for which `pip install "gan2hls[sim]"` is needed.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

import gan2hls
from gan2hls.models import latents

LATENT, FRAMES, TARGET = 16, 4, "ecp5-25k"


def make_generator() -> nn.Module:
    """(n, 16, 1, 1) latents to (n, 1, 16, 16) images in [-1, 1]."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.ConvTranspose2d(LATENT, 16, 4, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    ).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, default=Path("runs/small-generator"), help="folder of the project")
    parser.add_argument("--cosim", action="store_true", help="also simulate the SystemVerilog")
    arguments = parser.parse_args()

    generator = make_generator()
    calibration = latents(256, (LATENT, 1, 1), seed=0)
    graph = gan2hls.quantize(generator, calibration, weight_bits=4, activation_bits=8)
    project = gan2hls.build(graph, arguments.out, multipliers=16, target=TARGET)

    z = latents(FRAMES, (LATENT, 1, 1), seed=1)
    golden = graph.run(z)
    with torch.no_grad():
        distance = np.abs(golden - generator(torch.from_numpy(z)).numpy()).mean()
    print(f"mean distance of the quantized generator from the float one: {distance:.3f}, of images in [-1, 1]")

    assert (project.csim(z) == golden).all()
    print(f"golden = C++: equal, {golden.size:,} values")
    if arguments.cosim:
        result = project.cosim(z)
        assert (result.outputs == golden).all()
        print(f"golden = RTL: equal, a frame every {result.interval_cycles:,} cycles")

    expected = project.estimate(TARGET, clock_mhz=50)
    print(f"{TARGET}: {expected.usage.luts:,} LUTs, {expected.usage.dsps:g} multipliers, estimated;", end=" ")
    print(f"{expected.frames_per_second:,.0f} frames/s at {expected.clock_mhz:g} MHz")
    print(f"HLS project: {arguments.out / 'hls'}\nRTL design:  {arguments.out / 'rtl'}")


if __name__ == "__main__":
    main()
