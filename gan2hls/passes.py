"""Passes over the integer graph: functions from graph to graph, each result verified."""

from dataclasses import replace

import numpy as np

from gan2hls.ir import Graph


def truncate(graph: Graph, last: str) -> Graph:
    """The graph that gives the result of the node named `last` alone; its shape is torch's (C, H, W).

    Raises:
        UserError: no such node.
    """
    graph.node(last)
    needed = {last}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    nodes = tuple(node for node in graph.nodes if node.name in needed)
    height, width, channels = graph.types[last].shape
    ports = {node.name: graph.ports[node.name] for node in nodes if node.name in graph.input_types}
    ports[last] = graph.ports[last] if last in graph.outputs else (channels, height, width)
    return replace(graph, nodes=nodes, outputs=(last,), ports=ports).verify()


def rename(graph: Graph, name: str) -> Graph:
    """The graph under another name, see `names.top_problem`."""
    return replace(graph, name=name).verify()


def check_equal(name: str, got: np.ndarray, expected: np.ndarray) -> str:
    """Empty if the arrays are equal, else a line that names the first differing element and how many differ."""
    if got.shape != expected.shape:
        return f"{name}: shape {got.shape}, expected {expected.shape}"
    different = np.argwhere(got != expected)
    if not len(different):
        return ""
    first = tuple(int(i) for i in different[0])
    where = f"first at {first}: {got[first]}, expected {expected[first]}"
    return f"{name}: {len(different)} of {got.size} values differ; {where}"
