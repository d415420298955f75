"""Architecture files of networks that branch: `inputs` of a layer, several inputs and outputs."""

import copy
import json

import pytest
import torch

from gan2hls.errors import UserError
from gan2hls.frontends import from_torch
from gan2hls.models.architecture import build_module, dump_architecture, read_architecture
from tests.quantization.branches import inputs_of
from tests.quantization.models import settle

RESIDUAL = """
input_shape = [2, 4, 4]

[[layers]]
name = "first"
type = "Conv2d"
in_channels = 2
out_channels = 4
kernel_size = 3
padding = 1

[[layers]]
name = "slopes"
type = "PReLU"
num_parameters = 4

[[layers]]
name = "second"
type = "Conv2d"
in_channels = 4
out_channels = 4
kernel_size = 3
padding = 1

[[layers]]
name = "skip"
type = "Add"
inputs = ["second", "slopes"]

[[layers]]
name = "both"
type = "Concat"
inputs = ["skip", "input"]

[[layers]]
name = "part"
type = "Slice"
start = 1
stop = 5
"""


def linear(name: str, inputs: list[str] | None = None, size: int = 4, outputs: int = 4, **more) -> dict:
    given = {} if inputs is None else {"inputs": inputs}
    return {"name": name, "type": "Linear", "in_features": size, "out_features": outputs, **given, **more}


TWO = {
    "input_shape": {"z": [4], "label": [3]},
    "outputs": ["d", "c"],
    "layers": [
        linear("a", ["z"]),
        linear("b", ["label"], 3),
        {"name": "s", "type": "Sub", "inputs": ["a", "b"]},
        linear("c"),
        linear("d", ["s"]),
    ],
}


def test_a_residual_block_with_named_joins(tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(RESIDUAL, encoding="utf-8")
    module = settle(build_module(read_architecture(path)))
    model = from_torch.trace(module)
    x = inputs_of(model, 3)["input"]
    y = module.slopes(module.first(x))
    expected = torch.cat([module.second(y) + y, x], 1)[:, 1:5]
    torch.testing.assert_close(model(x), expected)
    assert [layer.name for layer in model.layers] == ["first", "slopes", "second", "skip", "both", "part"]
    assert model.layers[3].inputs == ("second", "slopes")


def test_several_inputs_and_outputs():
    module = settle(build_module(read_architecture(TWO)))
    model = from_torch.trace(module)
    assert tuple(model.inputs) == ("z", "label")
    assert model.outputs == ("d", "c")
    x = inputs_of(model, 3)
    sub = module.a(x["z"]) - module.b(x["label"])
    torch.testing.assert_close(model(x), {"d": module.d(sub), "c": module.c(sub)})


@pytest.mark.parametrize("branching", [True, False])
def test_a_description_survives_being_written(branching):
    chain = {"input_shape": [4], "layers": [linear("a")]}
    given = TWO if branching else chain
    architecture = read_architecture(given)
    assert architecture.to_mapping() == given
    assert read_architecture(json.loads(dump_architecture(architecture))) == architecture


def _changed(**changes) -> dict:
    table = copy.deepcopy(TWO)
    for key, value in changes.items():
        if key in ("a", "b", "s", "c", "d"):
            next(layer for layer in table["layers"] if layer["name"] == key).update(value)
        else:
            table[key] = value
    return table


BAD = {
    "unknown": (_changed(s={"inputs": ["a", "bb"]}), ["inputs has 'bb', which is no layer and no input; did you mean"]),
    "cycle": (
        _changed(a={"inputs": ["s"], "in_features": 4}),
        ["a (Linear): reads 's', which itself needs its result"],
    ),
    "itself": (_changed(a={"inputs": ["a"]}), ["a (Linear): reads 'a', which itself needs its result: a cycle"]),
    "later": (_changed(b={"inputs": ["d"]}), ["b (Linear): reads 'd', which itself needs its result: a cycle"]),
    "behind": (_changed(c={"inputs": ["d"]}), ["c (Linear): reads 'd', which stands behind it in the list"]),
    "one": (_changed(s={"inputs": ["a"]}), ["s (Sub): takes 2 inputs, got 1 (a)"]),
    "two": (_changed(c={"inputs": ["a", "s"]}), ["c (Linear): takes 1 input, got 2 (a, s)"]),
    "twice": (_changed(s={"inputs": ["a", "a"]}), ["s (Sub): inputs has 'a' twice"]),
    "empty": (_changed(s={"inputs": []}), ["s (Sub): inputs must be a list of at least one name, got []"]),
    "number": (_changed(s={"inputs": [1, 2]}), ["s (Sub): inputs must be a list of at least one name"]),
    "unused": (_changed(outputs=["d"]), ["c: nobody uses its result; name it in outputs, or leave it out"]),
    "output": (_changed(outputs=["d", "c", "e"]), ["outputs has 'e', which is no layer"]),
    "outputs": (_changed(outputs="d"), ["outputs must be a list of at least one name, got 'd'"]),
    "no_reader": (_changed(b={"inputs": ["z"], "in_features": 4}), ["input 'label': no layer reads it"]),
    "same_name": (_changed(input_shape={"z": [4], "a": [3]}), ["a: an input and a layer have this name"]),
    "shape": (
        _changed(input_shape={"z": [4], "label": [3, 3]}),
        ["input_shape must give [features] or", "label = [3, 3]"],
    ),
    "no_shape": (_changed(input_shape={}), ["got {}; several inputs have a table of such by name"]),
    "which": (
        {**TWO, "layers": [linear("a"), *TWO["layers"][1:]]},
        ["a: there are several inputs; say which it reads"],
    ),
    "join": (_changed(b={"out_features": 5}), ["s (Sub): a has the shape [4], b has the shape [5]; equal ones are"]),
    "several": (
        _changed(s={"inputs": ["a", "bb"]}, c={"inputs": ["d"]}, outputs=["e"]),
        ["'bb', which is no layer", "'d', which stands behind it", "'e', which is no layer"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_wiring_that_is_refused(name):
    table, messages = BAD[name]
    with pytest.raises(UserError) as caught:
        read_architecture(table)
    assert all(message in str(caught.value) for message in messages), str(caught.value)


@pytest.mark.parametrize(("start", "stop", "good"), [(0, 2, True), (2, 2, False), (3, 5, False)])
def test_channels_that_there_are(start, stop, good):
    table = {"input_shape": [4], "layers": [linear("a"), {"name": "p", "type": "Slice", "start": start, "stop": stop}]}
    if good:
        read_architecture(table)
        return
    with pytest.raises(UserError, match=rf"p \(Slice\): a has the shape \[4\]; channels {start} to {stop} are no part"):
        read_architecture(table)


def test_images_that_do_not_meet():
    layers = [
        {"name": "up", "type": "Upsample", "scale_factor": 2},
        {"name": "cat", "type": "Concat", "inputs": ["up", "input"]},
    ]
    with pytest.raises(UserError, match=r"cat \(Concat\): up has the shape .* equal heights and widths are needed"):
        read_architecture({"input_shape": [1, 2, 2], "layers": layers})
