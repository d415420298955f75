"""Configuration of post-training quantization."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from gan2hls.errors import raise_problems
from gan2hls.limits import SCALES, number_problems
from gan2hls.ops.lookup import TABLE_BITS
from gan2hls.quantization.quantizers import WEIGHT_QUANTIZERS

_BIT_RANGES = {
    "weight_bits": (1, 16),
    "activation_bits": (2, 16),
    "input_bits": (2, 16),
    "output_bits": (2, 16),
    "table_bits": (2, TABLE_BITS),
}
_SCALES = ("weight_scale", "activation_scale", "table_scale", "input_scale")


def _problems(config: Any) -> Iterator[str]:
    for name, (low, high) in _BIT_RANGES.items():
        bits = getattr(config, name, None)
        if bits is not None and not low <= bits <= high:
            yield f"{name} {bits} is not supported; use {low} to {high}"
    for name in _SCALES:
        scale = getattr(config, name, None)
        if scale is not None:
            yield from number_problems(name, scale, SCALES)
    if config.weight_quantizer is not None and config.weight_quantizer not in WEIGHT_QUANTIZERS:
        known = ", ".join(map(repr, WEIGHT_QUANTIZERS))
        yield f"weight_quantizer {config.weight_quantizer!r} is not known; use one of {known}"


@dataclass(frozen=True)
class LayerConfig:
    """What one layer does differently; None: as all others.

    Args:
        weight_bits, activation_bits, table_bits, weight_quantizer, granularity: as in `QuantizeConfig`.
        weight_scale: real value of one weight step, given by whoever trained the weights on it.
        activation_scale: real value of one step of the layer's result.
        table_scale: real value of one step of what enters the table of tanh or sigmoid.
        signed: whether the layer's result is; by default all but those of relu and sigmoid are.
    """

    weight_bits: int | None = None
    activation_bits: int | None = None
    table_bits: int | None = None
    weight_quantizer: str | None = None
    granularity: Literal["channel", "tensor"] | None = None
    weight_scale: float | None = None
    activation_scale: float | None = None
    table_scale: float | None = None
    signed: bool | None = None

    def __post_init__(self) -> None:
        raise_problems(_problems(self))


@dataclass(frozen=True)
class QuantizeConfig:
    """Bit widths and scales of a whole network; `layers` holds exceptions by layer name."""

    # 8 bits keep the quality of a float generator without retraining, and two such products fit one DSP48E2.
    weight_bits: int = 8
    activation_bits: int = 8
    # The latent vector is stored like any activation.
    input_bits: int | None = None
    # The last layer's result is an image, whatever the layers before it are stored in.
    output_bits: int = 8
    # What enters tanh or sigmoid: 2 more bits than an 8-bit result, so that the table's input costs no accuracy;
    # the table is still one small block RAM.
    table_bits: int = 10
    # Nothing is clipped that the calibration samples hold; with few activation bits, "percentile" is better.
    method: Literal["minmax", "percentile"] = "minmax"
    # With "percentile": one value in a thousand is clipped.
    percentile: float = 99.9
    # "power_of_two" needs no multiplier to requantize, and makes the proxy exact; "free" is more accurate.
    scales: Literal["free", "power_of_two"] = "free"
    # A scale for each channel is free in hardware: the requantizer multiplies each channel by its own number anyhow.
    granularity: Literal["channel", "tensor"] = "channel"
    weight_quantizer: str = "symmetric"
    # Given by whoever trained with it; by default calibrated.
    input_scale: float | None = None
    # Latent vectors are mostly drawn from a normal distribution.
    input_signed: bool = True
    layers: dict[str, LayerConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if not 50 < self.percentile <= 100:
            problems.append(f"percentile {self.percentile} is not supported; use more than 50, up to 100")
        raise_problems(problems)
