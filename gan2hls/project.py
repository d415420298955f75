"""The Python API from the integer graph on: `build` → `Project.csim`, `cosim`, `synth`, `report`."""

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gan2hls.arguments import Arrays, checked
from gan2hls.assembly import make_pipeline
from gan2hls.backends.rtl import is_as_written
from gan2hls.budget import Budget
from gan2hls.errors import ToolError, UserError
from gan2hls.estimate import Estimate, estimate
from gan2hls.estimate.buffers import check_fifos
from gan2hls.files import disk_errors, files_below, is_folder, read_bytes, remove_folder, sha256, write_json
from gan2hls.folding import SLACK, Given
from gan2hls.hls_depths import hls_prediction, size_streams
from gan2hls.ir import Graph
from gan2hls.kept import kept_file
from gan2hls.pipeline import Pipeline
from gan2hls.project_files import (
    CLOCK_MHZ,
    PART,
    VECTORS,
    ProjectSettings,
    random_frames,
    read_project,
    write_project,
)
from gan2hls.report import report_values
from gan2hls.schedule import Prediction
from gan2hls.simulate import CSIM_FLAGS, RtlDesign, compile_csim, run_csim, simulate_rtl, steady_prediction
from gan2hls.synth import LIMIT_S, SynthResult, read_csynth, synthesize
from gan2hls.synth.check import check_netlist
from gan2hls.synth.vitis_run import csynth_report, run_vitis, vitis_tools
from gan2hls.targets import target as target_of
from gan2hls.watch import interruptible


@checked
def build(
    graph: Graph,
    directory: Path | str,
    *,
    multipliers: int | None = None,
    dsps: int | None = None,
    frames_per_second: float | None = None,
    target: str | None = None,
    slack: float = SLACK,
    folding: Given | None = None,
    part: str = PART,
    clock_mhz: float = CLOCK_MHZ,
) -> "Project":
    """Write the HLS project and the RTL design of a graph into a folder; the same input gives the same bytes.

    Args:
        graph: the integer graph.
        directory: a new or empty folder, or a project, which is replaced.
        multipliers, dsps, frames_per_second: one of them at most, see `Budget`; 64 multipliers if none is given.
        target: a part or family; its multipliers then take several products each, where they are wide enough.
        slack: share by which a more efficient folding may be slower than the fastest one of the budget.
        folding: node name → (pe, simd) or the fields of `Fold`, for layers whose folding is given.
        part, clock_mhz: target of the Vitis HLS script; the clock is also that of `frames_per_second`.

    Raises:
        UserError: the folder exists and is not ours; a folding that does not fit; a rate that no folding reaches; a
            FIFO that is larger than the target's memory.
        StandstillError: branches whose kernels wait for each other for ever, in the RTL or in the C++.
    """
    settings = ProjectSettings(part, clock_mhz, target)
    graph.verify()
    budget = Budget(multipliers, dsps, frames_per_second, target, slack)
    pipeline = size_streams(make_pipeline(graph, budget.fold(graph, clock_mhz, folding)))
    check_fifos(pipeline, target)
    directory = Path(directory).absolute()  # `Project` outlives a change of the current folder
    write_project(pipeline, directory, settings)
    return Project(directory, pipeline, part, clock_mhz, target)


@dataclass(frozen=True, eq=False)
class CosimResult:
    """What an RTL simulation gave.

    Attributes:
        outputs: (n, *output shape) in torch's order; integers for integer inputs, else real values. Of several outputs,
            a mapping from name to array.
        latency_cycles: clock cycles from the edge that takes the first input beat to the edge that takes the last
            output beat of the first frame, without stalls.
        interval_cycles: cycles between the last two frames that ran without stalls; None where only one ran so.
        free_frames: how many ran without stalls; each of them ended in the cycle that the cycle model says, unless the
            RTL was edited.
        steady_frames: how many the cycle model takes to the rhythm in which all further ones follow each other; None
            where it found none within `simulate.MOST_FREE_FRAMES` and `MOST_FREE_CYCLES`, and for edited RTL.
        edited: whether the RTL is no longer what `build` wrote.
    """

    outputs: Any
    latency_cycles: int
    interval_cycles: int | None
    free_frames: int = 1
    steady_frames: int | None = None
    edited: bool = False

    @property
    def steady(self) -> bool:
        """Whether the interval is that of steady state."""
        return self.steady_frames is not None and self.free_frames >= self.steady_frames


