"""What folding makes of multipliers: useful MACs per cycle and multiplier, against two other forms of the same network.

Useful are products of an existing input and an existing tap: no inserted zero, no padding. Cycles come from the cycle
model, which Verilator is asked about for some designs; hardware multipliers are counted by yosys for some.
"""

import dataclasses
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import gan2hls
from gan2hls.assembly import make_pipeline
from gan2hls.backends.rtl import write_rtl
from gan2hls.budget import Budget
from gan2hls.config import read_toml
from gan2hls.ir import Fold, Graph, Node, Tensors, TensorType
from gan2hls.kernels.mac import MacKernel
from gan2hls.kernels.walk import AxisWalk, convolution_axis
from gan2hls.models import latents, shipped_generator
from gan2hls.ops import Conv2d, ConvTranspose2d
from gan2hls.ops.mac import MacOp
from gan2hls.pipeline import Folding
from gan2hls.simulate import RtlDesign, simulate_rtl
from gan2hls.synth import synthesize
from gan2hls.targets import FAMILIES

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT.parent / "shared" / "models"
TABLE = ROOT / "docs" / "benchmarks.md"
CACHE = ROOT / "runs" / "benchmark-synthesis"
CLOCK_MHZ = 200.0  # no ratio depends on it

BUDGETS = (32, 128, 512, 1024)
WIDTHS = ((8, 8), (4, 8), (4, 4))
TARGETS = (None, "xcup", "ecp5")

Case = tuple[str, str, str | None, int]
"""Network, widths, target, multipliers."""

COUNTED: tuple[Case, ...] = (
    *(("shipped", "W8A8", "xcup", budget) for budget in (32, 128)),  # g++ takes long for more multipliers
    ("digit-dcgan", "W8A8", "xcup", 128),
    *(("qdcgan-mnist", "W4A4", "xcup", budget) for budget in (32, 128)),
)
SYNTHESIZED: tuple[Case, ...] = (  # a minute each
    ("shipped", "W8A8", "xcup", 128),
    ("shipped", "W4A4", "xcup", 128),
    ("shipped", "W4A8", "ecp5", 128),
    ("digit-dcgan", "W8A8", "xcup", 128),
    ("qdcgan-mnist", "W4A4", "xcup", 128),
)


# Networks


def networks() -> Iterator[tuple[str, str, Graph]]:
    """Name, widths and integer graph; the generators of others only where they are."""
    yield from _quantized("shipped", gan2hls.load(shipped_generator()[0]), 64)
    digit = MODELS / "digit-dcgan" / "generator.pth"
    if digit.exists():
        architecture = read_toml(ROOT / "examples" / "digit-dcgan-architecture.toml")
        yield from _quantized("digit-dcgan", gan2hls.load(digit, architecture=architecture), 64)
    qdcgan = MODELS / "qdcgan-mnist" / "MNIST-W4A4.npz"
    if qdcgan.exists():
        script = _example("qdcgan_mnist")
        model = script.read_generator(qdcgan)
        yield from _quantized("qdcgan-mnist", model, 32, WIDTHS[:2])
        yield "qdcgan-mnist", "W4A4", script.quantize_as_published(model)  # its own widths and scales


def _quantized(
    name: str, model: Any, features: int, widths: tuple[tuple[int, int], ...] = WIDTHS
) -> Iterator[tuple[str, str, Graph]]:
    for weight_bits, activation_bits in widths:
        samples = latents(128, (features, 1, 1), 0)
        # All layers of one width, the first too, so that a table's row speaks of one packing.
        bits = {"weight_bits": weight_bits, "activation_bits": activation_bits, "input_bits": activation_bits}
        graph = gan2hls.quantize(model, samples, **bits)
        yield name, f"W{weight_bits}A{activation_bits}", graph


def _example(name: str) -> ModuleType:
    import importlib.util

    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Other forms of the same layers


