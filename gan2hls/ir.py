"""The integer graph: tensors, the interface of an op, and the chain of ops that is the golden model.

A tensor is integers in NHWC order with an `IntType` and one real scale: real value = integer × scale; the zero point
is always 0.
Arrays inside the graph hold exact integers in the cheapest exact carrier: float32 where every value and partial sum
stays below 2^24, float64 below 2^53, int64 otherwise (`carrier`).
"""

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save
from threadpoolctl import ThreadpoolController

from gan2hls.arguments import checked
from gan2hls.config import from_mapping
from gan2hls.errors import UserError, raise_problems
from gan2hls.files import MARKER, output_directory, read_bytes, read_json, write_bytes, write_json
from gan2hls.integers import carrier, ceil_div, signed_bits
from gan2hls.kernels import Choice, Fold, Kernel, Memory
from gan2hls.names import top_problem
from gan2hls.targets import Family
from gan2hls.tensors import IntType, TensorType

__all__ = ["Choice", "Flow", "Fold", "Graph", "IntType", "Memory", "Node", "Op", "TensorType", "carrier", "signed_bits"]

FORMAT_VERSION = 1
"""Version of the saved graph; a change of meaning raises it."""

OPS_PACKAGE = "gan2hls.ops"
"""Where the ops of a saved graph are found."""

CHUNK = 32
"""Frames that one thread takes at most at a time: large enough for BLAS, small enough for the cache."""


@dataclass(frozen=True)
class Flow:
    """How the neighbours of an op work.

    Attributes:
        lanes, burst: channels a beat of what comes before, and cycles between its beats where they are fewest.
        next_lanes: channels a beat that the op behind takes, 0 where it has not chosen.
    """

    lanes: int
    burst: int
    next_lanes: int


class Op(ABC):
    """One integer operation that knows its mathematics and its kernel, not its printers.

    A subclass is a frozen dataclass whose fields are JSON values, `IntType`s and integer arrays, names its `stem`
    (`hw/hls/<stem>.h`, `hw/rtl/<stem>.sv`) and registers itself by that.
    """

    stem: ClassVar[str]
    most_parts: ClassVar[int] = 1
    """Most multipliers that a product may be made of (`Fold.parts`)."""
    converts_lanes: ClassVar[bool] = False
    """Whether it may have other lanes at its output than at its input."""
    registry: ClassVar[dict[str, type["Op"]]] = {}

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "stem" in cls.__dict__:
            Op.registry[cls.stem] = cls

    @abstractmethod
    def verify(self, tensor: TensorType) -> Iterator[str]:
        """Yield what is wrong with the op, or with it on an input of this type."""

    @abstractmethod
    def output_type(self, tensor: TensorType) -> TensorType:
        """Type of the result for an input of type `tensor`."""

    @abstractmethod
    def reference(self, x: np.ndarray, tensor: TensorType) -> np.ndarray:
        """The op on integers `x` (n, height, width, channels) of type `tensor`, exactly, in any carrier."""

    @abstractmethod
    def kernel(self, tensor: TensorType, fold: Fold) -> Kernel:
        """The hardware of the op on an input of type `tensor`, folded so."""

    def macs(self, tensor: TensorType) -> int:
        """Useful multiply-accumulates a frame: an existing input times an existing weight tap."""
        return 0

    # -- folding ------------------------------------------------------------------------------------------------------

    def folds(self, tensor: TensorType, family: Family | None) -> Iterator[Choice]:
        """The folds among which a budget of multipliers chooses, none beaten by another in multipliers and cycles.

        None at all (the default) where the lanes follow from the neighbours' (`follow`).

        Args:
            tensor: type of the input.
            family: whose multipliers take as many products as their ports allow; None: one.
        """
        return iter(())

    def follow(self, tensor: TensorType, before: Flow, target: int, family: Family | None) -> Fold:
        """The fold of an op without `folds`: as few lanes as keep up with what comes before and with `target` cycles.

        Args:
            tensor: type of the input.
            before: how the neighbours work.
            target: cycles a frame.
            family: as for `folds`.
        """
        lanes = ceil_div(min(before.lanes, tensor.channels), before.burst)
        while lanes < tensor.channels and self.kernel(tensor, Fold(lanes, lanes)).cycles > target:
            lanes += 1
        return Fold(lanes, lanes)

    def largest_fold(self, tensor: TensorType) -> Fold:
        """The largest `pe` and `simd` that make sense."""
        return Fold(self.output_type(tensor).channels, tensor.channels)

    def fold_problems(self, tensor: TensorType, fold: Fold) -> Iterator[str]:
        """Yield what is wrong with a fold of this op."""
        most = self.largest_fold(tensor)
        for what, value, limit, side in (("pe", fold.pe, most.pe, "output"), ("simd", fold.simd, most.simd, "input")):
            if not 1 <= value <= limit:
                yield f"{what} {value} is not supported; use 1 to {limit}, its {side} channels"
        if not 1 <= fold.parts <= self.most_parts:
            accepted = f"{self.stem} has no wide products" if self.most_parts == 1 else f"use 1 or {self.most_parts}"
            yield f"parts {fold.parts} is not supported; {accepted}"
        yield from self._mac_fold_problems(tensor, fold)

    def _mac_fold_problems(self, tensor: TensorType, fold: Fold) -> Iterator[str]:
        """What is wrong with the fields of a fold that only multipliers of weights have."""
        if fold.packing != 1:
            yield f"packing {fold.packing} is not supported; {self.stem} has no weights to pack"
        if (fold.tap_rows, fold.tap_columns, fold.rest_rows, fold.rest_columns) != (1, 1, 1, 1):
            yield f"{self.stem} has no taps"
        if fold.pe != fold.simd and not self.converts_lanes:
            yield f"pe {fold.pe} and simd {fold.simd} differ; {self.stem} has one number of lanes"

    # -- for people ---------------------------------------------------------------------------------------------------

    @property
    def detail(self) -> str:
        """What sets it apart from others of its kind in a table of layers; "" where nothing does."""
        return ""

    @property
    def weight_type(self) -> str:
        """Of a stored weight, e.g. "s8", or "u4→s8" for 4-bit codes of 8-bit values; "" without weights."""
        return ""

    @property
    def stored_weight_bits(self) -> int | None:
        """Bits of one stored weight; None without weights."""
        return None

    @property
    def weight_memory_bits(self) -> int:
        """Bits of all stored weights, without padding."""
        return 0


