"""Speed of gan2hls, as ratios against peers measured in the same run: `make bench`, or `python benchmarks/run.py NAME`.

golden   the golden model against torch float32 eager, batch of 64, on one core and on all
csim     build time of the C simulation and images/s, shipped network
cosim    wall time of building and simulating the shipped network's RTL, 4 frames, stalls included
kernel   useful MACs / (cycles × PE × SIMD) of one transposed convolution, counted in Verilator
folding  useful MACs / (cycles × multipliers) of three generators, against zero insertion and upsampling; minutes
clock    MHz on an ECP5 by nextpnr, in the median of three seeds; a quarter of an hour

Results go to `benchmarks/results/<name>.json`, with the machine and the versions.
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from folding import CACHE, folding
from rich.console import Console

import gan2hls
from gan2hls.assembly import make_pipeline
from gan2hls.backends.rtl import write_rtl
from gan2hls.files import write_json
from gan2hls.folding import choose_folding
from gan2hls.ir import Graph, IntType, Node, TensorType
from gan2hls.models import latents, shipped_generator
from gan2hls.ops import ConvTranspose2d
from gan2hls.simulate import RtlDesign, simulate_rtl
from gan2hls.synth import synthesize
from gan2hls.synth.result import RESOURCES
from gan2hls.targets import FAMILIES
from gan2hls.tools import doctor_rows

RESULTS = Path(__file__).resolve().parent / "results"
BATCH = 64
console = Console(highlight=False)


def shipped(weight_bits: int = 8, activation_bits: int = 8) -> tuple[torch.nn.Module, Graph]:
    """The shipped generator, and its integer graph."""
    model = gan2hls.load(shipped_generator()[0])
    calibration = latents(256, (64, 1, 1), 0)
    return model, gan2hls.quantize(model, calibration, weight_bits=weight_bits, activation_bits=activation_bits)


def median_seconds(action: Callable[[], Any], repeats: int = 15) -> float:
    """Median wall time of an action after two calls to warm up."""
    times = []
    for index in range(repeats + 2):
        start = time.perf_counter()
        action()
        if index >= 2:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def _seconds(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def golden_on(cores: int) -> dict[str, float]:
    """Times of golden model and torch in turn, on the first `cores` cores; run in a process of its own."""
    model, graph = shipped()
    torch.set_num_threads(cores)
    z = latents(BATCH, (64, 1, 1), 1)
    tensor = torch.from_numpy(z)
    ratios, golden_times, torch_times = [], [], []
    with torch.no_grad():
        for _ in range(5):
            golden_times.append(median_seconds(lambda: graph.run(z)))
            torch_times.append(median_seconds(lambda: model(tensor)))
            ratios.append(torch_times[-1] / golden_times[-1])
    return {
        "cores": cores,
        "golden_ms": statistics.median(golden_times) * 1e3,
        "torch_ms": statistics.median(torch_times) * 1e3,
        "golden_speed_over_torch": statistics.median(ratios),
    }


def golden() -> dict[str, Any]:
    rows = []
    available = sorted(os.sched_getaffinity(0))
    for cores in sorted({1, len(available)}):
        program = f"import json, run; print(json.dumps(run.golden_on({cores})))"
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, str(cores))}
        chosen = set(available[:cores])
        result = subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parent,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, chosen),  # noqa: B023
        )
        rows.append(json.loads(result.stdout.splitlines()[-1]))
    return {"batch": BATCH, "rows": rows, "wanted": "golden_speed_over_torch at least 0.5"}


def csim() -> dict[str, Any]:
    _, graph = shipped()
    z = latents(256, (64, 1, 1), 1)
    with tempfile.TemporaryDirectory() as folder:
        project = gan2hls.build(graph, Path(folder) / "project")
        start = time.perf_counter()
        project.csim(z[:1])
        build = time.perf_counter() - start
        run = median_seconds(lambda: project.csim(z), repeats=3)
    return {
        "build_and_first_image_s": build,
        "images_per_s": len(z) / run,
        "wanted": "build at most 20 s, at least 20 images/s",
    }


def cosim() -> dict[str, Any]:
    _, graph = shipped()
    z = latents(4, (64, 1, 1), 1)
    with tempfile.TemporaryDirectory() as folder:
        project = gan2hls.build(graph, Path(folder) / "project")
        start = time.perf_counter()
        result = project.cosim(z)
        seconds = time.perf_counter() - start
        # Building takes the same time for few frames as for many.
        few, many = (_seconds(lambda n=n: project.cosim(latents(n, (64, 1, 1), 1), stalls=False)) for n in (2, 22))
    assert (result.outputs == graph.run(z)).all()
    return {
        "build_and_simulation_s": seconds,
        "cycles_per_s": 20 * project.pipeline.interval_cycles / (many - few),
        "latency_cycles": result.latency_cycles,
        "interval_cycles": result.interval_cycles,
        "interval_cycles_of_the_model": project.pipeline.interval_cycles,
        "wanted": "at most 60 s",
    }


def kernel() -> dict[str, Any]:
    """k4 s2 p1, 64 → 32 channels at 8×8, as a few foldings that divide the channels."""
    rng = np.random.default_rng(0)
    tensor = TensorType((8, 8, 64), IntType(8, signed=True), 1.0)
    op = ConvTranspose2d(rng.integers(-128, 128, (4, 4, 64, 32)), 8, None, 1.0, (2, 2), (1, 1))
    graph = Graph.chain(tensor, (Node("up", op),), (64, 8, 8), (32, 16, 16)).verify()
    x = rng.integers(-128, 128, (3, 8, 8, 64))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        designs = []
        for pe, simd in ((1, 4), (4, 4), (8, 8), (32, 2)):
            pipeline = make_pipeline(graph, choose_folding(graph, given={"up": (pe, simd)}))
            write_rtl(pipeline, Path(folder) / f"{pe}x{simd}", name=f"up_{pe}x{simd}")
            designs.append(RtlDesign(Path(folder) / f"{pe}x{simd}", f"up_{pe}x{simd}", pipeline, x))
        for design, run in zip(designs, simulate_rtl(designs, log=Path(folder) / "log"), strict=True):
            fold = design.pipeline.folding["up"]
            assert run.interval_cycles is not None
            share = graph.macs() / (run.interval_cycles * fold.pe * fold.simd)
            rows.append(
                {"pe": fold.pe, "simd": fold.simd, "interval_cycles": run.interval_cycles, "utilization": share}
            )
    return {"useful_macs": graph.macs(), "rows": rows, "wanted": "utilization at least 0.99"}


def clock() -> dict[str, Any]:
    """The shipped generator on an ECP5, placed and routed out of context with three seeds."""
    _, graph = shipped()
    rows = []
    for budget in (32, 128):
        pipeline = make_pipeline(graph, choose_folding(graph, multipliers=budget, family=FAMILIES["ecp5"]))
        result = synthesize(pipeline, None, graph.name, "ecp5-85k", clock_mhz=120, seeds=3, cache=CACHE)
        assert result.clock is not None
        usage = {name: getattr(result.usage, name) for name in RESOURCES}
        rows.append({"budget": budget, "mhz": result.clock.mhz, "median_mhz": result.clock.reached_mhz, **usage})
    return {"target": "ecp5-85k", "rows": rows, "wanted": "a median of at least 120 MHz"}


BENCHMARKS: dict[str, Callable[[], dict[str, Any]]] = {
    "golden": golden,
    "csim": csim,
    "cosim": cosim,
    "kernel": kernel,
    "folding": folding,
    "clock": clock,
}


def machine() -> dict[str, Any]:
    """Where the figures were measured."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    tools = {row.name: row.version for row in doctor_rows() if row.found}
    python = platform.python_version()
    return {"cpu": model, "cores": multiprocessing.cpu_count(), "python": python, "torch": torch.__version__, **tools}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="benchmarks to run; default: all")
    for name in parser.parse_args().names or list(BENCHMARKS):
        with console.status(name):
            result = {"benchmark": name, **BENCHMARKS[name](), "machine": machine()}
        write_json(RESULTS / f"{name}.json", result)
        shown = {key: value for key, value in result.items() if key not in ("benchmark", "machine")}
        console.print(f"[bold]{name}[/bold]")
        for key, value in shown.items():
            lines = value if isinstance(value, list) else [value]
            for line in lines:
                console.print(f"  {key}: {_text(line)}")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
