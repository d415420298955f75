"""Traces a module by torch.fx while every shape is known.

Each operation is evaluated at once for a batch of two, on torch's fake tensors, which have a shape, a type and aliases
but no memory and no values. So whatever forward() asks about shapes is answered by plain Python numbers: `if`, `while`,
`range`, arithmetic and comparisons on them are followed. What depends on values ends the trace with a message. Changes
in place are seen on the fake tensors: who uses a changed tensor afterwards is given the result of the change.
"""

import logging
import operator
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from gan2hls.frontends.float_model import Shape
from gan2hls.frontends.torch_layers import known_class

MAX_STEPS = 10_000
"""Operations of one trace; an endless loop in forward() ends here."""
MAX_QUESTIONS = 100_000
"""Times that forward() may ask for a shape or another property."""
MESSAGE_LENGTH = 300
"""Characters of an error of torch or of forward() that are shown."""

_SHAPE_TARGETS = frozenset({getattr, "size", "dim", "numel", "ndimension", "nelement", "is_floating_point"})
_INNER = "module"


class TraceStoppedError(Exception):
    """The trace can not go on; the message says why."""


class Unknown:
    """The value of a node that could not be computed because of a problem before it."""

    def __init__(self, is_tensor: bool) -> None:
        self.is_tensor = is_tensor


def is_tensor(value: Any) -> bool:
    """Say whether a node's value is a tensor, or would be one."""
    return value.is_tensor if isinstance(value, Unknown) else isinstance(value, torch.Tensor)


def short(error: object) -> str:
    """Give the first line of an error, cut at a sane length; its type if it says nothing."""
    line = str(error).strip().split("\n")[0]
    if not line:
        return type(error).__name__
    return line if len(line) <= MESSAGE_LENGTH else f"{line[:MESSAGE_LENGTH]}…"


def place(trace: TracebackType | None) -> str:
    """Give the file and line of the module's own code at which an error arose, in parentheses; "" if none."""
    torch_folder, found = str(Path(torch.__file__).parent), ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(torch_folder) and Path(file).parent != Path(__file__).parent:
            found = f" ({Path(file).name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return found


def _contains(values: Any, kind: type | tuple[type, ...]) -> bool:
    found: list[Any] = []
    fx.node.map_aggregate(values, lambda value: found.append(value) if isinstance(value, kind) else None)
    return bool(found)


class Value(fx.Proxy):
    """A proxy that answers questions about its shape, and records changes in place as such."""

    tracer: "Tracer"

    def __getattr__(self, name: str) -> Any:
        return self.tracer.attribute(self, name)

    @property  # type: ignore[misc]  # what isinstance() asks; Python lets it be any class
    def __class__(self) -> type:
        known = getattr(self.tracer, "values", {}).get(self.node)
        return torch.Tensor if is_tensor(known) else Value

    def __len__(self) -> int:
        return len(self.tracer.known(self, "len()"))

    def __iter__(self) -> Iterator[Any]:
        return self.tracer.iter(self)

    def __contains__(self, item: Any) -> bool:
        self.tracer.refuse_values(self, "the word in")

    def __index__(self) -> int:
        self.tracer.refuse_values(self, "an index")

    def __int__(self) -> int:
        self.tracer.refuse_values(self, "int()")

    def __float__(self) -> float:
        self.tracer.refuse_values(self, "float()")

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, index, value), {})


