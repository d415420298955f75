"""Arrays in the folder of a run: samples, and what simulations gave, of one input or output or of several by name."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gan2hls.arguments import named_arrays
from gan2hls.data import image_grid, save_image
from gan2hls.files import write_bytes
from gan2hls.ir import Graph


def keys(what: str, names: Sequence[str]) -> list[str]:
    """Names of arrays in a file of several: that of the only input or output needs none of its own."""
    return [what] if len(names) == 1 else [f"{what}.{name}" for name in names]


def keyed(what: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays by `keys`."""
    return dict(zip(keys(what, list(arrays)), arrays.values(), strict=True))


def write_outputs(path: Path, outputs: Mapping[str, np.ndarray], graph: Graph) -> None:
    """Write what a simulation gave, and a picture of the first output, if it is an image.

    Args:
        path: without its ending: `.npy` of one output, `.npz` of several, `.png` of the picture.
        outputs: (n, *shape) integers of each output.
        graph: whose outputs these are.
    """
    stream = io.BytesIO()
    if len(outputs) == 1:
        np.save(stream, next(iter(outputs.values())))
    else:
        np.savez(stream, **outputs)
    write_bytes(path.with_suffix(".npy" if len(outputs) == 1 else ".npz"), stream.getvalue())
    images = _real(outputs, graph)
    if images.ndim == 4 and images.shape[1] in (1, 3):
        save_image(path.with_suffix(".png"), image_grid(images.clip(-1, 1)))


def load_images(path: Path, graph: Graph) -> np.ndarray:
    """The first output of what `write_outputs` wrote, in real numbers."""
    if len(graph.outputs) == 1:
        return _real({graph.outputs[0]: np.load(path.with_suffix(".npy"), allow_pickle=False)}, graph)
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
        return _real({name: arrays[name] for name in graph.outputs}, graph)


def _real(outputs: Mapping[str, np.ndarray], graph: Graph) -> np.ndarray:
    return named_arrays(graph.outputs, graph.to_real(outputs), "the result")[graph.outputs[0]]
