"""The integer graph: named ops on the results of others, from inputs to outputs, which is the golden model.

A tensor is integers in NHWC order with an `IntType` and one real scale: real value = integer × scale; the zero point
is always 0.
Arrays inside the graph hold exact integers in the cheapest exact carrier: float32 where every value and partial sum
stays below 2^24, float64 below 2^53, int64 otherwise (`carrier`).
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from threadpoolctl import ThreadpoolController

from gan2hls.arguments import Arrays, checked, named_arrays, plain_arrays
from gan2hls.errors import UserError, raise_problems
from gan2hls.files import MARKER, output_directory, write_json
from gan2hls.graph_files import FORMAT_VERSION, SavedGraph, SavedNode, chain_of, read_graph, write_graph
from gan2hls.integers import carrier, ceil_div, signed_bits
from gan2hls.kernels import Choice, Fold, Kernel, Memory
from gan2hls.names import top_problem
from gan2hls.operation import Flow, Op, Tensors
from gan2hls.tensors import IntType, TensorType
from gan2hls.wiring import wiring_problems

__all__ = [
    "Arrays",
    "Choice",
    "Flow",
    "Fold",
    "Graph",
    "Input",
    "IntType",
    "Memory",
    "Node",
    "Op",
    "TensorType",
    "Tensors",
    "carrier",
    "signed_bits",
]

CHUNK = 32
"""Frames that one thread takes at most at a time: large enough for BLAS, small enough for the cache."""


@dataclass(frozen=True)
class Input(Op):
    """An input of the graph, of a type that is given."""

    stem: ClassVar[str] = "input"
    arity: ClassVar[tuple[int, int | None]] = (0, 0)
    type: TensorType

    def verify(self) -> Iterator[str]:
        if self.type.scale is None:
            yield "an input needs a scale"

    def output_type(self) -> TensorType:
        return self.type

    def reference(self) -> np.ndarray:
        raise AssertionError("an input has no result of its own")

    def kernel(self, tensors: Tensors, fold: Fold) -> Kernel:
        raise AssertionError("an input has no kernel")


@dataclass(frozen=True)
class Node:
    """A named op, and the names of the nodes whose results enter it; an input of the graph is one with an `Input`."""

    name: str
    op: Op
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Graph:
    """Integer ops from inputs to outputs; `run_integers` is the golden model.

    Args:
        nodes: each after those that it takes its inputs from, names unique.
        outputs: names of the nodes whose results leave.
        ports: of each input and output by name, its shape without the batch and in torch's order: (C, H, W), or any
            shape of as many elements, read as (C, H, W).
        name: of the generated top module and function, see `names.top_problem`.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    ports: Mapping[str, tuple[int, ...]]
    name: str = "generator"

    @staticmethod
    def chain(
        input: TensorType,
        nodes: Sequence[Node],
        input_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        name: str = "generator",
    ) -> "Graph":
        """Nodes in a row, each on the result of the one before, from one input to one output.

        Args:
            input: type of what enters the first.
            nodes: whose `inputs` are not looked at.
            input_shape, output_shape: of the two ports, in torch's order.
            name: of the graph.
        """
        return _restored(chain_of(Input(input), [(n.name, n.op) for n in nodes], input_shape, output_shape, name))

    # -- what it is made of -------------------------------------------------------------------------------------------

    @cached_property
    def types(self) -> dict[str, TensorType]:
        """Type of each node's result, by name."""
        types: dict[str, TensorType] = {}
        for node in self.nodes:
            types[node.name] = node.op.output_type(*(types[name] for name in node.inputs))
        return types

    @cached_property
    def computed(self) -> tuple[Node, ...]:
        """The nodes that compute: all but the inputs."""
        return tuple(node for node in self.nodes if not isinstance(node.op, Input))

    @cached_property
    def users(self) -> dict[str, tuple[str, ...]]:
        """Names of the nodes that a node's result enters, once for each time, by its name."""
        users: dict[str, list[str]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in node.inputs:
                users[name].append(node.name)
        return {name: tuple(found) for name, found in users.items()}

    @cached_property
    def input_types(self) -> dict[str, TensorType]:
        """Types of the inputs, by name."""
        return {node.name: node.op.type for node in self.nodes if isinstance(node.op, Input)}

    @property
    def output_types(self) -> dict[str, TensorType]:
        """Types of the outputs, by name."""
        return {name: self.types[name] for name in self.outputs}

    @property
    def input(self) -> TensorType:
        """Type of the only input."""
        return self.input_types[_only("input", self.input_types)]

    @property
    def output(self) -> TensorType:
        """Type of the only output."""
        return self.types[_only("output", self.outputs)]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the only input, without the batch and in torch's order."""
        return tuple(self.ports[_only("input", self.input_types)])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the only output, without the batch and in torch's order."""
        return tuple(self.ports[_only("output", self.outputs)])

    def steps(self) -> Iterator[tuple[Node, Tensors, TensorType]]:
        """Each node that computes, with the types of its inputs and of its result."""
        for node in self.computed:
            yield node, tuple(self.types[name] for name in node.inputs), self.types[node.name]

    @checked
    def node(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise UserError(f"the graph has no node {name!r}; it has {', '.join(node.name for node in self.nodes)}")

    def macs(self) -> int:
        """Useful multiply-accumulates a frame."""
        return sum(node.op.macs(*tensors) for node, tensors, _ in self.steps())

    # -- what may be wrong with it ------------------------------------------------------------------------------------

    def verify(self) -> "Graph":
        """Return the graph, or raise one `UserError` with everything that is wrong with it."""
        problems: list[str] = []
        if not self.computed:
            problems.append("the graph has no nodes")
        if problem := top_problem(self.name):
            problems.append(f"graph {problem}")
        problems += wiring_problems(self.nodes, self.outputs, self.ports, set(self.input_types))
        problems += self._type_problems()
        raise_problems(problems, "the integer graph is not valid:")
        return self

    def _type_problems(self) -> Iterator[str]:
        """What is wrong with ops and tensors; what depends on a wrong one is not looked at."""
        types: dict[str, TensorType] = {}
        for node in self.nodes:
            if not all(name in types for name in node.inputs) or node.op.arity_problem(len(node.inputs)):
                continue
            tensors = [types[name] for name in node.inputs]
            found = [f"{node.name} ({type(node.op).__name__}): {line}" for line in node.op.verify(*tensors)]
            yield from found
            if found:
                continue
            tensor = node.op.output_type(*tensors)
            if tensor.scale is not None and not 0 < tensor.scale < math.inf:
                what = "the input has" if isinstance(node.op, Input) else f"{node.name}: its result has"
                yield f"{what} a scale of {tensor.scale}, which must be above 0"
                continue
            types[node.name] = tensor
        for what, names in (("input", self.input_types), ("output", self.outputs)):
            for name in names:
                shape = tuple(self.ports.get(name, types[name].shape if name in types else ()))
                if name in types and math.prod(shape) != types[name].elements:
                    having = f"does not have the {types[name].elements} elements of {types[name]}"
                    yield f"{what} {name}: the port's shape {shape} {having}"

    # -- the golden model ---------------------------------------------------------------------------------------------

    @checked
    def run(self, x: Arrays) -> Any:
        """The golden model on real values.

        Args:
            x: (n, *shape) real values for each input by name, or for the only one.

        Returns:
            (n, *shape), float64, output integers × scale: of each output by name, or of the only one.

        Raises:
            UserError: a missing or an unknown name, wrong shapes, or NaN or infinite values.
        """
        return self.to_real(self.run_integers(self.quantize_input(x)))

    @checked
    def run_integers(self, x: Arrays) -> Any:
        """The golden model on integers: (n, *shape) in, (n, *shape) out, int64, as `run` takes and gives them.

        Raises:
            UserError: a missing or an unknown name, wrong shapes, not of an integer dtype, or outside the range.
        """
        named = named_arrays(self.input_types, x, "the graph")
        for name, values in named.items():
            if not np.issubdtype(values.dtype, np.integer):
                which = f" for{self._said(name)}" if self._said(name) else ""
                raise UserError(f"run_integers takes integers, not {values.dtype}{which}; use run for real values")
        return self.from_stream(self.run_stream(self.to_stream(self.integers(named))))

    @checked
    def quantize_input(self, x: Arrays) -> Any:
        """Real values (n, *shape) to input integers, same shape, int64: round half up, saturate."""
        return self._each_input(x, self._quantized)

    @checked
    def integers(self, x: Arrays) -> Any:
        """What enters the hardware for `x` (n, *shape): real values quantized, integers as they are."""
        return self._each_input(x, self._integers)

    def to_stream(self, x: Arrays) -> Any:
        """Ports' order (n, *shape) to NHWC."""
        return self._each_input(x, self._to_stream)

    def from_stream(self, y: Arrays) -> Any:
        """NHWC outputs to the ports' order (n, *shape), int64."""
        return self._each_output(y, self._from_stream)

    def to_real(self, y: Arrays) -> Any:
        """Output integers to real values, float64."""
        return self._each_output(y, self._to_real)

    def _each_input(self, x: Arrays, made: Callable[[str, np.ndarray], np.ndarray]) -> Any:
        found = {name: made(name, values) for name, values in named_arrays(self.input_types, x, "the graph").items()}
        if len({len(values) for values in found.values()}) > 1:
            frames = ", ".join(f"{name} has {len(values)}" for name, values in found.items())
            raise UserError(f"the inputs have different numbers of frames: {frames}")
        return found if isinstance(x, Mapping) else plain_arrays(found)

    def _each_output(self, y: Arrays, made: Callable[[str, np.ndarray], np.ndarray]) -> Any:
        return plain_arrays({name: made(name, v) for name, v in named_arrays(self.outputs, y, "the result").items()})

    def _quantized(self, name: str, x: np.ndarray) -> np.ndarray:
        x, tensor = x.astype(np.float64), self.input_types[name]
        self._check_port(name, x)
        if not np.isfinite(x).all():
            raise UserError(f"the input{self._said(name)} holds NaN or infinite values")
        assert tensor.scale is not None
        kind = tensor.int_type
        return np.clip(np.floor(x / tensor.scale + 0.5), kind.min, kind.max).astype(np.int64)

    def _integers(self, name: str, x: np.ndarray) -> np.ndarray:
        if not np.issubdtype(x.dtype, np.integer):
            return self._quantized(name, x)
        self._check_port(name, x)
        kind = self.input_types[name].int_type
        if x.size and (x.min() < kind.min or x.max() > kind.max):
            found = f"input{self._said(name)} integers from {x.min()} to {x.max()}"
            raise UserError(f"{found} do not fit {kind}: {kind.min} to {kind.max}")
        return x.astype(np.int64)

    def _to_stream(self, name: str, x: np.ndarray) -> np.ndarray:
        height, width, channels = self.input_types[name].shape
        return np.ascontiguousarray(x.reshape(len(x), channels, height, width).transpose(0, 2, 3, 1))

    def _from_stream(self, name: str, y: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(y.transpose(0, 3, 1, 2)).reshape(len(y), *self.ports[name]).astype(np.int64)

    def _to_real(self, name: str, y: np.ndarray) -> np.ndarray:
        scale = self.types[name].scale
        if scale is None:
            raise UserError(f"the output of {name} has a scale per channel; use run_integers")
        return y * scale

    def _check_port(self, name: str, x: np.ndarray) -> None:
        shape = tuple(self.ports[name])
        if x.shape[1:] != shape or x.ndim < 2:
            expected = f"(n, {', '.join(map(str, shape))})"
            raise UserError(f"the input{self._said(name)} has shape {x.shape}; expected {expected}")

    def _said(self, name: str) -> str:
        """Which input, where there are several."""
        return f" {name}" if len(self.input_types) > 1 else ""

    def run_stream(self, x: Arrays) -> Any:
        """The golden model on integers in NHWC, in any carrier."""
        named = named_arrays(self.input_types, x, "the graph")
        assert self.types, self.computed  # fills the caches before threads share them
        frames, threads = len(next(iter(named.values()))), _threads()
        size = max(1, min(CHUNK, ceil_div(frames, threads)))
        chunks = [{name: v[i : i + size] for name, v in named.items()} for i in range(0, frames, size)] or [named]
        if len(chunks) == 1:
            return plain_arrays(self._run_chunk(chunks[0]))
        # Each thread computes alone: BLAS with threads of its own would have them wait for each other.
        with _blas().limit(limits=1, user_api="blas"), ThreadPoolExecutor(min(len(chunks), threads)) as pool:
            parts = list(pool.map(self._run_chunk, chunks))
        return plain_arrays({name: np.concatenate([part[name] for part in parts]) for name in self.outputs})

    def _run_chunk(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        left = {name: len(users) + (name in self.outputs) for name, users in self.users.items()}
        values = dict(inputs)
        for node, tensors, _ in self.steps():
            values[node.name] = node.op.reference(*(values[name] for name in node.inputs), *tensors)
            for name in node.inputs:
                left[name] -= 1
                if not left[name]:
                    values.pop(name, None)  # its last user is done
        return {name: values[name] for name in self.outputs}

    # -- saving -------------------------------------------------------------------------------------------------------

    @checked
    def save(self, directory: Path | str) -> None:
        """Write `graph.json` and `weights.safetensors` into the folder, which must be new, empty or one of ours."""
        with output_directory(Path(directory), "graph") as folder:
            write_json(folder / MARKER, {"kind": "graph", "version": FORMAT_VERSION})
            self.write(folder)

    def write(self, folder: Path) -> None:
        """Write the two files into an existing folder."""
        nodes = tuple(SavedNode(node.name, node.op, node.inputs) for node in self.nodes)
        write_graph(SavedGraph(nodes, self.outputs, dict(self.ports), self.name), folder)

    @staticmethod
    @checked
    def load(directory: Path | str) -> "Graph":
        """Read a saved graph and verify it.

        Raises:
            UserError: missing or damaged files, another version, an unknown op, or a graph that is not valid.
        """
        return _restored(read_graph(Path(directory))).verify()


def _only(what: str, names: Iterable[str]) -> str:
    found = list(names)
    if len(found) != 1:
        raise UserError(f"the graph has {len(found)} {what}s, {', '.join(found)}, where one is expected")
    return found[0]


def _restored(saved: SavedGraph) -> Graph:
    nodes = tuple(Node(node.name, node.op, node.inputs) for node in saved.nodes)
    return Graph(nodes, saved.outputs, saved.ports, saved.name)


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
