"""The scripts for Vitis HLS, run by a Tcl interpreter in which stand-ins take the place of the vendor's commands."""

import configparser
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gan2hls.backends.hls import write_hls
from gan2hls.ir import Fold, IntType, TensorType
from gan2hls.ops import Upsample
from tests.hls.bench import pipeline_of, random_integers

pytest.importorskip("tkinter", reason="needs Python's own Tcl interpreter")

REPORTS = Path(__file__).parents[1] / "synth" / "reports"
COMMANDS = (
    *("open_project", "set_top", "add_files", "open_solution", "set_part", "create_clock", "set_clock_uncertainty"),
    *("config_compile", "config_dataflow", "csim_design", "csynth_design", "cosim_design", "export_design"),
)
INTERPRETER = "import tkinter, sys; tkinter.Tcl().eval(f'source {sys.argv[1]}')"

# Each command of the vendor's says what it was called with; synthesis leaves a report.
STAND_INS = """
foreach command {%s} {
    proc $command args "puts \\"$command \\$args\\"; after_$command"
    proc after_$command {} {}
}
proc after_csynth_design {} {
    file mkdir vitis/solution/syn/report
    file copy -force {%s} vitis/solution/syn/report/csynth.xml
}
proc after_cosim_design {} { %s }
proc exit args {}
source build.tcl
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    kind = IntType(8, True)
    tensor = TensorType((1, 2, 3), kind, 1.0)
    pipeline = pipeline_of(tensor, [Upsample((1, 2))], [Fold(3, 3)])
    x = random_integers(np.random.default_rng(0), kind, (2, *tensor.shape))
    write_hls(pipeline, tmp_path, name="up", clock_mhz=160.0, vectors=(x, x.repeat(2, axis=2)))
    return tmp_path


def run(project: Path, report: str = "csynth.xml", cosim: str = "", **variables: str) -> tuple[int, list[str], str]:
    """Exit status, the vendor's commands in order, and all that was said."""
    (project / "run.tcl").write_text(STAND_INS % (" ".join(COMMANDS), REPORTS / report, cosim))
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETER, "run.tcl"],
        cwd=project,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    commands = [line.replace(f"{project}/", "") for line in done.stdout.splitlines()]
    return done.returncode, commands, done.stdout + done.stderr


def test_every_step_with_what_was_built(project: Path) -> None:
    status, commands, said = run(project)
    assert status == 0, said
    data = commands.pop(4)
    assert data.startswith("add_files -tb ") and all(f"testbench/{name}.dat" in data for name in ("input", "golden"))
    assert commands == [
        "open_project -reset vitis",
        "set_top up",
        "add_files firmware/up.cpp -cflags -std=c++17",
        "add_files -tb testbench/testbench.cpp -cflags -std=c++17",
        "open_solution -reset -flow_target vivado solution",
        "set_part xczu7ev-ffvc1156-2-e",
        "create_clock -period 6.25 -name default",
        "set_clock_uncertainty 27%",
        "config_compile -pragma_strict_mode -pipeline_loops 0 -pipeline_style flp",
        "config_dataflow -strict_mode error",
        "csim_design ",
        "csynth_design ",
        "cosim_design ",
        "export_design -format ip_catalog -output up_ip.zip",
    ]


def test_a_loop_that_is_slower_ends_the_script_before_co_simulation(project: Path) -> None:
    status, commands, said = run(project, report="csynth_slow.xml")
    assert status != 0
    assert commands[-1] == "csynth_design "
    for problem in (
        "conv2d_u_conv_s: loop mac_loop has II = 3",
        "repack_s: loop tail_loop has II = 2",
        "upsample_u_up_s: loop rows is not pipelined",
    ):
        assert problem in said
    assert "axis_to_lanes_loop" not in said and "columns" not in said and "u_layers_0" not in said


def test_a_deadlock_ends(project: Path) -> None:
    """The simulator and what it started end, the tool goes on, and says what happened."""
    started = time.monotonic()
    cosim = "exec sh -c {sleep 1000 & echo $! >inner; wait}"
    status, commands, said = run(project, cosim=cosim, GAN2HLS_MAX_COSIM_SECONDS="2")
    assert time.monotonic() - started < 50
    assert status != 0 and commands[-1] == "cosim_design "
    assert "co-simulation ended after 2 s: a deadlock, or a limit that is too short" in said
    assert not still_runs((project / "inner").read_text().strip())


def still_runs(process: str) -> bool:
    """Whether a process is there and not a zombie, which nobody has asked for its exit status."""
    try:
        return Path("/proc", process, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_co_simulation_within_its_limit(project: Path) -> None:
    """Its watchdog does not outlive it, whatever it gave; another process of the tool's is left alone."""
    status, _, said = run(project, cosim="exec sleep 2", GAN2HLS_MAX_COSIM_SECONDS="30")
    assert status == 0, said
    status, commands, said = run(project, cosim="error {C/RTL co-simulation failed}")
    assert status != 0 and commands[-1] == "cosim_design "
    assert "C/RTL co-simulation failed" in said and "deadlock" not in said
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and watchdogs(project):
        time.sleep(0.1)
    assert not watchdogs(project)


def watchdogs(project: Path) -> list[str]:
    """Processes that work in the project's folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve(strict=True) == project:
                found.append(process.name)
        except OSError:
            continue
    return found


def test_the_configuration_says_the_same_as_the_script(project: Path) -> None:
    text = (project / "hls_config.cfg").read_text()
    parser = configparser.ConfigParser(strict=False, delimiters="=", interpolation=None)
    parser.read_string("[top]\n" + text)
    assert dict(parser["top"]) == {"part": "xczu7ev-ffvc1156-2-e"}
    assert dict(parser["hls"]) == {
        "flow_target": "vivado",
        "clock": "6.25ns",
        "clock_uncertainty": "27%",
        "syn.top": "up",
        "syn.file": "firmware/up.cpp",
        "syn.cflags": "-std=c++17",
        "tb.file": "testbench/golden.dat",
        "tb.cflags": "-std=c++17",
        "syn.compile.pragma_strict_mode": "1",
        "syn.compile.pipeline_loops": "0",
        "syn.compile.pipeline_style": "flp",
        "syn.dataflow.strict_mode": "error",
        "package.output.format": "ip_catalog",
        "package.output.file": "up_ip.zip",
        "package.output.syn": "false",
    }
    files = [line.removeprefix("tb.file=") for line in text.splitlines() if line.startswith("tb.file=")]
    assert files == ["testbench/testbench.cpp", "testbench/input.dat", "testbench/golden.dat"]
    assert all((project / file).is_file() for file in [*files, "firmware/up.cpp"])
