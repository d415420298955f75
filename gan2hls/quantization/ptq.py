"""Post-training quantization: calibrate on samples, choose formats, quantize weights, correct offsets."""

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from gan2hls.errors import UserError, raise_problems
from gan2hls.frontends.float_model import FloatModel
from gan2hls.ir import IntType
from gan2hls.quantization.activation import Activation
from gan2hls.quantization.blocks import Block, Step, affine, make_blocks, out_rows
from gan2hls.quantization.config import LayerConfig, QuantizeConfig
from gan2hls.quantization.measure import Measurement
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

_NEAR = (0.6, 0.72, 0.85, 1.0, 1.18, 1.4)
"""Around the magnitude that is best for a tensor alone: what is best for the output is seldom far from it."""
_NEARLY = 1.05
"""Errors this near to each other are equal: the wider format is the safer one for samples that were not seen."""
_FINER, _FINER_STEPS = 0.94, 40
"""Of the magnitudes among which that is looked for; the last one is 1/11 of the largest."""


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
    with torch.no_grad():
        return _Quantizer(config, observed, Measurement(steps, samples), last=blocks[-1].name).run(model, steps)


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

    def magnitudes(self, config: QuantizeConfig, kind: IntType) -> list[float]:
        """Give the magnitudes that a format may be made to hold: one, or with "auto" all that are tried."""
        largest = max(-self.lowest, self.highest) if kind.signed else self.highest
        if config.method == "minmax":
            return [largest]
        values = self.samples.abs() if kind.signed else self.samples.clamp(min=0)
        percentile = float(np.percentile(values.numpy(), config.percentile))
        if config.method == "percentile":
            return [percentile]
        nearest = _least_error_magnitude(values, largest, kind)
        return [largest, percentile, *(min(largest, nearest * factor) for factor in _NEAR)]


