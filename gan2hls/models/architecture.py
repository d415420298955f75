"""A network described by data: a list of layer tables, read from TOML or JSON and built as a `torch.nn.Module`.

The same description configures our own generators, lies in the card of the shipped one, and loads foreign
checkpoints: a layer's `name` is the prefix of its tensors in the state dictionary.
"""

import difflib
import json
import math
from collections.abc import Callable, Mapping, Sequence
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


class Reshape(nn.Module):
    """Give each element of the batch another shape: (n, ...) -> (n, *shape), in the same order."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape((-1, *self.shape))

    def extra_repr(self) -> str:
        return f"shape={self.shape}"


class Affine(nn.Module):
    """`x · scale + offset` with two numbers, as (x + 1) / 2 behind a tanh."""

    def __init__(self, scale: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.offset

    def extra_repr(self) -> str:
        return f"scale={self.scale}, offset={self.offset}"


MOST_SIZE, MOST_NUMBER = 1 << 24, 1e6
"""Of an argument: channels, pixels or taps, and what is no whole number; torch multiplies sizes without looking."""


def _is_int(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST_SIZE


def _is_size(value: Any, least: int) -> bool:
    if isinstance(value, list | tuple):
        return len(value) == 2 and all(_is_int(item, least) for item in value)
    return _is_int(value, least)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST_NUMBER


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(_is_int(item, 1) for item in value)


@dataclass(frozen=True)
class _Kind:
    accepts: Callable[[Any], bool]
    words: str


_COUNT = _Kind(lambda v: _is_int(v, 1), f"an integer of at least 1, up to {MOST_SIZE:,}")
_AXIS = _Kind(lambda v: _is_int(v, -MOST_SIZE), "an integer")
_SIZE = _Kind(lambda v: _is_size(v, 1), f"an integer of at least 1, up to {MOST_SIZE:,}, or [height, width]")
_PAD = _Kind(lambda v: _is_size(v, 0), f"an integer of at least 0, up to {MOST_SIZE:,}, or [height, width]")
_FLAG = _Kind(lambda v: isinstance(v, bool), "true or false")
_NUMBER = _Kind(_is_number, f"a finite number, up to {MOST_NUMBER:,.0f}")
_CHANCE = _Kind(lambda v: _is_number(v) and 0 <= v <= 1, "a number from 0 to 1")
_POSITIVE = _Kind(lambda v: _is_number(v) and v > 0, f"a number above 0, up to {MOST_NUMBER:,.0f}")
_SHAPE = _Kind(_is_shape, f"a list of integers of at least 1, up to {MOST_SIZE:,}")
_GELU = _Kind(lambda v: v in ("none", "tanh"), "'none' or 'tanh'")
_NEAREST = _Kind(lambda v: v == "nearest", "'nearest'")
_DIM_ONE = _Kind(lambda v: v == 1 and not isinstance(v, bool), "1")

_CONV = {"in_channels": _COUNT, "out_channels": _COUNT, "kernel_size": _SIZE}
_CONV_OPTIONS = {"stride": _SIZE, "padding": _PAD, "dilation": _SIZE, "groups": _COUNT, "bias": _FLAG}
_NORM_OPTIONS = {"eps": _POSITIVE, "momentum": _CHANCE, "affine": _FLAG, "track_running_stats": _FLAG}
_IN_PLACE = {"inplace": _FLAG}


@dataclass(frozen=True)
class _Type:
    make: Callable[..., nn.Module]
    required: Mapping[str, _Kind]
    optional: Mapping[str, _Kind]


LAYER_TYPES: Mapping[str, _Type] = {
    "Linear": _Type(nn.Linear, {"in_features": _COUNT, "out_features": _COUNT}, {"bias": _FLAG}),
    "ConvTranspose2d": _Type(nn.ConvTranspose2d, _CONV, {**_CONV_OPTIONS, "output_padding": _PAD}),
    "Conv2d": _Type(nn.Conv2d, _CONV, _CONV_OPTIONS),
    "BatchNorm1d": _Type(nn.BatchNorm1d, {"num_features": _COUNT}, _NORM_OPTIONS),
    "BatchNorm2d": _Type(nn.BatchNorm2d, {"num_features": _COUNT}, _NORM_OPTIONS),
    "ReLU": _Type(nn.ReLU, {}, _IN_PLACE),
    "LeakyReLU": _Type(nn.LeakyReLU, {}, {"negative_slope": _NUMBER, **_IN_PLACE}),
    "Tanh": _Type(nn.Tanh, {}, {}),
    "Sigmoid": _Type(nn.Sigmoid, {}, {}),
    "ReLU6": _Type(nn.ReLU6, {}, _IN_PLACE),
    "Hardtanh": _Type(nn.Hardtanh, {}, {"min_val": _NUMBER, "max_val": _NUMBER, **_IN_PLACE}),
    "ELU": _Type(nn.ELU, {}, {"alpha": _POSITIVE, **_IN_PLACE}),
    "SELU": _Type(nn.SELU, {}, _IN_PLACE),
    "CELU": _Type(nn.CELU, {}, {"alpha": _POSITIVE, **_IN_PLACE}),
    "SiLU": _Type(nn.SiLU, {}, _IN_PLACE),
    "GELU": _Type(nn.GELU, {}, {"approximate": _GELU}),
    "Softplus": _Type(nn.Softplus, {}, {"beta": _POSITIVE, "threshold": _NUMBER}),
    "Hardswish": _Type(nn.Hardswish, {}, _IN_PLACE),
    "Hardsigmoid": _Type(nn.Hardsigmoid, {}, _IN_PLACE),
    "LogSigmoid": _Type(nn.LogSigmoid, {}, {}),
    "Softsign": _Type(nn.Softsign, {}, {}),
    "Mish": _Type(nn.Mish, {}, _IN_PLACE),
    "Tanhshrink": _Type(nn.Tanhshrink, {}, {}),
    "Affine": _Type(Affine, {}, {"scale": _NUMBER, "offset": _NUMBER}),
    "Upsample": _Type(nn.Upsample, {"scale_factor": _SIZE}, {"mode": _NEAREST}),
    "Unflatten": _Type(nn.Unflatten, {"unflattened_size": _SHAPE}, {"dim": _DIM_ONE}),
    "Flatten": _Type(nn.Flatten, {}, {"start_dim": _AXIS, "end_dim": _AXIS}),
    "Reshape": _Type(Reshape, {"shape": _SHAPE}, {}),
    "Identity": _Type(nn.Identity, {}, {}),
    "Dropout": _Type(nn.Dropout, {}, {"p": _CHANCE, **_IN_PLACE}),
    "Dropout2d": _Type(nn.Dropout2d, {}, {"p": _CHANCE, **_IN_PLACE}),
}
"""The accepted layer types: how each is made, and its required and optional arguments."""

_DEFAULTS: Mapping[str, Mapping[str, Any]] = {"Unflatten": {"dim": 1}}
"""Arguments that torch requires and for which we accept one value only."""


_KEYS = ("input_shape", "distribution", "layers")
_IMAGE_TYPES = ("ConvTranspose2d", "Conv2d", "BatchNorm2d", "Upsample", "Dropout2d")
_VECTOR_TYPES = ("Linear", "BatchNorm1d")


@dataclass(frozen=True)
class Layer:
    """One layer: the prefix of its tensors in the state dictionary, its type and the arguments of that type."""

    name: str
    type: str
    arguments: Mapping[str, Any]

    def make(self) -> nn.Module:
        """The `torch.nn` module of this layer, freshly initialized."""
        arguments = {**_DEFAULTS.get(self.type, {}), **self.arguments}
        return LAYER_TYPES[self.type].make(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
        )


@dataclass(frozen=True)
class Architecture:
    """A chain of layers and the shape of one input, without the batch: (features,) or (channels, height, width).

    `distribution` is what inputs were drawn from in training, None where the description does not say it.
    """

    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    distribution: Distribution | None = None

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each input, without the batch, by name."""
        return {"input": self.input_shape}

    def to_mapping(self) -> dict[str, Any]:
        """The description as plain data, in the very format that `read_architecture` reads."""
        return {
            "input_shape": list(self.input_shape),
            **({} if self.distribution is None else {"distribution": self.distribution}),
            "layers": [{"name": layer.name, "type": layer.type, **layer.arguments} for layer in self.layers],
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
    shape: Any = values.get("input_shape")
    if not (_is_shape(shape) and len(shape) in (1, 3)):
        problems.append(f"input_shape must be [features] or [channels, height, width], got {shown(shape)}")
        shape = ()
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
    return Architecture(tuple(shape), tuple(layers), distribution)


def _parse_layer(index: int, table: Any, problems: list[str]) -> Layer | None:
    if not isinstance(table, Mapping):
        problems.append(f"layers[{index}]: expected a table, got {shown(table)}")
        return None
    name, kind = table.get("name", f"layers.{index}"), table.get("type")
    arguments = {key: value for key, value in table.items() if key not in ("name", "type")}
    if not isinstance(name, str):
        problems.append(f"layers[{index}]: name must be a string, got {shown(name)}")
        name = f"layers.{index}"
    if not isinstance(kind, str) or kind not in LAYER_TYPES:
        close = difflib.get_close_matches(shown(kind)[1:-1], LAYER_TYPES, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        problems.append(f"{name}: type {shown(kind)} is not supported; {hint}accepted: {', '.join(LAYER_TYPES)}")
        return Layer(name, "Identity", {})
    before = len(problems)
    where, spec = f"{name} ({kind})", LAYER_TYPES[kind]
    accepted = {**spec.required, **spec.optional}
    for key, value in arguments.items():
        if key not in accepted:
            problems.append(f"{where}: unknown argument {key!r} (accepted: {', '.join(accepted) or 'none'})")
        elif not accepted[key].accepts(value):
            problems.append(f"{where}: {key} must be {accepted[key].words}, got {shown(value)}")
    problems.extend(f"{where}: argument {key!r} is missing" for key in spec.required if key not in arguments)
    return Layer(name, kind, arguments) if len(problems) == before else Layer(name, "Identity", {})


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
            if hasattr(nn.Module(), reserved) or reserved == "architecture":
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

    def forward(self, x: Tensor) -> Tensor:
        """Map a batch (n, *input_shape) through all layers."""
        for layer in self.architecture.layers:
            x = self.get_submodule(layer.name)(x)
        return x


def build_module(architecture: Architecture) -> Chain:
    """The module of an architecture; its state dictionary has the keys `<layer name>.<parameter>`.

    `torch.fx.symbolic_trace` gives one `call_module` node per layer (`Reshape`: one `call_method`).
    """
    return Chain(architecture)


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


def layer_shapes(architecture: Architecture) -> list[tuple[int, ...]]:
    """Output shape of each layer without the batch, computed without memory or arithmetic (torch's meta device).

    Raises:
        UserError: a layer does not fit what comes before it.
    """
    shapes: list[tuple[int, ...]] = []
    ARRAY_BYTES.check(math.prod(architecture.input_shape) * 4, f"an input of shape {list(architecture.input_shape)}")
    x = torch.empty((1, *architecture.input_shape), device="meta")
    for layer in architecture.layers:
        before = tuple(x.shape[1:])
        if problem := _misfit(layer, before):
            raise UserError(f"{layer.name} ({layer.type}): {problem}")
        try:
            with torch.no_grad(), torch.device("meta"):
                module = layer.make().eval()
                x = module(x)
        except (RuntimeError, ValueError, IndexError, TypeError, OverflowError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{layer.name} ({layer.type}): does not accept an input of shape {before}: {reason}"
            ) from None
        shapes.append(tuple(x.shape[1:]))
        where = f"{layer.name} ({layer.type})"
        ARRAY_BYTES.check(x.numel() * 4, f"{where}: an output of shape {list(shapes[-1])}")
        FILE_BYTES.check(sum(tensor.numel() for tensor in module.parameters()) * 4, f"{where}: its weights")
    return shapes


def dump_architecture(architecture: Architecture) -> str:
    """The description as JSON text."""
    return json.dumps(architecture.to_mapping(), indent=2) + "\n"
