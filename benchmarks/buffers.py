"""Seconds that the search of rings and FIFOs takes, here and in another commit, in the same run.

    python benchmarks/buffers.py [COMMIT]

A 64×64 and a 128×128 DCGAN (latents of 100, kernels of 4) at 256 multipliers, and, where graphs may branch, a ResNet
generator of 9 blocks for images of 256×256 with 16 channels in its first layer. The other commit is unpacked beside and
runs with this Python; sizes are printed, so that one sees whether they are the same.
"""

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from gan2hls.folding import choose_folding
from gan2hls.ir import Graph, IntType, Node, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Requantize

ROOT = Path(__file__).resolve().parent.parent
S8 = IntType(8, True)
DCGANS = {"DCGAN 64×64": [100, 512, 256, 128, 64, 3], "DCGAN 128×128": [100, 1024, 512, 256, 128, 64, 3]}
MULTIPLIERS = 256


def narrow(channels: int) -> Requantize:
    return Requantize(np.full(channels, 3), np.zeros(channels, int), 8, -128, 127, S8, 1.0)


def dcgan(channels: list[int]) -> Graph:
    """Transposed convolutions, the first one from one pixel to 4×4, each later one to twice the size."""
    rng = np.random.default_rng(0)
    tensor = start = TensorType((1, 1, channels[0]), S8, 1.0)
    nodes: list[Node] = []
    for index, (before, after) in enumerate(pairwise(channels)):
        stride, padding = ((2, 2), (1, 1)) if index else ((1, 1), (0, 0))
        op = ConvTranspose2d(rng.integers(-128, 128, (4, 4, before, after)), 8, stride=stride, padding=padding)
        nodes += [Node(f"layer{index}", op), Node(f"narrow{index}", narrow(after))]
        tensor = TensorType(op.output_type(tensor).shape, S8, 1.0)
    shapes = (channels[0], 1, 1), (tensor.shape[2], *tensor.shape[:2])
    make = getattr(Graph, "chain", Graph)  # what it was called before graphs could branch
    return make(start, tuple(nodes), *shapes, "generator").verify()


def resnet(side: int = 256, base: int = 16, blocks: int = 9) -> Graph:
    """The generator of CycleGAN: two layers down, residual blocks, two layers up."""
    from gan2hls.ir import Input
    from gan2hls.ops import Add

    rng = np.random.default_rng(0)
    nodes = [Node("x", Input(TensorType((side, side, 3), S8, 1.0)))]
    channels = {"x": 3}

    def layer(name: str, source: str, out: int, kernel: int, stride: int = 1, up: bool = False) -> str:
        codes = rng.integers(-128, 128, (kernel, kernel, channels[source], out))
        sides = {"stride": (stride, stride), "padding": (kernel // 2, kernel // 2)}
        op = ConvTranspose2d(codes, 8, output_padding=(1, 1), **sides) if up else Conv2d(codes, 8, **sides)
        nodes.extend([Node(name, op, (source,)), Node(f"{name}_narrow", narrow(out), (name,))])
        channels[f"{name}_narrow"] = out
        return f"{name}_narrow"

    result = layer("first", "x", base, 7)
    result = layer("down1", result, 2 * base, 3, 2)
    result = layer("down2", result, 4 * base, 3, 2)
    for block in range(blocks):
        branch = layer(f"block{block}a", result, 4 * base, 3)
        branch = layer(f"block{block}b", branch, 4 * base, 3)
        nodes.append(Node(f"sum{block}", Add(), (result, branch)))
        result = f"sum{block}_narrow"
        nodes.append(Node(result, narrow(4 * base), (f"sum{block}",)))
        channels[result] = 4 * base
    result = layer("up1", result, 2 * base, 3, 2, up=True)
    result = layer("up2", result, base, 3, 2, up=True)
    result = layer("last", result, 3, 7)
    return Graph(tuple(nodes), (result,), dict.fromkeys(("x", result), (3, side, side)), "resnet").verify()


def measure(names: list[str]) -> None:
    """Print a line for each network: seconds, processor seconds and ring sizes."""
    try:
        from gan2hls.assembly import make_pipeline
    except ImportError:
        from gan2hls.folding import make_pipeline  # where it was
    for name in names:
        graph = dcgan(DCGANS[name]) if name in DCGANS else resnet()
        folding = choose_folding(graph, multipliers=MULTIPLIERS)
        wall, busy = time.perf_counter(), time.process_time()
        pipeline = make_pipeline(graph, folding)
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
        rings = [stage.kernel.ring_pixels for stage in pipeline.stages if stage.kernel.ring_pixels]
        print(f"{name}: {wall:.1f} s, {busy:.1f} s of a processor; rings {rings}", flush=True)


def run(label: str, tree: Path, names: list[str]) -> None:
    print(label, flush=True)
    command = [sys.executable, str(Path(__file__).resolve()), "--measure", *names]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tree)}, cwd=tree, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", nargs="?", help="another commit to measure too")
    parser.add_argument("--measure", nargs="+", metavar="NETWORK", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure)
        return
    if arguments.commit:
        with tempfile.TemporaryDirectory() as folder:
            archive = subprocess.run(["git", "archive", arguments.commit], cwd=ROOT, check=True, capture_output=True)
            with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
                files.extractall(folder, filter="data")
            run(arguments.commit, Path(folder), list(DCGANS))
    run("this commit", ROOT, [*DCGANS, "ResNet 256×256"])


if __name__ == "__main__":
    main()
