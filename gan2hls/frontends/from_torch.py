"""Torch frontend: an `nn.Module`, or a file of weights with an architecture, becomes a `FloatModel`.

The module is traced by torch.fx, and a zero batch is sent through the trace to learn every shape. Since shapes are
known while tracing, control flow on them (`if x.dim() == 2`, `x.view(x.size(0), -1)`) is followed. At the end the
module and the float model are compared on random input, so that whatever a trace does not show (hooks, randomness)
ends in an error instead of different hardware.
"""

import copy
import inspect
import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.nn.parameter import is_lazy

from gan2hls import files
from gan2hls.errors import UserError, raise_problems
from gan2hls.frontends.float_model import FloatLayer, FloatModel, Shape, merge_reshapes
from gan2hls.frontends.torch_layers import (
    ACCEPTED,
    Draft,
    UnsupportedError,
    is_known_function,
    known_class,
    read_function,
    read_module,
)
from gan2hls.models.architecture import Chain, build_module, read_architecture
from gan2hls.models.weights import load_weights, read_state_dict

_HEADING = "the module can not be turned into hardware:"
_INNER = "module"
_SHAPE_TARGETS = frozenset({getattr, "size", "dim", "numel", "ndimension", "nelement", "is_floating_point"})


def load(source: nn.Module | Path | str, *, architecture: Path | str | Mapping[str, Any] | None = None) -> nn.Module:
    """Give a module in eval mode, in float32 on the CPU; the caller's own module stays as it is.

    Args:
        source: a module, or a file of weights (.safetensors, or a state dict in .pth or .pt). No code in it is run.
        architecture: what the weights belong to: a TOML or JSON file, or its content. Without it, the key
            "architecture" of the JSON card beside the weights (`generator.json` of `generator.pth`) is used.

    Raises:
        UserError: a missing, damaged, hostile or mismatched file; weights that are not finite.
    """
    if isinstance(source, nn.Module):
        if architecture is not None:
            raise UserError("an architecture goes with a file of weights, not with a module")
        return _usable_copy(source)
    if not isinstance(source, str | Path):
        raise UserError(f"{type(source).__name__} can not be read; give an nn.Module or the path of a file of weights")
    path = Path(source)
    if not files.is_file(path):
        raise UserError(f"{path}: no such file")
    module = build_module(read_architecture(_card_architecture(path) if architecture is None else architecture))
    load_weights(module, read_state_dict(path), str(path))
    return _usable_copy(module)


def trace(module: nn.Module, input_shape: Shape | None = None) -> FloatModel:
    """Read a module as a chain of layers.

    Args:
        module: any module that torch.fx can trace; it is not changed, and read as in eval mode.
        input_shape: shape of one input without the batch: `(features,)` or `(channels, height, width)`. A module that
            was built from an architecture knows its own.

    Raises:
        UserError: everything that is not supported, by node name; a module that can not be traced; an input shape
            that a layer does not accept; weights that are not finite.
    """
    if input_shape is None and isinstance(module, Chain):
        input_shape = module.architecture.input_shape
    input_shape = _checked_input_shape(input_shape)
    module = _usable_copy(module)
    _check_signature(module)
    tracer = _Tracer(input_shape)
    with torch.no_grad():
        try:
            graph = tracer.trace(_OneInput(module))
        except Exception as error:
            raise UserError(
                f"torch.fx can not trace {type(module).__name__}: {error or type(error).__name__}"
            ) from error
        model = _Reader(tracer, graph, type(module).__name__.lower()).read(input_shape)
        _check_equal(module, model)
    return model


def _card_architecture(path: Path) -> Mapping[str, Any]:
    card = path.with_suffix(".json")
    if files.is_file(card):
        content = files.read_json(card)
        if isinstance(content, Mapping) and isinstance(content.get("architecture"), Mapping):
            return content["architecture"]
    raise UserError(
        f"{path}: weights alone do not say what they belong to; give an architecture (TOML or JSON), or put it under "
        f'the key "architecture" into {card}'
    )


def _usable_copy(module: nn.Module) -> nn.Module:
    while isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        module = module.module
    _check_tensors(module)
    # Weights that old-style weight_norm computed are no leaves of autograd, which deepcopy refuses.
    memo: dict[int, Any] = {}
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    try:
        copied = copy.deepcopy(module, memo)
    except Exception as error:
        raise UserError(f"{type(module).__name__} can not be copied: {error}") from error
    copied = copied.to("cpu", torch.float32).eval()
    for parameter in copied.parameters():
        parameter.requires_grad_(False)
    return copied


