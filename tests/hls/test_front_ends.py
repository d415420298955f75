"""Other front ends than g++: clang, which HLS compilers are built on, takes all generated C++ without a word."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gan2hls.arguments import Arrays
from gan2hls.ir import Fold, IntType, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense
from gan2hls.pipeline import Pipeline
from gan2hls.simulate import CSIM_FLAGS, run_csim
from gan2hls.tools import require_tool
from tests.hls.bench import pipeline_of
from tests.hls.projects import load_parser, project_findings, projects, write_projects

CLANG_FLAGS = [flag for flag in CSIM_FLAGS if flag != "-fno-gnu-unique"]
"""clang has no unique symbols to switch off."""


@pytest.fixture(scope="module")
def pipelines() -> dict[str, Pipeline]:
    return projects(np.random.default_rng(0))


@pytest.fixture(scope="module")
def written(pipelines: dict[str, Pipeline], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("projects")
    write_projects(pipelines, folder)
    return folder


@pytest.fixture(scope="module")
def parser() -> ModuleType:
    pytest.importorskip("clang.cindex", reason="needs libclang: pip install libclang")
    return load_parser()


@pytest.mark.usefixtures("parser")
def test_clang_has_nothing_to_say(pipelines: dict[str, Pipeline], written: Path) -> None:
    assert project_findings(written, list(pipelines)) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("int f(int x) { int unused; return x; }", "unused variable 'unused'"),
        ("int f(unsigned a, int b) { return a < b; }", "comparison of integers of different signs"),
        ("constexpr long f(long n) { long s = 0; while (n) s += n--; return s; } constexpr long v = f(1 << 20);",
         "must be initialized by a constant expression"),
        ('#include "none.h"', "'none.h' file not found"),
        ("int narrow[1] = { 1L << 40 };", "cannot be narrowed"),
    ],
)  # fmt: skip
def test_what_clang_says_is_found(code: str, said: str, parser: ModuleType, tmp_path: Path) -> None:
    """g++ takes the loop of a million steps, which clang, and with it Vitis HLS, gives up."""
    for reading in parser.READINGS:
        found = parser.findings(code, tmp_path, [], reading)
        assert any(said in line for line in found), found


def test_the_two_readings_differ(parser: ModuleType, tmp_path: Path) -> None:
    """Each sees its own branch, in which the other one's mistakes are not."""
    code = "#ifdef {}\nint f() {{ return none; }}\n#endif"
    for reading, own, other in (
        (parser.CSIM, "GAN2HLS_CSIM", "__SYNTHESIS__"),
        (parser.SYNTHESIS, "__SYNTHESIS__", "GAN2HLS_CSIM"),
    ):
        assert any("none" in line for line in parser.findings(code.format(own), tmp_path, [], reading))
        assert parser.findings(code.format(other), tmp_path, [], reading) == []


def random_frames(pipeline: Pipeline, rng: np.random.Generator) -> Arrays:
    frames = {}
    for name, tensor in pipeline.graph.input_types.items():
        kind = tensor.int_type
        frames[name] = rng.integers(kind.min, kind.max + 1, (3, *tensor.shape))
    return frames if len(frames) > 1 else next(iter(frames.values()))


def by_name(values: Arrays) -> dict[str, np.ndarray]:
    return dict(values) if isinstance(values, Mapping) else {"": values}


def test_a_simulation_that_clang_compiled_is_exact(
    pipelines: dict[str, Pipeline], written: Path, rng: np.random.Generator, tmp_path: Path
) -> None:
    clang = shutil.which("clang++")
    if clang is None:
        pytest.skip("needs clang++ on PATH")
    for name, pipeline in pipelines.items():
        hls, library = written / name, tmp_path / f"{name}.so"
        sources = [hls / "bridge.cpp", hls / "firmware" / f"top_{name}.cpp"]
        headers = ["-I", hls / "kernels" / "sim", "-isystem", require_tool("ap_types").path]
        command = [clang, *CLANG_FLAGS, "-O1", *headers, *sources, "-o", library]
        made = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert made.returncode == 0, f"{name}: {made.stderr[-2000:]}"
        x = random_frames(pipeline, rng)
        golden, got = by_name(pipeline.graph.run_stream(x)), by_name(run_csim(library, pipeline, x))
        assert golden.keys() == got.keys()
        for output, values in golden.items():
            np.testing.assert_array_equal(got[output], values, err_msg=f"{name} {output}")


def image(make: type[Conv2d | ConvTranspose2d], size: int) -> Pipeline:
    """One layer with an output of size × size."""
    stride = 1 if make is Conv2d else 2
    kernel = 3 if make is Conv2d else 4
    op = make(np.ones((kernel, kernel, 2, 2), int), 2, stride=(stride, stride), padding=(1, 1))
    tensor = TensorType((size // stride, size // stride, 2), IntType(8, True), 1.0)
    return pipeline_of(tensor, [op], [Fold(2, 2)])


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("size", [160, 256, pytest.param(512, marks=pytest.mark.slow)])
@pytest.mark.parametrize("make", [Conv2d, ConvTranspose2d])
def test_large_images(make: type[Conv2d | ConvTranspose2d], size: int, tmp_path: Path) -> None:
    """No constant expression grows with the pixels beyond the 1,048,576 steps that clang takes."""
    write_projects({"image": image(make, size)}, tmp_path)
    assert project_findings(tmp_path, ["image"]) == []


@pytest.mark.slow
@pytest.mark.usefixtures("parser")
def test_four_million_weights(rng: np.random.Generator, tmp_path: Path) -> None:
    op = Dense(rng.integers(-128, 128, (1, 1, 1024, 4096)), 8)
    tensor = TensorType((1, 1, 1024), IntType(8, True), 1.0)
    write_projects({"dense": pipeline_of(tensor, [op], [Fold(16, 16)])}, tmp_path)
    assert project_findings(tmp_path, ["dense"]) == []
