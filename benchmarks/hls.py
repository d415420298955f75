"""The C++ under an HLS tool's schedule against the RTL of the same folding: cycles a frame, latency, bits of buffers.

    python benchmarks/hls.py

Both by the models of time, in one run: the RTL's is what Verilator counts, the C++'s goes by C simulation's traces.
Bits are compared alike: the words of all rings, and what all streams hold: in the RTL two beats of each output
and its FIFOs, in C++ the depths of the streams.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

import gan2hls
from gan2hls.assembly import make_pipeline
from gan2hls.folding import choose_folding
from gan2hls.hls_depths import size_streams
from gan2hls.hls_schedule import HlsModel, predict_hls
from gan2hls.ir import Graph
from gan2hls.kernels import Kernel
from gan2hls.pipeline import STREAM_DEPTH, Pipeline
from gan2hls.schedule import predict

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "hls.json"
BUDGETS = (32, 128, 512)
WIDTHS = (8, 4)
MOST_RATIO, MOST_BITS = 1.02, 1.5
"""What is wanted: of intervals, and of bits."""


@dataclass(frozen=True)
class Row:
    """A network under a budget."""

    network: str
    widths: str
    multipliers: int
    rtl_interval: int
    hls_interval: int
    rtl_latency: int
    hls_latency: int
    rtl_ring_bits: int
    rtl_fifo_bits: int
    hls_ring_bits: int
    hls_fifo_bits: int
    search_s: float

    @property
    def ratio(self) -> float:
        return self.hls_interval / self.rtl_interval

    @property
    def bits_ratio(self) -> float:
        return (self.hls_ring_bits + self.hls_fifo_bits) / (self.rtl_ring_bits + self.rtl_fifo_bits)


class Residual(nn.Module):
    """A residual block of 3×3 convolutions between two layers of its own."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, channels, 3, 1, 1), nn.ReLU())
        self.one = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1), nn.ReLU())
        self.two = nn.Conv2d(channels, channels, 3, 1, 1)
        self.last = nn.Sequential(nn.Conv2d(channels, 3, 3, 1, 1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(x + self.two(self.one(x)))


class UNet(nn.Module):
    """Two scales down and two up, the channels of the way down beside those of the way up."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(3, channels, 3, 1, 1), nn.LeakyReLU(0.2))
        self.down2 = nn.Sequential(nn.Conv2d(channels, 2 * channels, 3, 2, 1), nn.LeakyReLU(0.2))
        self.middle = nn.Sequential(nn.Conv2d(2 * channels, 4 * channels, 3, 2, 1), nn.ReLU())
        self.up2 = nn.Sequential(nn.ConvTranspose2d(4 * channels, 2 * channels, 4, 2, 1), nn.ReLU())
        self.up1 = nn.Sequential(nn.ConvTranspose2d(4 * channels, channels, 4, 2, 1), nn.ReLU())
        self.last = nn.Sequential(nn.Conv2d(2 * channels, 3, 3, 1, 1), nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        one = self.down1(image)
        two = self.down2(one)
        up = self.up1(torch.cat((self.up2(self.middle(two)), two), dim=1))
        return self.last(torch.cat((up, one), dim=1))


def dcgan(channels: tuple[int, ...] = (100, 512, 256, 128, 64, 3)) -> nn.Module:
    """Transposed convolutions, the first one from one pixel to 4×4, each later one to twice the size."""
    layers: list[nn.Module] = []
    for index, (before, after) in enumerate(pairwise(channels)):
        stride, padding = (2, 1) if index else (1, 0)
        last = index == len(channels) - 2
        layers += [nn.ConvTranspose2d(before, after, 4, stride, padding), nn.Tanh() if last else nn.ReLU()]
    return nn.Sequential(*layers)


def graphs() -> Iterator[tuple[str, str, Graph]]:
    """Name, widths and integer graph; weights are random where a network is no one's generator."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from folding import networks

    for name, widths, graph in networks():
        if widths in ("W8A8", "W4A4"):
            yield name, widths, graph
    torch.manual_seed(0)
    made = {
        "DCGAN 64×64": (dcgan(), (4, 100, 1, 1)),
        "residual block 32×32": (Residual(), (4, 3, 32, 32)),
        "U-Net 32×32": (UNet(), (4, 3, 32, 32)),
    }
    for name, (module, shape) in made.items():
        for bits in WIDTHS:
            widths = {"weight_bits": bits, "activation_bits": bits, "input_bits": bits}
            yield name, f"W{bits}A{bits}", gan2hls.quantize(module.eval(), torch.randn(shape).numpy(), **widths)


def ring_bits(kernels: list[Kernel]) -> int:
    return sum(k.ring_pixels * k.input.channels * k.input.bits for k in kernels if k.ring_pixels)


def measured(network: str, widths: str, multipliers: int, pipeline: Pipeline) -> Row:
    start = time.process_time()
    sized = size_streams(pipeline)
    search_s = time.process_time() - start
    rtl, hls = predict(pipeline), predict_hls(sized)
    streams = sized.without_fifos().streams
    bits = {name: stream.lanes * stream.bits for name, stream in streams.items()}
    fifos, depths = pipeline.sizes.fifos, sized.depths or {}
    return Row(
        network,
        widths,
        multipliers,
        rtl.interval_cycles,
        hls.interval_cycles,
        rtl.latency_cycles,
        hls.latency_cycles,
        ring_bits([stage.kernel for stage in pipeline.kernels]),
        sum((STREAM_DEPTH + fifos.get(name, 0)) * width for name, width in bits.items()),
        ring_bits(list(HlsModel(sized).kernels.values())),
        sum(depths.get(name, STREAM_DEPTH) * width for name, width in bits.items()),
        round(search_s, 2),
    )


def main() -> int:
    rows = []
    for network, widths, graph in graphs():
        for multipliers in BUDGETS:
            folding = choose_folding(graph, multipliers=multipliers)
            row = measured(network, widths, multipliers, make_pipeline(graph, folding))
            rows.append(row)
            print(
                f"{network:20} {widths} {multipliers:4}: a frame every {row.hls_interval:,} cycles, the RTL "
                f"{row.rtl_interval:,}: {row.ratio:.4f}; bits {row.bits_ratio:.2f}; search {row.search_s:.2f} s",
                flush=True,
            )
    RESULTS.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    slow = [row for row in rows if row.ratio > MOST_RATIO or row.bits_ratio > MOST_BITS]
    print(f"{len(rows) - len(slow)} of {len(rows)} are within {MOST_RATIO} of the interval and {MOST_BITS} of the bits")
    return bool(slow)


if __name__ == "__main__":
    sys.exit(main())
