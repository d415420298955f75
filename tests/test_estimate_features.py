"""The features of the estimate: declared once, each counted, each with a coefficient; a misspelt one is an error."""

import copy
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan2hls.assembly import make_pipeline
from gan2hls.counting import Feature, Machine, Shape, Tally, Values
from gan2hls.counting.names import FEATURES, FITTED, in_order
from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.estimate import count_stage
from gan2hls.estimate.features import Counted, count
from gan2hls.estimate.model import UNFITTED, read_model, shipped_model
from gan2hls.kernels import Fifo, Kernel
from gan2hls.pipeline import Pipeline, Sizes
from gan2hls.resources import resource
from gan2hls.targets import FAMILIES
from tests.conftest import ROOT
from tests.fuzz.chains import draw_chain, draw_folding, with_random_buffers

MODEL = resource("gan2hls", "estimate") / "model.json"
WHATS = ("luts", "flip_flops")
DRAWN = 300
"""Random chains, in which each feature occurs that the networks of the fit do not have."""


def chains() -> list[Pipeline]:
    """Random chains with random buffers; those that a search would find take longer."""
    made = []
    for seed in range(DRAWN):
        rng = np.random.default_rng(seed)
        graph = draw_chain(rng)
        made.append(with_random_buffers(rng, make_pipeline(graph, draw_folding(rng, graph), Sizes())))
    return made


def test_each_declared_feature_is_counted_by_some_kernel() -> None:
    """And none that is not declared: `count` would refuse it."""
    counted: dict[tuple[Machine, str], set[Feature]] = defaultdict(set)

    def add(found: Counted) -> None:
        for what in WHATS:
            counted[found.machine, what] |= getattr(found, what).keys()

    for network in json.loads((ROOT / "benchmarks" / "results" / "estimate.json").read_text())["networks"]:
        for family in network["counted"]:
            for stage in network["stages"]:
                memories = [Shape(*memory) for memory in stage["memories"]]
                add(count(stage["stem"], stage["parameters"], memories, family))
    for pipeline in chains():
        for family in FAMILIES:
            for made in pipeline.stages:
                add(count_stage(made, family))
    for machine in FITTED:
        for what in WHATS:
            unused = in_order(getattr(FEATURES[machine], what) - counted[machine, what])
            assert unused == [], f"{machine} never counts these"


def test_what_is_not_declared_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def counter(values: Values, tally: Tally) -> Machine:
        tally.both(Feature.WALKER, values["Depth"])
        return Machine.FIFO

    monkeypatch.setattr(Fifo, "count", staticmethod(counter))
    with pytest.raises(ValueError, match="^fifo: luts have no feature walker; declare it$"):
        count("fifo", {"Depth": 3, "Bits": 8}, [], "ecp5")
    with pytest.raises(AttributeError, match="WALKR"):
        Feature.WALKR  # type: ignore[attr-defined]  # noqa: B018


def test_a_module_that_no_kernel_has() -> None:
    with pytest.raises(Gan2HlsError, match=r"^fork: no kernel has this module; there are add, concat, "):
        count("fork", {}, [], "ecp5")


def test_each_module_of_the_hardware_that_a_top_instantiates_is_a_kernel() -> None:
    assert {module for module in Kernel.registry if not resource("hw", "rtl", f"{module}.sv").is_file()} == set()


def test_what_is_not_fitted_has_a_coefficient_for_each_feature() -> None:
    for what in WHATS:
        assert UNFITTED[what].keys() == getattr(FEATURES[Machine.COUNTED], what)


def test_the_shipped_model_has_exactly_the_declared_features() -> None:
    assert read_model(MODEL) == shipped_model()
    for family in FAMILIES:
        for what in WHATS:
            machines = shipped_model().coefficients[family][what]
            assert list(machines) == list(FITTED)
            for machine, known in machines.items():
                assert list(known) == in_order(getattr(FEATURES[Machine(machine)], what))


def changed(tmp_path: Path, change: Any) -> Path:
    values = json.loads(MODEL.read_text())
    change(values["coefficients"])
    path = tmp_path / "model.json"
    path.write_text(json.dumps(values))
    return path


def rename(table: dict[str, float], old: str, new: str) -> None:
    table[new] = table.pop(old)


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (
            lambda of: rename(of["ecp5"]["luts"]["mac"], "walker", "walkr"),
            ["ecp5, luts of mac: unknown feature 'walkr'", "ecp5, luts of mac: no feature 'walker'"],
        ),
        (lambda of: of["xcup"]["flip_flops"]["fifo"].pop("one"), ["xcup, flip_flops of fifo: no feature 'one'"]),
        (lambda of: of["gowin"]["luts"].pop("gearbox"), ["gowin, luts of gearbox: no coefficients"]),
        (
            lambda of: of["xc7"]["luts"].update(fork={}),
            ["xc7, luts: unknown kind of kernel 'fork'; known: " + ", ".join(FITTED)],
        ),
        (
            lambda of: of.update(ice40=copy.deepcopy(of["ecp5"])),
            ["unknown family 'ice40'; known: " + ", ".join(FAMILIES)],
        ),
    ],
)
def test_a_file_with_other_features_is_refused(tmp_path: Path, change: Any, lines: list[str]) -> None:
    path = changed(tmp_path, change)
    with pytest.raises(UserError) as caught:
        read_model(path)
    assert str(caught.value).splitlines() == [*(f"{path}: {line}" for line in lines), "run `make fit-estimate`"]


@pytest.mark.parametrize("text", ["[]", "{}", '{"coefficients": [], "tools": {}, "unseen_percent": {}}'])
def test_a_file_that_holds_something_else(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"model\.json: no coefficients of an estimate; run `make fit-estimate`$"):
        read_model(path)
