"""Reads the nodes of a trace one after the other into layers, and collects all problems."""

import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from gan2hls.errors import UserError, raise_problems
from gan2hls.frontends.drafts import TRACED, Draft, UnsupportedError
from gan2hls.frontends.float_model import FloatLayer, FloatModel, Shape, merge_reshapes
from gan2hls.frontends.torch_layers import ACCEPTED, is_known_function, known_class, read_function, read_module
from gan2hls.frontends.tracing import (
    Inputs,
    Tracer,
    TraceStoppedError,
    Unknown,
    inner_name,
    is_tensor,
    node_name,
    place,
    short,
)

MAX_ELEMENTS = 1 << 28
"""Values of one sample that a layer may give: the comparison of module and float model computes them."""
MOST_PROBLEMS = 18
"""Problems that are listed; large networks repeat theirs in each block."""
_HEADING = "the module can not be turned into hardware:"


def read_module_layers(module: nn.Module, input_shape: Shape) -> FloatModel:
    """Trace a module and read the trace.

    Raises:
        UserError: everything that is not supported, by node name, as far as the trace could go.
    """
    further = _further_inputs(module)
    tracer = Tracer(input_shape)
    reader = _Reader(tracer, type(module).__name__)
    if further:
        names = ", ".join([_first_input(module), *further])
        reader.problems.append(
            f"{type(module).__name__}: forward takes {len(further) + 1} inputs ({names}); one is supported"
        )
    random_state = torch.get_rng_state()
    try:
        tracer.trace_inputs(Inputs(module, further))
    except Exception as error:
        reader.read_nodes(complete=False)
        _add_failure(reader, error, type(module).__name__)
    else:
        reader.read_nodes(complete=True)
    # Alone it is no problem: the numbers may have no effect. If they have, the comparison at the end draws others.
    if reader.problems and not torch.equal(torch.get_rng_state(), random_state):
        reader.problems.append("forward draws random numbers, which are not supported; the hardware has none")
    return reader.model(input_shape)


def _parameters_without_default(module: nn.Module) -> list[inspect.Parameter]:
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        parameter
        for parameter in inspect.signature(module.forward).parameters.values()
        if parameter.default is parameter.empty and parameter.kind not in variable
    ]


def _first_input(module: nn.Module) -> str:
    return _parameters_without_default(module)[0].name


def _further_inputs(module: nn.Module) -> dict[str, bool]:
    """Names of the inputs after the first that have no default: whether they are keywords only."""
    further = _parameters_without_default(module)[1:]
    return {parameter.name: parameter.kind is parameter.KEYWORD_ONLY for parameter in further}


def _add_failure(reader: "_Reader", error: Exception, name: str) -> None:
    """Say why the trace ended, unless that follows from a problem that is listed already."""
    unknown = any(isinstance(value, Unknown) for value in reader.tracer.values.values())
    if reader.problems and unknown:
        reader.problems.append(f"{name}: forward was read as far as these problems allow{place(error.__traceback__)}")
        return
    named = isinstance(error, TraceStoppedError) or not str(error).strip()
    what = short(error) if named else f"{type(error).__name__}: {short(error)}"
    reader.problems.append(f"torch.fx can not trace {name}: {what}{place(error.__traceback__)}")