def zero_inserted(op: ConvTranspose2d, tensor: TensorType) -> tuple[Conv2d, TensorType]:
    """The convolution that `op` is on its input with zeros between the pixels and around them, and that input's type.

    Its kernel is flipped, its stride 1, and it has no padding of its own: each output pixel meets every tap.
    """
    if max(op.padding[axis] - op.codes.shape[axis] + 1 for axis in (0, 1)) > 0:
        raise ValueError("the kernel is smaller than the padding")
    height, width = (size + op.codes.shape[axis] - 1 for axis, size in enumerate(op.output_size(tensor)))
    conv = Conv2d(op.codes[::-1, ::-1], op.code_bits, op.codebook, op.weight_scale)
    return conv, dataclasses.replace(tensor, shape=(height, width, tensor.channels))


def insert_zeros(x: np.ndarray, op: ConvTranspose2d, tensor: TensorType) -> np.ndarray:
    """`x` (n, height, width, channels) as `zero_inserted` takes it."""
    _, inserted = zero_inserted(op, tensor)
    result = np.zeros((len(x), *inserted.shape), dtype=x.dtype)
    first = [op.codes.shape[axis] - 1 - op.padding[axis] for axis in (0, 1)]
    result[:, first[0] :: op.stride[0], first[1] :: op.stride[1]][:, : x.shape[1], : x.shape[2]] = x
    return result


@dataclass(frozen=True, eq=False)
class ZeroInserted(ConvTranspose2d):
    """A transposed convolution that takes the cycles of `zero_inserted`."""

    def walks(self, tensor: TensorType) -> tuple[AxisWalk, AxisWalk]:
        conv, inserted = zero_inserted(self, tensor)
        return conv.walks(inserted)

    def kernel(self, tensors: Tensors, fold: Fold) -> MacKernel:
        conv, inserted = zero_inserted(self, *tensors)
        return conv.kernel((inserted,), fold)


