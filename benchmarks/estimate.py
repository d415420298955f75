"""The model behind `gan2hls estimate`: synthesizes the networks that it is fitted to, and fits it.

`make fit-estimate`, or `python benchmarks/estimate.py [--no-synthesis]`. The networks of `estimate_networks.py` are
mapped by yosys (kept in `--cache`, so that only what has changed runs again). What yosys counted goes to
`benchmarks/results/estimate.json`, the fitted coefficients to `gan2hls/estimate/model.json`. The error that is told is
of networks that the model did not see: those marked `held_out`, and each of the others by a fit without it.
"""

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from estimate_networks import Case, cases
from rich.console import Console

from gan2hls.assembly import make_pipeline
from gan2hls.counting import Feature, Machine, Shape
from gan2hls.counting.names import FEATURES, FITTED, in_order
from gan2hls.estimate import estimate, stage_usage
from gan2hls.estimate.features import Counted, count
from gan2hls.estimate.model import Coefficients, Model, Row, difference, fit
from gan2hls.files import read_json, write_json
from gan2hls.folding import choose_folding
from gan2hls.pipeline import Pipeline
from gan2hls.resources import resource
from gan2hls.synth import SynthResult, Usage, synthesize
from gan2hls.targets import FAMILIES

RESULTS = Path(__file__).resolve().parent / "results"
MODEL = resource("gan2hls", "estimate") / "model.json"
TOP = "network"
console = Console(highlight=False)

PRIORS: dict[str, dict[Feature, float]] = {
    "luts": {
        Feature.MEMORY_LUTS: 1.0,
        Feature.STORED_BITS: 0.5,
        Feature.TABLE_OUTPUTS: 0.8,
        Feature.SOFT_PRODUCTS: 1.0,
        Feature.ADDER_TREE: 1.0,
        Feature.ADDERS: 1.0,
        Feature.ACCUMULATORS: 1.5,
        Feature.SKID_BUFFER: 1.0,
        Feature.LANES: 0.5,
        Feature.WAITING_LANES: 1.0,
        Feature.REST_LANES: 0.5,
        Feature.BANK_CHOICE: 0.5,
        Feature.WALKER: 2.0,
        Feature.ADDRESSES: 1.5,
        Feature.PIXEL_GENERATOR: 0.8,
        Feature.TOTALS: 1.0,
        Feature.RESULTS: 0.5,
        Feature.BRANCHES: 1.0,
        Feature.SIGNS: 1.0,
        Feature.DATA: 0.7,
        Feature.BUFFER: 0.5,
        Feature.CHOICES: 0.3,
        Feature.COUNTERS: 1.5,
        Feature.SIGNED_INPUTS: 1.5,
        Feature.PACKING: 0.6,
        Feature.SHIFTERS: 0.5,
        Feature.SATURATION: 0.3,
        Feature.ROW_AND_COLUMN_TABLES: 0.5,
        Feature.ONE: 10.0,
        Feature.TABLE_BITS: 0.7,
        Feature.PART_SUMS: 1.0,
        Feature.MULTIPLIER_SUMS: 0.3,
        Feature.PIXEL_BUFFERS: 0.3,
    },
    "flip_flops": dict.fromkeys(
        (
            Feature.SOFT_MEMORY_OUTPUTS,
            Feature.SECOND_REGISTERS_OF_SOFT_MEMORY,
            Feature.SECOND_REGISTERS_OF_BLOCK_RAM,
            Feature.STORED_BITS,
            Feature.PRODUCTS_IN_LUTS,
            Feature.PRODUCTS_IN_MULTIPLIERS,
            Feature.PACKED_INPUTS,
            Feature.ADDER_TREE,
            Feature.ACCUMULATORS,
            Feature.SKID_BUFFER,
            Feature.LANES,
            Feature.MULTIPLIER_INPUTS,
            Feature.BANK_CHOICE,
            Feature.PACKED_FACTORS,
            Feature.UNPACKED,
            Feature.WAITING_PRODUCTS,
            Feature.WALKER,
            Feature.ADDRESSES,
            Feature.PIXEL_GENERATOR,
            Feature.PIXEL_BUFFERS,
            Feature.INPUTS,
            Feature.BIASES,
            Feature.TOTALS,
            Feature.RESULTS,
            Feature.WHOLE_PRODUCTS,
            Feature.GROUP_COUNTER,
            Feature.BRANCHES,
            Feature.POSITION,
            Feature.DATA,
            Feature.BUFFER,
            Feature.VALUES,
            Feature.COUNTERS,
        ),
        1.0,
    ),
}
"""What the structure of the RTL lets expect of each feature: where few rows tell otherwise, it stays near to this."""

FIRM = {"luts": frozenset[str](), "flip_flops": frozenset({f"{Machine.MAC}/{Feature.BANK_CHOICE}"})}
"""Features of which each is one flip-flop. Few networks of the set have deep banks, and those of real generators many:
fitted to one network with two banks, the coefficient was 1.5, and flip-flops of large generators 6 to 23 % too many."""

PRIOR_ROWS, COMMON_ROWS, STAGE_WEIGHT = 10.0, 10.0, 0.3
"""Rows that what is expected counts as: by `PRIORS`, and by families that are alike; and a stage, beside a network."""