def _check_tensors(module: nn.Module) -> None:
    problems = []
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            problems.append(f"{name}: has no values yet; run the module once, then give it")
        elif tensor.is_meta:
            problems.append(f"{name}: has no values (meta device); load weights first")
        elif tensor.is_quantized or tensor.is_complex():
            problems.append(f"{name}: {tensor.dtype} is not supported; use floating point")
        elif tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            kind = "NaN" if bool(torch.isnan(tensor).any()) else "an infinite value"
            problems.append(f"{name}: contains {kind}")
    raise_problems(problems, "the weights can not be used:")


def _check_signature(module: nn.Module) -> None:
    required = [
        parameter.name
        for parameter in inspect.signature(module.forward).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if len(required) > 1:
        inputs = f"{len(required)} inputs ({', '.join(required)})"
        raise UserError(f"{type(module).__name__}: forward takes {inputs}; one is supported")


def _checked_input_shape(shape: Shape | None) -> Shape:
    good = isinstance(shape, tuple | list) and all(
        isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in shape
    )
    if shape is None or not good or len(shape) not in (1, 3):
        raise UserError(f"input shape {shape} is not accepted; use (features,) or (channels, height, width), no batch")
    return tuple(shape)


def _check_equal(module: nn.Module, model: FloatModel) -> None:
    # Three samples, where the trace used two: a batch size written into the module shows here.
    samples = torch.randn(3, *model.input_shape, generator=torch.Generator().manual_seed(0))
    try:
        expected = module(samples)
    except Exception as error:
        raise UserError(f"{type(module).__name__}: works for a batch of 2 but not of 3: {error}") from error
    given = model.forward(samples)
    if expected.shape != given.shape:
        shapes = f"{tuple(expected.shape)} instead of {tuple(given.shape)}"
        raise UserError(f"{type(module).__name__}: depends on the batch size: a batch of 3 gives {shapes}")
    difference, largest = float((given - expected).abs().max()), float(expected.abs().max())
    if not difference <= 1e-3 * largest + 1e-6:
        raise UserError(
            f"{type(module).__name__}: its output differs from that of its layers by {difference:.3g} (largest value "
            f"{largest:.3g}); forward hooks that change values, and random numbers, are not supported"
        )


class _OneInput(nn.Module):
    """Calls a module with one argument, so that further arguments of its forward take their defaults."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> Any:
        return self.module(x)


class _Unknown:
    """The value of a node that could not be computed because of a problem before it."""

    def __init__(self, is_tensor: bool) -> None:
        self.is_tensor = is_tensor


def _is_tensor(value: Any) -> bool:
    return value.is_tensor if isinstance(value, _Unknown) else isinstance(value, torch.Tensor)


class _Tracer(fx.Tracer):
    """Traces with torch.nn modules as leaves, and knows what each node gives for a zero batch of two."""

    def __init__(self, input_shape: Shape) -> None:
        super().__init__()
        self.input = torch.zeros(2, *input_shape)
        self.values: dict[fx.Node, Any] = {}
        self.failures: dict[fx.Node, Exception] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, _OneInput):
            return False
        return known_class(m) is not None or super().is_leaf_module(m, module_qualified_name)

    def to_bool(self, obj: fx.Proxy) -> bool:
        return bool(self._shape_value(obj, "an if, while, and, or"))

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        proxy: Any = obj
        return iter([proxy[i] for i in range(len(self._shape_value(obj, "a loop or an unpacking")))])

    def _shape_value(self, obj: fx.Proxy, place: str) -> Any:
        asked = obj.node  # made on first access, if `obj` is an attribute
        for node in self.graph.nodes:
            if node not in self.values:
                self.evaluate(node)
        value = self.values[asked]
        if isinstance(value, _Unknown):
            failure = next(iter(self.failures.values()))
            raise fx.proxy.TraceError(str(failure))
        if isinstance(value, torch.Tensor):
            raise fx.proxy.TraceError(f"{place} depends on values of {obj.node}, not only on shapes")
        return value

    def evaluate(self, node: fx.Node) -> Any:
        """Compute a node whose inputs have been computed, and remember its value."""
        inputs = [self.values[before] for before in node.all_input_nodes]
        if any(isinstance(value, _Unknown) for value in inputs):
            known_shape = node.target in _SHAPE_TARGETS or not any(map(_is_tensor, inputs))
            self.values[node] = _Unknown(is_tensor=not known_shape)
        else:
            try:
                self.values[node] = self._compute(node)
            except Exception as error:
                self.failures[node] = error
                self.values[node] = _Unknown(is_tensor=any(map(_is_tensor, inputs)))
        return self.values[node]

    def _compute(self, node: fx.Node) -> Any:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda before: self.values[before])
        target: Any = node.target
        if node.op == "placeholder":
            return self.input
        if node.op == "call_function":
            return target(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], target)(*args[1:], **kwargs)
        if node.op == "call_module":
            return self.root.get_submodule(target)(*args, **kwargs)
        return operator.attrgetter(target)(self.root)


class _Reader:
    """Reads the nodes of a trace one after the other into layers, and collects all problems."""

    def __init__(self, tracer: _Tracer, graph: fx.Graph, root_name: str) -> None:
        self.tracer, self.graph, self.root_name = tracer, graph, root_name
        self.problems: list[str] = []
        self.layers: list[FloatLayer] = []
        self.from_input: set[fx.Node] = set()
        self.uses: Counter[str] = Counter()
        self.accepted_needed = False

    def read(self, input_shape: Shape) -> FloatModel:
        """Give the model, or raise all problems at once."""
        for node in reversed(self.graph.nodes):
            if not node.users and node.op not in ("placeholder", "output"):
                self.graph.erase_node(node)
        for node in self.graph.nodes:
            if node.op == "output":
                self._read_output(node)
                continue
            value = self.tracer.values[node] if node in self.tracer.values else self.tracer.evaluate(node)
            if node.op == "placeholder" or any(before in self.from_input for before in node.all_input_nodes):
                self.from_input.add(node)
                if node.op != "placeholder" and (_is_tensor(value) or node in self.tracer.failures):
                    self._read_layer(node)
        if self.accepted_needed:
            self.problems.append(ACCEPTED)
        raise_problems(self.problems, _HEADING)
        layers = merge_reshapes(self.layers)
        raise_problems(
            f"{layer.name}: its output has the shape {layer.out_shape}: neither a vector nor an image"
            for layer in layers
            if len(layer.out_shape) not in (1, 3)
        )
        if not layers:
            raise UserError(f"{self.root_name}: has no layers")
        return FloatModel(input_shape, tuple(layers))

    def _label(self, node: fx.Node) -> tuple[str, str]:
        """Give the name of a node, and the kind of thing it calls."""
        if node.op == "call_module":
            module = self.tracer.root.get_submodule(str(node.target))
            kind = known_class(module) or type(module)
            return str(node.target).removeprefix(_INNER).removeprefix(".") or self.root_name, kind.__name__
        return node.name, getattr(node.target, "__name__", str(node.target))

    def _activations(self, node: fx.Node) -> list[fx.Node]:
        return [n for n in node.all_input_nodes if n in self.from_input and _is_tensor(self.tracer.values[n])]

    def _read_layer(self, node: fx.Node) -> None:
        name, kind = self._label(node)
        self.uses[name] += 1
        if self.uses[name] > 1:
            name = f"{name}#{self.uses[name]}"
        try:
            layer = self._layer(node, name)
        except UnsupportedError as reasons:
            self.accepted_needed |= "not supported" in reasons.args
            self.problems.extend(f"{name} ({kind}): {reason}" for reason in reasons.args)
        else:
            if layer is not None:
                self.layers.append(layer)

    def _layer(self, node: fx.Node, name: str) -> FloatLayer | None:
        before = self._activations(node)
        if len(before) > 1:
            joined = ", ".join(self._label(n)[0] if n.op != "placeholder" else "the input" for n in before)
            raise UnsupportedError(f"joins branches ({joined}); only a chain of layers is supported")
        draft = self._draft(node)
        if not before:
            raise UnsupportedError("not supported")
        given, value = self.tracer.values[before[0]], self.tracer.values[node]
        if not isinstance(given, torch.Tensor):
            return None
        in_shape = tuple(given.shape[1:])
        draft.check_input(in_shape)
        if not isinstance(value, torch.Tensor):
            reason = str(self.tracer.failures[node]).strip().split("\n")[0]
            raise UnsupportedError(f"does not accept an input of shape {in_shape} (without the batch): {reason}")
        if value.ndim < 2 or value.shape[0] != 2:
            raise UnsupportedError(
                f"changes the batch: {tuple(given.shape)} becomes {tuple(value.shape)}; keep dimension 0"
            )
        if 0 in value.shape:
            raise UnsupportedError(f"its output is empty: shape {tuple(value.shape[1:])}")
        return draft.finish(name, in_shape, tuple(value.shape[1:]))

    def _draft(self, node: fx.Node) -> Draft:
        if node.op == "call_module":
            return read_module(self.tracer.root.get_submodule(str(node.target)))
        target: Callable[..., Any] | str = node.target
        if not is_known_function(target):
            raise UnsupportedError("not supported")
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda n: self.tracer.values[n])
        try:
            return read_function(target, args, kwargs)
        except TypeError as error:
            raise UnsupportedError(f"these arguments are not supported: {error}") from None

    def _read_output(self, node: fx.Node) -> None:
        result = node.args[0]
        if isinstance(result, fx.Node) and result in self.from_input and _is_tensor(self.tracer.values[result]):
            return
        count = len(result) if isinstance(result, tuple | list | dict) else 0
        what = f"gives {count} outputs" if count > 1 else "does not give a tensor that depends on the input"
        self.problems.append(f"output: the module {what}; one tensor is supported")