@dataclass(frozen=True, eq=False)
class Upsampled(ConvTranspose2d):
    """What stands in its place in networks that upsample: each pixel repeated, then a 3×3 convolution of stride 1.

    Channels and output size are those of the transposed convolution; the result is another one.
    """

    def walks(self, tensor: TensorType) -> tuple[AxisWalk, AxisWalk]:
        rows, columns = (self._axis(tensor.shape[axis], self.output_size(tensor)[axis], axis) for axis in (0, 1))
        return rows, columns

    def _axis(self, size: int, out_size: int, axis: int) -> AxisWalk:
        upsampled = size * self.stride[axis]
        return convolution_axis(upsampled, out_size, 3, 1, max(0, out_size - upsampled + 2) // 2)

    def kernel(self, tensors: Tensors, fold: Fold) -> MacKernel:
        kernel, (tensor,) = super().kernel(tensors, fold), tensors
        pixels = tensor.pixels * self.stride[0] * self.stride[1]
        return dataclasses.replace(kernel, inputs=(dataclasses.replace(kernel.input, pixels=pixels),))


def with_layers(graph: Graph, form: type[ConvTranspose2d]) -> Graph:
    """The graph with other transposed convolutions, for its cycles only.

    A layer on a single pixel is a matrix product in any form and stays as it is; so does one of stride 1 where the
    form is `Upsampled`.
    """

    def other(node: Node, tensor: TensorType) -> Node:
        op = node.op
        if not isinstance(op, ConvTranspose2d) or tensor.pixels == 1 or (form is Upsampled and op.stride == (1, 1)):
            return node
        values = {field.name: getattr(op, field.name) for field in dataclasses.fields(op)}
        if form is Upsampled:
            values["codes"] = _three_by_three(op.codes)
            kernel = op.output_size(tensor)  # the same output size with a kernel of 3
            sizes = [(tensor.shape[a] - 1) * op.stride[a] + 3 for a in (0, 1)]
            values["padding"] = tuple(-(-max(0, sizes[a] - kernel[a]) // 2) for a in (0, 1))
            values["output_padding"] = tuple(kernel[a] - sizes[a] + 2 * values["padding"][a] for a in (0, 1))
        return Node(node.name, form(**values), node.inputs)

    changed = {node.name: other(node, *tensors) for node, tensors, _ in graph.steps()}
    return dataclasses.replace(graph, nodes=tuple(changed.get(node.name, node) for node in graph.nodes))


def _three_by_three(codes: np.ndarray) -> np.ndarray:
    missing = [max(0, 3 - size) for size in codes.shape[:2]]
    return np.pad(codes, ((0, missing[0]), (0, missing[1]), (0, 0), (0, 0)))[:3, :3]


# Figures


def interval(graph: Graph, folding: Folding) -> int:
    """Cycles of the slowest op: what `Pipeline.interval_cycles` is."""
    return max(node.op.kernel(tensors, folding[node.name]).cycles for node, tensors, _ in graph.steps())


def multipliers(graph: Graph, folding: Folding, *, mac: bool) -> int:
    kernels = [node.op.kernel(tensors, folding[node.name]) for node, tensors, _ in graph.steps()]
    return sum(kernel.multipliers for kernel in kernels if kernel.weighted == mac)


def most_products(graph: Graph, target: str | None) -> float:
    """Bound of useful MACs per cycle and multiplier: each layer's products share as its bits and channels allow."""
    needed = 0.0
    for node, tensors, _ in graph.steps():
        if isinstance(node.op, MacOp):
            needed += node.op.macs(*tensors) / min(_products(node.op, *tensors, target), node.op.codes.shape[3])
    return graph.macs() / needed


def _products(op: MacOp, tensor: TensorType, target: str | None) -> int:
    if target is None:
        return 1
    kind = tensor.int_type
    return FAMILIES[target].products(kind.bits, op.weight_bits, signed=kind.signed, symmetric=op.symmetric)


def row(case: Case, graph: Graph) -> dict[str, Any]:
    """One network at one budget, by the cycle model, with how much faster it is than its other forms."""
    network, widths, target, budget = case
    chosen = Budget(multipliers=budget, target=target)
    folding = chosen.fold(graph, CLOCK_MHZ)
    cycles, mac = interval(graph, folding), multipliers(graph, folding, mac=True)
    others = {}
    for name, form in (("zero_insertion", ZeroInserted), ("upsampling", Upsampled)):
        other = with_layers(graph, form)
        others[f"speed_over_{name}"] = interval(other, chosen.fold(other, CLOCK_MHZ)) / cycles
    return {
        "network": network,
        "widths": widths,
        "family": target or "none",
        "budget": budget,
        "mac_multipliers": mac,
        "other_multipliers": multipliers(graph, folding, mac=False),
        "interval_cycles": cycles,
        "macs_per_cycle_and_multiplier": graph.macs() / (cycles * mac),
        "most": most_products(graph, target),
        **others,
    }


def count(cases: dict[Case, Graph]) -> dict[Case, int]:
    """Intervals in Verilator; three frames each, no stalls."""
    with tempfile.TemporaryDirectory() as folder:
        designs = []
        for index, ((_, _, target, budget), graph) in enumerate(cases.items()):
            pipeline = make_pipeline(graph, Budget(multipliers=budget, target=target).fold(graph, CLOCK_MHZ))
            top, kind = f"counted_{index}", graph.input.int_type
            write_rtl(pipeline, Path(folder) / top, name=top)
            x = np.random.default_rng(0).integers(kind.min, kind.max + 1, (3, *graph.input.shape))
            designs.append(RtlDesign(Path(folder) / top, top, pipeline, x))
        runs = simulate_rtl(designs, log=Path(folder) / "log", stalls=False, optimize=False)
        for design, run in zip(designs, runs, strict=True):
            assert run.interval_cycles == design.pipeline.interval_cycles
            assert (run.outputs == design.pipeline.graph.run_stream(design.x)).all()
        return {case: int(run.interval_cycles or 0) for case, run in zip(cases, runs, strict=True)}


def hardware_multipliers(case: Case, graph: Graph) -> dict[str, float]:
    """DSPs that yosys makes of the MAC stages, and of all."""
    _, _, target, budget = case
    assert target is not None
    pipeline = make_pipeline(graph, Budget(multipliers=budget, target=target).fold(graph, CLOCK_MHZ))
    result = synthesize(pipeline, None, graph.name, target, tool="yosys", place=False, cache=CACHE)
    mac = {stage.name for stage in pipeline.stages if stage.node and isinstance(graph.node(stage.node).op, MacOp)}
    stages = {stage.name: stage.usage.dsps for stage in result.stages}
    return {"mac_dsps": sum(stages[name] for name in mac), "dsps": result.usage.dsps}


def folding() -> dict[str, Any]:
    """All figures; also writes the table of docs/benchmarks.md."""
    graphs = {(name, widths): graph for name, widths, graph in networks()}
    rows = []
    for (name, widths), target, budget in itertools.product(graphs, TARGETS, BUDGETS):
        rows.append(row((name, widths, target, budget), graphs[name, widths]))
    known = {(r["network"], r["widths"], None if r["family"] == "none" else r["family"], r["budget"]): r for r in rows}
    for case, cycles in count({case: graphs[case[:2]] for case in COUNTED if case[:2] in graphs}).items():
        assert cycles == known[case]["interval_cycles"]
        known[case]["interval_cycles_in_verilator"] = cycles
    for case in SYNTHESIZED:
        if case[:2] in graphs:
            found = hardware_multipliers(case, graphs[case[:2]])
            useful = graphs[case[:2]].macs() / known[case]["interval_cycles"]
            known[case].update(found, macs_per_cycle_and_dsp=useful / found["mac_dsps"])
    result = {"rows": rows, "wanted": "see docs/benchmarks.md"}
    TABLE.write_text(table(result), encoding="utf-8")
    return result


# The table


def table(result: dict[str, Any]) -> str:
    """docs/benchmarks.md of the results."""
    rows: list[dict[str, Any]] = result["rows"]
    budgets = sorted({r["budget"] for r in rows})
    groups: dict[tuple[str, str, str], dict[int, dict[str, Any]]] = {}
    for r in rows:
        # Without a target nothing depends on the bits.
        widths = "any" if r["family"] == "none" else r["widths"]
        groups.setdefault((r["network"], r["family"], widths), {}).setdefault(r["budget"], r)
    head = ["network", "family", "bits", "most", *map(str, budgets)]
    used, forms = [], []
    for key, found in groups.items():
        cells = [found[b] for b in budgets]
        used.append([*key, f"{cells[0]['most']:.2f}", *(f"{r['macs_per_cycle_and_multiplier']:.3f}" for r in cells)])
        ratios = [f"{r['speed_over_zero_insertion']:.2f}, {r['speed_over_upsampling']:.2f}" for r in cells]
        forms.append([*key, *ratios])
    checked = [
        [
            f"{r['network']} {r['widths']}, {r['family']}, {r['budget']}",
            f"{r['interval_cycles']:,}",
            "equal" if "interval_cycles_in_verilator" in r else "",
            f"{r['mac_multipliers']}",
            f"{r['mac_dsps']:g}" if "mac_dsps" in r else "",
            f"{r['macs_per_cycle_and_dsp']:.3f}" if "mac_dsps" in r else "",
        ]
        for r in rows
        if "mac_dsps" in r or "interval_cycles_in_verilator" in r
    ]
    parts = (ROOT / "benchmarks" / "folding.md").read_text(encoding="utf-8")
    heads = ["network, bits, family, budget", "interval", "Verilator", "multipliers", "yosys", "MACs per DSP"]
    return (
        parts.replace("@utilization@", _markdown(head, used))
        .replace("@forms@", _markdown([name for name in head if name != "most"], forms))
        .replace("@checked@", _markdown(heads, checked))
    )


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