def _least_error_magnitude(values: Tensor, largest: float, kind: IntType) -> float:
    """Give the magnitude with which the format has the least squared error of the values alone."""
    if largest <= 0:
        return largest
    kept = values[:: max(1, len(values) // KEPT_VALUES)]
    tried = [largest * _FINER**i for i in range(_FINER_STEPS)]
    formats = [Format(kind, magnitude / kind.max) for magnitude in tried]
    errors = [float(torch.square(format_.fake_quantize(kept) - kept).sum()) for format_ in formats]
    return tried[errors.index(min(errors))]


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

    def __init__(
        self, config: QuantizeConfig, observed: dict[str, _Observer], measured: Measurement, last: str
    ) -> None:
        self.config, self.observed, self.measured, self.last = config, observed, measured, last
        self.power_of_two = config.scales == "power_of_two"

    def run(self, model: FloatModel, steps: Sequence[Step]) -> QuantizedModel:
        input_format = self._input_format()
        self.measured.take_input(input_format)
        result: list[QuantizedStep] = []
        incoming = input_format
        for step in steps:
            if isinstance(step, Block):
                block = self._block(step, incoming)
                incoming = block.output
                result.append(block)
            else:
                result.append(step)
            self.measured.take(result[-1])
        return QuantizedModel(model.input_shape, input_format, tuple(result))

    def _input_format(self) -> Format:
        config = self.config
        kind = IntType(config.first_bits, config.input_signed)
        if config.input_scale is not None:
            return Format(kind, config.input_scale)
        return self._best(kind, self.observed[""], math.inf, self.measured.input_error)

    def _best(self, kind: IntType, observer: _Observer, limit: float, error: Callable[[Format], float]) -> Format:
        """Give the format of this type with the least error, or a wider one that is nearly as good.

        `limit` bounds the magnitudes that it is made for.
        """
        magnitudes = [min(largest, limit) for largest in observer.magnitudes(self.config, kind)]
        formats = []
        for largest in magnitudes:
            samples = observer.samples if limit == math.inf else observer.samples.clamp(-largest, largest)
            formats.append(activation_format(samples, largest, kind, self.power_of_two))
        tried = sorted(set(formats), key=lambda choice: -choice.scale)
        if len(tried) == 1:
            return tried[0]
        errors = [error(choice) for choice in tried]
        return next(choice for choice, found in zip(tried, errors, strict=True) if found <= min(errors) * _NEARLY)

    def _block(self, block: Block, incoming: Format) -> QuantizedBlock:
        layer = self.config.layers.get(block.name, LayerConfig())
        activation = block.activation
        if self.power_of_two and activation.slope is not None:
            activation = replace(activation, slope=_on_grid(activation.slope, _SLOPE_BITS))
        weight, gain = self._weight(block, layer, activation.slope is not None)
        if self.power_of_two:
            gain = _rounded_gain(gain)
        mac = None if block.mac is None or weight is None else real_mac(block.mac, weight)
        offset, corrected = block.offset, self._is_corrected(layer)
        if corrected:
            offset = offset + self.measured.shift(block, mac, gain, offset)
        table, output = self._formats(block, layer, affine(mac, gain, offset, self.measured.quantized))
        scale = incoming.scale * (weight.scale if weight is not None else torch.ones_like(gain))

        def rounded(offset: Tensor) -> Tensor:
            return _rounded_offset(offset, scale * gain, (table or output).scale) if self.power_of_two else offset

        made = QuantizedBlock(
            name=block.name,
            in_shape=block.in_shape,
            out_shape=block.out_shape,
            mac=mac,
            weight=weight,
            gain=gain,
            offset=rounded(offset),
            activation=activation,
            table=table,
            output=output,
        )
        if not corrected:
            return made
        # The correction is of what enters the formats; where these are coarse, rounding may undo it.
        return min(made, replace(made, offset=rounded(block.offset)), key=self.measured.block_error)

    def _is_corrected(self, layer: LayerConfig) -> bool:
        given = (layer.weight_scale, layer.activation_scale, layer.table_scale)
        return self.config.bias_correction and all(scale is None for scale in given)

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
        quantizer = WEIGHT_QUANTIZERS[layer.weight_quantizer or config.weight_quantizer]
        # A channel of zeros stays one, also where no code stands for zero, as with one bit.
        gain = torch.where((rows == 0).all(1), 0.0, gain)
        request = WeightRequest(
            bits=config.weight_bits if layer.weight_bits is None else layer.weight_bits,
            per_channel=(layer.granularity or config.granularity) == "channel",
            power_of_two=self.power_of_two,
            scale=layer.weight_scale,
            spread_bits=16 - leaky * _SLOPE_BITS,
            error=self.measured.weight_error(block, gain, block.offset, self._is_corrected(layer)),
        )
        return quantizer(rows, request), gain

    def _formats(self, block: Block, layer: LayerConfig, before: Tensor) -> tuple[Format | None, Format]:
        """Choose the formats of a table's input (or None) and of the result; `before` enters the activation."""
        config, activation = self.config, block.activation
        bits = layer.activation_bits
        if bits is None:
            bits = config.output_bits if block.name == self.last else config.activation_bits
        result = IntType(bits, activation.signed if layer.signed is None else layer.signed)
        output_observer = self.observed[_result(block.name) if activation.has_table else block.name]
        if layer.activation_scale is not None:
            output = Format(result, layer.activation_scale)
        elif activation.fixed_range:
            output = Format(result, _fixed_scale(activation, result, self.power_of_two))
        else:
            error = partial(self.measured.output_error, block.activate(before), lambda x: x)
            output = self._best(result, output_observer, math.inf, error)
        if not activation.has_table:
            return None, output
        table_type = IntType(config.table_bits if layer.table_bits is None else layer.table_bits, True)
        if layer.table_scale is not None:
            return Format(table_type, layer.table_scale), output
        observer = self.observed[block.name]
        ends = [activation.flat_beyond(end, output.scale) for end in (observer.lowest, observer.highest)]
        error = partial(self.measured.output_error, before, block.activate)
        return self._best(table_type, observer, max(map(abs, ends)), error), output


def _fixed_scale(activation: Activation, kind: IntType, power_of_two: bool) -> float:
    """Give the scale that holds the whole range of a table's results."""
    function = activation.function
    scale = max(function.high / kind.max, function.low / kind.min if kind.signed else 0.0)
    if scale <= 0:
        return 1.0  # all results are 0, as those of relu(tanh(x) - 1)
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
