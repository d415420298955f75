"""A result of synthesis for people: a table of stages, and lines below it."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from gan2hls.synth.result import MEMORY_KINDS, RESOURCES, MemoryUsage, SynthResult, Usage


def usage_table(result: SynthResult) -> Table:
    """Stages and what each takes, the total, and how much of the part that is."""
    family = result.part.family
    table = Table(title=f"{result.top} on {result.target}: {result.figures}")
    table.add_column("stage")
    table.add_column("kernel")
    for label in (f"LUT{family.lut_inputs}", "flip-flops", family.multiplier, family.block_ram):
        table.add_column(label, justify="right")
    for stage in result.stages:
        table.add_row(stage.name or "(top)", stage.module, *_numbers(stage.usage))
    table.add_section()
    table.add_row("total", "", *_numbers(result.usage), style="bold")
    shares = result.shares()
    if any(share is not None for share in shares.values()):
        limits = [getattr(result.part, resource) for resource in RESOURCES]
        table.add_row(result.target, "", *(f"{limit:,}" for limit in limits))
        table.add_row("used", "", *(_percent(shares[resource]) for resource in RESOURCES))
    return table


def loop_table(result: SynthResult) -> Table:
    """How C synthesis scheduled each loop; those that do not start an iteration a cycle stand out."""
    table = Table(title=f"{result.top}: loops")
    table.add_column("module")
    table.add_column("loop")
    for label in ("II", "iterations", "cycles"):
        table.add_column(label, justify="right")
    for loop in result.loops:
        interval = "none" if loop.interval is None else f"{loop.interval:,}"
        style = "bold red" if loop.problem else None
        table.add_row(loop.module, loop.name, interval, _range(loop.trips), _range(loop.latency), style=style)
    return table


def _range(ends: tuple[int, int] | None) -> str:
    if ends is None:
        return "?"
    low, high = ends
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def result_lines(result: SynthResult) -> Iterator[str]:
    """What each figure is, memories, clock and notes; not the problems."""
    tools = ", ".join(f"{name} {version}".rstrip() for name, version in result.tools.items())
    yield f"table: {result.figures}, by {tools}"
    family = result.part.family
    for kind in MEMORY_KINDS:
        memories = [memory for memory in result.memories if memory.kind == kind]
        if memories:
            stored, rams = sum(m.stored_bits for m in memories), sum(m.block_rams for m in memories)
            others = [f"{count} in {where}" for where in ("LUT RAM", "logic") if (count := _count(memories, where))]
            line = f"{kind}: {stored:,} bits stored, {rams:g} {family.block_ram} of {family.block_ram_bits:,} bits each"
            yield line + (f" ({', '.join(others)})" if others else "")
    if result.clock is not None:
        clock = result.clock
        routers = [f" ({router})" if router else "" for router in clock.routers or [""] * len(clock.mhz)]
        runs = ", ".join(f"{mhz:.1f}{router}" for mhz, router in zip(clock.mhz, routers, strict=True))
        wanted = "none wanted" if clock.wanted_mhz is None else f"{clock.wanted_mhz:g} MHz wanted"
        seeds = f", median of seeds {', '.join(map(str, clock.seeds))}: {runs}" if len(clock.mhz) > 1 else ""
        seeds = seeds or (f", seed {clock.seeds[0]}: {runs}" if clock.routers else "")
        yield f"clock: {clock.reached_mhz:.1f} MHz reached ({clock.figures}), {wanted}{seeds}"
        if clock.critical_path:
            yield f"slowest path: {_cell(clock.critical_path[0])} to {_cell(clock.critical_path[-1])}"
    for note in result.notes:
        yield f"note: {note}"


def _count(memories: Sequence[MemoryUsage], where: str) -> int:
    return sum(memory.mapped == where for memory in memories)


def _cell(line: str) -> str:
    return line.split(": ", 1)[-1].split(" to ")[-1]


def _numbers(usage: Usage) -> list[str]:
    return [f"{usage.luts:,}", f"{usage.flip_flops:,}", f"{usage.dsps:,g}", f"{usage.block_rams:,g}"]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
