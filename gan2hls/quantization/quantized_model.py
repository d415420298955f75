"""The quantized model: integer weights, scales and types of every block, and the fake-quantized proxy."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gan2hls.errors import UserError
from gan2hls.frontends.float_model import Shape
from gan2hls.quantization.activation import Activation
from gan2hls.quantization.blocks import MacLayer, ShapeLayer, affine, from_out_rows
from gan2hls.quantization.quantizers import Format, QuantizedWeight


@dataclass(frozen=True, eq=False)
class QuantizedBlock:
    """`y = output.fake_quantize(activation(mac(x) · gain[c] + offset[c]))`.

    tanh and its like come from a table: what enters it is first quantized to the format `table`.

    Args:
        name: that of the block's first layer.
        in_shape, out_shape: in torch's order, without the batch.
        mac: geometry of the layer, its weights the real values of `weight`, without bias; None if there is none.
        weight: integer weights and their scales; None without `mac`.
        gain: (channels,) float64, what the requantizer multiplies by beside the scales.
        offset: (channels,) float64.
        activation: one that changes nothing if there is none.
        table: format of a table's input; None without a table.
        output: format of the result.
    """

    name: str
    in_shape: Shape
    out_shape: Shape
    mac: MacLayer | None
    weight: QuantizedWeight | None
    gain: Tensor
    offset: Tensor
    activation: Activation
    table: Format | None
    output: Format

    def forward(self, x: Tensor) -> Tensor:
        """Give the fake-quantized result `(batch, *out_shape)` in the dtype of `x`."""
        x = affine(self.mac, self.gain, self.offset, x)
        if self.table is not None:
            x = self.table.fake_quantize(x)
        return self.output.fake_quantize(self.activation.forward(x))


QuantizedStep = QuantizedBlock | ShapeLayer


@dataclass(frozen=True, eq=False)
class QuantizedModel:
    """A chain of quantized blocks, reshapes and upsamplings.

    Args:
        input_shape: in torch's order, without the batch.
        input: format of the input.
        steps: in order.
    """

    input_shape: Shape
    input: Format
    steps: tuple[QuantizedStep, ...]

    @property
    def blocks(self) -> tuple[QuantizedBlock, ...]:
        """The steps that quantize."""
        return tuple(step for step in self.steps if isinstance(step, QuantizedBlock))

    @property
    def output_shape(self) -> Shape:
        """In torch's order, without the batch."""
        return self.steps[-1].out_shape

    @property
    def output(self) -> Format:
        """Format of the result."""
        return self.blocks[-1].output

    def block(self, name: str) -> QuantizedBlock:
        """Give the block of this name."""
        for block in self.blocks:
            if block.name == name:
                return block
        raise UserError(f"no block {name!r}; there are {', '.join(block.name for block in self.blocks)}")

    def forward(self, x: Tensor) -> Tensor:
        """Run the fake-quantized proxy of the hardware.

        Args:
            x: `(batch, *input_shape)`, real values. In float64 the proxy rounds as integers do wherever scales are
                powers of two; in float32 rounding errors may move a value by a step.

        Returns:
            `(batch, *output_shape)`, real values on the steps of the last format, in the dtype of `x`.
        """
        x = self.input.fake_quantize(x)
        for step in self.steps:
            x = step.forward(x)
        return x

    __call__ = forward


def real_mac(mac: MacLayer, weight: QuantizedWeight) -> MacLayer:
    """Give the layer with the real values of its quantized weights, float64, without bias."""
    return replace(mac, weight=from_out_rows(mac, weight.reals), bias=None)


def check_samples(samples: Tensor, input_shape: Shape, what: str) -> None:
    """Raise a `UserError` if samples are empty, of a wrong shape, or not finite."""
    expected = f"(n, {', '.join(map(str, input_shape))})"
    if samples.ndim != len(input_shape) + 1 or tuple(samples.shape[1:]) != tuple(input_shape):
        raise UserError(f"{what} have the shape {tuple(samples.shape)}; {expected} is needed")
    if not len(samples):
        raise UserError(f"{what} are empty; give at least one sample of shape {tuple(input_shape)}")
    if not bool(torch.isfinite(samples).all()):
        raise UserError(f"{what} contain NaN or infinite values")
