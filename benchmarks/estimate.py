"""The model behind `gan2hls estimate`: synthesizes the networks that it is fitted to, and fits it.

`make fit-estimate`, or `python benchmarks/estimate.py [--no-synthesis]`. Random pipelines of several
layers, drawn from fixed seeds, are mapped by yosys for every family (kept in `--cache`, so that only what has changed
runs again). What yosys counted goes to `benchmarks/results/estimate.json`, the fitted coefficients to
`gan2hls/estimate/model.json`; the networks marked `held_out` are left out of the fit, and tell its error.
"""

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from gan2hls.estimate import estimate, instances, stage_usage
from gan2hls.estimate.features import Counted, Features, count
from gan2hls.estimate.memories import Shape, shapes
from gan2hls.estimate.model import Coefficients, Model, Row, fit, smape
from gan2hls.files import read_json, write_json
from gan2hls.folding import choose_folding, make_pipeline
from gan2hls.ir import Fold, Graph, IntType, Node, Op, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense, Lookup, Requantize, Reshape, Upsample
from gan2hls.ops.mac import MacOp
from gan2hls.pipeline import Pipeline
from gan2hls.resources import resource
from gan2hls.synth import SynthResult, Usage, synthesize
from gan2hls.targets import FAMILIES, Family

RESULTS = Path(__file__).resolve().parent / "results"
MODEL = resource("gan2hls", "estimate") / "model.json"
TOP = "network"
MACHINES = (
    *("mac", "requantize", "lookup", "upsample", "fifo"),
    *("serializer", "deserializer", "gearbox", "skid_buffer"),
)
console = Console(highlight=False)
DRAWN = 10
"""Random pipelines that the model is fitted to."""

PRIORS = {
    "luts": {
        "memory LUTs": 1.0,
        "stored bits": 0.5,
        "table outputs": 0.8,
        "codebook outputs": 0.7,
        "soft products": 1.0,
        "adder tree": 1.0,
        "adders": 1.0,
        "accumulators": 1.5,
        "skid buffer": 1.0,
        "lanes": 0.5,
        "waiting lanes": 1.0,
        "rest lanes": 0.5,
        "bank choice": 0.5,
        "walker": 2.0,
        "addresses": 1.5,
        "pixel generator": 0.8,
        "totals": 1.0,
        "results": 0.5,
        "branches": 1.0,
        "signs": 1.0,
        "data": 0.7,
        "buffer": 0.5,
        "choices": 0.3,
        "counters": 1.5,
        "signed inputs": 1.5,
        "packing": 0.6,
        "shifters": 0.5,
        "saturation": 0.3,
        "row and column tables": 0.5,
        "one": 10.0,
        "table bits": 0.7,
        "part sums": 1.0,
        "multiplier sums": 0.3,
        "pixel buffers": 0.3,
    },
    "flip_flops": dict.fromkeys(
        (
            "soft memory outputs",
            "second registers of soft memory",
            "second registers of block RAM",
            "stored bits",
            "products in LUTs",
            "products in multipliers",
            "packed inputs",
            "adder tree",
            "accumulators",
            "skid buffer",
            "lanes",
            "multiplier inputs",
            "bank choice",
            "packed factors",
            "unpacked",
            "waiting products",
            "walker",
            "addresses",
            "pixel generator",
            "pixel buffers",
            "inputs",
            "biases",
            "totals",
            "results",
            "whole products",
            "group counter",
            "branches",
            "position",
            "data",
            "buffer",
            "values",
            "counters",
        ),
        1.0,
    ),
}
"""What the structure of the RTL lets expect of each feature: where few rows tell otherwise, it stays near to this."""

PRIOR_ROWS, COMMON_ROWS, STAGE_WEIGHT = 10.0, 10.0, 0.3
"""Rows that what is expected counts as: by `PRIORS`, and by families that are alike; and a stage, beside a network."""


