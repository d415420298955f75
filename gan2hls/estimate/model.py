"""The linear model of LUTs and flip-flops: its coefficients, and how they are fitted.

Per family and kind of kernel, resources = Σ coefficient · feature, no coefficient negative. Each row is weighed by its
size, so that relative errors are what is made small.
"""

import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gan2hls.counting.names import FEATURES, FITTED, Feature, Machine, differences
from gan2hls.counting.tally import Features
from gan2hls.errors import UserError, raise_problems
from gan2hls.files import read_json
from gan2hls.resources import resource
from gan2hls.targets import FAMILIES

Coefficients = dict[str, dict[str, dict[str, dict[str, float]]]]
"""Family → "luts" or "flip_flops" → `Machine` → `Feature` → coefficient: those that `counting.names` declares."""

Row = tuple[Mapping[str, float], float, float]
"""Features, what was counted, and how much the row matters."""

UNFITTED: dict[str, dict[str, float]] = {
    "luts": {
        Feature.ONE: 0.0,
        Feature.FUNCTIONS: 1.0,
        Feature.SUMS: 1.0,
        Feature.TABLE_LUTS: 1.0,
        Feature.MEMORY_LUTS: 1.0,
        Feature.STORED_BITS: 0.5,
        Feature.SOFT_PRODUCTS: 1.0,
        Feature.SOFT_PRODUCT_ROWS: 0.0,
        Feature.MULTIPLIER_SUMS: 1.0,
    },
    "flip_flops": {
        Feature.ONE: 0.0,
        Feature.REGISTERS: 1.0,
        Feature.STORED_BITS: 1.0,
        Feature.SOFT_MEMORY_OUTPUTS: 1.0,
        Feature.SECOND_REGISTERS_OF_SOFT_MEMORY: 1.0,
        Feature.SECOND_REGISTERS_OF_BLOCK_RAM: 1.0,
        Feature.PRODUCTS_IN_LUTS: 1.0,
        Feature.PRODUCTS_IN_MULTIPLIERS: 1.0,
        Feature.ABSORBED_PRODUCTS: 0.0,
    },
}
"""Coefficients of `Machine.COUNTED` on every family: a flip-flop a bit of a register, a LUT a bit of an adder."""

_ROUNDS = 400
_FIRM = 100.0
_FLOOR = 30.0
"""Below about as many LUTs or flip-flops, absolute errors are made small in place of relative ones."""


@dataclass(frozen=True)
class Model:
    """Fitted coefficients, the tools that counted what they were fitted to, and errors on networks that it did not see.

    The errors, in percent, by family: sMAPE as "luts" and "flip_flops", the largest one as "worst_luts" and
    "worst_flip_flops", and of how many "networks".

    Raises:
        UserError: coefficients that are not those of the declared features; all that is wrong at once.
    """

    coefficients: Coefficients
    tools: dict[str, str]
    errors: dict[str, dict[str, float]]

    def __post_init__(self) -> None:
        raise_problems(_problems(self.coefficients))

    def resources(self, family: str, what: str, machine: Machine, features: Features) -> float:
        """LUTs or flip-flops of a kernel, outside of memories of LUTs."""
        known = UNFITTED[what] if machine is Machine.COUNTED else self.coefficients[family][what][machine]
        return sum(known[feature] * value for feature, value in features.items())


def _problems(coefficients: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]) -> Iterator[str]:
    for family in FAMILIES:
        for what in ("luts", "flip_flops"):
            machines = coefficients.get(family, {}).get(what, {})
            for unknown in machines.keys() - set(FITTED):
                yield f"{family}, {what}: unknown kind of kernel {unknown!r}; known: {', '.join(FITTED)}"
            for machine in FITTED:
                declared = FEATURES[machine]
                where = f"{family}, {what} of {machine}"
                if machine not in machines:
                    yield f"{where}: no coefficients"
                    continue
                yield from (f"{where}: {line}" for line in differences(machines[machine], getattr(declared, what)))
    for family in coefficients.keys() - FAMILIES.keys():
        yield f"unknown family {family!r}; known: {', '.join(FAMILIES)}"


def read_model(path: Path) -> Model:
    """A model from a file that `benchmarks/estimate.py` wrote.

    Raises:
        UserError: names the file: not readable, or features that are unknown or missing.
    """
    values = read_json(path)
    try:
        return Model(values["coefficients"], values["tools"], values["unseen_percent"])
    except (AttributeError, KeyError, TypeError):
        raise UserError(f"{path}: no coefficients of an estimate; run `make fit-estimate`") from None
    except UserError as error:
        lines = str(error).splitlines()
        raise UserError("\n".join([*(f"{path}: {line}" for line in lines), "run `make fit-estimate`"])) from None


@functools.cache
def shipped_model() -> Model:
    """The model that comes with gan2hls."""
    return read_model(resource("gan2hls", "estimate") / "model.json")


def fit(
    rows: Sequence[Row], prior: Mapping[str, float], prior_rows: float, firm: Collection[str] = ()
) -> dict[str, float]:
    """Coefficients of all features in `rows`.

    Args:
        rows: features, what was counted, and how much the row matters.
        prior: coefficients expected from the structure; what few rows tell about stays near to them.
        prior_rows: how many rows a prior counts as.
        firm: features whose coefficients the structure gives; their priors count as a hundred times as many.
    """
    names = sorted({name for features, *_ in rows for name in features})
    matrix = np.array([[features.get(name, 0.0) for name in names] for features, *_ in rows])
    counted = np.array([value for _, value, _ in rows])
    weight = np.array([matters for *_, matters in rows]) / (counted + _FLOOR)
    expected = np.array([prior.get(name, 0.0) for name in names])
    # The usual share of a feature where it is not 0 at all: a rare one stays as near to its prior as others.
    shares = (matrix * weight[:, None]) ** 2
    trust = prior_rows * np.array([_FIRM if name in firm else 1.0 for name in names])
    scale = np.sqrt(trust * shares.sum(axis=0) / np.maximum(1, (shares > 0).sum(axis=0))) + 1e-9
    left = np.vstack([matrix * weight[:, None], np.diag(scale)])
    right = np.concatenate([counted * weight, scale * expected])
    solution = _non_negative(left, right)
    return {name: float(f"{value:.4g}") for name, value in zip(names, solution, strict=True)}


def _non_negative(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """x ≥ 0 that makes |left·x - right|² smallest, by coordinate descent."""
    gram, target = left.T @ left, left.T @ right
    x = np.zeros(len(target))
    for _ in range(_ROUNDS):
        before = x.copy()
        for index in range(len(x)):
            if gram[index, index] > 0:
                x[index] = max(0.0, x[index] + (target[index] - gram[index] @ x) / gram[index, index])
        if np.abs(x - before).max() < 1e-7:
            break
    return x


def difference(estimated: float, counted: float) -> float:
    """An error in percent of the two's mean, above 0 if the estimate is too large; sMAPE is the mean of their sizes."""
    return 200 * (estimated - counted) / (estimated + counted)
