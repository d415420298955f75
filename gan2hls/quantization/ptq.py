"""Post-training quantization: calibrate on samples, choose formats, quantize weights."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gan2hls.errors import UserError, raise_problems
from gan2hls.frontends.float_model import FloatModel
from gan2hls.ir import IntType
from gan2hls.quantization.activation import Activation
from gan2hls.quantization.blocks import Block, Step, make_blocks, out_rows
from gan2hls.quantization.config import LayerConfig, QuantizeConfig
from gan2hls.quantization.quantized_model import (
    QuantizedBlock,
    QuantizedModel,
    QuantizedStep,
    check_samples,
    real_mac,
)
from gan2hls.quantization.quantizers import (
    WEIGHT_QUANTIZERS,
    Format,
    QuantizedWeight,
    WeightRequest,
    activation_format,
)

CALIBRATION_CHUNK = 32
"""Samples that go through the float model at a time."""
KEPT_VALUES = 1 << 16
"""Values kept of each tensor and chunk for percentiles and squared errors."""

# In power-of-two mode everything that the requantizer multiplies and adds is rounded here to a grid of powers of two,
# coarse enough for its 18-bit numbers, so that hardware does exactly what the proxy does.
_SLOPE_BITS = 10
_GAIN_BITS = 16
_LEAST_OFFSET_BITS = 4
_MOST_OFFSET_BITS = 20


def quantize_float_model(
    model: FloatModel, calibration: Tensor | np.ndarray, config: QuantizeConfig | None = None
) -> QuantizedModel:
    """Quantize a model after training.

    Args:
        model: the float model.
        calibration: (n, *input_shape) samples of the input; a few hundred are plenty.
        config: bit widths and methods.

    Raises:
        UserError: calibration samples that can not be used; a layer name in the configuration that does not exist.
    """
    config = config or QuantizeConfig()
    samples = torch.as_tensor(calibration).detach().float()
    check_samples(samples, model.input_shape, "calibration samples")
    steps = make_blocks(model)
    blocks = quantized_blocks(model)
    check_layer_names(blocks, config)
    observed = _calibrate(steps, samples)
    return _Quantizer(config, observed, last=blocks[-1].name).run(model, steps)


def quantized_blocks(model: FloatModel) -> list[Block]:
    """What is quantized, by the names that a configuration's `layers` uses.

    Raises:
        UserError: nothing is.
    """
    blocks = [step for step in make_blocks(model) if isinstance(step, Block)]
    if not blocks:
        raise UserError("the model only moves values; there is nothing to quantize")
    return blocks


def check_layer_names(blocks: Sequence[Block], config: QuantizeConfig) -> None:
    """Raise one `UserError` with all layers of the configuration that there are not."""
    names = [block.name for block in blocks]
    owner = {member: block.name for block in blocks for member in block.members}
    problems = []
    for name in config.layers:
        if name in names:
            continue
        close = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        if name in owner:
            hint = f"; it is quantized together with {owner[name]!r}: use that name"
        problems.append(f"layers: no layer {name!r} is quantized{hint} (accepted: {', '.join(names)})")
    raise_problems(problems)


class _Observer:
    """Extremes, and a random part, of all values of one tensor."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.lowest, self.highest = 0.0, 0.0
        self.parts: list[Tensor] = []

    def see(self, values: Tensor) -> None:
        flat = values.flatten()
        self.lowest, self.highest = min(self.lowest, float(flat.min())), max(self.highest, float(flat.max()))
        if len(flat) > KEPT_VALUES:
            flat = flat[torch.randint(len(flat), (KEPT_VALUES,), generator=self.generator)]
        self.parts.append(flat.clone())

    @property
    def samples(self) -> Tensor:
        return torch.cat(self.parts)

    def magnitude(self, config: QuantizeConfig, signed: bool) -> float:
        """Give the magnitude that a format should hold."""
        if config.method == "minmax":
            return max(-self.lowest, self.highest) if signed else self.highest
        values = self.samples.abs() if signed else self.samples.clamp(min=0)
        return float(np.percentile(values.numpy(), config.percentile))


def _calibrate(steps: Sequence[Step], samples: Tensor) -> dict[str, _Observer]:
    """Run the float model; observe the input (under ""), and what each block quantizes.

    Raises:
        UserError: a block overflows.
    """
    names = ["", *(step.name for step in steps)]
    tables = [_result(step.name) for step in steps if isinstance(step, Block) and step.activation.has_table]
    observed = {name: _Observer(seed) for seed, name in enumerate([*names, *tables])}
    with torch.no_grad():
        for chunk in samples.split(CALIBRATION_CHUNK):
            x = chunk
            observed[""].see(x)
            for step in steps:
                if isinstance(step, Block):
                    before = step.before_activation(x)
                    x = step.activate(before)
                    if not bool(torch.isfinite(x).all()):
                        raise UserError(f"{step.name}: gives NaN or infinite values for the calibration samples")
                    if step.activation.has_table:
                        observed[step.name].see(before)
                        observed[_result(step.name)].see(x)
                    else:
                        observed[step.name].see(x)
                else:
                    x = step.forward(x)
    return observed


def _result(name: str) -> str:
    """Under what the result of a table is observed; under the block's name stands what enters it."""
    return f"{name}()"


