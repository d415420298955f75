"""What a folding may take or has to reach, as users say it: multipliers, DSPs of a target, or frames a second."""

import math
from dataclasses import dataclass

from gan2hls.errors import UserError, raise_problems
from gan2hls.folding import SLACK, Given, choose_folding, fewest_cycles
from gan2hls.ir import Graph
from gan2hls.limits import FRAME_RATES, number_problems
from gan2hls.pipeline import Folding
from gan2hls.targets import TARGETS, Family

MULTIPLIERS = 64
"""Budget where none is given: fits the smallest boards."""

MOST_SLACK = 1000
"""As a share: a thousand times as slow as the fastest."""

WISHES = ("multipliers", "dsps", "frames_per_second")
"""Of these, one is given at most."""


@dataclass(frozen=True)
class Budget:
    """What a folding may take or has to reach.

    Args:
        multipliers: hardware multipliers of all MAC ops together; 64 if neither this nor another wish is given.
        dsps: hardware multipliers of all ops together, requantization included; needs a target.
        frames_per_second: a rate to reach at the clock, with as few multipliers as it takes.
        target: a part or family (`targets.TARGETS`): as many products as its multipliers take then share each.
        slack: share by which a more efficient folding may be slower than the fastest one of the budget.

    Raises:
        UserError: values that are not accepted, an unknown target, two wishes at once, or dsps without a target.
    """

    multipliers: int | None = None
    dsps: int | None = None
    frames_per_second: float | None = None
    target: str | None = None
    slack: float = SLACK

    def __post_init__(self) -> None:
        raise_problems(self._problems())

    def _problems(self) -> list[str]:
        problems = []
        given = [name for name in WISHES if getattr(self, name) is not None]
        if len(given) > 1:
            problems.append(f"{' and '.join(given)} are given; use one of them")
        for name in ("multipliers", "dsps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                problems.append(f"{name} {value} is not supported; use 1 or more")
        if self.frames_per_second is not None:
            problems += number_problems("frames_per_second", self.frames_per_second, FRAME_RATES)
        if not 0 <= self.slack <= MOST_SLACK:
            problems.append(f"slack {self.slack} is not supported; use 0 or more, up to {MOST_SLACK}")
        if self.target is not None and self.target not in TARGETS:
            problems.append(f"unknown target {self.target!r}; use one of {', '.join(TARGETS)}")
        elif self.dsps is not None:
            most = TARGETS[self.target].dsps if self.target is not None else 0
            if self.target is None:
                problems.append("dsps needs a target, which says what a DSP can do; give one")
            elif most is not None and self.dsps > most:
                problems.append(f"dsps {self.dsps} is not supported; {self.target} has {most}")
        return problems

    @property
    def family(self) -> Family | None:
        """Family of the target, None without one."""
        return TARGETS[self.target].family if self.target is not None else None

    def fold(self, graph: Graph, clock_mhz: float, given: Given | None = None) -> Folding:
        """The folding of a graph that keeps to this.

        Args:
            graph: the integer graph.
            clock_mhz: the clock at which `frames_per_second` is wanted.
            given: folds that are fixed, as `choose_folding` takes them.

        Raises:
            UserError: a budget that is too small, a rate that no folding reaches, or folds that can not be.
        """
        family, slack = self.family, self.slack
        if self.frames_per_second is not None:
            interval = self._interval(graph, clock_mhz, given)
            return choose_folding(graph, interval=interval, family=family, slack=slack, given=given)
        if self.dsps is not None:
            return choose_folding(graph, dsps=self.dsps, family=family, slack=slack, given=given)
        multipliers = MULTIPLIERS if self.multipliers is None else self.multipliers
        return choose_folding(graph, multipliers=multipliers, family=family, slack=slack, given=given)

    def _interval(self, graph: Graph, clock_mhz: float, given: Given | None) -> int:
        assert self.frames_per_second is not None
        interval = math.floor(clock_mhz * 1e6 / self.frames_per_second)
        fewest = fewest_cycles(graph, given)
        limiting = max(fewest, key=fewest.__getitem__)
        if interval < fewest[limiting]:
            fastest = clock_mhz * 1e6 / fewest[limiting]
            raise UserError(
                f"{self.frames_per_second:,.10g} frames/s at {clock_mhz:g} MHz can not be reached: {limiting} takes at "
                f"least {fewest[limiting]:,} cycles a frame; use at most {math.floor(fastest * 1000) / 1000:,.10g}"
            )
        return interval
