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
DEFAULT_INPUT_BITS = 8
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
        table_scale: real value of one step of what enters a table, as that of tanh.
        signed: whether the layer's result is; by default where it can be negative.
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
    # None: 8, or activation_bits if those are more. Latents are few, and all that follows is made of them.
    input_bits: int | None = None
    # The last layer's result is an image, whatever the layers before it are stored in.
    output_bits: int = 8
    # What enters tanh or sigmoid: 2 more bits than an 8-bit result, so that the table's input costs no accuracy;
    # the table is still one small block RAM.
    table_bits: int = 10
    # How far a format of activations reaches. "auto" takes of many ranges, those of the other two among them, the one
    # with the least error of the network's output on calibration samples. "minmax" clips nothing that these hold.
    method: Literal["auto", "minmax", "percentile"] = "auto"
    # With "percentile", and among what "auto" tries: one value in a thousand is clipped.
    percentile: float = 99.9
    # "power_of_two" needs no multiplier to requantize, and makes the proxy exact; "free" is more accurate.
    scales: Literal["free", "power_of_two"] = "free"
    # A scale for each channel is free in hardware: the requantizer multiplies each channel by its own number anyhow.
    granularity: Literal["channel", "tensor"] = "channel"
    # Scales of weights by the least error of the layer's result; "symmetric" clips no weight.
    weight_quantizer: str = "least_error"
    # What quantized layers lack on average goes into the requantizers' offsets, which costs no hardware. Layers whose
    # scales are given, by whoever trained with them, stay as they are.
    bias_correction: bool = True
    # Given by whoever trained with it; by default calibrated.
    input_scale: float | None = None
    # Latent vectors are mostly drawn from a normal distribution.
    input_signed: bool = True
    layers: dict[str, LayerConfig] = field(default_factory=dict)

    @property
    def first_bits(self) -> int:
        """Bits of the input."""
        return self.input_bits or max(DEFAULT_INPUT_BITS, self.activation_bits)

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if not 50 < self.percentile <= 100:
            problems.append(f"percentile {self.percentile} is not supported; use more than 50, up to 100")
        raise_problems(problems)