class _Quantizer:
    """Makes the quantized block of each block."""

    def __init__(self, config: QuantizeConfig, observed: dict[str, _Observer], last: str) -> None:
        self.config, self.observed, self.last = config, observed, last
        self.power_of_two = config.scales == "power_of_two"

    def run(self, model: FloatModel, steps: Sequence[Step]) -> QuantizedModel:
        input_format = self._input_format()
        result: list[QuantizedStep] = []
        incoming = input_format
        for step in steps:
            if isinstance(step, Block):
                block = self._block(step, incoming)
                incoming = block.output
                result.append(block)
            else:
                result.append(step)
        return QuantizedModel(model.input_shape, input_format, tuple(result))

    def _input_format(self) -> Format:
        config = self.config
        kind = IntType(config.input_bits or config.activation_bits, config.input_signed)
        return self._format(kind, config.input_scale, self.observed[""])

    def _format(self, kind: IntType, scale: float | None, observer: _Observer) -> Format:
        if scale is not None:
            return Format(kind, scale)
        largest = observer.magnitude(self.config, kind.signed)
        return activation_format(observer.samples, largest, kind, self.power_of_two)

    def _block(self, block: Block, incoming: Format) -> QuantizedBlock:
        layer = self.config.layers.get(block.name, LayerConfig())
        activation = block.activation
        if self.power_of_two and activation.slope is not None:
            activation = replace(activation, slope=_on_grid(activation.slope, _SLOPE_BITS))
        weight, gain = self._weight(block, layer, activation.slope is not None)
        table, output = self._formats(block, layer)
        offset = block.offset
        if self.power_of_two:
            gain = _rounded_gain(gain)
            scale = incoming.scale * (weight.scale if weight is not None else torch.ones_like(gain))
            offset = _rounded_offset(offset, scale * gain, (table or output).scale)
        return QuantizedBlock(
            name=block.name,
            in_shape=block.in_shape,
            out_shape=block.out_shape,
            mac=None if block.mac is None or weight is None else real_mac(block.mac, weight),
            weight=weight,
            gain=gain,
            offset=offset,
            activation=activation,
            table=table,
            output=output,
        )

    def _weight(self, block: Block, layer: LayerConfig, leaky: bool) -> tuple[QuantizedWeight | None, Tensor]:
        """Quantize the weights; give them and the gain that stays with the requantizer."""
        if block.mac is None:
            return None, block.gain
        config = self.config
        rows, gain = out_rows(block.mac, block.mac.weight.double()), block.gain
        # The requantizer multiplies each channel by any number, so a batch-norm needs no place in the weights, except
        # where that number must be a power of two. Weights made for a given scale stay as they are.
        if self.power_of_two and layer.weight_scale is None:
            rows, gain = rows * gain[:, None], torch.ones_like(gain)
        request = WeightRequest(
            bits=config.weight_bits if layer.weight_bits is None else layer.weight_bits,
            per_channel=(layer.granularity or config.granularity) == "channel",
            power_of_two=self.power_of_two,
            scale=layer.weight_scale,
            spread_bits=16 - leaky * _SLOPE_BITS,
        )
        quantizer = WEIGHT_QUANTIZERS[layer.weight_quantizer or config.weight_quantizer]
        # A channel of zeros stays one, also where no code stands for zero, as with one bit.
        gain = torch.where((rows == 0).all(1), 0.0, gain)
        return quantizer(rows, request), gain

    def _formats(self, block: Block, layer: LayerConfig) -> tuple[Format | None, Format]:
        """Choose the formats of a table's input (or None) and of the result."""
        config, activation = self.config, block.activation
        bits = layer.activation_bits
        if bits is None:
            bits = config.output_bits if block.name == self.last else config.activation_bits
        result = IntType(bits, activation.signed if layer.signed is None else layer.signed)
        if not activation.has_table:
            return None, self._format(result, layer.activation_scale, self.observed[block.name])
        if layer.activation_scale is None and activation.fixed_range:
            output = Format(result, _fixed_scale(activation, result, self.power_of_two))
        else:
            output = self._format(result, layer.activation_scale, self.observed[_result(block.name)])
        table_type = IntType(config.table_bits if layer.table_bits is None else layer.table_bits, True)
        if layer.table_scale is not None:
            return Format(table_type, layer.table_scale), output
        observer = self.observed[block.name]
        ends = [activation.flat_beyond(end, output.scale) for end in (observer.lowest, observer.highest)]
        largest = min(observer.magnitude(config, signed=True), max(map(abs, ends)))
        samples = observer.samples.clamp(-largest, largest)
        return activation_format(samples, largest, table_type, self.power_of_two), output


def _fixed_scale(activation: Activation, kind: IntType, power_of_two: bool) -> float:
    """Give the scale that holds the whole range of a table's results."""
    function = activation.function
    scale = max(function.high / kind.max, function.low / kind.min if kind.signed else 0.0)
    if not power_of_two:
        return scale
    below = math.ldexp(1.0, math.frexp(scale)[1] - 1)
    # One step less than the whole range costs less than steps of twice the size: so do 127/128 for 1.
    return below if scale * kind.max - below * kind.max <= below else 2 * below


def _on_grid(value: float, fraction_bits: int) -> float:
    return math.ldexp(math.floor(math.ldexp(value, fraction_bits) + 0.5), -fraction_bits)


def _rounded_gain(gain: Tensor) -> Tensor:
    """Round to steps of which the largest gain has 2^16 at most; ones stay ones."""
    largest = float(gain.abs().max())
    if largest == 0:
        return gain
    step = math.ldexp(1.0, math.frexp(largest)[1] - _GAIN_BITS)
    return torch.floor(gain / step + 0.5) * step


def _rounded_offset(offset: Tensor, accumulator_scale: Tensor, output_scale: float) -> Tensor:
    """Round to steps no larger than the largest of the accumulators', and than 1/16 of the result's."""
    ratio = float((accumulator_scale.abs() / output_scale).max())
    needed = -math.frexp(ratio)[1] + 1 if ratio > 0 else 0
    bits = min(max(needed, _LEAST_OFFSET_BITS), _MOST_OFFSET_BITS)
    step = math.ldexp(output_scale, -bits)
    return torch.floor(offset / step + 0.5) * step
