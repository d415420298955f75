"""Reads the nodes of a trace one after the other into layers, and collects all problems."""

import inspect
import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import torch
from torch import fx, nn

from gan2hls.errors import UserError, raise_problems
from gan2hls.frontends.drafts import Draft, Traced, UnsupportedError
from gan2hls.frontends.float_model import ConstantLayer, FloatLayer, FloatModel, Shape, merge_reshapes
from gan2hls.frontends.torch_joins import SPLITS
from gan2hls.frontends.torch_layers import (
    ACCEPTED,
    is_known_function,
    joins_branches,
    known_class,
    read_function,
    read_module,
)
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
from gan2hls.models.architecture import Chain

MAX_ELEMENTS = 1 << 28
"""Values of one sample that a layer may give: the comparison of module and float model computes them."""
MOST_PROBLEMS = 18
"""Problems that are listed; large networks repeat theirs in each block."""
_INPUT = "\0"
"""Before the name of an input while layers are read, which may have the same name."""
_HEADING = "the module can not be turned into hardware:"


def read_module_layers(module: nn.Module, input_shapes: Mapping[str, Shape]) -> FloatModel:
    """Trace a module and read the trace.

    Args:
        module: a usable copy.
        input_shapes: shape of each input by name of `forward`'s argument; what has no default and is not here is a
            problem.

    Raises:
        UserError: everything that is not supported, by node name, as far as the trace could go.
    """
    arguments = call_arguments(module, tuple(input_shapes))
    tracer = Tracer(input_shapes)
    reader = _Reader(tracer, type(module).__name__)
    missing = [name for name in arguments if name not in input_shapes]
    if missing:
        takes = f"forward takes {len(arguments)} inputs ({', '.join(arguments)})"
        reader.problems.append(f"{type(module).__name__}: {takes}; no shape is given for {', '.join(missing)}")
    random_state = torch.get_rng_state()
    try:
        tracer.trace_inputs(Inputs(module, arguments))
    except Exception as error:
        reader.read_nodes(complete=False)
        _add_failure(reader, error, type(module).__name__)
    else:
        reader.read_nodes(complete=True)
    # Alone it is no problem: the numbers may have no effect. If they have, the comparison at the end draws others.
    if reader.problems and not torch.equal(torch.get_rng_state(), random_state):
        reader.problems.append("forward draws random numbers, which are not supported; the hardware has none")
    return reader.model(input_shapes)


def input_names(module: nn.Module) -> tuple[list[str], list[str]]:
    """Give the names of all arguments that `forward` takes, and of those without a default, in order."""
    if isinstance(module, Chain):
        return list(module.input_names), list(module.input_names)
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = [p for p in inspect.signature(module.forward).parameters.values() if p.kind not in variable]
    if not named:
        return ["input"], ["input"]
    needed = [p.name for p in named if p.default is p.empty]
    return [p.name for p in named], needed or [named[0].name]


