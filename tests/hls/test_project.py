"""The rendered project as a whole: its files, its errors, its bridge, and that it builds without gan2hls."""

import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan2hls.backends.hls import kernel_headers, write_hls
from gan2hls.backends.render import render
from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.ir import Fold, IntType, Memory, TensorType
from gan2hls.ops import ConvTranspose2d, Requantize, Upsample
from gan2hls.pipeline import Pipeline, Stream
from gan2hls.simulate import compile_csim, run_csim
from gan2hls.tools import require_tool
from tests.hls.bench import (
    Case,
    Library,
    build,
    compile_cpp,
    pipeline_of,
    random_integers,
    replace_stage,
    with_parameters,
)

KIND = IntType(6, True)
WIDTHS = (2, 6, 3, 4, 12)
"""Lanes between which converters of all kinds are needed."""


@pytest.fixture(scope="module")
def case() -> Case:
    """A small generator: two layers, requantization between, and a converter of lanes."""
    rng = np.random.default_rng(5)
    tensor = TensorType((1, 1, 6), KIND, 1.0)
    ops = [
        ConvTranspose2d(random_integers(rng, KIND, (3, 3, 6, 5)), 6),
        Requantize(np.array([9, 7, 5, 3, 1]), np.arange(5), 7, 0, 31, KIND, 1.0),
        ConvTranspose2d(random_integers(rng, KIND, (4, 4, 5, 2)), 6, stride=(2, 2), padding=(1, 1)),
    ]
    pipeline = pipeline_of(tensor, ops, [Fold(2, 3), Fold(2, 2), Fold(1, 4)])
    x = random_integers(rng, KIND, (5, *tensor.shape))
    return Case("small", pipeline, x, pipeline.graph.run_stream(x).astype(np.int64))


