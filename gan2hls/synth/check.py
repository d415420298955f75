"""A netlist simulated: the gates that synthesis made of a design give what the golden model gives, bit for bit."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gan2hls.arguments import Arrays, named_arrays
from gan2hls.backends.render import render
from gan2hls.backends.rtl import check_memories
from gan2hls.errors import Gan2HlsError, MismatchError, UserError
from gan2hls.files import write_text
from gan2hls.pipeline import Pipeline
from gan2hls.resources import resource
from gan2hls.simulate import COSIM_TOOLS, RtlDesign, simulate_rtl
from gan2hls.synth.design import Design, working_folder
from gan2hls.synth.netlist import read_module
from gan2hls.synth.synthesis import Say
from gan2hls.synth.yosys import map_design, run_yosys, yosys_tool
from gan2hls.targets import Target
from gan2hls.targets import target as target_of
from gan2hls.tools import Tool, require_tool


@dataclass(frozen=True)
class _Models:
    """Where the models of a family's cells are: yosys' own, and ours for those of which it has the outline only."""

    yosys: str
    ours: str
    replaced: tuple[str, ...]


MODELS = {"ecp5": _Models("+/lattice/cells_sim_ecp5.v", "ecp5.v", ("DP16KD",))}
"""Families whose netlists can be simulated."""


def check_requirements(target: Target | str) -> tuple[Target, Tool]:
    """The target, whose netlists can be simulated, and yosys; all tools that `check_netlist` needs are here.

    Raises:
        UserError: no models of the target's cells are at hand. MissingToolError: a tool is missing.
    """
    part = target_of(target) if isinstance(target, str) else target
    if part.family.name not in MODELS:
        raise UserError(f"{part.name}: netlists of {part.family.name} can not be simulated; use {', '.join(MODELS)}")
    for name in COSIM_TOOLS:
        require_tool(name)
    return part, yosys_tool()


def check_netlist(
    pipeline: Pipeline,
    rtl: Path | str,
    top: str,
    target: Target | str,
    x: Arrays,
    *,
    work: Path | str | None = None,
    scratch: Path | str | None = None,
    say: Say = lambda step: None,
) -> int:
    """Map a design to a target's cells, simulate these, and compare with the golden model.

    The netlist is the one that `synthesize` counts, here with the memories' contents, flattened into models of its
    cells and simulated by Verilator, stalls on both sides.

    Args:
        pipeline: what the design was written from.
        rtl: its folder.
        x: integers (n, height, width, channels), n at least 1; by name where there are several inputs.
        work, scratch, say: as `synthesize` takes them.

    Returns:
        How many values were compared.

    Raises:
        MismatchError: one differs; the message gives the first.
        UserError: no models of the target's cells are at hand, or a memory file is damaged.
        MissingToolError: yosys, Verilator or cocotb is missing. ToolError: one of them failed.
    """
    part, yosys = check_requirements(target)
    with working_folder(work, scratch) as folder:
        check_memories(pipeline, Path(rtl), name=top)
        design = Design.read(Path(rtl))
        design.copy(folder)
        say(f"yosys for {part.name}")
        mapped = map_design(yosys, design.sources, top, part, folder, contents=True)
        _check_cells(mapped.netlist, top)
        models = MODELS[part.family.name]
        shutil.copyfile(resource("sim", "cells", models.ours), folder / "cells.v")
        script = render("synth/gates.ys.j2", top=top, models=models, netlist=mapped.netlist.name)
        run_yosys(yosys, script, name="gates", folder=folder)
        gates = folder / "gates"
        text = render("synth/gates.v.j2", text=(folder / "gates.v").read_text())
        write_text(gates / "gates.v", text)
        write_text(gates / "sources.f", "gates.v\n")
        say("simulation of the netlist")
        (run,) = simulate_rtl([RtlDesign(gates, top, pipeline, x)], log=folder / "simulation.log", optimize=False)
    got, expected = (named_arrays(pipeline.outputs, y, "a result") for y in (run.outputs, pipeline.graph.run_stream(x)))
    what = f"netlist of {top} for {part.name}"
    return sum(_compare(got[name], expected[name], what) for name in expected)


def _check_cells(netlist: Path, top: str) -> None:
    for name, cell in read_module(netlist, top)["cells"].items():
        if cell["type"] == "DP16KD" and cell["connections"].get("WEB", ["0"]) != ["0"]:
            raise Gan2HlsError(f"{name}: written through its port B, of which there is no model")


def _compare(got: np.ndarray, expected: np.ndarray, what: str) -> int:
    wrong = np.argwhere(got != expected)
    if len(wrong):
        first = tuple(int(index) for index in wrong[0])
        raise MismatchError(
            f"{what} differs from the golden model in {len(wrong):,} of {got.size:,} values; the first at {first} "
            f"(frame, row, column, channel): {got[first]} instead of {expected[first]}"
        )
    return int(got.size)
