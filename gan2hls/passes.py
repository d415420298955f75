"""Passes over the integer graph: functions from graph to graph, each result verified."""

from dataclasses import replace

import numpy as np

from gan2hls.ir import Graph


def truncate(graph: Graph, last: str) -> Graph:
    """The graph that ends with the node named `last`; its output shape is torch's (C, H, W).

    Raises:
        UserError: no such node.
    """
    graph.node(last)
    names = [node.name for node in graph.nodes]
    position = names.index(last)
    height, width, channels = graph.types[position + 1].shape
    whole = position == len(names) - 1
    shape = graph.door_output_shape if whole else (channels, height, width)
    return replace(graph, nodes=graph.nodes[: position + 1], door_output_shape=shape).verify()


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