@pytest.fixture(scope="module")
def library(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Library:
    return build([case], tmp_path_factory.mktemp("small"))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_input_gives_the_same_bytes(case: Case, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_hls(case.pipeline, tmp_path / folder, vectors=(case.x, case.golden))
    written = files(tmp_path / "a")
    assert written == files(tmp_path / "b")
    assert set(written) >= {
        "Makefile",
        "bridge.cpp",
        "build.tcl",
        "firmware/config.h",
        "firmware/generator.cpp",
        "firmware/generator.h",
        "firmware/memories/u_op_0.h",
        "kernels/conv_transpose2d.h",
        "kernels/mac_engine.h",
        "kernels/sim/hls_stream.h",
        "testbench/golden.dat",
        "testbench/input.dat",
        "testbench/testbench.cpp",
    }
    assert "kernels/dense.h" not in written
    first = written["testbench/input.dat"].decode().splitlines()[0]
    assert list(map(int, first.split())) == case.x[0].reshape(-1).tolist()


def test_the_project_builds_and_passes_without_gan2hls(case: Case, tmp_path: Path) -> None:
    write_hls(case.pipeline, tmp_path, vectors=(case.x, case.golden))
    command = ["make", "-C", str(tmp_path), "csim", f"AP_TYPES={require_tool('ap_types').path}", "CXXFLAGS=-O0"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert "5 frames equal the golden vectors" in made.stdout

    golden = tmp_path / "testbench" / "golden.dat"
    lines = golden.read_text().split("\n")
    lines[2] = "1000 " + lines[2].split(" ", 1)[1]
    golden.write_text("\n".join(lines))
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode != 0
    assert "frame 2, element 0: " in failed.stderr
    assert "instead of 1000" in failed.stderr

    without = subprocess.run([*command[:-2], "AP_TYPES=/nowhere"], capture_output=True, text=True, check=False)
    assert without.returncode != 0


@pytest.mark.parametrize("multipliers", [True, False])
def test_generated_code_has_no_warnings(case: Case, multipliers: bool, tmp_path: Path) -> None:
    pipeline, warnings = case.pipeline, ["-Wall", "-Wextra", "-Wconversion", "-Werror"]
    if not multipliers:
        pipeline = pipeline_of(TensorType((2, 2, 12), KIND, 1.0), [Upsample((2, 2))] * 5, [Fold(n, n) for n in WIDTHS])
        assert [stage.module for stage in pipeline.stages].count("width_converter") == len(WIDTHS) - 1
    write_hls(pipeline, tmp_path)
    for source in ("bridge.cpp", "firmware/generator.cpp", "testbench/testbench.cpp"):
        include = ["-I", tmp_path / "kernels" / "sim"]
        made = compile_cpp([tmp_path / source], tmp_path / "none", "-fsyntax-only", *warnings, *include)
        assert made.returncode == 0, made.stderr


def test_the_bridge_refuses_what_the_input_type_does_not_hold(case: Case, library: Library) -> None:
    wrong = replace(case, x=case.x.copy())
    wrong.x[1, 0, 0, 4] = 32
    y, message = library.run(wrong)
    assert message == "frame 1: input element 4 is 32, which 6 bits of its sign do not hold"
    assert np.array_equal(y[0], case.golden[0])
    assert library.run(case)[1] == ""


def test_threads_simulate_independently(case: Case, library: Library) -> None:
    results: list[tuple[np.ndarray, str]] = []
    threads = [threading.Thread(target=lambda: results.append(library.run(case))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    for y, message in results:
        assert not message
        assert np.array_equal(y, case.golden)


def test_a_frame_of_the_wrong_length_is_a_report_not_a_hang(case: Case, tmp_path: Path) -> None:
    """A kernel that loses a pixel starves what follows; one that wants more waits for ever."""
    index = next(i for i, stage in enumerate(case.pipeline.stages) if stage.module == "requantize")
    stage = case.pipeline.stages[index]
    short = with_parameters(case.pipeline, index, Pixels=stage.parameters["Pixels"] - 1)
    long = with_parameters(case.pipeline, index, Pixels=stage.parameters["Pixels"] + 1)
    cases = [replace(case, name="too_short", pipeline=short), replace(case, name="too_long", pipeline=long)]
    built = build(cases, tmp_path)
    for changed in cases:
        _, message = built.run(changed)
        assert message.startswith("frame 0: deadlock: ")
        (before,), (after,) = stage.inputs, stage.outputs
        if changed.name == "too_short":
            assert f"waits to write full {before} (depth 2)" in message
            assert f"waits to read empty {after} (depth 2)" in message
        else:
            assert f"{stage.name} waits to read empty {before} (depth 2)" in message


@pytest.mark.parametrize("name", ["short", "main", "hls"])
def test_words_of_the_language_are_no_names(case: Case, name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"name '{name}' has a meaning in C\\+\\+ already; use another"):
        write_hls(case.pipeline, tmp_path, name=name)


def test_a_pipeline_that_does_not_fit_together_is_refused(case: Case, tmp_path: Path) -> None:
    streams = dict(case.pipeline.streams)
    (last,) = case.pipeline.outputs.values()
    port = streams.pop(last).port
    broken: Pipeline = replace(case.pipeline, streams=streams)
    with pytest.raises(Gan2HlsError, match="has .* where None is"):
        broken.verify()
    wider = replace(port, lanes=port.lanes + 1)
    with pytest.raises(Gan2HlsError, match=f"has .*lanes={port.lanes}.* where .*lanes={wider.lanes}"):
        replace(case.pipeline, streams={**streams, last: Stream(last, wider)}).verify()
    memory = Memory(np.array([[8]]), 4, True)
    broken = replace_stage(case.pipeline, 0, memories={"weights": memory})
    with pytest.raises(UserError, match="memory weights: values from 8 to 8 do not fit 4 bits: -8 to 7"):
        write_hls(broken, tmp_path)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"RingPixels": 0}, "the ring holds the pixels of every window at once"),
        ({"TapRows": 2}, "a weight word holds Pe * Simd * TapRows * TapCols codes"),
        ({"TapCols": 4}, "a block is no larger than the kernel"),
        ({"RestRows": 2}, "the rest pass has blocks of one tap where no channels remain"),
        ({"Packing": 3}, "Packing is 1 to Pe"),
        ({"Pe": 1}, "the output stream carries Pe lanes"),
        ({"KernelWidth": 2}, "one weight word per output group, tap and input group"),
        ({"StrideWidth": 0}, ""),
    ],
)
def test_a_wrong_parameter_stops_compilation(case: Case, parameters: dict[str, int], sentence: str, tmp_path) -> None:
    write_hls(with_parameters(case.pipeline, 0, **parameters), tmp_path)
    source = tmp_path / "firmware" / "generator.cpp"
    made = compile_cpp([source], tmp_path / "none", "-fsyntax-only", "-I", tmp_path / "kernels" / "sim")
    assert made.returncode != 0
    assert sentence in made.stderr


def test_headers_are_found_through_headers() -> None:
    assert {"dense.h", "mac_engine.h", "mac_tables.h", "integers.h", "lanes.h", "sim/csim.h"} <= set(
        kernel_headers(["dense"])
    )


def test_an_unknown_name_in_a_template_is_an_error() -> None:
    with pytest.raises(Exception, match="is undefined"):
        render("hls/top.h.j2")


def test_one_kernel_may_appear_many_times(tmp_path: Path) -> None:
    """Instances with equal parameters are apart all the same."""
    tensor = TensorType((2, 2, 3), KIND, 1.0)
    pipeline = pipeline_of(tensor, [Upsample((2, 1))] * 3, [Fold(2, 2)] * 3)
    x = random_integers(np.random.default_rng(0), KIND, (2, *tensor.shape))
    case = Case("many", pipeline, x, x.repeat(8, axis=1))
    y, message = build([case], tmp_path).run(case)
    assert not message
    assert np.array_equal(y, case.golden)


def test_a_stream_wider_than_1024_bits(tmp_path: Path) -> None:
    """ap_uint takes no more unless told so, and ends the whole process at run time otherwise."""
    rng = np.random.default_rng(7)
    tensor = TensorType((1, 2, 80), IntType(16, True), 1.0)
    pipeline = pipeline_of(tensor, [Upsample((1, 2))], [Fold(80, 80)])
    x = random_integers(rng, tensor.int_type, (2, *tensor.shape))
    write_hls(pipeline, tmp_path / "hls")
    compile_csim(tmp_path / "hls", "generator", tmp_path / "library.so", log=tmp_path / "log")
    np.testing.assert_array_equal(run_csim(tmp_path / "library.so", pipeline, x), x.repeat(2, axis=2))


def test_a_stream_wider_than_any_integer_is_refused(tmp_path: Path) -> None:
    tensor = TensorType((1, 1, 2100), IntType(16, True), 1.0)
    pipeline = pipeline_of(tensor, [Upsample((1, 1))], [Fold(2100, 2100)])
    with pytest.raises(UserError, match="the input has 2100 lanes of 16 bits; use fewer, ap_uint holds 32768 bits"):
        write_hls(pipeline, tmp_path / "hls")
    assert not (tmp_path / "hls").exists()
