"""A saved graph: ops as JSON and their arrays as safetensors."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from gan2hls.config import from_mapping
from gan2hls.errors import UserError
from gan2hls.files import read_bytes, read_json, write_bytes, write_json
from gan2hls.operation import Op
from gan2hls.tensors import IntType, TensorType

FORMAT_VERSION = 2
"""Version of the saved graph; a change of meaning raises it. Version 1, a chain of ops, is still read."""

OPS_PACKAGE = "gan2hls.ops"
"""Where the ops of a saved graph are found."""

INPUT = "input"
"""Stem of the op of a graph's inputs, and name of the only one of a chain."""


@dataclass(frozen=True)
class SavedNode:
    """A node as it is saved."""

    name: str
    op: Op
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class SavedGraph:
    """What `ir.Graph` is made of."""

    nodes: tuple[SavedNode, ...]
    outputs: tuple[str, ...]
    ports: dict[str, tuple[int, ...]]
    name: str


def write_graph(graph: SavedGraph, folder: Path) -> None:
    """Write `graph.json` and `weights.safetensors` into an existing folder."""
    arrays: dict[str, np.ndarray] = {}
    nodes = []
    for node in graph.nodes:
        attributes: dict[str, Any] = {}
        for field in fields(node.op):  # type: ignore[arg-type]
            value = getattr(node.op, field.name)
            if isinstance(value, np.ndarray):
                arrays[f"{node.name}:{field.name}"] = np.ascontiguousarray(value, dtype=_storage(value))
            else:
                attributes[field.name] = _to_json(value)
        nodes.append({"name": node.name, "op": node.op.stem, "inputs": list(node.inputs), "attributes": attributes})
    document = {
        "version": FORMAT_VERSION,
        "name": graph.name,
        "ports": {name: list(shape) for name, shape in graph.ports.items()},
        "outputs": list(graph.outputs),
        "nodes": nodes,
    }
    write_json(folder / "graph.json", document)
    write_bytes(folder / "weights.safetensors", save(dict(sorted(arrays.items()))))


def read_graph(folder: Path) -> SavedGraph:
    """What `write_graph` wrote, now or when it knew chains alone.

    Raises:
        UserError: missing or damaged files, another version, or an unknown op.
    """
    document = read_json(folder / "graph.json")
    version = document.get("version") if isinstance(document, Mapping) else None
    if version not in (1, FORMAT_VERSION):
        raise UserError(f"{folder / 'graph.json'}: not an integer graph of version {FORMAT_VERSION}; build it again")
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
    if version == 1:
        chain = from_mapping(_Chain, document, where)
        nodes = [
            _read_node({"inputs": [], **item} if isinstance(item, dict) else item, arrays, where) for item in listed
        ]
        return _from_chain(chain, nodes)
    header = from_mapping(_Header, document, where)
    nodes = [_read_node(item, arrays, where) for item in listed]
    return SavedGraph(tuple(nodes), header.outputs, header.ports, header.name)


@dataclass(frozen=True)
class _Header:
    name: str
    ports: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class _Chain:
    """The header of version 1."""

    name: str
    input: TensorType
    door_input_shape: tuple[int, ...]
    door_output_shape: tuple[int, ...]


def _from_chain(chain: _Chain, nodes: Sequence[SavedNode]) -> SavedGraph:
    ops = [(node.name, node.op) for node in nodes]
    shapes = chain.door_input_shape, chain.door_output_shape
    return chain_of(registered_ops()[INPUT](chain.input), ops, *shapes, chain.name)  # type: ignore[call-arg]


def chain_of(
    entry: Op, ops: Sequence[tuple[str, Op]], input_shape: tuple[int, ...], output_shape: tuple[int, ...], name: str
) -> SavedGraph:
    """Ops in a row: the `entry`, an input, and then each on the result of the one before."""
    taken = {node_name for node_name, _ in ops}
    first = next(found for found in _numbered(INPUT) if found not in taken)
    nodes = [SavedNode(first, entry, ())]
    for node_name, op in ops:
        nodes.append(SavedNode(node_name, op, (nodes[-1].name,)))
    last = nodes[-1].name
    return SavedGraph(tuple(nodes), (last,), {first: tuple(input_shape), last: tuple(output_shape)}, name)


def _numbered(name: str) -> Iterator[str]:
    yield name
    count = 1
    while True:
        count += 1
        yield f"{name}_{count}"


def registered_ops() -> dict[str, type[Op]]:
    """The ops by stem, also where nobody has imported them yet."""
    # They register themselves when their package is imported, and stand behind this module in the order of imports.
    import_module(OPS_PACKAGE)
    return Op.registry


def _read_node(item: Any, arrays: Mapping[str, np.ndarray], where: str) -> SavedNode:
    try:
        name, stem, inputs, attributes = item["name"], item["op"], item["inputs"], dict(item["attributes"])
    except (TypeError, KeyError, ValueError):
        raise UserError(f"{where}: a node needs name, op, inputs and attributes, got {item!r}") from None
    if not isinstance(name, str) or not isinstance(stem, str):
        raise UserError(f"{where}: name and op of a node must be strings, got {name!r} and {stem!r}")
    if not isinstance(inputs, list) or not all(isinstance(source, str) for source in inputs):
        raise UserError(f"{where}: {name}: inputs must be a list of names, got {inputs!r}")
    registry = registered_ops()
    if stem not in registry:
        raise UserError(f"{where}: {name}: unknown op {stem!r} (known: {', '.join(sorted(registry))})")
    cls = registry[stem]
    for field in fields(cls):  # type: ignore[arg-type]
        key = f"{name}:{field.name}"
        if key in arrays:
            attributes[field.name] = arrays[key].astype(np.int64)
    return SavedNode(name, from_mapping(cls, attributes, f"{where}: {name}"), tuple(inputs))


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
