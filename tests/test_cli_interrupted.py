"""The command line where a tool fails, or somebody ends it: it goes on where it stopped."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command_line import Command, leftovers, program
from tests.doors import tree, write_generator


def test_a_failing_tool_is_1_and_its_log_is_kept(command: Command, compiled: Path, tmp_path: Path) -> None:
    shutil.copytree(compiled, tmp_path, dirs_exist_ok=True)
    (source,) = (tmp_path / "runs/tiny/project/hls/firmware").glob("*.cpp")
    source.write_text(source.read_text() + "this is no C++\n")
    done = command("csim", "tiny.safetensors", "--config", "fast.toml")
    assert done.code == 1
    assert done.err.startswith("error: compiling the C simulation failed: ")
    assert "this is no C++" in done.err
    log = Path(done.err.rsplit("whole log: ", 1)[1].strip())
    assert "this is no C++" in log.read_text()
    assert not (tmp_path / "runs/tiny/csim.json").exists()


# Interruptions


KILL = """
import os, signal, sys
import gan2hls.{module} as module
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
module.{name} = die
from gan2hls.cli import main
sys.argv = ["gan2hls", "build", "tiny.safetensors"]
main()
"""


@pytest.mark.parametrize(
    ("module", "name", "leaves"),
    [("graph_files", "write_bytes", ".staging.*.partial"), ("project_files", "write_rtl", ".staging.*.partial")],
    ids=["quantize", "build"],
)
def test_killed_and_run_again(command: Command, tmp_path: Path, module: str, name: str, leaves: str) -> None:
    model = write_generator(tmp_path)
    code = KILL.format(module=module, name=name)
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    run = tmp_path / "runs/tiny"
    assert list(run.glob(leaves))
    assert not (run / "project").exists()
    assert command("build", model).code == 0
    assert not leftovers(tmp_path)
    assert command("build", model, "--out", "fresh").code == 0
    assert tree(run) == tree(tmp_path / "fresh")


SLOW = """#!/bin/sh
case "$*" in *-dumpfullversion*|*-dM*|*--version*) exec {real} "$@";; esac
echo $$ > {pid}
exec sleep 300
"""


@pytest.mark.parametrize(
    ("stage", "number", "code"),
    [("csim", signal.SIGINT, 130), ("csim", signal.SIGTERM, 143), ("cosim", signal.SIGINT, 130)],
    ids=["csim-INT", "csim-TERM", "cosim-INT"],
)
def test_interrupted_leaves_no_process_and_goes_on(
    compiled: Path, tmp_path: Path, stage: str, number: int, code: int
) -> None:
    work = tmp_path / "work"
    shutil.copytree(compiled, work)
    if stage == "csim":
        shutil.rmtree(work / "runs/tiny/project/.run")
        (work / "runs/tiny/csim.json").unlink()
    pid = tmp_path / "pid"
    (tmp_path / "bin").mkdir()
    for name in ("g++", "c++"):  # Verilator calls it by this name
        slow = tmp_path / "bin" / name
        slow.write_text(SLOW.format(real=shutil.which(name), pid=pid))
        slow.chmod(0o755)
    environment = {**os.environ, "PATH": f"{slow.parent}{os.pathsep}{os.environ['PATH']}"}
    line = [sys.executable, "-m", "gan2hls.cli", stage, "tiny.safetensors", "--config", "fast.toml"]
    with subprocess.Popen(line, cwd=work, env=environment, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 120
        while not (pid.exists() and pid.read_text().strip()) and running.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(number)
        _, err = running.communicate(timeout=60)
    assert running.returncode == code, err
    assert err == "interrupted; the same command goes on where it stopped\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert not leftovers(work)
    if number == signal.SIGTERM:
        done = program(work, stage, "tiny.safetensors", "--config", "fast.toml")
        assert done.returncode == 0
        assert tree(work) == tree(compiled)
