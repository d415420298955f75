"""A network described by data: a list of layer tables, read from TOML or JSON and built as a `torch.nn.Module`.

A layer reads the one before it, or those that its `inputs` name. The same description configures our own generators,
lies in the card of the shipped one, and loads foreign checkpoints: a layer's `name` is the prefix of its tensors in the
state dictionary.
"""

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan2hls.config import read_toml
from gan2hls.errors import UserError, raise_problems, shown
from gan2hls.files import MOST_NESTED, check_values, read_json
from gan2hls.limits import ARRAY_BYTES, FILE_BYTES
from gan2hls.models import DISTRIBUTIONS, Distribution
from gan2hls.models.layer_types import DEFAULTS, LAYER_TYPES, is_shape
from gan2hls.models.wiring import wiring_problems

_KEYS = ("input_shape", "distribution", "outputs", "layers")
_OWN_KEYS = ("name", "type", "inputs")
_IMAGE_TYPES = ("ConvTranspose2d", "Conv2d", "BatchNorm2d", "Upsample", "Dropout2d")
_VECTOR_TYPES = ("Linear", "BatchNorm1d")
INPUT = "input"
"""Name of an only input."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One layer: the prefix of its tensors in the state dictionary, its type and the arguments of that type.

    `inputs` are the names of the layers and inputs that it reads, none where it reads the layer before it.
    """

    name: str
    type: str
    arguments: Mapping[str, Any]
    inputs: tuple[str, ...] = ()

    def make(self) -> nn.Module:
        """The `torch.nn` module of this layer, freshly initialized."""
        arguments = {**DEFAULTS.get(self.type, {}), **self.arguments}
        return LAYER_TYPES[self.type].make(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
        )


