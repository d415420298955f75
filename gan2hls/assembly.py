"""From a folded graph to the pipeline that both backends render, in four passes, the result of each verified.

`place` puts a stage where each node is; `fork` gives each user of a result a stream of its own; `convert` lies between
ports that differ in lanes; and buffers are sized (`buffers`), unless their sizes are known.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from gan2hls.buffers import size_buffers
from gan2hls.ir import Graph
from gan2hls.kernels import Fork, Kernel, Port, WidthConverter
from gan2hls.names import unique_identifier
from gan2hls.pipeline import Folding, Pipeline, Sizes, Stage, Stream


def make_pipeline(graph: Graph, folding: Folding, sizes: Sizes | None = None) -> Pipeline:
    """Kernels and streams of a graph.

    Args:
        graph: the integer graph.
        folding: names every node that computes (`choose_folding`).
        sizes: of the buffers, as an earlier search found them; None searches.

    Raises:
        UserError: two branches that no buffer brings together.
    """
    bare = number(convert(fork(place(graph, folding))))
    return size_buffers(bare) if sizes is None else bare.with_sizes(sizes)


@dataclass
class _Names:
    """Identifiers of stages, none like another or like what a FIFO is called."""

    taken: set[str] = field(default_factory=set)

    @staticmethod
    def of(graph: Graph) -> "_Names":
        streams = 2 * sum(1 + len(node.inputs) for node in graph.nodes) + len(graph.outputs)
        return _Names({f"u_stream_{index}_fifo" for index in range(streams)})

    def stage(self, name: str, kernel: Kernel, node: str, inputs: Iterable[str], outputs: Iterable[str]) -> Stage:
        made = unique_identifier(name, self.taken, kernel.memory_names)
        return Stage(made, kernel, node, tuple(inputs), tuple(outputs))


@dataclass
class _Draft:
    """Stages before they are a sound pipeline: a stream, named as the node that gives it, may have several readers."""

    graph: Graph
    folding: Folding
    names: _Names
    stages: list[Stage]
    ports: dict[str, Port]
    outputs: dict[str, str]


def place(graph: Graph, folding: Folding) -> _Draft:
    """A stage for each node, and a stream for each result; what enters has the lanes of its first user."""
    names, stages = _Names.of(graph), []
    ports: dict[str, Port] = {}
    for node, tensors, _ in graph.steps():
        kernel = node.op.kernel(tensors, folding[node.name])
        for name, port in zip(node.inputs, kernel.inputs, strict=True):
            ports.setdefault(name, port)
        ports[node.name] = kernel.output
        stages.append(names.stage(node.name, kernel, node.name, node.inputs, (node.name,)))
    return _Draft(graph, folding, names, stages, ports, {name: name for name in graph.outputs})


def fork(draft: _Draft) -> _Draft:
    """Where a stream has several readers, a fork behind its writer."""
    readers = Counter(name for stage in draft.stages for name in stage.inputs) + Counter(draft.outputs.values())
    ports = dict(draft.ports)
    branches: dict[str, list[str]] = {}
    for name in [name for name in draft.ports if readers[name] > 1]:
        branches[name] = [_stream(f"{name} {index}", ports, ports[name]) for index in range(readers[name])]
    unread = {name: iter(found) for name, found in branches.items()}

    def branch(name: str) -> str:
        return next(unread[name]) if name in unread else name

    def forks(names: Iterable[str]) -> Iterator[Stage]:
        for name in names:
            if name in branches:
                kernel = Fork((ports[name],), (ports[name],) * len(branches[name]))
                yield draft.names.stage(f"{name}_fork", kernel, "", (name,), branches[name])

    stages = list(forks(draft.graph.input_types))
    for stage in draft.stages:
        stages.append(replace(stage, inputs=tuple(map(branch, stage.inputs))))
        stages += forks(stage.outputs)
    outputs = {name: branch(stream) for name, stream in draft.outputs.items()}
    return replace(draft, stages=stages, ports=ports, outputs=outputs)


def convert(draft: _Draft) -> _Draft:
    """Where a reader takes other lanes than the writer gives, a converter before it."""
    stages: list[Stage] = []
    ports = dict(draft.ports)
    for stage in draft.stages:
        read = []
        for name, wanted in zip(stage.inputs, stage.kernel.inputs, strict=True):
            if ports[name].lanes != wanted.lanes:
                kernel, source = WidthConverter((ports[name],), (wanted,)), name
                name = _stream(f"{source} as {wanted.lanes}", ports, wanted)
                stages.append(draft.names.stage(f"{stage.node}_lanes", kernel, "", (source,), (name,)))
            read.append(name)
        stages.append(replace(stage, inputs=tuple(read)))
    return replace(draft, stages=stages, ports=ports)


def _stream(name: str, ports: dict[str, Port], port: Port) -> str:
    """A stream more, of a name that no other one has."""
    while name in ports:
        name += "'"
    ports[name] = port
    return name


def number(draft: _Draft) -> Pipeline:
    """The pipeline, its streams numbered from the inputs to the outputs."""
    order = [*draft.graph.input_types, *(name for stage in draft.stages for name in stage.outputs)]
    names = {name: f"stream_{index}" for index, name in enumerate(order)}
    stages = tuple(
        replace(stage, inputs=tuple(names[n] for n in stage.inputs), outputs=tuple(names[n] for n in stage.outputs))
        for stage in draft.stages
    )
    streams = {names[name]: Stream(names[name], draft.ports[name]) for name in order}
    inputs = {name: names[name] for name in draft.graph.input_types}
    outputs = {name: names[stream] for name, stream in draft.outputs.items()}
    return Pipeline(draft.graph, draft.folding, stages, streams, inputs, outputs).verify()