def call_arguments(module: nn.Module, given: Sequence[str]) -> dict[str, bool]:
    """Give the arguments of a call with these inputs and those that have no default: whether each is a keyword."""
    every, needed = input_names(module)
    parameters = inspect.signature(module.forward).parameters
    arguments, positional = {}, True
    for name in every:
        if name not in given and name not in needed:
            positional = False
            continue
        kind = parameters[name].kind if name in parameters else inspect.Parameter.POSITIONAL_ONLY
        arguments[name] = kind is inspect.Parameter.KEYWORD_ONLY or not positional
    return arguments


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
        self.outputs: list[str] = []
        # The layer or input whose value a node gives.
        self.source: dict[fx.Node, str] = {}
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
                self.source[node] = f"{_INPUT}{node.target}" if node.op == "placeholder" else ""
                if node.op != "placeholder" and (is_tensor(self.tracer.values[node]) or node in self.tracer.failures):
                    self._read_layer(node)

    def model(self, input_shapes: Mapping[str, Shape]) -> FloatModel:
        """Give the model, or raise all problems at once."""
        problems = list(dict.fromkeys(self.problems))
        if len(problems) > MOST_PROBLEMS:
            problems[MOST_PROBLEMS:] = [f"and {len(problems) - MOST_PROBLEMS:,} more of the kind"]
        raise_problems([*problems, ACCEPTED] if self.accepted_needed else problems, _HEADING)
        layers, outputs = merge_reshapes(self.layers, self.outputs)
        raise_problems(
            f"{layer.name}: its output has the shape {layer.out_shape}: neither a vector nor an image"
            for layer in layers
            if len(layer.out_shape) not in (1, 3)
        )
        if not layers:
            raise UserError(f"{self.root_name}: has no layers")
        raise_problems(self._port_problems(input_shapes, layers, outputs), _HEADING)
        names = _input_names(layers, input_shapes)
        known = {_INPUT + name: free for name, free in names.items()}
        renamed = [replace(layer, inputs=tuple(known.get(name, name) for name in layer.inputs)) for layer in layers]
        return FloatModel({names[name]: shape for name, shape in input_shapes.items()}, tuple(renamed), outputs)

    def _port_problems(
        self, input_shapes: Mapping[str, Shape], layers: Sequence[FloatLayer], outputs: Sequence[str]
    ) -> Iterator[str]:
        used = {name for layer in layers for name in layer.inputs}
        for name in input_shapes:
            if _INPUT + name in outputs:
                yield f"output: gives the input {name} as it is; only what a layer computes can be an output"
            elif _INPUT + name not in used:
                yield f"the input {name}: no output depends on it; leave it out"
        for name, count in Counter(outputs).items():
            if count > 1:
                yield f"output: gives the value of {name} {count} times; give it once"

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
        return [n for n in node.all_input_nodes if n in self.source and is_tensor(self.tracer.values[n])]

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
                self.source[node] = layer.name

    def _layer(self, node: fx.Node, name: str) -> FloatLayer | None:
        """Read a node; None if it computes nothing that has not been computed before it."""
        split = self._split_before(node)
        before = self._activations(split or node)
        draft = self._part(node, split) if split else self._draft(node, before)
        if not before:
            raise UnsupportedError("not supported")
        first = self.tracer.values[before[0]]
        if draft.by_pixel is not None and isinstance(first, torch.Tensor):
            draft = draft.by_pixel(tuple(first.shape[1:])) or draft
        joined = [part.source if isinstance(part, Traced) else part for part in draft.joins] or before[:1]
        given = [self.tracer.values[n] if isinstance(n, fx.Node) else n[None] for n in joined]
        value = self.tracer.values[node]
        if not all(isinstance(tensor, torch.Tensor) for tensor in given):
            return None
        in_shapes = [tuple(tensor.shape[1:]) for tensor in given]
        draft.check_inputs(in_shapes)
        if not isinstance(value, torch.Tensor):
            reason = short(self.tracer.failures[node])
            listed = " and ".join(map(str, in_shapes))
            raise UnsupportedError(f"does not accept an input of shape {listed} (without the batch): {reason}")
        _check_result(value, given[0])
        sources = tuple(self._source(n, f"{name}.constant") for n in joined)
        layer = draft.finish(name, sources, in_shapes[0], tuple(value.shape[1:]))
        if layer is None:
            self.source[node] = sources[0]
        return layer

    def _draft(self, node: fx.Node, before: list[fx.Node]) -> Draft:
        module = self.tracer.root.get_submodule(str(node.target)) if node.op == "call_module" else None
        if len(before) > 1 and not joins_branches(node.target if module is None else module):
            joined = ", ".join(self._label(n)[0] for n in before)
            raise UnsupportedError(f"joins branches ({joined}); only + and - and cat do that")
        if module is not None:
            return read_module(module, [Traced(before) for before in node.args])
        target: Callable[..., Any] | str = node.target
        if not is_known_function(target):
            raise UnsupportedError("not supported")
        values = self.tracer.values

        def constant_or_traced(before: fx.Node) -> Any:
            return Traced(before) if before in self.source else values[before]

        args, kwargs = fx.node.map_arg((node.args, node.kwargs), constant_or_traced)
        try:
            return read_function(target, args, kwargs)
        except TypeError as error:
            raise UnsupportedError(f"these arguments are not supported: {short(error)}") from None

    def _source(self, part: fx.Node | torch.Tensor, name: str) -> str:
        """The name of what gives a value; a constant gets a layer."""
        if isinstance(part, fx.Node):
            return self.source[part]
        shape = tuple(part.shape)
        value = part.to(torch.float32).contiguous()
        self.layers.append(ConstantLayer(name=name, inputs=(), in_shape=shape, out_shape=shape, value=value))
        return name

    def _split_before(self, node: fx.Node) -> fx.Node | None:
        """The split of which this node takes a part, None if it does something else."""
        if node.target is not operator.getitem or not isinstance(node.args[0], fx.Node):
            return None
        before = node.args[0]
        return before if before.target in SPLITS and isinstance(node.args[1], int) else None

    def _part(self, node: fx.Node, split: fx.Node) -> Draft:
        draft = self._draft(split, self._activations(split))
        parts, index = self.tracer.values[split], node.args[1]
        if not isinstance(parts, tuple | list) or not isinstance(index, int):
            return draft
        ends = list(accumulate(part.shape[1] for part in parts))
        stop = ends[index]
        fields = {"start": stop - parts[index].shape[1], "stop": stop}
        return replace(draft, fields=fields)

    def _read_output(self, node: fx.Node) -> None:
        result = node.args[0]
        several = list(result.values()) if isinstance(result, dict) else result
        parts = list(several) if isinstance(several, tuple | list) else [result]
        values = [part for part in parts if isinstance(part, fx.Node) and self._is_value(part)]
        if parts and len(values) == len(parts):
            self.outputs = [self.source[part] for part in values]
            return
        names = list(result) if isinstance(result, dict) else range(len(parts))
        wrong = [f"part {name!r}" for name, part in zip(names, parts, strict=True) if part not in values]
        which = "the module does" if len(parts) <= 1 else f"{' and '.join(wrong)} {'do' if len(wrong) > 1 else 'does'}"
        self.problems.append(
            f"output: {which} not give a tensor that depends on the input; give one, or a tuple, list or dict of them"
        )

    def _is_value(self, part: fx.Node) -> bool:
        return part in self.source and is_tensor(self.tracer.values[part])


def _input_names(layers: Sequence[FloatLayer], shapes: Mapping[str, Shape]) -> dict[str, str]:
    """Give the name of each input: its own, or with an ending that makes it none of a layer."""
    taken = {layer.name for layer in layers}
    names = {}
    for name in shapes:
        free = name
        while free in taken:
            free += "_in"
        taken.add(free)
        names[name] = free
    return names


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
