"""What a block does to its scaled accumulators: clamp them, perhaps leaky, or look them up in a table.

Activations, and arithmetic with one number, are joined as long as the hardware does all of them at once: a requantizer
scales, adds, multiplies negative values by another number and clamps; a table holds any function of one number.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import torch
from torch import Tensor

from gan2hls.activations import TABLES, ScalarFunction, clamp, leaky_relu, scalar_function
from gan2hls.frontends.float_model import ACTIVATIONS, ActivationLayer

Stage = tuple[str, tuple[tuple[str, float], ...]]
"""Kind and parameters of one function within a table."""


@dataclass(frozen=True)
class Activation:
    """`y = clamp(x, low, high)`, or with a slope `clamp(leaky_relu(x), low, high)`, or the functions of a table.

    Args:
        slope: factor of negative values of LeakyReLU, or those of the channels of PReLU; None if there is none.
        low, high: bounds of the result, real values; -inf and inf if there are none.
        table: functions, applied one after the other; with them the rest has its default.
    """

    slope: float | tuple[float, ...] | None = None
    low: float = -math.inf
    high: float = math.inf
    table: tuple[Stage, ...] = ()

    @property
    def has_table(self) -> bool:
        """Whether the result comes from a table."""
        return bool(self.table)

    @property
    def name(self) -> str:
        """Kind of the first function in the table."""
        return self.table[0][0]

    @property
    def is_none(self) -> bool:
        """Whether it changes nothing."""
        return self == NO_ACTIVATION

    @cached_property
    def function(self) -> ScalarFunction:
        """The whole as a function of one number; of several slopes, that whose results reach lowest."""
        if self.table:
            return reduce(ScalarFunction.then, [scalar_function(kind, dict(values)) for kind, values in self.table])
        bounds = clamp(self.low, self.high)
        return leaky_relu(max(self.slopes)).then(bounds) if self.slopes else bounds

    @property
    def slopes(self) -> tuple[float, ...]:
        """Those of all channels, or the one of all of them; () if there is none."""
        return self.slope if isinstance(self.slope, tuple) else () if self.slope is None else (self.slope,)

    @property
    def signed(self) -> bool:
        """Whether a result can be negative, but for rounding in the constants that it is computed from."""
        high = self.function.high
        return self.function.low < -1e-9 * (high if math.isfinite(high) else 1.0)

    @property
    def fixed_range(self) -> bool:
        """Whether the table's results reach up to fixed bounds whatever the samples are, as those of tanh do."""
        return bool(self.table) and self.name in ("tanh", "sigmoid") and math.isfinite(self.magnitude)

    @property
    def magnitude(self) -> float:
        """Largest magnitude of a result."""
        return max(abs(self.function.low), abs(self.function.high))

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to a tensor."""
        for kind, values in self.table:
            x = ACTIVATIONS[kind](x, **dict(values))
        if isinstance(self.slope, tuple):
            x = torch.nn.functional.prelu(x, torch.tensor(self.slope, dtype=x.dtype))
        elif self.slope is not None:
            x = torch.nn.functional.leaky_relu(x, self.slope)
        if self.low > -math.inf or self.high < math.inf:
            x = torch.clamp(x, self.low, self.high)
        return x

    def flat_beyond(self, x: float, step: float) -> float:
        """Move an argument towards 0 to where the table's function is half a step from its limit on that side.

        Beyond that point nothing needs to be told apart. Without a limit, `x` is given back.
        """
        # A little less than half a step, so that a table's last entry does not lie on the border of two results.
        function, gap = self.function, step / 2 * (1 - 1e-4)
        limit = function.right if x > 0 else function.left
        if x == 0 or not math.isfinite(limit):
            return x

        def is_flat(argument: float) -> bool:
            return abs(function.compute(argument) - limit) < gap

        points = [x * i / _SEARCH_POINTS for i in range(_SEARCH_POINTS, -1, -1)]
        inner = next((i for i, point in enumerate(points) if not is_flat(point)), None)
        if inner is None:
            return x / _SEARCH_POINTS
        if inner == 0:
            return x
        flat, steep = points[inner - 1], points[inner]
        for _ in range(_BISECTIONS):
            middle = (flat + steep) / 2
            flat, steep = (middle, steep) if is_flat(middle) else (flat, middle)
        return flat


NO_ACTIVATION = Activation()

_SEARCH_POINTS, _BISECTIONS = 1024, 60


def with_function(activation: Activation, layer: ActivationLayer) -> Activation | None:
    """Give both after each other as one; None if the hardware needs two."""
    kind, parameters = layer.kind, dict(layer.parameters)
    if activation.has_table or (activation.is_none and kind in TABLES):
        return replace(activation, table=(*activation.table, (kind, tuple(parameters.items()))))
    if kind == "relu":
        return _bounded(activation, 0.0, math.inf)
    if kind == "clamp":
        return _bounded(activation, parameters["low"], parameters["high"])
    return with_slope(activation, parameters["slope"]) if kind == "leaky_relu" else None


def with_slope(activation: Activation, slope: float | tuple[float, ...]) -> Activation | None:
    """Give both after each other as one, of an activation without a table; None if the hardware needs two."""
    if activation.low >= 0:
        return activation
    return replace(activation, slope=slope) if activation.is_none else None


def _bounded(activation: Activation, low: float, high: float) -> Activation:
    bounds = clamp(low, high)
    low, high = bounds.at(activation.low), bounds.at(activation.high)
    # No negative value is left to be multiplied.
    slope = None if low >= 0 and min(activation.slopes, default=0.0) >= 0 else activation.slope
    return replace(activation, slope=slope, low=low, high=high)


def with_scalar_affine(activation: Activation, scale: float, offset: float) -> Activation:
    """Give a table's activation with `· scale + offset` behind it."""
    return replace(activation, table=(*activation.table, ("affine", (("scale", scale), ("offset", offset)))))


def moved_before(activation: Activation, scale: Tensor, offset: Tensor) -> Activation | None:
    """Give the activation behind which `y · scale[c] + offset[c]` does what it does before it; None if there is none.

    Args:
        activation: one without a table.
        scale, offset: (channels,).
    """
    if activation.is_none:
        return activation
    bounds = {activation.low, activation.high}
    if bool((scale > 0).all()) and bool((offset == 0).all()) and bounds <= {0.0, -math.inf, math.inf}:
        return activation
    factor, shift = float(scale[0]), float(offset[0])
    one_value = bool((scale == factor).all()) and bool((offset == shift).all())
    if not one_value or factor == 0 or (activation.slope is not None and (factor < 0 or shift != 0)):
        return None
    ends = (activation.low * factor + shift, activation.high * factor + shift)
    return replace(activation, low=min(ends), high=max(ends))