def shipped(weight_bits: int, activation_bits: int, multipliers: int) -> Pipeline:
    """The generator that ships with gan2hls, calibrated as `build` does it."""
    import gan2hls
    from gan2hls.models import latents, shipped_generator

    model = gan2hls.load(shipped_generator()[0])
    samples = latents(256, (64, 1, 1), 0)
    graph = gan2hls.quantize(model, samples, weight_bits=weight_bits, activation_bits=activation_bits)
    return make_pipeline(graph, choose_folding(graph, multipliers=multipliers))


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
            "parameters": {**stage.parameters, **stage.kernel.lists},
            "memories": [dataclasses.astuple(shape) for shape in stage.kernel.shapes()],
        }
        for stage in case.pipeline.stages
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
            priors = {f"{machine}/{name}": value for machine in FITTED for name, value in PRIORS[what].items()}
            rows = {name: list(_rows(networks, name, what)) for name in alike}
            together = {**priors, **fit([row for of in rows.values() for row in of], priors, PRIOR_ROWS, FIRM[what])}
            for name in alike:
                found = {**together, **fit(rows[name], together, COMMON_ROWS, FIRM[what])}
                coefficients[name][what] = {machine: _of_machine(found, machine, what) for machine in FITTED}
    return coefficients


def _of_machine(found: dict[str, float], machine: Machine, what: str) -> dict[str, float]:
    """A coefficient for each declared feature; 0 for what no network has and nothing is expected of."""
    declared = getattr(FEATURES[machine], what)
    return {feature: found.get(f"{machine}/{feature}", 0.0) for feature in in_order(declared)}


def _rows(networks: list[dict[str, Any]], family: str, what: str) -> Iterator[Row]:
    """Features (`kind of kernel/name`) and what was counted, of each stage and, with more weight, of whole networks.

    To which of two neighbours a cell belongs is at times a guess (`synth.netlist`), and wrong by a whole register.
    """
    index = {"luts": 0, "flip_flops": 2}[what]
    for network in networks:
        if network["held_out"] or family not in network["counted"]:
            continue
        whole: dict[str, float] = {}
        for name, found in counts(network, family).items():
            values = getattr(found, what)
            named = {f"{found.machine}/{key}": value for key, value in values.items()}
            yield named, network["counted"][family]["stages"][name][index], STAGE_WEIGHT
            for key, value in named.items():
                whole[key] = whole.get(key, 0.0) + value
        yield whole, network["counted"][family]["total"][index], 1.0


def unseen(networks: list[dict[str, Any]], model: Model) -> list[dict[str, Any]]:
    """Errors of each network and family by a model that the network had no part in.

    For networks that are held out that is `model`; for each of the others one that is fitted to all but that one.

    Returns:
        a row each: network, family, whether it is held out, signed errors of LUTs and flip-flops in percent, and
        whether multipliers and block RAMs are exact.
    """
    found = []
    for network in networks:
        console.print(f"error of {network['name']}")
        other = model
        if not network["held_out"]:
            other = Model(fit_all([one for one in networks if one is not network]), {}, {})
        for family, counted in network["counted"].items():
            estimated = sum((stage_usage(s, family, other) for s in counts(network, family).values()), Usage())
            total = Usage(*counted["total"])
            row = {"network": network["name"], "family": family, "held_out": network["held_out"]}
            for what in ("luts", "flip_flops"):
                row[what] = round(difference(getattr(estimated, what), getattr(total, what)), 2)
            exact = (estimated.dsps, estimated.block_rams) == (total.dsps, total.block_rams)
            found.append({**row, "exact_multipliers_and_block_rams": exact})
    return found


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Per family: sMAPE and the largest error in percent, and of how many networks."""
    found = {}
    for family in FAMILIES:
        own = [row for row in rows if row["family"] == family]
        found[family] = {"networks": len(own)}
        for what in ("luts", "flip_flops"):
            sizes = [abs(row[what]) for row in own]
            found[family] |= {what: round(sum(sizes) / len(sizes), 2), f"worst_{what}": max(sizes)}
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
    rows = unseen(networks, model)
    pipeline = shipped(8, 8, 64)
    start = time.monotonic()
    estimate(pipeline, "ecp5", model=model)
    taken = round(time.monotonic() - start, 2)
    write_json(MODEL, {"tools": tools, "unseen_percent": summary(rows), "coefficients": coefficients})
    write_json(
        path,
        {
            "benchmark": "estimate",
            "tools": tools,
            "estimate_s": taken,
            "estimated_stages": len(pipeline.stages),
            "unseen": summary(rows),
            "held_out": summary([row for row in rows if row["held_out"]]),
            "errors": rows,
            "networks": networks,
        },
    )
    for family in FAMILIES:
        console.print(f"{family}: {summary(rows)[family]}")
    wrong = [f"{row['network']} on {row['family']}" for row in rows if not row["exact_multipliers_and_block_rams"]]
    console.print(f"multipliers or block RAMs that are not exact: {', '.join(wrong) or 'none'}")
    console.print(f"estimate of the shipped generator: {taken} s")


if __name__ == "__main__":
    main()
