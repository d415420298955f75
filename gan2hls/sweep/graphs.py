"""Integer graphs as bytes, as they go to workers and into the cache."""

from collections.abc import Mapping

from gan2hls.errors import UserError
from gan2hls.files import scratch_folder, sha256
from gan2hls.ir import Graph

GraphFiles = Mapping[str, bytes]
"""A graph as `Graph.write` writes it."""

_NAMES = ("graph.json", "weights.safetensors")


def graph_digest(files: GraphFiles) -> str:
    return sha256(*(part for name in sorted(files) for part in (name, files[name])))


def graph_files(graph: Graph) -> dict[str, bytes]:
    """The files of a graph."""
    with scratch_folder("gan2hls-sweep") as folder:
        graph.write(folder)
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def read_graph(files: GraphFiles) -> Graph:
    """The graph of its files.

    Raises:
        UserError: they are no graph.
    """
    if missing := [name for name in _NAMES if name not in files]:
        raise UserError(f"{missing[0]} is missing")
    with scratch_folder("gan2hls-sweep") as folder:
        for name in _NAMES:
            (folder / name).write_bytes(files[name])
        return Graph.load(folder)
