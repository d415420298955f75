"""Activation functions of one number, in float64: what a table holds, and what is known of it before it is made.

This is the one list of activations that become tables. ReLU, LeakyReLU and clamps need none (a requantizer does them),
but may follow in the same table, as may multiplication and addition.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

INFINITY = math.inf


@dataclass(frozen=True)
class ScalarFunction:
    """A function of one real number.

    Args:
        compute: the function itself.
        left, right: its limits at minus and plus infinity.
        extremes: (lowest, highest) of its values where these are not its limits; None if it is monotone.
    """

    compute: Callable[[float], float]
    left: float = -INFINITY
    right: float = INFINITY
    extremes: tuple[float, float] | None = None

    @property
    def low(self) -> float:
        """Lower bound of its values."""
        return min(self.left, self.right) if self.extremes is None else self.extremes[0]

    @property
    def high(self) -> float:
        """Upper bound of its values."""
        return max(self.left, self.right) if self.extremes is None else self.extremes[1]

    def at(self, x: float) -> float:
        """Give its value, at the infinities its limit."""
        if math.isinf(x):
            return self.right if x > 0 else self.left
        return self.compute(x)

    def then(self, after: "ScalarFunction") -> "ScalarFunction":
        """Give x -> after(self(x))."""
        extremes = None
        if after.extremes is not None:
            extremes = after.extremes
        elif self.extremes is not None:
            ends = (after.at(self.low), after.at(self.high))
            extremes = (min(ends), max(ends))
        compute = self.compute
        return ScalarFunction(lambda x: after.at(compute(x)), after.at(self.left), after.at(self.right), extremes)


def affine(scale: float, offset: float) -> ScalarFunction:
    """x · scale + offset."""
    if scale == 0:
        return ScalarFunction(lambda x: offset, offset, offset)
    side = math.copysign(INFINITY, scale)
    return ScalarFunction(lambda x: x * scale + offset, -side, side)


def clamp(low: float, high: float) -> ScalarFunction:
    """x, but at least `low` and at most `high`; `high` if that is less than `low`, as torch has it."""
    low = min(low, high)
    return ScalarFunction(lambda x: min(max(x, low), high), low, high)


def leaky_relu(slope: float) -> ScalarFunction:
    """x, where that is negative times `slope`."""
    if slope < 0:
        return ScalarFunction(lambda x: x if x >= 0 else x * slope, INFINITY, INFINITY, (0.0, INFINITY))
    return ScalarFunction(lambda x: x if x >= 0 else x * slope, -INFINITY if slope else 0.0, INFINITY)


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def _softplus(x: float, beta: float = 1.0, threshold: float = INFINITY) -> float:
    return x if x * beta > threshold else max(x, 0.0) + math.log1p(math.exp(-abs(x * beta))) / beta


def _elu(x: float, alpha: float) -> float:
    return x if x > 0 else alpha * math.expm1(x)


def _gelu(x: float) -> float:
    return 0.5 * x * math.erfc(-x / math.sqrt(2.0))


def _gelu_tanh(x: float) -> float:
    # 1 + tanh(u) = 2 sigmoid(2u), which loses nothing where tanh is near -1.
    return x * _sigmoid(2.0 * math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
# Where x·sigmoid(x), x·Φ(x) (and its approximation) and x·tanh(softplus(x)) are lowest, rounded down.
_SILU_LOW, _GELU_LOW, _GELU_TANH_LOW, _MISH_LOW = -0.27847, -0.16998, -0.17005, -0.30885


TABLES: Mapping[str, Callable[..., ScalarFunction]] = {
    "tanh": lambda: ScalarFunction(math.tanh, -1.0, 1.0),
    "sigmoid": lambda: ScalarFunction(_sigmoid, 0.0, 1.0),
    "elu": lambda alpha: ScalarFunction(lambda x: _elu(x, alpha), -alpha),
    "selu": lambda: ScalarFunction(lambda x: _SELU_SCALE * _elu(x, _SELU_ALPHA), -_SELU_SCALE * _SELU_ALPHA),
    "celu": lambda alpha: ScalarFunction(lambda x: x if x > 0 else alpha * math.expm1(x / alpha), -alpha),
    "silu": lambda: ScalarFunction(lambda x: x * _sigmoid(x), 0.0, INFINITY, (_SILU_LOW, INFINITY)),
    "gelu": lambda: ScalarFunction(_gelu, 0.0, INFINITY, (_GELU_LOW, INFINITY)),
    "gelu_tanh": lambda: ScalarFunction(_gelu_tanh, 0.0, INFINITY, (_GELU_TANH_LOW, INFINITY)),
    # Above a negative threshold it is x, so below 0 at first.
    "softplus": lambda beta, threshold: ScalarFunction(
        lambda x: _softplus(x, beta, threshold), 0.0, INFINITY, (min(0.0, threshold / beta), INFINITY)
    ),
    "hardswish": lambda: ScalarFunction(
        lambda x: x * min(max(x + 3.0, 0.0), 6.0) / 6.0, 0.0, INFINITY, (-0.375, INFINITY)
    ),
    "log_sigmoid": lambda: ScalarFunction(lambda x: -_softplus(-x), -INFINITY, 0.0),
    "softsign": lambda: ScalarFunction(lambda x: x / (1.0 + abs(x)), -1.0, 1.0),
    "mish": lambda: ScalarFunction(lambda x: x * math.tanh(_softplus(x)), 0.0, INFINITY, (_MISH_LOW, INFINITY)),
    "tanhshrink": lambda: ScalarFunction(lambda x: x - math.tanh(x)),
}
"""Activations that are tables, by kind: parameters -> function."""

LINEAR: Mapping[str, Callable[..., ScalarFunction]] = {
    "relu": lambda: clamp(0.0, INFINITY),
    "leaky_relu": leaky_relu,
    "clamp": clamp,
    "hardsigmoid": lambda: affine(1 / 6, 0.5).then(clamp(0.0, 1.0)),
    "affine": affine,
}
"""Activations that a requantizer does, and what else may follow a table within it."""


def scalar_function(kind: str, parameters: Mapping[str, float]) -> ScalarFunction:
    """Give the function of an activation kind."""
    return (TABLES[kind] if kind in TABLES else LINEAR[kind])(**parameters)
