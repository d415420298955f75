"""Who feeds whom in a graph, and what may be wrong with that."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from gan2hls.operation import Op


class Wired(Protocol):
    """A node of a graph."""

    @property
    def name(self) -> str: ...
    @property
    def op(self) -> Op: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...


def wiring_problems(
    nodes: Sequence[Wired], outputs: Sequence[str], ports: Mapping[str, tuple[int, ...]], inputs: set[str]
) -> Iterator[str]:
    """Yield what is wrong with the names of nodes, and with who feeds whom.

    Args:
        nodes: each after those that feed it, if nothing is wrong.
        outputs: names of the nodes whose results leave.
        ports: has a shape for each input and output.
        inputs: names of the nodes that are inputs of the graph.
    """
    seen: set[str] = set()
    names = {node.name for node in nodes}
    for index, node in enumerate(nodes):
        if not node.name:
            yield f"node {index} has no name"
        elif node.name in seen:
            yield f"{node.name}: two nodes have this name"
        elif node.name in node.inputs:
            yield f"{node.name}: a cycle: its own result is an input of it"
        elif late := [name for name in node.inputs if name in names and name not in seen]:
            yield _order_problem(nodes, node, late[0])
        for name in node.inputs:
            if name not in names:
                yield f"{node.name}: its input {name!r} is no node; the graph has {', '.join(sorted(names))}"
        if problem := node.op.arity_problem(len(node.inputs)):
            yield f"{node.name} ({type(node.op).__name__}): {problem}"
        seen.add(node.name)
    yield from _port_problems(nodes, outputs, ports, inputs)


def _port_problems(
    nodes: Sequence[Wired], outputs: Sequence[str], ports: Mapping[str, tuple[int, ...]], inputs: set[str]
) -> Iterator[str]:
    if not outputs:
        yield "the graph has no outputs"
    names = {node.name for node in nodes}
    for index, name in enumerate(outputs):
        if name not in names or name in inputs:
            what = "is an input" if name in inputs else "is no node"
            yield f"output {name!r} {what}; an output is the result of a node that computes"
        elif name in outputs[:index]:
            yield f"output {name!r} is named twice"
    moving = set(inputs)  # what depends on an input, in nodes that stand in order
    for node in nodes:
        if moving.intersection(node.inputs):
            moving.add(node.name)
    for name in outputs:
        if name in names and name not in moving:
            yield f"output {name!r} depends on no input: every frame of it would be the same, and nothing would end it"
    used = {name for node in nodes for name in node.inputs}
    for node in nodes:
        if node.name and node.name not in used and node.name not in outputs:
            what = "this input" if node.name in inputs else "its result"
            yield f"{node.name}: nobody uses {what}, and it is no output"
    for name in dict.fromkeys([*sorted(inputs), *outputs]):
        if name in names and name not in ports:
            yield f"{name}: has no shape among the ports"
    for name in ports:
        if name not in inputs and name not in outputs:
            yield f"port {name!r} is neither an input nor an output"


def _order_problem(nodes: Sequence[Wired], node: Wired, late: str) -> str:
    """Why a node stands before one that feeds it: the two are in a cycle, or just in the wrong order."""
    feeds = {other.name: other.inputs for other in nodes}
    path, waiting = {late: node.name}, [late]  # each name, and whom it feeds
    while waiting:
        name = waiting.pop()
        for source in feeds.get(name, ()):
            if source == node.name:
                cycle = [source, name]
                while cycle[-1] != late:
                    cycle.append(path[cycle[-1]])
                return f"{node.name}: a cycle: {' → '.join([*cycle, node.name])}"
            if source not in path:
                path[source] = name
                waiting.append(source)
    return f"{node.name}: stands before its input {late}; nodes come after those that feed them"
