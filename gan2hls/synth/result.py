"""What a synthesis gave: one type for yosys, nextpnr, Vivado and Vitis HLS, and its JSON."""

import dataclasses
import statistics
from dataclasses import dataclass, field
from typing import Any

from gan2hls.config import from_mapping
from gan2hls.errors import UserError
from gan2hls.targets import Target, target

FORMAT = 3
"""Of the JSON; a file of another format is not read."""

ESTIMATE = "estimate"
SYNTHESIZED = "synthesized"
PLACED = "placed and routed"

RESOURCES = ("luts", "flip_flops", "dsps", "block_rams")
LABELS = {"luts": "LUTs", "flip_flops": "flip-flops", "dsps": "multipliers", "block_rams": "block RAMs"}


@dataclass(frozen=True)
class Usage:
    """Resources, in the units of the target's family.

    Attributes:
        luts: LUT4s (ECP5, Gowin, Nexus) or LUT6s (Xilinx), those that carry chains and memories take included.
        memory_luts: those of them that are memories or shift registers.
        flip_flops: outside of multipliers and block RAMs.
        dsps: hardware multipliers, `Family.multiplier`; half of one is a narrower one, two of which take its place.
        block_rams: `Family.block_ram`; 0.5 is a RAMB18.
    """

    luts: int = 0
    memory_luts: int = 0
    flip_flops: int = 0
    dsps: float = 0.0
    block_rams: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            *(mine + its for mine, its in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True))
        )


@dataclass(frozen=True)
class StageUsage:
    """A stage of the pipeline: its instance in the top module, the module, what it takes.

    The stage "" is what lies in the top module itself.
    """

    name: str
    module: str
    usage: Usage


@dataclass(frozen=True)
class LoopTiming:
    """A loop as C synthesis scheduled it.

    Attributes:
        module: the function that it is in, as the tool names it.
        name: its label; of a loop within others "outer/inner".
        interval: achieved initiation interval (II) in cycles; None where the loop is not pipelined.
        trips: fewest and most iterations; None where the tool does not know.
        latency: fewest and most cycles of all iterations together; None likewise.
    """

    module: str
    name: str
    interval: int | None
    trips: tuple[int, int] | None
    latency: tuple[int, int] | None

    @property
    def problem(self) -> str:
        """Why it is slower than what was built, "" if it is not: each loop starts an iteration a cycle."""
        if self.interval == 1:
            return ""
        found = "it is not pipelined" if self.interval is None else f"II = {self.interval}"
        return f"loop {self.name} of {self.module}: {found}; II = 1 is needed"


@dataclass(frozen=True)
class MemoryUsage:
    """A memory of the design.

    Attributes:
        name: its path in the top module.
        stage: the instance that it lies in.
        kind: "weights", "constants" (another memory that is only read), "ring" or "buffer" (another one that is
            written).
        words, bits: how many, and how wide.
        mapped: "block RAM", "LUT RAM" or "logic".
        block_rams: how many it takes.
    """

    name: str
    stage: str
    kind: str
    words: int
    bits: int
    mapped: str
    block_rams: float

    @property
    def stored_bits(self) -> int:
        return self.words * self.bits


@dataclass(frozen=True)
class Clock:
    """The clock that was reached.

    Attributes:
        wanted_mhz: None where none was asked for.
        goal_mhz: what the tool was told to reach.
        seeds: of each run.
        mhz: reached by each of them.
        figures: what they come from, as in `SynthResult`.
        critical_path: the slowest path of the run whose clock is the median (of an even number, the lower middle one),
            from its start to its end, a line each.
        routers: which of nextpnr's routers each run's figures are of; () where the tool has one.
        unrouted: seeds for which no router ended in time, and that the median leaves out.
    """

    wanted_mhz: float | None
    goal_mhz: float
    seeds: tuple[int, ...]
    mhz: tuple[float, ...]
    figures: str = PLACED
    critical_path: tuple[str, ...] = ()
    routers: tuple[str, ...] = ()
    unrouted: tuple[int, ...] = ()

    @property
    def reached_mhz(self) -> float:
        """The median of all seeds."""
        return statistics.median(self.mhz)

    @property
    def missed(self) -> bool:
        return self.wanted_mhz is not None and self.reached_mhz < self.wanted_mhz