@dataclass(frozen=True, eq=False)
class Project:
    """A built project: `graph/`, `hls/` and `rtl/` in a folder, and how to run them.

    `target` is the part or family that its multipliers were packed for, None where they were not.
    """

    directory: Path
    pipeline: Pipeline
    part: str = PART
    clock_mhz: float = CLOCK_MHZ
    target: str | None = None

    @property
    def graph(self) -> Graph:
        return self.pipeline.graph

    @cached_property
    def hls_prediction(self) -> Prediction:
        """Latency and interval of the C++ as an HLS tool would schedule it, by the model of its loops (`hls_schedule`).

        Those of the RTL are `schedule.predict(pipeline)`, and measured by `cosim`.
        """
        return hls_prediction(self.pipeline)

    @staticmethod
    @checked
    def open(directory: Path | str) -> "Project":
        """Open a folder written by `build`.

        Raises:
            UserError: it is none, or it is damaged.
        """
        folder = Path(directory).absolute()
        pipeline, settings = read_project(folder)
        return Project(folder, pipeline, settings.part, settings.clock_mhz, settings.target)

    @checked
    def csim(self, x: Arrays) -> Any:
        """Run a batch through the compiled C++; compiled at the first call.

        Args:
            x: (n, *input shape) in torch's order: real values, or integers as they enter the hardware; of several
                inputs, a mapping from name to array.

        Returns:
            (n, *output shape): real values for real inputs, integers if all inputs are integers; of several outputs,
            a mapping from name to array.

        Raises:
            UserError: wrong shape or values. MissingToolError: no g++. ToolError: it did not compile, a stream would
            overflow, or the dataflow deadlocks.
        """
        inputs = self.graph.integers(x)
        library, stream = self._library(), self.graph.to_stream(inputs)
        outputs = interruptible(lambda: run_csim(library, self.pipeline, stream))
        return self._at_port(outputs, x)

    def _library(self) -> Path:
        """The compiled C++."""
        hls = self.directory / "hls"
        if not is_folder(hls):
            raise UserError(f"{hls}: no such folder; build the project again")
        with disk_errors(self._scratch):
            files = [path for path in files_below(hls) if path.suffix in (".h", ".cpp")]
            parts = [part for path in files for part in (path.name, read_bytes(path))]

        def make(folder: Path) -> Path:
            with self._log("csim") as log:
                compile_csim(hls, self.graph.name, folder / "csim.so", log=log)
            return folder / "csim.so"

        return kept_file(self._scratch, "csim", ".so", sha256(*CSIM_FLAGS, *parts), make)

    @checked
    def cosim(self, x: Arrays, *, stalls: bool = True, seed: int = 0, waves: Path | str | None = None) -> CosimResult:
        """Simulate the RTL with cocotb on Verilator.

        Without stalls as many frames run as the cycle model takes to its steady rhythm, those of `x` again and again,
        if these end within `simulate.MOST_FREE_CYCLES` cycles; with a waveform those of `x` alone.

        Args:
            x: as `csim` takes it; all frames back to back.
            stalls: run all frames a second time, with random stalls on both sides; the outputs must stay the same.
            seed: of the stalls.
            waves: file to write a waveform to (VCD).

        Raises:
            UserError: wrong shape or values, or a damaged memory file. MissingToolError: no Verilator or cocotb.
            ToolError: the design does not build, hangs, or breaks the stream protocol.
            MismatchError: a frame does not end in the cycle that the cycle model says, and the RTL was not edited.
        """
        stream = self.graph.to_stream(self.graph.integers(x))
        frames = len(next(iter(stream.values())) if isinstance(stream, Mapping) else stream)
        if not frames:
            raise UserError("cosim needs at least one frame")
        if seed < 0:
            raise UserError(f"seed {seed} is not supported; use 0 or more")
        rtl = self.directory / "rtl"
        prediction = steady_prediction(self.pipeline, frames, stalls)
        edited = not is_as_written(self.pipeline, rtl, name=self.graph.name)
        design = RtlDesign(rtl, self.graph.name, self.pipeline, stream, prediction, exact=not edited)
        dump = Path(waves) if waves is not None else None
        with self._log("cosim") as log:
            (run,) = simulate_rtl([design], log=log, stalls=stalls, seed=seed, waves=dump, keep=self._scratch)
        return CosimResult(
            self._at_port(run.outputs, x),
            run.latency_cycles,
            run.interval_cycles,
            free_frames=len(run.finished),
            steady_frames=len(prediction.finished) if prediction.steady and not edited else None,
            edited=edited,
        )

    @checked
    def synth(
        self,
        target: str,
        *,
        clock_mhz: float | None = None,
        seeds: int | Sequence[int] = 1,
        limit_s: float = LIMIT_S,
        tool: str = "auto",
        place: bool = True,
        say: Callable[[str], None] = lambda step: None,
    ) -> SynthResult:
        """Synthesize the RTL for a target; the result is also written to `synth/<target>.json` in the project's folder.

        Args:
            target: a part or a family, see `gan2hls.targets`.
            clock_mhz, seeds, limit_s, tool, place, say: as `gan2hls.synth.synthesize` takes them.

        Raises:
            UserError: unknown target, a FIFO that is larger than its memory, or a clock wanted that no tool can tell.
            MissingToolError: a tool is missing. ToolError: a tool failed; its log stays in `.run`.
        """
        check_fifos(self.pipeline, target)
        result = synthesize(
            self.pipeline,
            self.directory / "rtl",
            self.graph.name,
            target,
            tool=tool,
            place=place,
            clock_mhz=clock_mhz,
            seeds=seeds,
            limit_s=limit_s,
            cache=self._scratch / "synth",
            scratch=self._scratch,
            say=say,
            warn=say,
        )
        result = dataclasses.replace(result, notes=(*result.notes, *self.other_family(target)))
        # As all of a project, without times: the same input gives the same bytes.
        write_json(self.directory / "synth" / f"{target}.json", dataclasses.replace(result, seconds={}).values())
        return result

    @checked
    def estimate(self, target: str, *, clock_mhz: float | None = None) -> Estimate:
        """What synthesis for a target will find, and cycles and frames/s, in about a second: see `gan2hls.estimate`.

        Args:
            target: a part or a family, see `gan2hls.targets`.
            clock_mhz: the clock that frames/s are given for; None takes the project's.

        Raises:
            UserError: unknown target, a FIFO that is larger than its memory, or a clock that is none.
        """
        check_fifos(self.pipeline, target)
        found = estimate(self.pipeline, target, self.clock_mhz if clock_mhz is None else clock_mhz)
        return dataclasses.replace(found, notes=self.other_family(target)).with_hls(self.hls_prediction)

    def other_family(self, target: str) -> tuple[str, ...]:
        """A line if the project was built for another family than a target's, or for none; figures are those of the
        design as it is, which shares and splits multipliers as they are elsewhere.

        Raises:
            UserError: unknown target.
        """
        family = target_of(target).family
        if self.target is not None and target_of(self.target).family == family:
            return ()
        built = f"for {self.target}" if self.target else "without a target"
        return (
            f"built {built}, not for {target}: its multipliers and pipeline registers are not those of a project built "
            f"for {target} (gan2hls build --target {target})",
        )

    @checked
    def check_netlist(
        self, target: str, x: Arrays | None = None, *, say: Callable[[str], None] = lambda step: None
    ) -> int:
        """Map the RTL to a target's cells, simulate the netlist, and compare it with the golden model.

        Args:
            target: as `synth` takes it; of a family in `gan2hls.synth.check.MODELS`.
            x: as `cosim` takes it; None takes two frames of random integers.

        Returns:
            How many values were compared.

        Raises:
            MismatchError: one differs. UserError: no models of the target's cells are at hand.
            MissingToolError: yosys, Verilator or cocotb is missing. ToolError: one of them failed.
        """
        stream = random_frames(self.graph, VECTORS) if x is None else self.graph.to_stream(self.graph.integers(x))
        rtl = self.directory / "rtl"
        return check_netlist(self.pipeline, rtl, self.graph.name, target, stream, scratch=self._scratch, say=say)

    def vitis_estimate(self) -> SynthResult:
        """What Vitis HLS estimated in the last `vitis`; also written to `synth/vitis-hls.json`.

        Raises:
            UserError: `vitis` has not run, or its report is not as documented.
        """
        result = read_csynth(csynth_report(self._scratch / "vitis"))
        write_json(self.directory / "synth" / "vitis-hls.json", result.values())
        return result

    def vitis(self, *, say: Callable[[str], None] = lambda step: None) -> Path:
        """Run Vitis HLS: C simulation, synthesis, co-simulation and export as an IP.

        It runs on a copy, in `.run/vitis` of the project's folder, where its reports and logs lie afterwards; with
        `v++` and `vitis-run` step by step, by `hls_config.cfg`, and else in one go, by `build.tcl`.

        Args:
            say: told each step.

        Returns:
            The exported IP, a zip file.

        Raises:
            MissingToolError: neither `vitis-run` nor `vitis_hls` is on PATH.
            ToolError: a step failed, co-simulation took longer than it may, or no IP came out.
            Gan2HlsError: a loop does not start an iteration a cycle.
        """
        vitis_tools()  # before the last run's reports go
        folder = self._scratch / "vitis"
        remove_folder(folder)
        with disk_errors(folder):
            shutil.copytree(self.directory / "hls", folder)
        return run_vitis(folder, self.graph.name, say)

    def report(self) -> dict[str, Any]:
        """What is known without running anything, as JSON values: see `report.report_values`."""
        return {"target": self.target, **report_values(self.pipeline, self.clock_mhz)}

    @property
    def _scratch(self) -> Path:
        """Folder for what tools leave; not part of what `build` wrote."""
        return self.directory / ".run"

    @contextmanager
    def _log(self, tool: str) -> Iterator[Path]:
        """A file for a tool's output, kept if it failed: what succeeds leaves no times and no numbers of processes."""
        log = self._scratch / f"{tool}-{os.getpid()}.log"  # others may simulate the same project
        failed = False
        try:
            yield log
        except ToolError:
            failed = True
            raise
        finally:
            if not failed:
                with disk_errors(log):
                    log.unlink(missing_ok=True)

    def _at_port(self, stream: Arrays, x: Arrays) -> Any:
        integers = self.graph.from_stream(stream)
        given = x.values() if isinstance(x, Mapping) else [x]
        all_integers = all(np.issubdtype(np.asarray(values).dtype, np.integer) for values in given)
        return integers if all_integers else self.graph.to_real(integers)
