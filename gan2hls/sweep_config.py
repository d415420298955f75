"""Section `[sweep]` of the configuration: which points a sweep has, and how far each is taken."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from gan2hls.budget import WISHES
from gan2hls.errors import UserError, raise_problems
from gan2hls.limits import CLOCKS_MHZ, FRAME_RATES, FRAMES, RUNS, number_problems
from gan2hls.quantization.config import LayerConfig, QuantizeConfig
from gan2hls.synth.seeds import LIMIT_S, LONGEST_LIMIT_S
from gan2hls.targets import TARGETS

WEIGHT_BITS = (2, 3, 4, 5, 6, 8)
"""The grid where neither weight bits nor points are given."""

SEARCHED_BITS = (2, 3, 4, 5, 6, 7, 8)
_SEARCHED = ("search_weight_bits", "search_activation_bits")


@dataclass(frozen=True)
class PointConfig:
    """Section `[[sweep.points]]`: points beside the grid.

    Bits that are not given are as in `[quantize]`; a budget or target that is not given is each of those of the grid.
    """

    name: str | None = None  # of the bit widths, in place of one made from them
    weight_bits: int | None = None
    activation_bits: int | None = None
    weight_quantizer: str | None = None
    layers: dict[str, LayerConfig] = field(default_factory=dict)  # exceptions, as [quantize.layers] has them
    multipliers: int | None = None  # of these three, one
    dsps: int | None = None
    frames_per_second: float | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        raise_problems([*_bit_problems(self), *_wish_problems(self)])


@dataclass(frozen=True)
class SweepConfig:
    """Section `[sweep]`: lists, of which each combination is a point; and points beside them."""

    weight_bits: list[int] | None = None  # WEIGHT_BITS; none where there are `points`
    activation_bits: list[int] = field(default_factory=list)  # none: as [quantize] says
    weight_quantizer: list[str] = field(default_factory=list)  # none: as [quantize] says
    multipliers: list[int] = field(default_factory=list)  # of these three, one; none: as [folding] says
    dsps: list[int] = field(default_factory=list)
    frames_per_second: list[float] = field(default_factory=list)
    # One part of each family that is common on boards below 1,000 dollars.
    target: list[str] = field(default_factory=lambda: ["ecp5-85k", "xc7a100t", "zu3eg"])
    images: int = 1024  # that quality is measured on: 16 times the features of the distance
    synth: bool = False  # synthesize each point; else it is estimated
    place: bool = False  # place and route it too, where that can be done; synthesizes
    cosim: bool = False  # simulate the RTL, compare it with the golden model, measure its cycles
    tool: Literal["auto", "yosys", "vivado"] = "auto"  # of synthesis
    seeds: int = 1  # runs of place and route; the median counts
    limit_s: float = LIMIT_S  # of each of nextpnr's routers for a seed: then the other one, then none
    clock_mhz: float | None = None  # wanted of place and route, and counted with elsewhere; none: as [hls] says
    search: int = 0  # trials of widths layer by layer, those of earlier runs included
    search_weight_bits: list[int] = field(default_factory=lambda: list(SEARCHED_BITS))  # of each layer
    search_activation_bits: list[int] = field(default_factory=list)  # of each layer's result; none: as [quantize] says
    seed: int = 0  # of the search
    points: list[PointConfig] = field(default_factory=list)

    def __post_init__(self) -> None:
        lists = ("weight_bits", "activation_bits", "weight_quantizer", *WISHES, "target", *_SEARCHED)
        problems = [*_list_problems(self, lists), *_wish_problems(self)]
        for name in ("target", "search_weight_bits"):
            if not getattr(self, name):
                problems.append(f"{name} has no values; give one or more")
        for name, least in (("images", 2), ("seeds", 1), ("search", 0), ("seed", 0)):
            if getattr(self, name) < least:
                problems.append(f"{name} {getattr(self, name)} is not supported; use {least} or more")
        if self.clock_mhz is not None:
            problems += number_problems("clock_mhz", self.clock_mhz, CLOCKS_MHZ)
        if not 0 < self.limit_s <= LONGEST_LIMIT_S:
            most = f"{LONGEST_LIMIT_S:g} at most"
            problems.append(f"limit_s {self.limit_s} is not supported; use seconds above 0, {most}")
        raise_problems(problems)
        FRAMES.check(self.images, "images")
        for name in ("seeds", "search"):
            RUNS.check(getattr(self, name), name)

    @property
    def grid_weight_bits(self) -> tuple[int, ...]:
        """Weight bits of the grid, which is empty where only points are given."""
        if self.weight_bits is None:
            return () if self.points else WEIGHT_BITS
        return tuple(self.weight_bits)


def _list_problems(config: Any, names: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with single values of lists."""
    for name in names:
        values = getattr(config, name) or []
        if len(set(values)) < len(values):
            yield f"{name}: a value is given twice"
        for value in values:
            yield from _value_problems(name, value)


def _value_problems(name: str, value: Any) -> Iterator[str]:
    if name == "target" and value not in TARGETS:
        yield f"unknown target {value!r}; use one of {', '.join(TARGETS)}"
    elif name == "frames_per_second":
        yield from number_problems(name, value, FRAME_RATES)
    elif name in WISHES and value < 1:
        yield f"{name} {value} is not supported; use a number above 0"
    elif name not in ("target", *WISHES):
        yield from _quantize_problems({name.removeprefix("search_"): value})


def _bit_problems(point: PointConfig) -> Iterator[str]:
    """What is wrong with a point's widths."""
    for name in ("weight_bits", "activation_bits", "weight_quantizer", "target", *WISHES):
        if getattr(point, name) is not None:
            yield from _value_problems(name, getattr(point, name))
    if point.name is not None and not point.name.strip():
        yield "name is empty"


def _quantize_problems(values: dict[str, Any]) -> Iterator[str]:
    try:
        QuantizeConfig(**values)
    except UserError as error:
        yield from str(error).splitlines()


def _wish_problems(config: Any) -> Iterator[str]:
    given = [name for name in WISHES if getattr(config, name)]
    if len(given) > 1:
        yield f"{' and '.join(given)} are given; use one of them"
