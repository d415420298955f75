"""yosys: from SystemVerilog to a family's cells."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan2hls.backends.render import render
from gan2hls.errors import Gan2HlsError
from gan2hls.files import read_json, write_text
from gan2hls.limits import FILE_BYTES
from gan2hls.synth.families import RECIPES, synth_command
from gan2hls.synth.netlist import Netlist, read_module, unknown_cells
from gan2hls.synth.registers import absorb_registers
from gan2hls.synth.result import MemoryUsage, StageUsage, Usage
from gan2hls.targets import Target
from gan2hls.tools import Tool, find_tool, require_tool, run_tool


@dataclass(frozen=True)
class Mapped:
    """A design in a family's cells: its netlist (yosys' JSON), and what it takes."""

    netlist: Path
    usage: Usage
    stages: tuple[StageUsage, ...]
    memories: tuple[MemoryUsage, ...]


def yosys_tool() -> Tool:
    """The Python module if it is here, which starts soonest, or else the program.

    Raises:
        MissingToolError: neither is here.
    """
    return find_tool("pyosys") or require_tool("yosys")


def run_yosys(tool: Tool, script: str, *, name: str, folder: Path) -> str:
    """Run a script in a folder; gives the log, which stays there as `<name>.log`.

    Raises:
        ToolError: yosys failed.
    """
    write_text(folder / f"{name}.ys", script)
    if tool.name == "pyosys":
        command: list[str | Path] = [sys.executable, Path(__file__).with_name("run_pyosys.py"), f"{name}.ys"]
    else:
        command = [tool.path, "-s", f"{name}.ys"]
    return run_tool(command, what="yosys", log=folder / f"{name}.log", cwd=folder)


def yosys_script(
    sources: Sequence[str], top: str, target: Target, *, contents: bool = False, after: Sequence[str] = ()
) -> str:
    """The script that maps a design, and then does what `after` says."""
    recipe, command = RECIPES[target.family.name], synth_command(target)
    return render(
        "synth/yosys.ys.j2",
        sources=sources,
        top=top,
        command=command,
        recipe=recipe,
        contents=contents,
        after=after,
    )


def map_design(
    tool: Tool, sources: Sequence[str], top: str, target: Target, folder: Path, *, contents: bool = False
) -> Mapped:
    """Map a design to a target's cells.

    Args:
        sources: paths in `folder`, where memory files and results lie too.
        contents: whether the block RAMs of the netlist hold what the memories hold; without, they hold zeros, which
            changes no figure and takes half as long.

    Raises:
        ToolError: yosys failed; its log stays in the folder.
        Gan2HlsError: it made latches, or cells of a kind that would not be counted; a memory file is too short.
    """
    log = run_yosys(tool, yosys_script(sources, top, target, contents=contents), name="yosys", folder=folder)
    recipe = RECIPES[target.family.name]
    if target.family.name == "ecp5":
        whole = read_json(folder / "netlist.json", FILE_BYTES)
        if absorb_registers(whole["modules"][top]):
            write_text(folder / "netlist.json", json.dumps(whole))
    netlist = Netlist(read_module(folder / "netlist.json", top), _inputs(folder / "inputs.txt"), recipe)
    unknown = unknown_cells({cell["type"] for cell in netlist.cells.values()}, recipe)
    if unknown:
        raise Gan2HlsError(f"{top} on {target.name}: yosys made cells that gan2hls can not count: {', '.join(unknown)}")
    modules = read_json(folder / "memories.json", FILE_BYTES)["modules"]
    memories = {name: cell for module in modules.values() for name, cell in module["cells"].items()}
    _check_contents(memories)
    found = netlist.memory_usage(memories, log, top)
    return Mapped(folder / "netlist.json", netlist.usage(), netlist.stage_usage(), found)


def _check_contents(memories: Mapping[str, Any]) -> None:
    """yosys leaves what a memory file lacks undefined, without a word; no read-only memory is meant to be so."""
    for name, cell in memories.items():
        parameters = cell["parameters"]
        made = name.startswith("$")  # by yosys, of a multiplexer
        if not made and not int(str(parameters["WR_PORTS"]), 2) and "x" in str(parameters["INIT"]):
            raise Gan2HlsError(f"{name}: not all words of this memory have a value; its memory file is too short")


def _inputs(path: Path) -> dict[str, set[str]]:
    """Module → names of its input ports, from lines `module/port`."""
    found: dict[str, set[str]] = {}
    for line in path.read_text().splitlines():
        module, _, port = line.rpartition("/")
        found.setdefault(module, set()).add(port)
    return found