@dataclass(frozen=True, eq=False)
class Case:
    """A network of the set; `held_out` is left out of the fit."""

    name: str
    held_out: bool
    pipeline: Pipeline
    families: tuple[str, ...] = tuple(FAMILIES)


class Chain:
    """A row of ops on random weights, each verified as it is added."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int, int], kind: IntType) -> None:
        self.rng = rng
        self.input = self.tensor = TensorType(shape, kind, 1.0)
        self.ops: list[Op] = []

    def add(self, op: Op) -> bool:
        """Whether the op can follow; if so, it does."""
        if list(op.verify(self.tensor)):
            return False
        self.ops.append(op)
        self.tensor = op.output_type(self.tensor)
        return True

    def weights(self, shape: tuple[int, ...], bits: int, codebook_bits: int = 0) -> dict[str, Any]:
        """Stored weights of `bits` bits, or codes of as many into a table of values of `codebook_bits` bits."""
        if codebook_bits:
            half = 1 << (codebook_bits - 1)
            values = np.sort(self.rng.choice(np.arange(-half, half), 1 << bits, replace=False))
            return {
                "codes": self.rng.integers(0, 1 << bits, shape),
                "code_bits": bits,
                "codebook": tuple(values.tolist()),
            }
        if bits == 1:
            return {"codes": self.rng.integers(0, 2, shape), "code_bits": 1, "codebook": (-1, 1)}
        half = 1 << (bits - 1)
        return {"codes": self.rng.integers(1 - half, half, shape), "code_bits": bits}

    def requantize(self, output: IntType, *, leaky: bool = False, power: bool = False, bits: int = 15) -> bool:
        """To `output`, by multipliers of about `bits` bits that keep the range."""
        kind, channels = self.tensor.int_type, self.tensor.channels
        shift = max(0, kind.bits - output.bits + bits - 2)
        m = self.rng.integers(1 << (bits - 2), 1 << (bits - 1), channels)
        if power:
            m = 1 << self.rng.integers(bits - 4, bits - 1, channels)
        size = 1 << max(1, min(40, kind.bits + bits - 4))
        b = self.rng.integers(-size, size, channels)
        more = {"negative_multiplier": m // 5 + 1, "negative_bias": b // 5} if leaky else {}
        return self.add(Requantize(m, b, min(shift, 47), output.min, output.max, output, 1.0, **more))

    def graph(self) -> Graph:
        nodes = tuple(Node(f"op{index}", op) for index, op in enumerate(self.ops))
        shapes = ((kind.channels, *kind.shape[:2]) for kind in (self.input, self.tensor))
        return Graph(self.input, nodes, *shapes).verify()


def draw(seed: int) -> Pipeline:
    """A pipeline of two or three layers, all sorts of widths, kernels and folds."""
    rng = np.random.default_rng(seed)
    while True:
        size = int(rng.choice([1, 1, 2, 3, 4]))
        kind = IntType(int(rng.integers(2, 11)), bool(rng.integers(4)))
        chain = Chain(rng, (size, size, int(rng.integers(3, 25))), kind)
        for _ in range(int(rng.integers(2, 4))):
            _draw_layer(chain)
        if sum(isinstance(op, MacOp) for op in chain.ops) < 2:
            continue
        graph = chain.graph()
        family = FAMILIES[str(rng.choice(list(FAMILIES)))] if rng.integers(3) else None
        budget = int(rng.integers(8, 32))
        given: dict[str, Fold] = {}
        for node, tensor, _ in graph.steps():
            if isinstance(node.op, MacOp) and rng.integers(3) == 0:
                given[node.name] = _draw_fold(rng, node.op, tensor, family)
                budget += node.op.kernel(tensor, given[node.name]).multipliers
        pipeline = make_pipeline(graph, choose_folding(graph, multipliers=budget, family=family, given=given))
        if sum(fold.pe * fold.lanes for fold in pipeline.folding.values()) < 90:
            return pipeline


def _draw_layer(chain: Chain) -> None:
    rng, (height, _, channels) = chain.rng, chain.tensor.shape
    bits = int(rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 10, 12]))
    table = int(rng.integers(4, 10)) if rng.integers(5) == 0 and bits <= 3 else 0
    out, kernel = int(rng.integers(2, 25)), int(rng.integers(1, 5))
    what = rng.integers(10)
    done = False
    if what < 5 and height <= 12:
        stride = int(rng.integers(1, 3))
        weights = chain.weights((kernel, kernel, channels, out), bits, table)
        done = chain.add(ConvTranspose2d(**weights, stride=(stride, stride), padding=(kernel // 2,) * 2))
    elif what < 8:
        weights = chain.weights((kernel, kernel, channels, out), bits, table)
        done = chain.add(Conv2d(**weights, stride=(1, 1), padding=(kernel // 2, kernel // 2)))
    elif height == 1:
        done = chain.add(Dense(**chain.weights((1, 1, channels, 16 * out), bits, table)))
    if not done:
        return
    output = IntType(int(rng.integers(2, 11)), bool(rng.integers(2)))
    variant = int(rng.integers(5))
    chain.requantize(output, leaky=variant == 0, power=variant == 1, bits=int(rng.integers(8, 18)))
    if height == 1 and chain.tensor.shape[2] % 16 == 0 and chain.tensor.pixels == 1:
        chain.add(Reshape((4, 4, chain.tensor.channels // 16)))
    if rng.integers(4) == 0:
        to = IntType(int(rng.integers(2, 10)), True)
        values = rng.integers(to.min, to.max + 1, 1 << chain.tensor.int_type.bits)
        chain.add(Lookup(values, to, 1.0))
    if rng.integers(4) == 0 and chain.tensor.shape[0] <= 6:
        chain.add(Upsample((2, 2)))


def _draw_fold(rng: np.random.Generator, op: MacOp, tensor: TensorType, family: Family | None) -> Fold:
    pe, simd = int(rng.integers(1, min(6, op.codes.shape[3]) + 1)), int(rng.integers(1, min(5, tensor.channels) + 1))
    kind = tensor.int_type
    most = family.products(kind.bits, op.weight_bits, signed=kind.signed, symmetric=op.symmetric) if family else 1
    fold = Fold(pe, simd, min(pe, most))
    taps = [max(1, int(walk.count.max())) for walk in op.walks(tensor)]
    if rng.integers(2) and taps[0] * taps[1] * pe * simd <= 40:
        full = Fold(pe, simd, min(pe, most), taps[0], taps[1])
        fold = fold if op.fold_problem(tensor, full) else full
    return fold


def dcgan(
    widths: tuple[int, ...], weight_bits: int, activation_bits: int, multipliers: int, family: str | None, seed: int
) -> Pipeline:
    """A generator as DCGAN has it: latents, transposed convolutions with ReLU, tanh by table at the end."""
    chain = Chain(np.random.default_rng(seed), (1, 1, widths[0]), IntType(activation_bits, True))
    for index, (channels, out) in enumerate(pairwise(widths)):
        weights = chain.weights((4, 4, channels, out), weight_bits)
        first, last = index == 0, index == len(widths) - 2
        stride, padding = (1, 0) if first else (2, 1)
        assert chain.add(ConvTranspose2d(**weights, stride=(stride, stride), padding=(padding, padding)))
        assert chain.requantize(IntType(activation_bits, last), bits=16)
    kind = chain.tensor.int_type
    values = np.clip(np.round(np.tanh(np.arange(kind.min, kind.max + 1) / 40) * 127), -128, 127).astype(np.int64)
    assert chain.add(Lookup(values, IntType(8, True), 1.0))
    graph = chain.graph()
    given = FAMILIES[family] if family else None
    return make_pipeline(graph, choose_folding(graph, multipliers=multipliers, family=given))


def shipped(weight_bits: int, activation_bits: int, multipliers: int) -> Pipeline:
    """The generator that ships with gan2hls, calibrated as `build` does it."""
    import gan2hls
    from gan2hls.models import latents, shipped_generator

    model = gan2hls.load(shipped_generator()[0])
    samples = latents(256, (64, 1, 1), 0)
    graph = gan2hls.quantize(model, samples, weight_bits=weight_bits, activation_bits=activation_bits)
    return make_pipeline(graph, choose_folding(graph, multipliers=multipliers))


def cases() -> Iterator[Case]:
    """All networks of the set, the same ones each time.

    Families of LUT4s are close to each other, so most networks are mapped for one of them.
    """
    lut4, lut6 = ("ecp5", "gowin", "nexus"), ("xc7", "xcup")
    for seed in range(DRAWN):
        some = (lut4[(seed + 1) % 3], *lut6)
        yield Case(f"random {seed}", False, draw(seed), (*lut4, *lut6) if seed == 0 else some)
    yield Case("dcgan 24-16-8-1 W8A8 M12", False, dcgan((24, 16, 8, 1), 8, 8, 12, None, 1))
    yield Case("dcgan 16-12-3 W4A4 M24", False, dcgan((16, 12, 3), 4, 4, 24, "ecp5", 2), ("ecp5", *lut6))
    for seed in (100, 101, 102):
        yield Case(f"random {seed}", True, draw(seed))
    yield Case("dcgan 32-24-12-1 W6A6 M24", True, dcgan((32, 24, 12, 1), 6, 6, 24, None, 3))
    yield Case("qdcgan 24-16-3 W2A4 M48", True, dcgan((24, 16, 3), 2, 4, 48, "xc7", 4))


def synthesized(case: Case, family: str, cache: Path) -> SynthResult:
    """What yosys counts; kept in `cache`."""
    with tempfile.TemporaryDirectory() as scratch:
        return synthesize(case.pipeline, None, TOP, family, tool="yosys", place=False, cache=cache, scratch=scratch)


def run(case: Case, cache: Path) -> dict[str, Any]:
    """A network with what yosys counts of it, as JSON values."""
    counted = {}
    for family in case.families:
        result = synthesized(case, family, cache)
        console.print(f"  {family}: {result.usage.luts} LUTs, {result.usage.flip_flops} flip-flops")
        counted[family] = {
            "tools": result.tools,
            "total": dataclasses.astuple(result.usage),
            "stages": {stage.name: dataclasses.astuple(stage.usage) for stage in result.stages},
            "memories": [[m.stage, m.words, m.bits, m.mapped, m.block_rams] for m in result.memories],
        }
    stages = [
        {
            "name": stage.name,
            "stem": stage.module,
            "parameters": stage.parameters,
            "memories": [dataclasses.astuple(shape) for shape in shapes(stage)],
        }
        for stage in instances(case.pipeline)
    ]
    return {"name": case.name, "held_out": case.held_out, "stages": stages, "counted": counted}


def counts(network: dict[str, Any], family: str) -> dict[str, Counted]:
    """What the rules and the features say of a stored network, by stage."""
    return {
        stage["name"]: count(stage["stem"], stage["parameters"], [Shape(*m) for m in stage["memories"]], family)
        for stage in network["stages"]
    }


def fit_all(networks: list[dict[str, Any]]) -> Coefficients:
    """Coefficients of all families, from the networks that are not held out.

    First those of all families with the same kind of LUT together; from these, a family's own rows lead away.
    """
    coefficients: Coefficients = {family: {} for family in FAMILIES}
    for inputs in (4, 6):
        alike = [name for name, family in FAMILIES.items() if family.lut_inputs == inputs]
        for what in ("luts", "flip_flops"):
            priors = {f"{machine}/{name}": value for machine in MACHINES for name, value in PRIORS[what].items()}
            rows = {name: list(_rows(networks, name, what)) for name in alike}
            together = {**priors, **fit([row for of in rows.values() for row in of], priors, PRIOR_ROWS)}
            for name in alike:
                found = {**together, **fit(rows[name], together, COMMON_ROWS)}
                coefficients[name][what] = {machine: _of_machine(found, machine) for machine in MACHINES}
    return coefficients


def _of_machine(found: dict[str, float], machine: str) -> dict[str, float]:
    return {key.split("/")[1]: value for key, value in found.items() if value > 0 and key.split("/")[0] == machine}


def _rows(networks: list[dict[str, Any]], family: str, what: str) -> Iterator[Row]:
    """Features (`kind of kernel/name`) and what was counted, of each stage and, with more weight, of whole networks.

    To which of two neighbours a cell belongs is at times a guess (`synth.netlist`), and wrong by a whole register.
    """
    index = {"luts": 0, "flip_flops": 2}[what]
    for network in networks:
        if network["held_out"] or family not in network["counted"]:
            continue
        whole: Features = {}
        for name, found in counts(network, family).items():
            values = getattr(found, what)
            named = {f"{found.machine}/{key}": value for key, value in values.items()}
            yield named, network["counted"][family]["stages"][name][index], STAGE_WEIGHT
            for key, value in named.items():
                whole[key] = whole.get(key, 0.0) + value
        yield whole, network["counted"][family]["total"][index], 1.0


def errors(networks: list[dict[str, Any]], model: Model, held_out: bool) -> dict[str, dict[str, float]]:
    """Per family: sMAPE in percent of LUTs and flip-flops, and networks whose multipliers or block RAMs are wrong."""
    found = {}
    for family in FAMILIES:
        luts, flip_flops = [], []
        wrong = networks_counted = 0
        for network in networks:
            if network["held_out"] != held_out or family not in network["counted"]:
                continue
            stages = [stage_usage(stage, family, model) for stage in counts(network, family).values()]
            total, counted = sum(stages, Usage()), Usage(*network["counted"][family]["total"])
            luts.append((total.luts, counted.luts))
            flip_flops.append((total.flip_flops, counted.flip_flops))
            wrong += (total.dsps, total.block_rams) != (counted.dsps, counted.block_rams)
            networks_counted += 1
        found[family] = {
            "luts": round(smape(*zip(*luts, strict=True)), 2) if luts else None,
            "flip_flops": round(smape(*zip(*flip_flops, strict=True)), 2) if flip_flops else None,
            "networks": networks_counted,
            "wrong_multipliers_or_block_rams": wrong,
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path("runs/fit-estimate"), help="folder of yosys' results")
    parser.add_argument("--no-synthesis", action="store_true", help="fit to what is stored")
    arguments = parser.parse_args()
    path = RESULTS / "estimate.json"
    if arguments.no_synthesis:
        networks = read_json(path)["networks"]
    else:
        networks = []
        for case in cases():
            console.print(case.name)
            networks.append(run(case, arguments.cache))
    tools: dict[str, str] = {}
    for network in networks:
        for counted in network["counted"].values():
            tools.update(counted["tools"])
    coefficients = fit_all(networks)
    model = Model(coefficients, tools, {})
    fitted, held_out = (errors(networks, model, out) for out in (False, True))
    pipeline = shipped(8, 8, 64)
    start = time.monotonic()
    estimate(pipeline, "ecp5", model=model)
    taken = round(time.monotonic() - start, 2)
    write_json(MODEL, {"tools": tools, "held_out_smape_percent": _pair(held_out), "coefficients": coefficients})
    write_json(
        path,
        {
            "benchmark": "estimate",
            "tools": tools,
            "estimate_s": taken,
            "estimated_stages": len(pipeline.stages),
            "fitted": fitted,
            "held_out": held_out,
            "networks": networks,
        },
    )
    for family in FAMILIES:
        console.print(f"{family}: fitted {fitted[family]}, held out {held_out[family]}")
    console.print(f"estimate of the shipped generator: {taken} s")


def _pair(found: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {family: {what: values[what] for what in ("luts", "flip_flops")} for family, values in found.items()}


if __name__ == "__main__":
    main()