class _Reader:
    def __init__(self, tracer: Tracer, root_type: str) -> None:
        self.tracer, self.root_name = tracer, root_type.lower()
        self.problems: list[str] = []
        self.layers: list[FloatLayer] = []
        self.from_input: set[fx.Node] = set()
        self.uses: Counter[str] = Counter()
        self.accepted_needed = False

    def read_nodes(self, complete: bool) -> None:
        """Read what the trace holds; a complete one ends with the output, and what does not reach it is left out."""
        graph = self.tracer.graph
        for node in reversed(graph.nodes):
            if complete and not node.users and node.op not in ("placeholder", "output"):
                graph.erase_node(node)
        self.problems += self.tracer.problems
        for node in graph.nodes:
            if node.op == "output":
                self._read_output(node)
            elif node.op != "get_attr":
                self.from_input.add(node)
                if node.op != "placeholder" and (is_tensor(self.tracer.values[node]) or node in self.tracer.failures):
                    self._read_layer(node)

    def model(self, input_shape: Shape) -> FloatModel:
        """Give the model, or raise all problems at once."""
        problems = list(dict.fromkeys(self.problems))
        if len(problems) > MOST_PROBLEMS:
            problems[MOST_PROBLEMS:] = [f"and {len(problems) - MOST_PROBLEMS:,} more of the kind"]
        raise_problems([*problems, ACCEPTED] if self.accepted_needed else problems, _HEADING)
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
            return inner_name(node.target) or self.root_name, kind.__name__
        return node_name(node), getattr(node.target, "__name__", str(node.target))

    def _place(self, node: fx.Node) -> str:
        """Say in which submodule a function is called."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        if node.op == "call_module" or not stack:
            return ""
        path, kind = stack[-1]
        return f" in {inner_name(path)} ({getattr(kind, '__name__', kind)})" if inner_name(path) else ""

    def _activations(self, node: fx.Node) -> list[fx.Node]:
        return [n for n in node.all_input_nodes if n in self.from_input and is_tensor(self.tracer.values[n])]

    def _read_layer(self, node: fx.Node) -> None:
        name, kind = self._label(node)
        self.uses[name] += 1
        if self.uses[name] > 1:
            name = f"{name}#{self.uses[name]}"
        try:
            layer = self._layer(node, name)
        except UnsupportedError as reasons:
            self.accepted_needed |= "not supported" in reasons.args
            self.problems.extend(f"{name} ({kind}){self._place(node)}: {reason}" for reason in reasons.args)
        else:
            if layer is not None:
                self.layers.append(layer)

    def _layer(self, node: fx.Node, name: str) -> FloatLayer | None:
        before = self._activations(node)
        if len(before) > 1:
            joined = ", ".join(self._label(n)[0] for n in before)
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
            reason = short(self.tracer.failures[node])
            raise UnsupportedError(f"does not accept an input of shape {in_shape} (without the batch): {reason}")
        _check_result(value, given)
        return draft.finish(name, in_shape, tuple(value.shape[1:]))

    def _draft(self, node: fx.Node) -> Draft:
        if node.op == "call_module":
            return read_module(self.tracer.root.get_submodule(str(node.target)))
        target: Callable[..., Any] | str = node.target
        if not is_known_function(target):
            raise UnsupportedError("not supported")
        values = self.tracer.values

        def constant_or_traced(before: fx.Node) -> Any:
            return TRACED if before in self.from_input else values[before]

        args, kwargs = fx.node.map_arg((node.args, node.kwargs), constant_or_traced)
        try:
            return read_function(target, args, kwargs)
        except TypeError as error:
            raise UnsupportedError(f"these arguments are not supported: {short(error)}") from None

    def _read_output(self, node: fx.Node) -> None:
        result = node.args[0]
        if isinstance(result, fx.Node) and result in self.from_input and is_tensor(self.tracer.values[result]):
            return
        count = len(result) if isinstance(result, tuple | list | dict) else 0
        what = f"gives {count} outputs" if count > 1 else "does not give a tensor that depends on the input"
        self.problems.append(f"output: the module {what}; one tensor is supported")


def _check_result(value: torch.Tensor, given: torch.Tensor) -> None:
    if value.ndim < 2 or value.shape[0] != 2:
        raise UnsupportedError(
            f"changes the batch: {tuple(given.shape)} becomes {tuple(value.shape)}; keep dimension 0"
        )
    if 0 in value.shape:
        raise UnsupportedError(f"its output is empty: shape {tuple(value.shape[1:])}")
    if value.dtype != torch.float32:
        raise UnsupportedError(f"gives {value.dtype}; use float32 throughout")
    if value[:1].numel() > MAX_ELEMENTS:
        raise UnsupportedError(f"gives {value[:1].numel():,} values a sample; {MAX_ELEMENTS:,} is the most")
