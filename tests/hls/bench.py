"""What the HLS tests share: many small pipelines as one library, random layers, and references in float64.

The references are written here once more, with torch and NumPy, and share nothing with the ops under test.
"""

import copy
import ctypes
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from gan2hls.assembly import make_pipeline
from gan2hls.backends.hls import write_hls
from gan2hls.ir import Fold, Graph, IntType, Node, Op, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense
from gan2hls.pipeline import Folding, Pipeline
from gan2hls.simulate import CSIM_FLAGS
from gan2hls.tools import require_tool
from tests.ops.mac_cases import draw_fold

ROOT = Path(__file__).resolve().parents[2]
HEADERS = ROOT / "hw" / "hls"
FLAGS = ["-std=c++17", "-DGAN2HLS_CSIM"]
CASE_FRAMES = 2


def compile_cpp(sources: Sequence[Path], output: Path, *flags: str | Path) -> subprocess.CompletedProcess[str]:
    """g++ with the project's own stand-ins before the ap_types headers."""
    command = ["g++", *FLAGS, *flags, "-isystem", require_tool("ap_types").path, *sources, "-o", output]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


@dataclass
class Case:
    """A pipeline, frames for it and what has to come out: (n, height, width, channels) integers."""

    name: str
    pipeline: Pipeline
    x: np.ndarray
    golden: np.ndarray
    edit: tuple[str, str, str] | None = None
    """Seeded bug: kernel header, text, and what replaces it, in this case's own copy of the kernels."""


