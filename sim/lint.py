"""Lint the hand-written hardware: each SystemVerilog module and each C++ header alone, every warning an error, and the
style of the SystemVerilog (`sv_style`). Headers are read by g++ and by clang (`parse_hls`).

Run as `python sim/lint.py` from anywhere, with names of modules or headers to lint just these.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import parse_hls
import sv_style

from gan2hls.errors import MissingToolError
from gan2hls.resources import resource
from gan2hls.tools import require_tool


def verilator_command(module: Path) -> list[str]:
    """Lint one module at its default parameters; the modules that it instantiates are looked up beside it."""
    verilator = str(require_tool("verilator").path)
    return [verilator, "--lint-only", "-Wall", "--assert", "--timing", "-y", str(module.parent), str(module)]


def gxx_command(header: Path) -> list[str]:
    """Parse one header with nothing included before it.

    Headers of ours that stand in for Vitis ones (`hw/hls/sim`) come before the ap_types headers; HLS pragmas are
    unknown to g++ and meant to be.
    """
    gxx, ap_types = str(require_tool("g++").path), str(require_tool("ap_types").path)
    folders = [path for path in (header.parent, header.parent / "sim") if path.is_dir()]
    includes = [f"-I{folder}" for folder in folders]
    warnings = ["-Wall", "-Wextra", "-Wconversion", "-Werror", "-Wno-unknown-pragmas"]
    # Included from standard input: as main file, a header with `#pragma once` gives a warning.
    return [gxx, "-std=c++17", "-fsyntax-only", *warnings, *includes, "-isystem", ap_types, "-x", "c++", "-"]


def clang_findings(header: Path) -> list[str]:
    """What clang says about one header alone, in each way of reading it."""
    folders = [path for path in (header.parent, header.parent / "sim") if path.is_dir()]
    text = f'#include "{header}"\n'
    return [
        f"{reading.name}: {line}"
        for reading in parse_hls.READINGS
        for line in parse_hls.findings(text, header.parent, folders, reading)
    ]


def lint(path: Path) -> str:
    """What the tool says about a file, and its style; "" if there is nothing to say."""
    if path.suffix == ".h":
        own = "\n".join(clang_findings(path))
    else:
        own = "\n".join(sv_style.findings(path))
    if path.parent.name == "formal":  # read by yosys alone, which the proofs run
        return own
    command = verilator_command(path) if path.suffix == ".sv" else gxx_command(path)
    text = "" if path.suffix == ".sv" else f'#include "{path}"\n'
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return own + "\n" * bool(own) + (done.stdout if done.returncode != 0 else "")


def main() -> int:
    """Lint all files or those named; 1 if one has a fault."""
    parser = argparse.ArgumentParser(description="lint the SystemVerilog modules and C++ headers of hw/")
    parser.add_argument("names", nargs="*", help="modules or headers, e.g. dense.sv; all without any")
    names = set(parser.parse_args().names)
    modules = [path for folder in ("rtl", "formal") for path in sorted(resource("hw", folder).glob("*.sv"))]
    files = [*modules, *sorted(resource("hw", "hls").glob("*.h"))]
    unknown = names - {path.name for path in files}
    if unknown:
        parser.error(f"no such file in hw/rtl, hw/formal or hw/hls: {', '.join(sorted(unknown))}")
    files = [path for path in files if not names or path.name in names]
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            findings = list(pool.map(lint, files))
    except (MissingToolError, parse_hls.FrontEndMissingError) as error:
        print(error, file=sys.stderr)
        return MissingToolError.exit_code
    bad = 0
    for path, finding in zip(files, findings, strict=True):
        if finding:
            bad += 1
            print(f"{path.name}:\n{finding.rstrip()}\n")
    print(f"{len(files) - bad} of {len(files)} files are clean")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