@dataclass(frozen=True)
class Architecture:
    """Layers and the shape of one input, without the batch: (features,) or (channels, height, width).

    `input_shape` is a mapping of such shapes by name where there are several inputs; `outputs` are the names of the
    layers whose results leave, none where that is the last one. `distribution` is what inputs were drawn from in
    training, None where the description does not say it.
    """

    input_shape: Shape | Mapping[str, Shape]
    layers: tuple[Layer, ...]
    distribution: Distribution | None = None
    outputs: tuple[str, ...] = ()

    @property
    def input_shapes(self) -> dict[str, Shape]:
        """Shape of each input, without the batch, by name."""
        return dict(self.input_shape) if isinstance(self.input_shape, Mapping) else {INPUT: self.input_shape}

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the layers whose results leave."""
        return self.outputs or (self.layers[-1].name,)

    def wiring(self) -> Iterator[tuple[Layer, tuple[str, ...]]]:
        """Each layer, and the names of the inputs and layers that it reads."""
        before = next(iter(self.input_shapes), INPUT)
        for layer in self.layers:
            yield layer, layer.inputs or (before,)
            before = layer.name

    def to_mapping(self) -> dict[str, Any]:
        """The description as plain data, in the very format that `read_architecture` reads."""
        several = isinstance(self.input_shape, Mapping)
        shapes = {name: list(shape) for name, shape in self.input_shapes.items()}
        return {
            "input_shape": shapes if several else shapes[INPUT],
            **({} if self.distribution is None else {"distribution": self.distribution}),
            **({"outputs": list(self.outputs)} if self.outputs else {}),
            "layers": [
                {
                    "name": layer.name,
                    "type": layer.type,
                    **({"inputs": list(layer.inputs)} if layer.inputs else {}),
                    **layer.arguments,
                }
                for layer in self.layers
            ],
        }


def read_architecture(source: Path | str | Mapping[str, Any], where: str | None = None) -> Architecture:
    """Read an architecture from a `.toml` or `.json` file, or from a mapping of the same content.

    A table `architecture` at the top level (as in a generator's card) is entered; what stands beside it is ignored,
    but for a `distribution`.

    Args:
        source: the file, or the mapping.
        where: how messages call a mapping.

    Raises:
        UserError: the file can not be read, or the description is wrong; all its problems are listed.
    """
    if isinstance(source, Mapping):
        values, where = source, where or "architecture"
        check_values(values, where)
    else:
        path = Path(source)
        where = str(path)
        if path.suffix.lower() == ".toml":
            values = read_toml(path)
        elif path.suffix.lower() == ".json":
            values = read_json(path)
        else:
            raise UserError(f"{path}: an architecture is a .toml or a .json file")
    if isinstance(values, Mapping) and "layers" not in values and isinstance(values.get("architecture"), Mapping):
        beside = {key: values[key] for key in ("distribution",) if key in values}
        values = {**beside, **values["architecture"]}
    problems: list[str] = []
    architecture = _parse(values, problems)
    raise_problems((f"{where}: {line}" for line in problems), f"{where}: the architecture is not accepted:")
    try:
        layer_shapes(architecture)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    return architecture


def _parse(values: Any, problems: list[str]) -> Architecture:
    if not isinstance(values, Mapping):
        problems.append("expected a table with input_shape and layers")
        return Architecture((), ())
    for key in values:
        if key not in _KEYS:
            problems.append(f"unknown key {key!r} (accepted: {', '.join(_KEYS)})")
    shape = _parse_input_shape(values.get("input_shape"), problems)
    distribution: Any = values.get("distribution")
    if distribution is not None and distribution not in DISTRIBUTIONS:
        accepted = " or ".join(map(repr, DISTRIBUTIONS))
        problems.append(f"distribution {distribution!r} is not supported; use {accepted}")
    tables: Any = values.get("layers")
    if not isinstance(tables, list | tuple) or not tables:
        problems.append("layers must be a list of at least one table")
        tables = ()
    layers = [layer for i, table in enumerate(tables) if (layer := _parse_layer(i, table, problems)) is not None]
    _check_names([layer.name for layer in layers], problems)
    outputs = _parse_names(values, "outputs", "", problems)
    architecture = Architecture(shape, tuple(layers), distribution, outputs)
    if shape:
        problems += wiring_problems(list(architecture.wiring()), list(architecture.input_shapes), outputs)
    return architecture


def _parse_input_shape(value: Any, problems: list[str]) -> Shape | dict[str, Shape]:
    def good(shape: Any) -> bool:
        return is_shape(shape) and len(shape) in (1, 3)

    if good(value):
        return tuple(value)
    if isinstance(value, Mapping) and value:
        wrong = [f"{name} = {shown(shape)}" for name, shape in value.items() if not good(shape)]
        if not wrong:
            return {str(name): tuple(shape) for name, shape in value.items()}
        problems.append(f"input_shape must give [features] or [channels, height, width], got {', '.join(wrong)}")
        return {}
    problems.append(
        f"input_shape must be [features] or [channels, height, width], got {shown(value)}; several inputs have a table "
        "of such by name"
    )
    return ()


def _parse_names(table: Mapping[str, Any], key: str, where: str, problems: list[str]) -> tuple[str, ...]:
    """Read a list of different names; () where there is none, or a wrong one."""
    if key not in table:
        return ()
    names = table[key]
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        problems.append(f"{where}{key} must be a list of at least one name, got {shown(names)}")
        return ()
    problems.extend(f"{where}{key} has {name!r} twice" for name in dict.fromkeys(names) if names.count(name) > 1)
    return tuple(dict.fromkeys(names))


def _parse_layer(index: int, table: Any, problems: list[str]) -> Layer | None:
    if not isinstance(table, Mapping):
        problems.append(f"layers[{index}]: expected a table, got {shown(table)}")
        return None
    name, kind = table.get("name", f"layers.{index}"), table.get("type")
    arguments = {key: value for key, value in table.items() if key not in _OWN_KEYS}
    if not isinstance(name, str):
        problems.append(f"layers[{index}]: name must be a string, got {shown(name)}")
        name = f"layers.{index}"
    if not isinstance(kind, str) or kind not in LAYER_TYPES:
        close = difflib.get_close_matches(shown(kind)[1:-1], LAYER_TYPES, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        problems.append(f"{name}: type {shown(kind)} is not supported; {hint}accepted: {', '.join(LAYER_TYPES)}")
        return Layer(name, "Identity", {})
    inputs = _parse_names(table, "inputs", f"{name} ({kind}): ", problems)
    before = len(problems)
    where, spec = f"{name} ({kind})", LAYER_TYPES[kind]
    accepted = {**spec.required, **spec.optional}
    for key, value in arguments.items():
        if key not in accepted:
            problems.append(f"{where}: unknown argument {key!r} (accepted: {', '.join(accepted) or 'none'})")
        elif not accepted[key].accepts(value):
            problems.append(f"{where}: {key} must be {accepted[key].words}, got {shown(value)}")
    problems.extend(f"{where}: argument {key!r} is missing" for key in spec.required if key not in arguments)
    return Layer(name, kind, arguments if len(problems) == before else {}, inputs)


def _check_names(names: Sequence[str], problems: list[str]) -> None:
    seen: set[str] = set()
    known = set(names)
    for name in names:
        if name in seen:
            problems.append(f"{name}: two layers have this name")
        seen.add(name)
        parts = name.split(".")
        if not all(parts):
            problems.append(f"{name!r}: a name is made of non-empty parts with dots between them")
        for reserved in parts:
            if hasattr(nn.Module(), reserved) or hasattr(Chain, reserved) or reserved == "architecture":
                problems.append(f"{name}: {reserved!r} is a word of torch.nn.Module and can not be part of a name")
        if len(parts) > MOST_NESTED:
            problems.append(f"{name}: a name has at most {MOST_NESTED} parts")
        for length in range(1, min(len(parts), MOST_NESTED)):
            if ".".join(parts[:length]) in known:
                problems.append(f"{name}: lies inside another layer, {'.'.join(parts[:length])}")


class Chain(nn.Module):
    """The layers of an architecture under their dotted names, called in the order of the list."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        for layer in architecture.layers:
            owner: nn.Module = self
            *containers, last = layer.name.split(".")
            for part in containers:
                if part not in owner._modules:
                    owner.add_module(part, nn.Module())
                owner = owner.get_submodule(part)
            owner.add_module(last, layer.make())

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the order in which `forward` takes them."""
        return tuple(self.architecture.input_shapes)

    def forward(self, x: Tensor) -> Any:
        """Map a batch (n, *input_shape) through all layers; several outputs are a dictionary by name."""
        return self._run(x)

    def _run(self, *inputs: Tensor) -> Any:
        """Map a batch for each input, in the order of their names."""
        values = dict(zip(self.input_names, inputs, strict=True))
        for layer, names in self.architecture.wiring():
            values[layer.name] = self.get_submodule(layer.name)(*(values[name] for name in names))
        found = {name: values[name] for name in self.architecture.output_names}
        return found if len(found) > 1 else next(iter(found.values()))


class ManyInputs(Chain):
    """An architecture of several inputs."""

    def forward(self, *inputs: Tensor) -> Any:
        """Map a batch for each input through all layers; several outputs are a dictionary by name."""
        return self._run(*inputs)


def build_module(architecture: Architecture) -> Chain:
    """The module of an architecture; its state dictionary has the keys `<layer name>.<parameter>`.

    `torch.fx.symbolic_trace` gives one `call_module` node per layer (`Reshape`: one `call_method`).
    """
    return Chain(architecture) if len(architecture.input_shapes) == 1 else ManyInputs(architecture)


def _misfit(layer: Layer, shape: tuple[int, ...]) -> str:
    """Why the layer does not accept an input of this shape, or nothing: torch's own words for it are hard to read.

    It also holds back what torch would take in another sense, such as a 3-dimensional batch as one image.
    """
    dimensions = {3: _IMAGE_TYPES, 1: _VECTOR_TYPES}
    for count, types in dimensions.items():
        if layer.type in types and len(shape) != count:
            wanted = "[channels, height, width]" if count == 3 else "[features] (a Flatten before it gives that)"
            return f"needs an input of shape {wanted}, got {list(shape)}"
    for key in ("in_channels", "in_features", "num_features"):
        if key in layer.arguments and layer.arguments[key] != shape[0]:
            return f"{key} is {layer.arguments[key]}, but the layer before it gives {shape[0]} (shape {list(shape)})"
    return ""


def layer_shapes(architecture: Architecture) -> list[Shape]:
    """Output shape of each layer without the batch, computed without memory or arithmetic (torch's meta device).

    Raises:
        UserError: a layer does not fit what comes before it.
    """
    values: dict[str, Tensor] = {}
    for name, shape in architecture.input_shapes.items():
        ARRAY_BYTES.check(math.prod(shape) * 4, f"an input of shape {list(shape)}")
        values[name] = torch.empty((1, *shape), device="meta")
    for layer, names in architecture.wiring():
        where = f"{layer.name} ({layer.type})"
        before = [tuple(values[name].shape[1:]) for name in names]
        if problem := _join_misfit(layer, dict(zip(names, before, strict=True))) or _misfit(layer, before[0]):
            raise UserError(f"{where}: {problem}")
        try:
            with torch.no_grad(), torch.device("meta"):
                module = layer.make().eval()
                x = module(*(values[name] for name in names))
        except (RuntimeError, ValueError, IndexError, TypeError, OverflowError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{where}: does not accept an input of shape {before[0]}: {reason}") from None
        values[layer.name] = x
        ARRAY_BYTES.check(x.numel() * 4, f"{where}: an output of shape {list(x.shape[1:])}")
        FILE_BYTES.check(sum(tensor.numel() for tensor in module.parameters()) * 4, f"{where}: its weights")
    return [tuple(values[layer.name].shape[1:]) for layer in architecture.layers]


def _join_misfit(layer: Layer, shapes: Mapping[str, Shape]) -> str:
    """Why shapes can not meet in the layer, or nothing."""
    listed = ", ".join(f"{name} has the shape {list(shape)}" for name, shape in shapes.items())
    if layer.type in ("Add", "Sub") and len(set(shapes.values())) > 1:
        return f"{listed}; equal ones are needed"
    if layer.type == "Concat" and len({shape[1:] for shape in shapes.values()}) > 1:
        return f"{listed}; equal heights and widths are needed"
    if (
        layer.type == "Slice"
        and not layer.arguments["start"] < layer.arguments["stop"] <= next(iter(shapes.values()))[0]
    ):
        return f"{listed}; channels {layer.arguments['start']} to {layer.arguments['stop']} are no part of it"
    return ""


def dump_architecture(architecture: Architecture) -> str:
    """The description as JSON text."""
    return json.dumps(architecture.to_mapping(), indent=2) + "\n"
