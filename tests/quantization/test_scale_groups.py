"""Scale groups: which values have one format, on the networks that branch and on random graphs."""

import pytest
import torch

from gan2hls.errors import UserError
from gan2hls.frontends.running import run_steps
from gan2hls.integerize import integerize
from gan2hls.quantization import formats as formats_module
from gan2hls.quantization.blocks import make_blocks
from gan2hls.quantization.config import QuantizeConfig
from gan2hls.quantization.ptq import quantize_float_model
from gan2hls.quantization.quantized_model import QuantizedModel
from gan2hls.quantization.scale_groups import Groups, branches, linked, scale_groups, with_branches
from tests.quantization.branches import SEEDS, branching, inputs_of, random_model
from tests.quantization.models import samples


def quantize(model, count: int = 16, **options) -> QuantizedModel:
    return quantize_float_model(model, inputs_of(model, count), QuantizeConfig(**options))


def test_groups_are_the_values_that_meet():
    assert scale_groups(make_blocks(branching("residual"))).several == (("first.0", "a.3"), ("add", "b.2"))
    assert scale_groups(make_blocks(branching("dense"))).several == (("x", "a", "b", "c"),)
    assert scale_groups(make_blocks(branching("unet"))).several == (("down1.0", "up1.0"), ("down2.0", "up2.0"))
    assert scale_groups(make_blocks(branching("conditional"))).several == (("z", "embed"),)
    assert scale_groups(make_blocks(branching("heads"))).several == ()
    assert scale_groups(make_blocks(branching("forked"))).several == (("first", "norm"), ("left", "right"))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_meets_has_one_format_on_random_graphs(seed):
    """The property itself, looked at without `scale_groups`: every join of the quantized model reads equal formats."""
    _, model = random_model(seed)
    for options in ({}, {"activation_bits": 4, "scales": "power_of_two"}):
        proxy = quantize(model, 16, **options)
        formats = proxy.formats
        for step in proxy.steps:
            if len(step.inputs) > 1:
                assert len({formats[name] for name in step.inputs}) == 1, step.name
        integerize(proxy)


@pytest.mark.parametrize("seed", SEEDS)
def test_groups_are_connected_components(seed):
    """Against a plain search over the edges, and apart from each other."""
    steps = make_blocks(random_model(seed)[1])
    neighbours = {name: set() for name in (*steps.inputs, *(step.name for step in steps.steps))}
    for step in steps.steps:
        for a in linked(step):
            neighbours[a] |= set(linked(step))
    groups = scale_groups(steps)
    sources = {*steps.inputs, *(block.name for block in steps.blocks)}
    for name in neighbours:
        reached, todo = {name}, [name]
        while todo:
            for other in neighbours[todo.pop()] - reached:
                reached.add(other)
                todo.append(other)
        assert set(groups.of[name]) == reached & sources
        assert groups.of[name]


@pytest.mark.parametrize("seed", SEEDS)
def test_branches_compute_the_same(seed):
    steps = make_blocks(random_model(seed)[1].to_double())
    groups = scale_groups(steps)
    edges = [edge for sources in groups.several for edge in branches(steps, sources, groups)]
    x = {"x": samples((4, 2, 3)).double()}
    cut = with_branches(steps, edges)
    assert len(cut.steps) == len(steps.steps) + len(edges)
    for got, wanted in zip(
        run_steps(cut.steps, x, cut.outputs).values(), run_steps(steps.steps, x, steps.outputs).values(), strict=True
    ):
        assert torch.equal(got, wanted)


def _without_joins(steps):
    return Groups({name: (name,) for name in (*steps.inputs, *(step.name for step in steps.steps))})


def _without_last_input(step):
    found = linked(step)
    return found[1:] if len(step.inputs) > 1 else found


@pytest.mark.parametrize(
    ("where", "wrong"), [("groups", _without_joins), ("linked", _without_last_input)], ids=["no groups", "an edge lost"]
)
def test_seeded_bugs_in_the_groups_are_caught(where, wrong, monkeypatch):
    """Every one of these networks would be built with integers that do not mean the same where they meet."""
    if where == "groups":
        monkeypatch.setattr(formats_module, "scale_groups", wrong)
    else:
        monkeypatch.setattr("gan2hls.quantization.scale_groups.linked", wrong)
    for name in ("residual", "dense", "unet"):
        with pytest.raises((UserError, KeyError), match="scale|input"):
            integerize(quantize(branching(name), 16))