class Library:
    """Compiled cases."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))

    def run(self, case: Case) -> tuple[np.ndarray, str]:
        """Output integers and the error message, "" for success."""
        function = self._library[f"gan2hls_run_{case.name}"]
        x = np.ascontiguousarray(case.x, dtype=np.int64)
        y = np.zeros(case.golden.shape, dtype=np.int64)
        message = ctypes.create_string_buffer(4096)
        pointers = (ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data))
        failed = function(*pointers, ctypes.c_int(len(x)), message, ctypes.c_int(len(message)))
        text = message.value.decode()
        assert bool(failed) == bool(text)
        return y, text

    def iterations(self, case: Case) -> list[int]:
        """Loop iterations of each stage for one frame."""
        function = self._library[f"gan2hls_stage_{case.name}"]
        function.restype = ctypes.c_char_p
        count = ctypes.c_int64()
        found = []
        while (name := function(len(found), ctypes.byref(count))) is not None:
            assert name.decode() == case.pipeline.stages[len(found)].name
            found.append(count.value)
        return found


def build(cases: Sequence[Case], folder: Path, *flags: str, exact_widths: bool = False) -> Library:
    """Write each case as a project and compile all of them in one go; a mutant has its own kernels.

    With `exact_widths` intermediate results have the bits that they have in synthesis, not those of native integers.
    """
    guards = sorted(f"GAN2HLS_{path.stem.upper()}_H" for path in HEADERS.glob("*.h") if path.stem != "process")
    lines = ["#include <ap_int.h>", "#define __SYNTHESIS__"] if exact_widths else []
    for case in cases:
        write_hls(case.pipeline, folder / case.name, name=f"top_{case.name}")
        if case.edit:
            header, old, new = case.edit
            path = folder / case.name / "kernels" / header
            text = path.read_text()
            assert text.count(old) == 1, f"{header} holds {old!r} {text.count(old)} times, not once"
            path.write_text(text.replace(old, new))
            lines += [f"#undef {guard}" for guard in guards]
            lines.append(f"#define gan2hls mutant_{case.name}")
            lines.append("#define static_assert(...) static_assert(true)")  # the outputs must show the bug
        lines += [f"#define gan2hls_{what} gan2hls_{what}_{case.name}" for what in ("run", "stage")]
        lines.append(f'#include "{case.name}/bridge.cpp"')
        lines.append(f'#include "{case.name}/firmware/top_{case.name}.cpp"')
        lines += ["#undef gan2hls_run", "#undef gan2hls_stage"]
        if case.edit:
            lines += ["#undef gan2hls", "#undef static_assert"]
    umbrella = folder / "umbrella.cpp"
    umbrella.write_text("\n".join(lines) + "\n")
    library = folder / "cases.so"
    made = compile_cpp([umbrella], library, "-O1", *CSIM_FLAGS, "-I", HEADERS / "sim", *flags)
    assert made.returncode == 0, made.stderr[-4000:]
    return Library(library)


def check(library: Library, case: Case) -> None:
    """The outputs equal the golden ones, every element."""
    y, message = library.run(case)
    assert not message, f"{case.name}: {message}\n{case.pipeline.stages[0].parameters}"
    wrong = np.argwhere(y != case.golden)
    assert not len(wrong), (
        f"{case.name}: {len(wrong)} of {y.size} differ, first at {wrong[0]}: {y[tuple(wrong[0])]} instead of "
        f"{case.golden[tuple(wrong[0])]}\n{[(s.module, s.parameters) for s in case.pipeline.stages]}"
    )


# -- random cases -----------------------------------------------------------------------------------------------------


def pipeline_of(tensor: TensorType, ops: Sequence[Op], folds: Sequence[Fold]) -> Pipeline:
    nodes = tuple(Node(f"op_{index}", op) for index, op in enumerate(ops))
    shape = (tensor.channels, *tensor.shape[:2])
    graph = Graph.chain(tensor, nodes, shape, (1,))
    output = graph.output
    graph = replace(graph, ports={**graph.ports, graph.outputs[0]: (output.channels, *output.shape[:2])}).verify()
    folding: Folding = {node.name: fold for node, fold in zip(nodes, folds, strict=True)}
    return make_pipeline(graph, folding)


def random_integers(rng: np.random.Generator, kind: IntType, shape: tuple[int, ...]) -> np.ndarray:
    """Integers of a type, the extremes more often than chance would have them."""
    x = rng.integers(kind.min, kind.max + 1, shape)
    pick = rng.random(shape)
    return np.where(pick < 0.1, kind.min, np.where(pick > 0.9, kind.max, x))


def random_weights(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[dict, np.ndarray]:
    """Arguments of a MAC op that give its weights, and their values: plain, binary, or any codebook."""
    bits = int(rng.choice([1, 2, 3, 4, 8, 10]))
    if rng.random() < 0.5 and bits > 1:
        codes = random_integers(rng, IntType(bits, True), shape)
        return {"codes": codes, "code_bits": bits}, codes
    bits = min(bits, 4)
    book = [-1, 1] if bits == 1 else rng.integers(-100, 101, 1 << bits).tolist()
    codes = rng.integers(0, 1 << bits, shape)
    return {"codes": codes, "code_bits": bits, "codebook": tuple(book)}, np.asarray(book)[codes]


def random_type(rng: np.random.Generator, largest: int = 10) -> IntType:
    return IntType(int(rng.integers(1, largest + 1)), bool(rng.integers(2)))


def random_mac(rng: np.random.Generator, name: str, stem: str) -> Case:
    """A layer of any geometry with accumulators as output."""
    make = {"dense": _dense, "conv2d": _conv2d, "conv_transpose2d": _conv_transpose2d}[stem]
    in_channels, out_channels = (int(v) for v in rng.integers(1, 8, 2))
    kind = random_type(rng)
    op, shape, reference = make(rng, in_channels, out_channels)
    tensor = TensorType((*shape, in_channels), kind, 1.0)
    fold = draw_fold(rng, op, tensor)
    x = random_integers(rng, kind, (CASE_FRAMES, *tensor.shape))
    return Case(name, pipeline_of(tensor, [op], [fold]), x, reference(x))


def _dense(rng: np.random.Generator, in_channels: int, out_channels: int) -> tuple:
    weights, values = random_weights(rng, (1, 1, in_channels, out_channels))
    return Dense(**weights), (1, 1), lambda x: x @ values[0, 0]


def _channels_first(values: np.ndarray, order: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values.transpose(order), dtype=np.float64))


def _channels_last(values: torch.Tensor) -> np.ndarray:
    return values.numpy().transpose(0, 2, 3, 1).astype(np.int64)


def _conv2d(rng: np.random.Generator, in_channels: int, out_channels: int) -> tuple:
    kernel = rng.integers(1, 6, 2)
    stride, padding = rng.integers(1, 4, 2).tolist(), [int(rng.integers(0, k + 1)) for k in kernel]
    size = [int(v) + max(0, int(k) - 2 * p) for v, k, p in zip(rng.integers(1, 6, 2), kernel, padding, strict=True)]
    weights, values = random_weights(rng, (*kernel.tolist(), in_channels, out_channels))

    def reference(x: np.ndarray) -> np.ndarray:
        w = _channels_first(values, (3, 2, 0, 1))
        y = torch.nn.functional.conv2d(_channels_first(x, (0, 3, 1, 2)), w, stride=stride, padding=padding)
        return _channels_last(y)

    return Conv2d(**weights, stride=tuple(stride), padding=tuple(padding)), tuple(size), reference


def _conv_transpose2d(rng: np.random.Generator, in_channels: int, out_channels: int) -> tuple:
    while True:
        kernel, size = rng.integers(1, 6, 2), rng.integers(1, 5, 2)
        stride, padding = rng.integers(1, 4, 2), rng.integers(0, 4, 2)
        extra = np.array([rng.integers(0, s) for s in stride])
        if ((size - 1) * stride - 2 * padding + kernel + extra >= 1).all():
            break
    weights, values = random_weights(rng, (*kernel.tolist(), in_channels, out_channels))
    geometry = {"stride": tuple(stride.tolist()), "padding": tuple(padding.tolist())}
    output_padding = tuple(extra.tolist())

    def reference(x: np.ndarray) -> np.ndarray:
        # Written out pixel by pixel: torch refuses some geometries that the kernel takes.
        n, height, width = x.shape[:3]
        (sy, sx), (py, px) = geometry["stride"], geometry["padding"]
        full = np.zeros((n, (height - 1) * sy + kernel[0] + 8, (width - 1) * sx + kernel[1] + 8, out_channels), int)
        for iy in range(height):
            for ix in range(width):
                part = np.einsum("nc,klco->nklo", x[:, iy, ix], values)
                full[:, iy * sy : iy * sy + kernel[0], ix * sx : ix * sx + kernel[1]] += part
        out = (np.array([height, width]) - 1) * stride - 2 * padding + kernel + extra
        return full[:, py : py + out[0], px : px + out[1]]

    return ConvTranspose2d(**weights, **geometry, output_padding=output_padding), tuple(size.tolist()), reference


def replace_stage(pipeline: Pipeline, index: int, **changes: object) -> Pipeline:
    """The pipeline with other parameters or memories in one stage, whatever its kernel would say."""
    stages = list(pipeline.stages)
    kernel = copy.copy(stages[index].kernel)
    for name in changes:
        vars(kernel).pop(name, None)  # what it knows already
    object.__setattr__(kernel, "__class__", type("Edited", (type(kernel),), changes))
    stages[index] = replace(stages[index], kernel=kernel)
    return replace(pipeline, stages=tuple(stages))


def with_parameters(pipeline: Pipeline, index: int, **parameters: int) -> Pipeline:
    return replace_stage(pipeline, index, parameters={**pipeline.stages[index].parameters, **parameters})


def with_ring(pipeline: Pipeline, index: int, pixels: int) -> Pipeline:
    """The pipeline with a ring of another size in one stage."""
    stages = list(pipeline.stages)
    stages[index] = replace(stages[index], kernel=stages[index].kernel.with_ring(pixels))
    return replace(pipeline, stages=tuple(stages))
