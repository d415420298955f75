"""Post-training quantization: calibrate on samples, choose formats, quantize weights, correct offsets."""

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gan2hls.errors import UserError, raise_problems
from gan2hls.frontends.float_model import FloatModel
from gan2hls.ir import IntType
from gan2hls.quantization.blocks import Block, affine, make_blocks, out_rows
from gan2hls.quantization.branching import choose_branches
from gan2hls.quantization.config import LayerConfig, QuantizeConfig
from gan2hls.quantization.formats import Formats
from gan2hls.quantization.measure import Measurement
from gan2hls.quantization.observe import Observer, calibrate
from gan2hls.quantization.quantized_model import (
    QuantizedBlock,
    QuantizedModel,
    QuantizedStep,
    check_samples,
    real_mac,
)
from gan2hls.quantization.quantizers import WEIGHT_QUANTIZERS, Format, QuantizedWeight, WeightRequest

# In power-of-two mode everything that the requantizer multiplies and adds is rounded here to a grid of powers of two,
# coarse enough for its 18-bit numbers, so that hardware does exactly what the proxy does.
_SLOPE_BITS = 10
_GAIN_BITS = 16
_LEAST_OFFSET_BITS = 4
_MOST_OFFSET_BITS = 20


def quantize_float_model(model: FloatModel, calibration: Any, config: QuantizeConfig | None = None) -> QuantizedModel:
    """Quantize a model after training.

    Args:
        model: the float model.
        calibration: (n, *input_shape) samples of the input, or a mapping of such by the names of the inputs; a few
            hundred are plenty.
        config: bit widths and methods.

    Raises:
        UserError: calibration samples that can not be used; a layer name in the configuration that does not exist;
            different scales given to values that are added or concatenated.
    """
    config = config or QuantizeConfig()
    given = check_samples(calibration, model.inputs, "calibration samples")
    samples = {name: values.float() for name, values in given.items()}
    check_layer_names(quantized_blocks(model), config)
    steps = make_blocks(model)
    observed = calibrate(steps, samples)
    with torch.no_grad():
        measured = Measurement(steps, samples)
        steps, groups = choose_branches(config, steps, observed, measured)
        measured.start(steps)
        return replace(_Quantizer(config, Formats(config, steps, observed), measured).run(), groups=groups)


def quantized_blocks(model: FloatModel) -> tuple[Block, ...]:
    """What is quantized, by the names that a configuration's `layers` uses.

    Raises:
        UserError: nothing is.
    """
    blocks = make_blocks(model).blocks
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


class _Quantizer:
    """Makes the quantized block of each block."""

    def __init__(self, config: QuantizeConfig, formats: Formats, measured: Measurement) -> None:
        self.config, self.formats, self.measured = config, formats, measured
        self.power_of_two = formats.power_of_two
        # Of a group's first source, what all of it has.
        self._chosen: dict[str, Format] = {}

    def run(self) -> QuantizedModel:
        steps, made = self.formats.steps, []
        formats: dict[str, Format] = {}
        for name in steps.inputs:
            formats[name] = self._input_format(name)
            self.measured.take_input(name, formats[name])
        inputs = dict(formats)
        for step in steps.steps:
            if isinstance(step, Block):
                block = self._block(step, formats[step.inputs[0]]) if step.inputs else self._constant(step)
                formats[step.name] = block.output
                quantized: QuantizedStep = block
            else:
                formats[step.name], quantized = formats[step.inputs[0]], step
            made.append(quantized)
            self.measured.take(quantized)
        return QuantizedModel(dict(steps.inputs), inputs, tuple(made), steps.outputs)

    def _group_format(self, source: str, error: Callable[..., float]) -> Format:
        """Give the format of the group of a source, chosen when its first one is quantized.

        `error` takes a format, and `also`, the names of the others that will have it.
        """
        sources = self.formats.groups.of[source]
        if sources[0] not in self._chosen:
            also = tuple(name for name in sources if name != source)
            self._chosen[sources[0]] = self.formats.choose(sources, partial(error, also=also))
        return self._chosen[sources[0]]

    def _constant(self, block: Block) -> QuantizedBlock:
        output = self._group_format(block.name, partial(self.measured.output_error, block.forward(), lambda x: x))
        return QuantizedBlock(
            name=block.name,
            inputs=(),
            in_shape=block.in_shape,
            out_shape=block.out_shape,
            wide=block.wide,
            weight=None,
            gain=block.gain,
            offset=block.offset,
            activation=block.activation,
            table=None,
            output=output,
        )

    def _input_format(self, name: str) -> Format:
        return self._group_format(name, partial(self.measured.input_error, name))

    def _block(self, block: Block, incoming: Format) -> QuantizedBlock:
        layer = self.config.layers.get(block.name, LayerConfig())
        activation = block.activation
        if self.power_of_two and activation.slope is not None:
            slopes = tuple(_on_grid(slope, _SLOPE_BITS) for slope in activation.slopes)
            activation = replace(activation, slope=slopes if isinstance(activation.slope, tuple) else slopes[0])
        weight, gain = self._weight(block, layer, activation.slope is not None)
        if self.power_of_two:
            gain = _rounded_gain(gain)
        wide = block.wide if block.mac is None or weight is None else real_mac(block.mac, weight)
        offset, corrected = block.offset, self._is_corrected(layer)
        if corrected:
            offset = offset + self.measured.shift(block, wide, gain, offset)
        table, output = self._formats(block, layer, affine(wide, gain, offset, *self.measured.entering(block)))
        scale = incoming.scale * (weight.scale if weight is not None else torch.ones_like(gain))

        def rounded(offset: Tensor) -> Tensor:
            return _rounded_offset(offset, scale * gain, (table or output).scale) if self.power_of_two else offset

        made = QuantizedBlock(
            name=block.name,
            inputs=block.inputs,
            in_shape=block.in_shape,
            out_shape=block.out_shape,
            wide=wide,
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
        output = self._group_format(
            block.name, partial(self.measured.output_error, block.activate(before), lambda x: x)
        )
        if not activation.has_table:
            return None, output
        table_type = IntType(config.table_bits if layer.table_bits is None else layer.table_bits, True)
        if layer.table_scale is not None:
            return Format(table_type, layer.table_scale), output
        observer: Observer = self.formats.observed[block.name]
        ends = [activation.flat_beyond(end, output.scale) for end in (observer.lowest, observer.highest)]
        error = partial(self.measured.output_error, before, block.activate)
        return self.formats.best(table_type, observer, max(map(abs, ends)), error), output


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
