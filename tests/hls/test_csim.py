"""C simulation with bounded streams: what would hang or overflow in hardware is reported, by name."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gan2hls.simulate import CSIM_FLAGS
from tests.hls.bench import HEADERS, compile_cpp

SOURCE = Path(__file__).with_name("csim_cases.cpp")
Run = Callable[[str], str]


@pytest.fixture(scope="module", params=["fast", "portable"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a function of csim_cases.cpp and gives its report, "" if none; with both ways of changing stacks."""
    folder = tmp_path_factory.mktemp("csim")
    include = HEADERS
    if request.param == "portable":
        include = folder / "hls"
        shutil.copytree(HEADERS, include)
        header = include / "sim" / "csim.h"
        header.write_text(header.read_text().replace("defined(__x86_64__)", "0"))
    library = folder / "csim.so"
    made = compile_cpp([SOURCE], library, "-O1", *CSIM_FLAGS, "-I", include / "sim", "-I", include)
    assert made.returncode == 0, made.stderr
    functions = ctypes.CDLL(str(library))

    def call(name: str) -> str:
        message = ctypes.create_string_buffer(2000)
        failed = functions[name](message, len(message))
        assert bool(failed) == bool(message.value)
        return message.value.decode()

    return call


def test_a_shallow_fifo_is_a_reported_deadlock(run: Run) -> None:
    assert run("shallow") == (
        "deadlock: fork waits to write full left (depth 6); join waits to read empty right (depth 2); "
        "fill of streams: left 6/6, right 0/2"
    )
    assert run("deep_enough") == ""


def test_a_starved_kernel_is_reported(run: Run) -> None:
    assert run("starved") == (
        "deadlock: look waits to read empty in (depth 2); sink waits to read empty out (depth 2); "
        "fill of streams: in 0/2, out 0/2"
    )


def test_leftovers_are_reported(run: Run) -> None:
    assert run("leftover") == "leftover: all processes have returned, but data remains in stream 3/4"


def test_a_test_bench_can_not_wait(run: Run) -> None:
    assert run("read_outside") == "read of empty stream bench 0/unbounded outside of any process"
    assert run("write_outside") == "write to full stream bench 2/2 outside of any process"


def test_an_exception_ends_the_region_and_the_next_one_works(run: Run) -> None:
    assert run("throwing") == "thrown in a process"
    assert run("shallow") != ""
    assert run("deep_enough") == ""


def test_order_survives_many_suspensions(run: Run) -> None:
    assert run("long_chain") == ""
    assert run("unbounded") == ""


@pytest.mark.parametrize("header", sorted(str(path.relative_to(HEADERS)) for path in HEADERS.rglob("*.h")))
def test_a_header_compiles_alone_without_warnings(header: str, tmp_path: Path) -> None:
    # Pragmas and loop labels are the HLS tool's.
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-label"]
    include = ["-I", HEADERS / "sim", "-I", HEADERS]
    source = tmp_path / "alone.cpp"
    source.write_text(f'#include "{header}"\n#include "{header}"\n')
    made = compile_cpp([source], tmp_path / "none", "-fsyntax-only", *warnings, *include)
    assert made.returncode == 0, made.stderr


def test_without_the_simulator_a_region_is_plain_calls(tmp_path: Path) -> None:
    source = tmp_path / "plain.cpp"
    source.write_text('#include "process.h"\nGAN2HLS_PROCESS(name, call<1, 2>(a, b));\nGAN2HLS_RUN();\n')
    (tmp_path / "hls_stream.h").write_text("")
    command = ["g++", "-E", "-P", "-I", tmp_path, "-I", HEADERS, source]
    made = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    assert made.stdout.split() == ["call<1,", "2>(a,", "b);", ";"]
