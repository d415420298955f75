"""The quantized model: integer weights, scales and types of every block, and the fake-quantized proxy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gan2hls.arguments import by_name
from gan2hls.errors import UserError, raise_problems
from gan2hls.frontends.float_model import Shape
from gan2hls.frontends.running import run_steps
from gan2hls.quantization.activation import Activation
from gan2hls.quantization.blocks import MacLayer, MoveLayer, WideLayer, affine, from_out_rows
from gan2hls.quantization.quantizers import Format, QuantizedWeight
from gan2hls.quantization.scale_groups import GroupChoice


@dataclass(frozen=True, eq=False)
class QuantizedBlock:
    """`y = output.fake_quantize(activation(wide(x...) · gain[c] + offset[c]))`.

    tanh and its like come from a table: what enters it is first quantized to the format `table`.

    Args:
        name: that of the block's first layer.
        inputs: names of the steps, or inputs of the model, that it reads; a sum's have one format.
        in_shape, out_shape: in torch's order, without the batch.
        wide: a layer with the real values of `weight`, without bias, or a sum; None if there is none.
        weight: integer weights and their scales; None without a layer that has any.
        gain: (channels,) float64, what the requantizer multiplies by beside the scales.
        offset: (channels,) float64.
        activation: one that changes nothing if there is none.
        table: format of a table's input; None without a table.
        output: format of the result.
    """

    name: str
    inputs: tuple[str, ...]
    in_shape: Shape
    out_shape: Shape
    wide: WideLayer | None
    weight: QuantizedWeight | None
    gain: Tensor
    offset: Tensor
    activation: Activation
    table: Format | None
    output: Format

    @property
    def mac(self) -> MacLayer | None:
        """The layer with weights, None if there is none."""
        return self.wide if isinstance(self.wide, MacLayer) else None

    def forward(self, *xs: Tensor) -> Tensor:
        """Give the fake-quantized result `(batch, *out_shape)` in the dtype of `xs`."""
        x = affine(self.wide, self.gain, self.offset, *xs)
        if self.table is not None:
            x = self.table.fake_quantize(x)
        return self.output.fake_quantize(self.activation.forward(x))


QuantizedStep = QuantizedBlock | MoveLayer


@dataclass(frozen=True, eq=False)
class QuantizedModel:
    """Quantized blocks and what moves values between them.

    Args:
        inputs: shape of each input in torch's order, without the batch, by name.
        input_formats: format of each input by name.
        steps: each one behind those that it reads.
        outputs: names of the steps whose values leave the model.
        groups: how each group of values that needs one scale got it, see `scale_groups`.
    """

    inputs: Mapping[str, Shape]
    input_formats: Mapping[str, Format]
    steps: tuple[QuantizedStep, ...]
    outputs: tuple[str, ...]
    groups: tuple[GroupChoice, ...] = ()

    @property
    def blocks(self) -> tuple[QuantizedBlock, ...]:
        """The steps that quantize."""
        return tuple(step for step in self.steps if isinstance(step, QuantizedBlock))

    @property
    def formats(self) -> dict[str, Format]:
        """Format of the value of each input and step, by name."""
        formats = dict(self.input_formats)
        for step in self.steps:
            formats[step.name] = step.output if isinstance(step, QuantizedBlock) else formats[step.inputs[0]]
        return formats

    @property
    def input_shape(self) -> Shape:
        """Of the only input, in torch's order, without the batch."""
        (shape,) = self.inputs.values()
        return shape

    @property
    def input(self) -> Format:
        """Format of the only input."""
        (format_,) = self.input_formats.values()
        return format_

    @property
    def output_shapes(self) -> tuple[Shape, ...]:
        """Of the outputs, in torch's order, without the batch."""
        shapes = {**self.inputs, **{step.name: step.out_shape for step in self.steps}}
        return tuple(shapes[name] for name in self.outputs)

    @property
    def output_shape(self) -> Shape:
        """Of the only output, in torch's order, without the batch."""
        (shape,) = self.output_shapes
        return shape

    @property
    def output(self) -> Format:
        """Format of the only output."""
        (name,) = self.outputs
        return self.formats[name]

    def block(self, name: str) -> QuantizedBlock:
        """Give the block of this name."""
        for block in self.blocks:
            if block.name == name:
                return block
        raise UserError(f"no block {name!r}; there are {', '.join(block.name for block in self.blocks)}")

    def forward(self, x: Any) -> Any:
        """Run the fake-quantized proxy of the hardware.

        Args:
            x: `(batch, *input_shape)`, real values, or a mapping of such tensors by the names of the inputs. In float64
                the proxy rounds as integers do wherever scales are powers of two; in float32 rounding errors may move a
                value by a step.

        Returns:
            `(batch, *output_shape)`, real values on the steps of the last format, in the dtype of `x`; with several
            outputs a dictionary of such tensors by name.
        """
        values = by_name(x, tuple(self.inputs))
        quantized = {name: self.input_formats[name].fake_quantize(value) for name, value in values.items()}
        found = run_steps(self.steps, quantized, self.outputs)
        return found if len(found) > 1 else found[self.outputs[0]]

    __call__ = forward


def real_mac(mac: MacLayer, weight: QuantizedWeight) -> MacLayer:
    """Give the layer with the real values of its quantized weights, float64, without bias."""
    return replace(mac, weight=from_out_rows(mac, weight.reals), bias=None)


def check_samples(samples: Any, inputs: Mapping[str, Shape], what: str) -> dict[str, Tensor]:
    """Give samples by the names of the inputs, once they are found to be usable.

    Args:
        samples: (n, *shape) for the only input, or a mapping of such arrays by name.
        inputs: shape of each input by name.
        what: how messages call them.

    Raises:
        UserError: missing or unknown names; samples that are empty, of a wrong shape, of different numbers, or not
            finite.
    """
    given = {name: torch.as_tensor(values).detach() for name, values in by_name(samples, tuple(inputs), what).items()}
    problems = []
    for name, values in given.items():
        shape = tuple(inputs[name])
        who = what if len(inputs) == 1 else f"{what} of {name!r}"
        expected = f"(n, {', '.join(map(str, shape))})"
        if values.ndim != len(shape) + 1 or tuple(values.shape[1:]) != shape:
            problems.append(f"{who} have the shape {tuple(values.shape)}; {expected} is needed")
        elif not len(values):
            problems.append(f"{who} are empty; give at least one sample of shape {shape}")
        elif not bool(torch.isfinite(values).all()):
            problems.append(f"{who} contain NaN or infinite values")
    if not problems and len({len(values) for values in given.values()}) > 1:
        counts = ", ".join(f"{len(values)} of {name!r}" for name, values in given.items())
        problems.append(f"{what} differ in number: {counts}")
    raise_problems(problems, f"{what} can not be used:")
    return given
