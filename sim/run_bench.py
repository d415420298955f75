"""Run `cocotb_bench` on a simulator: `python run_bench.py <job folder>`.

The job folder holds `job.json`, the simulator `bench` (`build_bench.py`) and the memory files; it is the folder that
the simulator runs in. Exit status 1 if the test fails.
"""

import json
import os
import sys
from pathlib import Path

import cocotb_tools.config
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner


def main(folder: Path) -> int:
    job = json.loads((folder / "job.json").read_text())
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    libraries = [str(cocotb_tools.config.libs_dir), os.environ.get("LD_LIBRARY_PATH", "")]
    os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, libraries))
    results = get_runner("verilator").test(
        hdl_toplevel="bench",
        hdl_toplevel_lang="verilog",
        test_module="cocotb_bench",
        build_dir=folder,
        test_dir=folder,
        results_xml=str(folder / "results.xml"),
        plusargs=["+job=."],
        waves=job["waves"],
        timescale=("1ns", "1ps"),
    )
    _, failed = get_results(results)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
