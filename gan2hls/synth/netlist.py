"""Reading what yosys wrote: cells counted in the family's units, and told apart by stage and by memory.

The design is flattened before it is mapped, as it would be for a bitstream, so a cell no longer lies in the module
that it came from. Its outputs' names still begin with the instance, and what has lost its name in logic optimization
goes to the stage that most of the cells it drives belong to.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gan2hls.errors import Gan2HlsError
from gan2hls.synth.families import Recipe
from gan2hls.synth.result import MemoryUsage, StageUsage, Usage

_MAPPED = re.compile(r"^mapping memory (\S+) via (\S+)$|^using FF mapping for memory (\S+)$", re.MULTILINE)
_LUT_RAM = re.compile("LUTRAM|DPR16X4")
_ROUNDS = 50


def read_module(path: Path, top: str) -> dict[str, Any]:
    """The top module of a netlist in yosys' JSON.

    Raises:
        Gan2HlsError: the file is not a netlist that holds it.
    """
    try:
        module: dict[str, Any] = json.loads(path.read_text())["modules"][top]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Gan2HlsError(f"yosys left no netlist of {top}: {error!r}") from None
    return module


def count(cells: Mapping[str, int], recipe: Recipe) -> Usage:
    """Resources of cells.

    Args:
        cells: type → how many.

    Raises:
        Gan2HlsError: a memory or multiplier cell that the recipe does not know: its cost would be left out.
    """
    luts = sum(recipe.luts.get(cell, 0) * number for cell, number in cells.items())
    memory_luts = sum(recipe.memory_luts.get(cell, 0) * number for cell, number in cells.items())
    flip_flops = sum(number for cell, number in cells.items() if recipe.flip_flops.fullmatch(cell))
    dsps = sum(recipe.dsps.get(cell, 0.0) * number for cell, number in cells.items())
    block_rams = sum(recipe.block_rams.get(cell, 0.0) * number for cell, number in cells.items())
    return Usage(luts + memory_luts, memory_luts, flip_flops, dsps, block_rams)


_FREE = re.compile(
    r"\$scopeinfo|PFUMX|L6MUX21|MUX2_LUT\d|MUXF[789]|CARRY[48]|GND|VCC|VLO|VHI|GSR|BUFG|IBUF|OBUF|[IO]B|PREADD\w*|REG\d+.*"
)


def unknown_cells(cells: Iterable[str], recipe: Recipe) -> list[str]:
    """Cells that a recipe neither counts nor knows to be free."""
    known = (recipe.luts, recipe.memory_luts, recipe.dsps, recipe.block_rams)
    return sorted(
        cell
        for cell in cells
        if not any(cell in table for table in known)
        and not recipe.flip_flops.fullmatch(cell)
        and not _FREE.fullmatch(cell)
    )


class Netlist:
    """A flat netlist.

    Args:
        module: the top module, as `read_module` gives it.
        inputs: module → names of its input ports, before flattening.
        recipe: of its family.
    """

    def __init__(self, module: dict[str, Any], inputs: Mapping[str, set[str]], recipe: Recipe) -> None:
        self.recipe = recipe
        scopes = {
            name: cell["attributes"]
            for name, cell in module["cells"].items()
            if cell["type"] == "$scopeinfo" and "module" in cell["attributes"]
        }
        self.scopes = {name: attributes["module"] for name, attributes in scopes.items()}
        self.cells = {name: cell for name, cell in module["cells"].items() if cell["type"] != "$scopeinfo"}
        stages = [name for name in self.scopes if "." not in name]
        self.stages = sorted(stages, key=lambda name: _line(scopes[name].get("cell_src", "")))
        self._inputs = inputs
        self._stage_set = set(self.stages)
        self._names: dict[int, list[str]] = defaultdict(list)
        for name, net in module["netnames"].items():
            for bit in net["bits"]:
                if isinstance(bit, int):
                    self._names[bit].append(name)

    def usage(self) -> Usage:
        return count(Counter(cell["type"] for cell in self.cells.values()), self.recipe)

    def stage_usage(self) -> tuple[StageUsage, ...]:
        """Stage by stage, in the order of the source; "" last, if anything is left to it."""
        owners = self._owners()
        cells: dict[str, Counter[str]] = defaultdict(Counter)
        for name, cell in self.cells.items():
            cells[owners.get(name, "")][cell["type"]] += 1
        found = [StageUsage(name, _plain(self.scopes[name]), count(cells[name], self.recipe)) for name in self.stages]
        rest = count(cells[""], self.recipe)
        return (*found, StageUsage("", "", rest)) if rest != Usage() else tuple(found)

    def _owners(self) -> dict[str, str]:
        """Cell → stage: by name, then by neighbours, until nothing changes."""
        owners: dict[str, str] = {}
        driver: dict[int, str] = {}
        reads: dict[str, list[int]] = {}
        drives: dict[str, list[int]] = {}
        for name, cell in self.cells.items():
            ports = cell["port_directions"]
            for_output = [b for port, bits in cell["connections"].items() if ports[port] != "input" for b in bits]
            drives[name] = [bit for bit in for_output if isinstance(bit, int)]
            bits = [b for port, bits in cell["connections"].items() if ports[port] == "input" for b in bits]
            reads[name] = [bit for bit in bits if isinstance(bit, int)]
            driver.update(dict.fromkeys(drives[name], name))
            owner = self._named(name) or self._voted(drives[name])
            if owner:
                owners[name] = owner
        sinks: dict[str, list[str]] = defaultdict(list)
        sources: dict[str, list[str]] = defaultdict(list)
        for name in self.cells:
            for bit in reads[name]:
                if bit in driver:
                    sinks[driver[bit]].append(name)
                    sources[name].append(driver[bit])
        for _ in range(_ROUNDS):
            found = {}
            for name, cell in self.cells.items():
                if name not in owners:
                    # A register at a stage's output is read by the next one, and belongs to what feeds it.
                    register = self.recipe.flip_flops.fullmatch(cell["type"])
                    order = (sources, sinks) if register else (sinks, sources)
                    owner = next(
                        filter(None, (_most(owners[n] for n in near[name] if n in owners) for near in order)), ""
                    )
                    if owner:
                        found[name] = owner
            if not found:
                break
            owners.update(found)
        return owners

    def _named(self, name: str) -> str:
        """The stage that a name begins with, or that a name made by yosys mentions; "" if none."""
        first = name.split(".", 1)[0]
        if first in self._stage_set:
            return first
        if name.startswith("$"):
            for part in re.findall(r"\\([^\\.]+)\.", name):
                if part in self._stage_set:
                    return str(part)
        return ""

    def _voted(self, bits: Iterable[int]) -> str:
        """The stage that most names of these nets begin with; the name of an input port tells where a net ends only."""
        votes = []
        for bit in bits:
            for name in self._names[bit]:
                scope, _, port = name.rpartition(".")
                if not (scope in self.scopes and port in self._inputs.get(self.scopes[scope], ())):
                    votes.append(self._named(name))
        return _most(filter(None, votes))

    def memory_usage(self, memories: Mapping[str, Any], log: str, top: str) -> tuple[MemoryUsage, ...]:
        """The memories of the source, and what they were mapped to.

        Args:
            memories: the `$mem_v2` cells before they were mapped, as yosys' JSON has them.
            log: of yosys, which says how each was mapped.
        """
        via = {}
        for memory, cell, in_logic in _MAPPED.findall(log):
            name = (memory or in_logic).removeprefix(f"{top}.")
            via[name] = "logic" if in_logic else "LUT RAM" if _LUT_RAM.search(cell) else "block RAM"
        rams = [(name, self.recipe.block_rams.get(cell["type"], 0.0)) for name, cell in self.cells.items()]
        found = []
        for name, cell in memories.items():
            if name.startswith("$"):  # a table that yosys made of a multiplexer
                continue
            values = {key: cell["parameters"][key] for key in ("SIZE", "WIDTH", "WR_PORTS")}
            size, width, writes = (int(value, 2) if isinstance(value, str) else value for value in values.values())
            used = sum(cost for cell_name, cost in rams if cost and _within(cell_name, name))
            kind = _kind(name, writes > 0)
            found.append(MemoryUsage(name, name.split(".", 1)[0], kind, size, width, via.get(name, "logic"), used))
        return tuple(sorted(found, key=lambda memory: memory.name))


def _line(source: str) -> tuple[int, ...]:
    """Line and column at which `<file>:<line>.<column>-…` begins."""
    return tuple(map(int, re.findall(r"\d+", source.rpartition(":")[2].partition("-")[0])))


def _within(cell: str, memory: str) -> bool:
    """Whether a cell is a part of a memory: `<memory>.<row>.<column>`, or the same as yosys writes it in the making."""
    return re.match(r"[.\[]", cell.removeprefix(memory)) is not None if cell.startswith(memory) else False


def _kind(name: str, written: bool) -> str:
    scopes = name.split(".")[:-1]
    if written:
        return "ring" if any("ring" in scope.split("_") for scope in scopes) else "buffer"
    return "weights" if any("weights" in scope.split("_") for scope in scopes) else "constants"


def _most(votes: Iterable[str]) -> str:
    """The most frequent one, of equally frequent ones the first in the alphabet; "" of none."""
    counted = Counter(votes)
    return min(counted, key=lambda name: (-counted[name], name)) if counted else ""


def _plain(module: str) -> str:
    """The name in the source of a module that yosys made for certain parameters."""
    return module.split("\\")[1] if module.startswith("$paramod") else module