@dataclass(frozen=True)
class Node:
    """A named op in the chain."""

    name: str
    op: Op


@dataclass(frozen=True, eq=False)
class Graph:
    """A chain of integer ops from one input to one output; `run_integers` is the golden model.

    Args:
        input: type of the first tensor.
        nodes: the ops in order, names unique.
        door_input_shape: shape, without the batch and in torch's order, of what `run` takes: (C, H, W) or any shape
            of as many elements, read as (C, H, W).
        door_output_shape: likewise of what `run` gives.
        name: of the generated top module and function, see `names.top_problem`.
    """

    input: TensorType
    nodes: tuple[Node, ...]
    door_input_shape: tuple[int, ...]
    door_output_shape: tuple[int, ...]
    name: str = "generator"

    @cached_property
    def types(self) -> tuple[TensorType, ...]:
        """Types of the tensors: `types[i]` enters `nodes[i]`, `types[-1]` is the output."""
        types = [self.input]
        for node in self.nodes:
            types.append(node.op.output_type(types[-1]))
        return tuple(types)

    @property
    def output(self) -> TensorType:
        return self.types[-1]

    def steps(self) -> Iterator[tuple[Node, TensorType, TensorType]]:
        """Each node with the types of its input and output."""
        return zip(self.nodes, self.types, self.types[1:], strict=False)

    @checked
    def node(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise UserError(f"the graph has no node {name!r}; it has {', '.join(node.name for node in self.nodes)}")

    def macs(self) -> int:
        """Useful multiply-accumulates a frame."""
        return sum(node.op.macs(tensor) for node, tensor, _ in self.steps())

    def verify(self) -> "Graph":
        """Return the graph, or raise one `UserError` with everything that is wrong with it."""
        problems: list[str] = []
        if not self.nodes:
            problems.append("the graph has no nodes")
        if problem := top_problem(self.name):
            problems.append(f"graph {problem}")
        if self.input.scale is not None and not 0 < self.input.scale < math.inf:
            problems.append(f"the input has a scale of {self.input.scale}, which must be above 0")
        seen: set[str] = set()
        tensor = self.input
        for index, node in enumerate(self.nodes):
            if not node.name:
                problems.append(f"node {index} has no name")
            elif node.name in seen:
                problems.append(f"{node.name}: two nodes have this name")
            seen.add(node.name)
            found = [f"{node.name} ({type(node.op).__name__}): {line}" for line in node.op.verify(tensor)]
            problems += found
            if found:
                break
            tensor = node.op.output_type(tensor)
            if tensor.scale is not None and not 0 < tensor.scale < math.inf:
                problems.append(f"{node.name}: its result has a scale of {tensor.scale}, which must be above 0")
                break
        else:
            for what, shape, inner in (
                ("input", self.door_input_shape, self.input),
                ("output", self.door_output_shape, tensor),
            ):
                if int(np.prod(shape)) != inner.elements:
                    problems.append(
                        f"door {what} shape {tuple(shape)} does not have the {inner.elements} elements of {inner}"
                    )
        raise_problems(problems, "the integer graph is not valid:")
        return self

    # -- the golden model ---------------------------------------------------------------------------------------------

    @checked
    def quantize_input(self, x: np.ndarray) -> np.ndarray:
        """Real values (n, *door_input_shape) to input integers, same shape, int64: round half up, saturate."""
        x = x.astype(np.float64)
        self._check_door(x)
        if not np.isfinite(x).all():
            raise UserError("the input holds NaN or infinite values")
        if self.input.scale is None:
            raise UserError("the input of the graph has no scale; use run_integers")
        kind = self.input.int_type
        return np.clip(np.floor(x / self.input.scale + 0.5), kind.min, kind.max).astype(np.int64)

    def to_stream(self, x: np.ndarray) -> np.ndarray:
        """Door order (n, *door_input_shape) to NHWC."""
        height, width, channels = self.input.shape
        return np.ascontiguousarray(x.reshape(len(x), channels, height, width).transpose(0, 2, 3, 1))

    def from_stream(self, y: np.ndarray) -> np.ndarray:
        """NHWC output to door order (n, *door_output_shape)."""
        return np.ascontiguousarray(y.transpose(0, 3, 1, 2)).reshape(len(y), *self.door_output_shape)

    def to_real(self, y: np.ndarray) -> np.ndarray:
        """Output integers to real values, float64."""
        if self.output.scale is None:
            raise UserError(f"the output of {self.nodes[-1].name} has a scale per channel; use run_integers")
        return y * self.output.scale

    @checked
    def integers(self, x: np.ndarray) -> np.ndarray:
        """What enters the hardware for `x` (n, *door_input_shape): real values quantized, integers as they are."""
        if not np.issubdtype(x.dtype, np.integer):
            return self.quantize_input(x)
        self._check_door(x)
        kind = self.input.int_type
        if x.size and (x.min() < kind.min or x.max() > kind.max):
            raise UserError(f"input integers from {x.min()} to {x.max()} do not fit {kind}: {kind.min} to {kind.max}")
        return x.astype(np.int64)

    @checked
    def run(self, x: np.ndarray) -> np.ndarray:
        """The golden model on real values.

        Args:
            x: (n, *door_input_shape), real values.

        Returns:
            (n, *door_output_shape), float64: output integers × scale.

        Raises:
            UserError: wrong shape, or NaN or infinite values.
        """
        return self.to_real(self.run_integers(self.quantize_input(x)))

    @checked
    def run_integers(self, x: np.ndarray) -> np.ndarray:
        """The golden model on integers: (n, *door_input_shape) in, (n, *door_output_shape) out, int64.

        Raises:
            UserError: wrong shape, not of an integer dtype, or outside the input's range.
        """
        if not np.issubdtype(x.dtype, np.integer):
            raise UserError(f"run_integers takes integers, not {x.dtype}; use run for real values")
        return self.from_stream(self.run_stream(self.to_stream(self.integers(x)))).astype(np.int64)

    def run_stream(self, x: np.ndarray) -> np.ndarray:
        """The golden model on integers in NHWC, in any carrier."""
        self._prepare()
        threads = _threads()
        size = max(1, min(CHUNK, -(-len(x) // threads)))
        chunks = [x[i : i + size] for i in range(0, len(x), size)] or [x]
        if len(chunks) == 1:
            return self._run_chunk(chunks[0])
        # Each thread computes alone: BLAS with threads of its own would have them wait for each other.
        with _blas().limit(limits=1, user_api="blas"), ThreadPoolExecutor(min(len(chunks), threads)) as pool:
            return np.concatenate(list(pool.map(self._run_chunk, chunks)))

    def _run_chunk(self, x: np.ndarray) -> np.ndarray:
        for node, tensor, _ in self.steps():
            x = node.op.reference(x, tensor)
        return x

    def _prepare(self) -> None:
        assert self.types  # fills the cache before threads share it

    def _check_door(self, x: np.ndarray) -> None:
        if x.shape[1:] != tuple(self.door_input_shape) or x.ndim < 2:
            raise UserError(
                f"the input has shape {x.shape}; expected (n, {', '.join(map(str, self.door_input_shape))})"
            )

    # -- saving -------------------------------------------------------------------------------------------------------

    @checked
    def save(self, directory: Path | str) -> None:
        """Write `graph.json` and `weights.safetensors` into the folder, which must be new, empty or one of ours."""
        with output_directory(Path(directory), "graph") as folder:
            write_json(folder / MARKER, {"kind": "graph", "version": FORMAT_VERSION})
            self.write(folder)

    def write(self, folder: Path) -> None:
        """Write the two files into an existing folder."""
        arrays: dict[str, np.ndarray] = {}
        nodes = []
        for node in self.nodes:
            attributes: dict[str, Any] = {}
            for field in fields(node.op):  # type: ignore[arg-type]
                value = getattr(node.op, field.name)
                if isinstance(value, np.ndarray):
                    arrays[f"{node.name}:{field.name}"] = np.ascontiguousarray(value, dtype=_storage(value))
                else:
                    attributes[field.name] = _to_json(value)
            nodes.append({"name": node.name, "op": node.op.stem, "attributes": attributes})
        document = {
            "version": FORMAT_VERSION,
            "name": self.name,
            "input": _to_json(self.input),
            "door_input_shape": list(self.door_input_shape),
            "door_output_shape": list(self.door_output_shape),
            "nodes": nodes,
        }
        write_json(folder / "graph.json", document)
        write_bytes(folder / "weights.safetensors", save(dict(sorted(arrays.items()))))

    @staticmethod
    @checked
    def load(directory: Path | str) -> "Graph":
        """Read a saved graph and verify it.

        Raises:
            UserError: missing or damaged files, another version, an unknown op, or a graph that is not valid.
        """
        folder = Path(directory)
        document = read_json(folder / "graph.json")
        if not isinstance(document, Mapping) or document.get("version") != FORMAT_VERSION:
            raise UserError(
                f"{folder / 'graph.json'}: not an integer graph of version {FORMAT_VERSION}; build it again"
            )
        weights = read_bytes(folder / "weights.safetensors")
        try:
            arrays = load(weights)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder / 'weights.safetensors'}: not readable: {error}") from None
        document = dict(document)
        document.pop("version")
        listed = document.pop("nodes", [])
        where = str(folder / "graph.json")
        if not isinstance(listed, list):
            raise UserError(f"{where}: nodes must be a list, got {listed!r}")
        nodes = tuple(_load_node(item, arrays, where) for item in listed)
        graph = from_mapping(_GraphHeader, document, where)
        return Graph(nodes=nodes, **{f.name: getattr(graph, f.name) for f in fields(graph)}).verify()


@dataclass(frozen=True)
class _GraphHeader:
    name: str
    input: TensorType
    door_input_shape: tuple[int, ...]
    door_output_shape: tuple[int, ...]


def _registered_ops() -> dict[str, type[Op]]:
    """The ops by stem, also where nobody has imported them yet."""
    # They register themselves when their package is imported, and stand behind this module in the order of imports.
    import_module(OPS_PACKAGE)
    return Op.registry


def _load_node(item: Any, arrays: Mapping[str, np.ndarray], where: str) -> Node:
    try:
        name, stem, attributes = item["name"], item["op"], dict(item["attributes"])
    except (TypeError, KeyError, ValueError):
        raise UserError(f"{where}: a node needs name, op and attributes, got {item!r}") from None
    if not isinstance(name, str) or not isinstance(stem, str):
        raise UserError(f"{where}: name and op of a node must be strings, got {name!r} and {stem!r}")
    registry = _registered_ops()
    if stem not in registry:
        raise UserError(f"{where}: {name}: unknown op {stem!r} (known: {', '.join(sorted(registry))})")
    cls = registry[stem]
    for field in fields(cls):  # type: ignore[arg-type]
        key = f"{name}:{field.name}"
        if key in arrays:
            attributes[field.name] = arrays[key].astype(np.int64)
    return Node(name, from_mapping(cls, attributes, f"{where}: {name}"))


def _to_json(value: Any) -> Any:
    if isinstance(value, IntType | TensorType):
        return {field.name: _to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    return value


def _storage(values: np.ndarray) -> Any:
    for dtype in (np.int8, np.int16, np.int32):
        info = np.iinfo(dtype)
        if values.size == 0 or (info.min <= values.min() and values.max() <= info.max):
            return dtype
    return np.int64


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def with_nodes(graph: Graph, nodes: tuple[Node, ...]) -> Graph:
    """The graph with other nodes, verified."""
    return replace(graph, nodes=nodes).verify()
