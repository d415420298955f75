"""Which points a sweep has: the combinations of its lists, and those that are listed one by one."""

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gan2hls.budget import MULTIPLIERS, WISHES, Budget
from gan2hls.errors import UserError, raise_problems
from gan2hls.flow_config import FlowConfig
from gan2hls.quantization.config import LayerConfig, QuantizeConfig
from gan2hls.sweep_config import PointConfig

_SHORT = {"multipliers": "m", "dsps": "d", "frames_per_second": "f"}


@dataclass(frozen=True)
class Point:
    """What is to be known of one point.

    Attributes:
        bits: name of the bit widths; points of one name have the same `quantize`.
        budget: with a target.
    """

    bits: str
    quantize: QuantizeConfig
    budget: Budget

    @property
    def target(self) -> str:
        assert self.budget.target is not None
        return self.budget.target

    @property
    def wish(self) -> dict[str, float]:
        """What the folding is given, e.g. {"multipliers": 64}."""
        given = {name: getattr(self.budget, name) for name in WISHES if getattr(self.budget, name) is not None}
        return given or {"multipliers": MULTIPLIERS}

    @property
    def label(self) -> str:
        wish = " ".join(f"{_SHORT[name]}{value:g}" for name, value in self.wish.items())
        return f"{self.bits} {wish} {self.target}"


def expand(config: FlowConfig) -> list[Point]:
    """All points of a configuration: the grid, weight bits varying fastest last, then those that are listed.

    Raises:
        UserError: budgets that a target can not have, two points of one name that differ, all of them at once; or there
            are no points.
    """
    found: dict[str, Point] = {}
    problems: list[str] = []
    budgets = list(_budgets(config, None, problems))
    for quantize in _grid(config):
        for budget in budgets:
            _add(found, Point(bits_name(quantize), quantize, budget), problems)
    for i, given in enumerate(config.sweep.points):
        where = f"sweep.points[{i}]"
        try:
            bits, quantize = _quantized(config.quantize, given)
        except UserError as error:
            problems.extend(f"{where}: {line}" for line in str(error).splitlines())
            continue
        for budget in _budgets(config, given, problems):
            _add(found, Point(bits, quantize, budget), problems)
    raise_problems(dict.fromkeys(problems))
    if not found:
        raise UserError("the sweep has no points; give weight_bits, points, or neither for the widths of a common grid")
    return list(found.values())


def bits_name(quantize: QuantizeConfig) -> str:
    """W4A8, and the quantizer where it is not the common one."""
    name = f"W{quantize.weight_bits}A{quantize.activation_bits}"
    common = QuantizeConfig.weight_quantizer
    return name if quantize.weight_quantizer == common else f"{name} {quantize.weight_quantizer}"


def _add(found: dict[str, Point], point: Point, problems: list[str]) -> None:
    if found.setdefault(point.label, point) != point:
        problems.append(f"two points with different settings are both called {point.label!r}; give one a name")


def _grid(config: FlowConfig) -> Iterator[QuantizeConfig]:
    sweep, base = config.sweep, config.quantize
    axes = (
        sweep.weight_quantizer or [base.weight_quantizer],
        sweep.activation_bits or [base.activation_bits],
        sweep.grid_weight_bits,
    )
    for quantizer, activation_bits, weight_bits in itertools.product(*axes):
        yield dataclasses.replace(
            base, weight_quantizer=quantizer, activation_bits=activation_bits, weight_bits=weight_bits
        )


def _quantized(base: QuantizeConfig, given: PointConfig) -> tuple[str, QuantizeConfig]:
    """Name and settings of a listed point."""
    names = ("weight_bits", "activation_bits", "weight_quantizer")
    changes = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    quantize = dataclasses.replace(base, **changes, layers={**base.layers, **given.layers})
    if given.name is not None:
        return given.name, quantize
    exceptions = "".join(f" {layer}:{_exception(config)}" for layer, config in given.layers.items())
    return bits_name(quantize) + exceptions, quantize


def _exception(layer: LayerConfig) -> str:
    short = {"weight_bits": "W", "activation_bits": "A"}
    given = {name: value for name, value in dataclasses.asdict(layer).items() if value is not None}
    return "".join(f"{short[name]}{value}" if name in short else f",{name}={value}" for name, value in given.items())


def _budgets(config: FlowConfig, given: PointConfig | None, problems: list[str]) -> Iterator[Budget]:
    """Budgets of a listed point, or of the grid."""
    for target in [given.target] if given is not None and given.target is not None else config.sweep.target:
        for wish in _wishes(config, given):
            try:
                yield Budget(**wish, target=target, slack=config.folding.slack)
            except UserError as error:
                problems.extend(f"target {target}: {line}" for line in str(error).splitlines())


def _wishes(config: FlowConfig, given: PointConfig | None) -> list[dict[str, Any]]:
    """What a folding may take or has to reach: the point's own wish, those of the sweep, that of the folding."""
    for name in WISHES:
        if given is not None and getattr(given, name) is not None:
            return [{name: getattr(given, name)}]
    for name in WISHES:
        if getattr(config.sweep, name):
            return [{name: value} for value in getattr(config.sweep, name)]
    return [{name: getattr(config.folding, name) for name in WISHES if getattr(config.folding, name) is not None}]