@dataclass(frozen=True)
class SynthResult:
    """What a synthesis gave.

    Attributes:
        top: the top module.
        target: name in `gan2hls.targets`.
        figures: `ESTIMATE`, `SYNTHESIZED` or `PLACED`: what `usage`, `stages` and `memories` come from.
        usage: of the whole design.
        stages: the same, stage by stage; they add up to `usage`. Empty where the tool does not tell.
        memories: those of the source that are not tiny tables made by the tool.
        clock: None without place and route.
        placed: what place and route says itself, cell type → (used, available).
        tools: name → version.
        options: all that the figures depend on beside the sources.
        digest: of sources, options and versions of the tools: equal digests, equal results.
        notes: what must be known beside the figures.
        seconds: what it took when it ran, step → seconds.
        unplaced: why there is no clock, where place and route was asked for and did not succeed; "" otherwise.
        loops: how C synthesis scheduled them; empty where the source is no C++.
    """

    top: str
    target: str
    figures: str
    usage: Usage
    stages: tuple[StageUsage, ...] = ()
    memories: tuple[MemoryUsage, ...] = ()
    clock: Clock | None = None
    placed: dict[str, tuple[int, int]] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    unplaced: str = ""
    loops: tuple[LoopTiming, ...] = ()

    @property
    def part(self) -> Target:
        return target(self.target)

    def shares(self) -> dict[str, float | None]:
        """Which part of what the target has is used, by resource; None where it has no limit."""
        found: dict[str, float | None] = {}
        for resource in RESOURCES:
            limit = getattr(self.part, resource)
            found[resource] = None if limit is None else getattr(self.usage, resource) / limit
        return found

    @property
    def fits(self) -> bool:
        return all(share is None or share <= 1 for share in self.shares().values())

    def problems(self) -> list[str]:
        """A line for each resource that the part has too little of, for each loop that does not start an iteration a
        cycle, and for a clock that was missed."""
        lines = []
        for resource, share in self.shares().items():
            if share is not None and share > 1:
                needed, there = getattr(self.usage, resource), getattr(self.part, resource)
                lines.append(f"{self.target} is too small: {needed:,g} {LABELS[resource]} needed, it has {there:,g}")
        lines += [loop.problem for loop in self.loops if loop.problem]
        if self.clock is not None and self.clock.missed:
            reached = f"{self.clock.reached_mhz:.1f} MHz reached"
            if len(self.clock.mhz) > 1:
                reached += f" (median of {len(self.clock.mhz)} seeds)"
            lines.append(f"clock missed: {self.clock.wanted_mhz:g} MHz wanted, {reached}")
        if self.unplaced:
            lines.append(self.unplaced)
        return lines

    def values(self) -> dict[str, Any]:
        """JSON values; `from_values` reads them."""
        values: dict[str, Any] = {"format": FORMAT, "kind": "synthesis"}
        for name, value in dataclasses.asdict(self).items():
            values[name] = value
            if name == "target":
                values["part"] = {resource: getattr(self.part, resource) for resource in RESOURCES}
                family = dataclasses.asdict(self.part.family)
                values["family"] = {key: family[key] for key in ("name", "multiplier", "block_ram", "lut_inputs")}
            if name == "usage":
                values["shares"] = self.shares()
        if self.clock is not None:
            values["clock"]["reached_mhz"] = self.clock.reached_mhz
            values["clock"]["missed"] = self.clock.missed
        values["memory_bits"] = {
            "stored": {kind: sum(m.stored_bits for m in self.memories if m.kind == kind) for kind in MEMORY_KINDS},
            "block_ram": {
                kind: sum(m.block_rams for m in self.memories if m.kind == kind) * self.part.family.block_ram_bits
                for kind in MEMORY_KINDS
            },
        }
        values["problems"] = self.problems()
        return values

    @staticmethod
    def from_values(values: Any) -> "SynthResult":
        """Read what `values` gave.

        Raises:
            UserError: it is something else, or of another format.
        """
        if not isinstance(values, dict) or values.get("kind") != "synthesis" or values.get("format") != FORMAT:
            raise UserError("not a result of synthesis, or one of another version of gan2hls")
        try:
            known = {f.name: values[f.name] for f in dataclasses.fields(SynthResult)}
            clock = known["clock"] and {f.name: known["clock"][f.name] for f in dataclasses.fields(Clock)}
            from_mapping(SynthResult, {**known, "clock": clock}, "a damaged result of synthesis")
            known["usage"] = _usage(known["usage"])
            known["stages"] = tuple(StageUsage(s["name"], s["module"], _usage(s["usage"])) for s in known["stages"])
            known["memories"] = tuple(MemoryUsage(**memory) for memory in known["memories"])
            known["loops"] = tuple(_loop(loop) for loop in known["loops"])
            known["clock"] = _clock(known["clock"])
            known["placed"] = {cell: (int(used), int(there)) for cell, (used, there) in known["placed"].items()}
            known["notes"] = tuple(known["notes"])
            return SynthResult(**known)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"a damaged result of synthesis: {error!r}") from None


MEMORY_KINDS = ("weights", "constants", "ring", "buffer")


def _usage(values: Any) -> Usage:
    return Usage(*(values[f.name] for f in dataclasses.fields(Usage)))


def _loop(values: Any) -> LoopTiming:
    trips, latency = (None if values[name] is None else tuple(values[name]) for name in ("trips", "latency"))
    return LoopTiming(values["module"], values["name"], values["interval"], trips, latency)


def _clock(values: Any) -> Clock | None:
    if values is None:
        return None
    seeds, mhz, path, routers, unrouted = (
        tuple(values[name]) for name in ("seeds", "mhz", "critical_path", "routers", "unrouted")
    )
    if not mhz or len(seeds) != len(mhz) or (routers and len(routers) != len(mhz)):
        raise ValueError("clocks, seeds and routers do not belong together")
    return Clock(values["wanted_mhz"], values["goal_mhz"], seeds, mhz, values["figures"], path, routers, unrouted)
