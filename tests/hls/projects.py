"""Every kind of project that is generated, and what clang's front end says about its C++.

`python -m tests.hls.projects` parses them all, as `make lint` does.
"""

import importlib.util
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np

from gan2hls.backends.hls import write_hls
from gan2hls.errors import MissingToolError
from gan2hls.ir import Fold, IntType, Node, TensorType
from gan2hls.ops import Add, Concat, Conv2d, ConvTranspose2d, Dense, Requantize, Slice, Sub, Upsample
from gan2hls.pipeline import Pipeline
from gan2hls.resources import resource
from tests.ops.contract import Case, GraphCase, single
from tests.ops.mac_cases import S8, integers
from tests.rtl.designs import designs

S16 = IntType(16, True)


def load_parser() -> ModuleType:
    """`sim/parse_hls.py`, which is no part of a package."""
    path = resource("sim", "parse_hls.py")
    if "parse_hls" not in sys.modules:
        spec = importlib.util.spec_from_file_location("parse_hls", str(path))
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["parse_hls"] = module
        spec.loader.exec_module(module)
    return sys.modules["parse_hls"]


def projects(rng: np.random.Generator) -> dict[str, Pipeline]:
    """A pipeline of each kind: chains of each op, branches, several ports, and what changes the C++ of an op."""
    cases = {**designs(rng), **_widths(rng), **_graphs(rng)}
    return {name: case.pipeline() for name, case in cases.items()}


def _widths(rng: np.random.Generator) -> dict[str, Case]:
    """Weights of one bit, 16 bits all through, and streams that are wider than an integer is by default."""
    binary = Conv2d(rng.integers(0, 2, (3, 3, 8, 8)), 1, codebook=(-1, 1), padding=(1, 1))
    wide = ConvTranspose2d(integers(rng, (4, 4, 4, 4), 16), 16, stride=(2, 2), padding=(1, 1))
    narrow = Requantize(np.full(4, 40_000), np.full(4, 9), 17, S16.min, S16.max, S16, 1.0)
    return {
        "binary": single("binary", binary, (4, 4, 8), IntType(1, False), 4, 2),
        "packed_by_three": single("packed_by_three", _dense(rng, 6, 6, 4), (1, 1, 6), IntType(4, False), 6, 2, 3),
        "bits_16": Case("bits_16", TensorType((3, 3, 4), S16, 1.0), (wide, narrow), (Fold(2, 2), Fold(2, 2))),
        "wide_stream": single("wide_stream", Upsample((1, 2)), (1, 2, 80), S16, 80),
    }


def _dense(rng: np.random.Generator, inputs: int, outputs: int, bits: int) -> Dense:
    return Dense(integers(rng, (1, 1, inputs, outputs), bits), bits)


def _graphs(rng: np.random.Generator) -> dict[str, GraphCase]:
    """A residual block, a skip of a U-Net, and several ports on both sides."""
    x, y = TensorType((4, 4, 4), S8, 1.0), TensorType((4, 4, 2), IntType(9, True), 1.0)
    conv = Conv2d(integers(rng, (3, 3, 4, 4)), 8, padding=(1, 1))
    down = Requantize(np.full(4, 3), np.zeros(4, int), 9, S8.min, S8.max, S8, 1.0)
    branch = (Node("c", conv, ("x",)), Node("q", down, ("c",)))
    lanes = {"c": 2, "q": 2}
    ends = (
        Node("total", Add(), ("x", "z")),
        Node("rest", Sub(), ("x", "z")),
        Node("both", Concat(), ("total", "y")),
        Node("some", Slice(2, 4), ("rest",)),
    )
    several = {"total": 2, "rest": 4, "both": 3, "some": 2}
    return {
        "residual": GraphCase("residual", {"x": x}, (*branch, Node("s", Add(), ("x", "q"))), {**lanes, "s": 2}),
        "skip": GraphCase("skip", {"x": x}, (*branch, Node("s", Concat(), ("x", "q"))), {**lanes, "s": 4}),
        "ports": GraphCase("ports", {"x": x, "z": x, "y": y}, ends, several, outputs=("both", "some")),
    }


def write_projects(pipelines: Mapping[str, Pipeline], folder: Path) -> None:
    """Each as a project of its own."""
    for name, pipeline in pipelines.items():
        write_hls(pipeline, folder / name, name=f"top_{name}")


def csim_sources(names: list[str]) -> str:
    """All that C simulation compiles of each project; entry points have a name of their own in each."""
    lines = []
    for name in names:
        own = ["gan2hls_run", "gan2hls_stage"]
        lines += [f"#define {function} {function}_{name}" for function in own]
        lines += [f'#include "{name}/bridge.cpp"', f'#include "{name}/firmware/top_{name}.cpp"']
        lines += [f"#undef {function}" for function in own]
    # A test bench opens its project's namespace for all that follows: each gets one of its own, headers come before.
    lines += [f"#include <{header}>" for header in ("cstdint", "exception", "fstream", "iostream", "string", "vector")]
    lines += [f'namespace bench_{name} {{\n#include "{name}/testbench/testbench.cpp"\n}}' for name in names]
    return "\n".join(lines) + "\n"


def synthesis_sources(names: list[str]) -> str:
    """All that a synthesis tool compiles of each project."""
    return "".join(f'#include "{name}/firmware/top_{name}.cpp"\n' for name in names)


def project_findings(folder: Path, names: list[str]) -> list[str]:
    """What clang says about projects in a folder, read both ways; all of a reading in one go."""
    parser = load_parser()
    include = [folder / names[0] / "kernels" / "sim"]
    found = []
    for reading, sources in ((parser.CSIM, csim_sources), (parser.SYNTHESIS, synthesis_sources)):
        said = parser.findings(sources(names), folder, include, reading)
        found += [f"{reading.name}: {line}" for line in said]
    return found


def main() -> int:
    """Parse all kinds; 1 if clang has something to say."""
    parser = load_parser()
    pipelines = projects(np.random.default_rng(0))
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_projects(pipelines, Path(folder))
            found = project_findings(Path(folder), list(pipelines))
    except (MissingToolError, parser.FrontEndMissingError) as error:
        print(error, file=sys.stderr)
        return 2
    for line in found:
        print(line)
    print(f"{len(pipelines)} projects, read in {len(parser.READINGS)} ways: {len(found)} lines of clang")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
