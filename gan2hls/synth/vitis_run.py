"""Running Vitis HLS on a generated project: C simulation, synthesis, co-simulation, and export as an IP."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gan2hls.errors import Gan2HlsError, ToolError
from gan2hls.limits import COSIM_SECONDS
from gan2hls.synth.vitis import read_loops
from gan2hls.tools import Tool, find_tool, require_tool, run_tool

_CONFIGURED = ("--config", "hls_config.cfg", "--work_dir", "vitis")


@dataclass(frozen=True)
class VitisTools:
    """The programs that are here.

    Attributes:
        runs: `vitis-run`, or `vitis_hls` where that is missing.
        compiles: `v++`; None runs `build.tcl` instead of the single steps.
    """

    runs: Tool
    compiles: Tool | None = None


def vitis_tools() -> VitisTools:
    """Vitis HLS, the newer programs if both are here.

    Raises:
        MissingToolError: neither is on PATH.
    """
    found = find_tool("vitis-run")
    if found is None:
        return VitisTools(require_tool("vitis_hls"))
    return VitisTools(found, find_tool("v++"))


def run_vitis(folder: Path, name: str, say: Callable[[str], None] = lambda step: None) -> Path:
    """Run Vitis HLS on a project's `hls/`, in place; its reports and logs stay there.

    Args:
        folder: with `build.tcl` and `hls_config.cfg`.
        name: of the top function.
        say: told each step.

    Returns:
        The exported IP, a zip file.

    Raises:
        MissingToolError: no Vitis HLS on PATH.
        ToolError: a step failed, no IP came out, or co-simulation ran into `limits.COSIM_SECONDS`.
        Gan2HlsError: a loop does not start an iteration a cycle.
        UserError: the report of C synthesis is not as documented.
    """
    tools, limit_s = vitis_tools(), COSIM_SECONDS.most
    if tools.compiles is None:
        say("Vitis HLS: simulation, synthesis, co-simulation, export")
        script = ["--mode", "hls", "--tcl"] if tools.runs.name == "vitis-run" else ["-f"]
        environment = {**os.environ, COSIM_SECONDS.variable: str(limit_s)}  # `build.tcl` keeps it
        last: list[str | Path] = [tools.runs.path, *script, "build.tcl"]
        log = folder / "vitis.log"
        run_tool(last, what="Vitis HLS", log=log, cwd=folder, env=environment)
        check_loops(csynth_report(folder))
    else:
        run: list[str | Path] = [tools.runs.path, "--mode", "hls"]
        _step(folder, "C simulation", [*run, "--csim", *_CONFIGURED], say)
        _step(folder, "synthesis", [tools.compiles.path, "-c", "--mode", "hls", *_CONFIGURED], say)
        check_loops(csynth_report(folder))  # before co-simulation, which takes longest
        _step(folder, "co-simulation", [*run, "--cosim", *_CONFIGURED], say, limit_s)
        last = [*run, "--package", *_CONFIGURED]
        log = _step(folder, "export", last, say)
    archive = next(iter(sorted(folder.rglob(f"{name}_ip.zip"))), None)
    if archive is None:
        command = [str(word) for word in last]
        raise ToolError("Vitis HLS", command, log, f"it ended without an IP: {name}_ip.zip is missing")
    return archive


def _step(
    folder: Path,
    what: str,
    command: Sequence[str | Path],
    say: Callable[[str], None],
    limit_s: float | None = None,
) -> Path:
    """Run one step; its log."""
    say(f"Vitis HLS: {what}")
    log = folder / f"{what.replace(' ', '-').lower()}.log"
    run_tool(command, what=f"Vitis HLS: {what}", log=log, cwd=folder, timeout=limit_s)
    return log


def csynth_report(folder: Path) -> Path:
    """Where the report of C synthesis lies in a project's `hls/` in which Vitis HLS ran, if it ran."""
    # The work folder `vitis` has a component in it where single steps ran, and a solution where a script did.
    paths = [folder / "vitis" / inner / "syn" / "report" / "csynth.xml" for inner in ("hls", "solution")]
    return next((path for path in paths if path.is_file()), paths[-1])


def check_loops(report: Path) -> None:
    """Refuse a design whose loops are slower than what was built.

    Raises:
        Gan2HlsError: a loop does not start an iteration a cycle, each is named; or no loop is known.
        UserError: there is no report, or it is not as documented.
    """
    loops = read_loops(report)
    if not loops:
        raise Gan2HlsError(f"{report}: it names no loop; whether each starts an iteration a cycle is not known")
    slow = [loop.problem for loop in loops if loop.problem]
    if slow:
        raise Gan2HlsError("\n".join(["Vitis HLS: the design is slower than what was built:", *slow]))