def _record_in_place(name: str) -> None:
    target = getattr(operator, name)

    def change(self: Value, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", target, (self, other), {})

    setattr(Value, f"__{name}__", change)


# Without these, `x += 1` would be `x = x + 1`, and whoever else holds x would not see the change.
for _name in ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor", "imatmul"):
    _record_in_place(_name)


class Inputs(nn.Module):
    """Calls a module with stand-ins for its inputs.

    Args:
        module: the module.
        arguments: names of the inputs in the order of `forward`, and whether each is given as a keyword.
    """

    def __init__(self, module: nn.Module, arguments: Mapping[str, bool]) -> None:
        super().__init__()
        self.module = module
        self.arguments = dict(arguments)
        self.stand_in: Callable[[str], Any] | None = None

    def forward(self) -> Any:
        assert self.stand_in is not None, "the tracer gives it"
        return call(self.module, self.arguments, {name: self.stand_in(name) for name in self.arguments})


def call(module: nn.Module, arguments: Mapping[str, bool], values: Mapping[str, Any]) -> Any:
    """Call a module with its inputs by name; `arguments` says which of them are given as keywords."""
    keywords = {name: values[name] for name, keyword in arguments.items() if keyword}
    return module(*(values[name] for name in arguments if name not in keywords), **keywords)


class Tracer(fx.Tracer):
    """Traces with torch.nn modules as leaves; `values` holds what each node gives for a batch of two."""

    def __init__(self, input_shapes: Mapping[str, Shape]) -> None:
        super().__init__()
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        with self.mode:
            self.inputs = {name: torch.zeros(2, *shape) for name, shape in input_shapes.items()}
        self.values: dict[fx.Node, Any] = {}
        self.failures: dict[fx.Node, Exception] = {}
        self.problems: list[str] = []
        self._order: dict[fx.Node, int] = {}
        # By storage: the last node that changed values in it.
        self._writer: dict[int, fx.Node] = {}
        self._evaluating = False
        self._questions = 0

    def trace_inputs(self, inputs: Inputs) -> fx.Graph:
        """Trace a module; `self.graph` holds the nodes so far if that fails."""
        inputs.stand_in = self._input
        log = logging.getLogger("torch._subclasses.fake_tensor")
        level = log.level
        # What can not be computed becomes a message of ours; torch would print a traceback of its own.
        log.setLevel(logging.CRITICAL)
        try:
            return self.trace(inputs)
        finally:
            log.setLevel(level)

    def _input(self, name: str) -> fx.Proxy:
        return self.create_proxy("placeholder", name, (), {})

    # -- what torch.fx asks -------------------------------------------------------------------------------------------

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Make our kind of proxy."""
        return Value(node, self)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Known layers and torch.nn's own are leaves."""
        if isinstance(m, Inputs):
            return False
        return known_class(m) is not None or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Record a call; run it instead while a node is evaluated, or if nothing in it depends on the input."""
        if self._evaluating or not _contains((args, kwargs), fx.Proxy):
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        """Give parameters as they are: what is computed from them alone is a constant."""
        return attr_val

    def create_arg(self, a: Any) -> Any:
        """Take a value as it is now, after all changes in place."""
        return self._latest(a.node) if isinstance(a, fx.Proxy) else super().create_arg(a)

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *rest: Any, **options: Any) -> Any:
        """Record an operation and evaluate it; what holds no tensor is given as the Python value that it is."""
        if len(self.values) >= MAX_STEPS:
            raise TraceStoppedError(f"forward() does not end: it makes more than {MAX_STEPS:,} operations")
        proxy = super().create_proxy(kind, target, args, kwargs, *rest, **options)
        value = self.evaluate(proxy.node)
        computed = kind.startswith("call_") and not isinstance(value, Unknown)
        return value if computed and not _contains(value, torch.Tensor) else proxy

    def to_bool(self, obj: fx.Proxy) -> bool:
        """Only what is no tensor has a truth value here."""
        self.refuse_values(obj, "an if, while, and, or")

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        """Unpack several results; the values of a tensor are none."""
        proxy: Any = obj
        if isinstance(self.values.get(obj.node), torch.Tensor):
            self.refuse_values(obj, "a loop or an unpacking")
        return iter([proxy[i] for i in range(len(self.known(obj, "a loop or an unpacking")))])

    # -- what forward() asks ------------------------------------------------------------------------------------------

    def attribute(self, proxy: fx.Proxy, name: str) -> Any:
        """Give a shape and the like as it is; record anything else."""
        self._questions += 1
        if self._questions > MAX_QUESTIONS:
            raise TraceStoppedError(f"forward() does not end: it asks more than {MAX_QUESTIONS:,} times for a shape")
        value = self.values[proxy.node]
        if isinstance(value, Unknown):
            return fx.proxy.Attribute(proxy, name)
        attribute = getattr(value, name)
        if callable(attribute):
            return fx.proxy.Attribute(proxy, name)
        if _contains(attribute, torch.Tensor):
            return self.create_proxy("call_function", getattr, (proxy, name), {})
        return attribute

    def known(self, proxy: fx.Proxy, where: str) -> Any:
        """Give the value of a node, without the numbers in it."""
        node = proxy.node
        value = self.values[node] if node in self.values else self.evaluate(node)
        if isinstance(value, Unknown):
            raise TraceStoppedError(f"{where} needs a shape that is not known because of an earlier problem")
        return value

    def refuse_values(self, proxy: fx.Proxy, where: str) -> NoReturn:
        """End the trace where Python wants the numbers in a tensor."""
        self.known(proxy, where)
        raise TraceStoppedError(f"{where} depends on values of {node_name(proxy.node)}, not only on shapes")

    # -- evaluation ---------------------------------------------------------------------------------------------------

    def evaluate(self, node: fx.Node) -> Any:
        """Compute a node whose inputs have been computed, and remember its value."""
        for before in node.all_input_nodes:
            if before not in self.values:
                self.evaluate(before)
        self._order[node] = len(self._order)
        inputs = [self.values[before] for before in node.all_input_nodes]
        if any(isinstance(value, Unknown) for value in inputs) or (
            node.op == "placeholder" and node.target not in self.inputs
        ):
            known_shape = node.target in _SHAPE_TARGETS or not any(map(is_tensor, inputs))
            self.values[node] = Unknown(is_tensor=node.op == "placeholder" or not known_shape)
            return self.values[node]
        tensors = [value for value in inputs if isinstance(value, torch.Tensor)]
        versions = [tensor._version for tensor in tensors]
        try:
            self._evaluating = True
            with self.mode:
                self.values[node] = self._compute(node)
        except Exception as error:
            self.failures[node] = error
            self.values[node] = Unknown(is_tensor=any(map(is_tensor, inputs)))
        finally:
            self._evaluating = False
        for tensor, version in zip(tensors, versions, strict=True):
            if tensor._version != version:
                self._writer[tensor.untyped_storage()._cdata] = node
        if _writes_into_constant(node):
            self.problems.append(f"{node_name(node)}: writes into a constant or a buffer, which is not supported")
        return self.values[node]

    def _compute(self, node: fx.Node) -> Any:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda before: self.values[before])
        target: Any = node.target
        if node.op == "placeholder":
            return self.inputs[str(target)]
        if node.op == "call_function":
            return target(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], target)(*args[1:], **kwargs)
        if node.op == "call_module":
            return _call_leaf(self.root.get_submodule(target), args, kwargs)
        return operator.attrgetter(target)(self.root)

    def _latest(self, node: fx.Node) -> fx.Node:
        """Give the node that holds what this one's tensor holds now."""
        value = self.values.get(node)
        if not isinstance(value, torch.Tensor) or node.op == "get_attr":
            return node
        writer = self._writer.get(value.untyped_storage()._cdata)
        if writer is None or self._order[writer] <= self._order[node]:
            return node
        if not _same_memory(self.values[writer], value):
            raise TraceStoppedError(
                f"{node_name(writer)} changes values in place that {node_name(node)} shares with it; this is not "
                "supported: work on a copy (clone()), or use the result of the change only"
            )
        return writer


def _call_leaf(module: nn.Module, args: Any, kwargs: Any) -> Any:
    if not module._forward_pre_hooks:
        return module(*args, **kwargs)
    # Such a hook may compute the weight (spectral norm, weight norm), which must be numbers, and stays in the module.
    with unset_fake_temporarily():
        real: Any = fx.node.map_aggregate((args, kwargs), _zeros)
        module(*real[0], **real[1])
    return module.forward(*args, **kwargs)


def _zeros(value: Any) -> Any:
    return torch.zeros_like(value, device="cpu") if isinstance(value, torch.Tensor) else value


def _same_memory(first: Any, second: torch.Tensor) -> bool:
    return (
        isinstance(first, torch.Tensor)
        and first.untyped_storage()._cdata == second.untyped_storage()._cdata
        and (first.shape, first.stride(), first.storage_offset(), first.dtype)
        == (second.shape, second.stride(), second.storage_offset(), second.dtype)
    )


def _writes_into_constant(node: fx.Node) -> bool:
    if not node.args or not isinstance(node.args[0], fx.Node) or node.args[0].op != "get_attr":
        return False
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return name in ("__setitem__", "setitem") or (name.endswith("_") and not name.endswith("__"))


def node_name(node: fx.Node) -> str:
    """Give the name of a node that messages use: that of the submodule, or of the function call."""
    if node.op == "placeholder":
        return f"the input {node.target}"
    return (inner_name(node.target) if node.op == "call_module" else "") or node.name


def inner_name(target: object) -> str:
    """Give a submodule's name without the wrapper that the tracer puts around the module."""
    return str(target).removeprefix(_INNER).removeprefix(".")
