"""The float model: a chain of named layers, each with its shapes and its effective weights.

It is what every frontend gives and what the quantizer reads. Shapes are torch's, without the batch: `(features,)` or
`(channels, height, width)`. Nothing here is trainable: what dropout, spectral norm, weight norm or batch statistics
contribute in eval mode is already contained in the numbers.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F

Shape = tuple[int, ...]
Pair = tuple[int, int]

ACTIVATIONS: Mapping[str, Callable[..., torch.Tensor]] = {
    "relu": torch.relu,
    "leaky_relu": lambda x, slope: F.leaky_relu(x, slope),
    "clamp": lambda x, low, high: torch.clamp(x, low, high),
    "hardsigmoid": lambda x: torch.clamp(x * (1 / 6) + 0.5, 0.0, 1.0),
    "affine": lambda x, scale, offset: x * scale + offset,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "elu": lambda x, alpha: F.elu(x, alpha),
    "selu": torch.selu,
    "celu": lambda x, alpha: F.celu(x, alpha),
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "softplus": lambda x, beta, threshold: F.softplus(x, beta, threshold),
    "hardswish": lambda x: x * torch.clamp(x + 3.0, 0.0, 6.0) / 6.0,
    "log_sigmoid": F.logsigmoid,
    "softsign": F.softsign,
    "mish": F.mish,
    "tanhshrink": F.tanhshrink,
}
"""Activations of tensors by kind, as `gan2hls.activations` has them of numbers."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatLayer:
    """One layer.

    Args:
        name: the module's qualified name ("net.0"), or the name of the traced function ("relu_1"); unique in a model.
        in_shape: shape of its input, without the batch.
        out_shape: shape of its output, without the batch.
    """

    name: str
    in_shape: Shape
    out_shape: Shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the output `(batch, *out_shape)` of an input `(batch, *in_shape)`."""
        raise AssertionError(f"{type(self).__name__} has no forward")

    def tensors(self) -> dict[str, torch.Tensor]:
        """Give the layer's tensors by field name."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}


@dataclass(frozen=True, eq=False, kw_only=True)
class LinearLayer(FloatLayer):
    """`y = x @ weight.T + bias`, weight `(out_features, in_features)`."""

    weight: torch.Tensor
    bias: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See `FloatLayer.forward`."""
        return F.linear(x, self.weight, self.bias)


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv2dLayer(FloatLayer):
    """A convolution with zeros around the image, weight `(out_channels, in_channels, kernel_height, kernel_width)`.

    Args:
        stride: (height, width).
        padding: rows above and below, columns left and right.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None = None
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See `FloatLayer.forward`."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


@dataclass(frozen=True, eq=False, kw_only=True)
class ConvTranspose2dLayer(FloatLayer):
    """A transposed convolution, weight `(in_channels, out_channels, kernel_height, kernel_width)`.

    Args:
        stride: (height, width).
        padding: rows cut off above and below, columns cut off left and right.
        output_padding: rows computed in addition below, columns in addition at the right.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None = None
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    output_padding: Pair = (0, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See `FloatLayer.forward`."""
        return F.conv_transpose2d(x, self.weight, self.bias, self.stride, self.padding, self.output_padding)


@dataclass(frozen=True, eq=False, kw_only=True)
class AffineLayer(FloatLayer):
    """`y = x * scale[c] + offset[c]`: batch-norm in eval mode, or arithmetic with constants.

    `scale` and `offset` are float64 whatever the model's dtype is: a batch-norm's come from a square root and a
    quotient, and all get folded into weights later, so they should not be rounded twice.
    """

    scale: torch.Tensor
    offset: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See `FloatLayer.forward`."""
        ones = (1,) * (x.ndim - 2)
        return x * self.scale.to(x.dtype).view(-1, *ones) + self.offset.to(x.dtype).view(-1, *ones)


@dataclass(frozen=True, eq=False, kw_only=True)
class ActivationLayer(FloatLayer):
    """An activation: one of `ACTIVATIONS`, with its parameters by name, such as leaky_relu's `slope`."""

    kind: str
    parameters: Mapping[str, float] = field(default_factory=dict)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See `FloatLayer.forward`."""
        return ACTIVATIONS[self.kind](x, **self.parameters)


@dataclass(frozen=True, eq=False, kw_only=True)
class UpsampleLayer(FloatLayer):
    """Nearest-neighbour upsampling: each pixel becomes `factor[0]` rows of `factor[1]` pixels."""

    factor: Pair

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See `FloatLayer.forward`."""
        return x.repeat_interleave(self.factor[0], 2).repeat_interleave(self.factor[1], 3)


@dataclass(frozen=True, eq=False, kw_only=True)
class ReshapeLayer(FloatLayer):
    """The same elements, in torch's order (channel, row, column), under another shape."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See `FloatLayer.forward`."""
        return x.reshape(x.shape[0], *self.out_shape)


@dataclass(frozen=True, eq=False)
class FloatModel:
    """A chain of layers.

    Args:
        input_shape: shape of the input, without the batch.
        layers: in order; each one's `in_shape` is the `out_shape` of the one before.
    """

    input_shape: Shape
    layers: tuple[FloatLayer, ...]

    @property
    def output_shape(self) -> Shape:
        """Shape of the output, without the batch."""
        return self.layers[-1].out_shape if self.layers else self.input_shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the output `(batch, *output_shape)` of an input `(batch, *input_shape)` in the dtype of the weights."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    __call__ = forward

    def to_double(self) -> "FloatModel":
        """Give the same model with its tensors in float64."""
        layers = []
        for layer in self.layers:
            doubled: dict[str, Any] = {name: value.double() for name, value in layer.tensors().items()}
            layers.append(dataclasses.replace(layer, **doubled))
        return FloatModel(self.input_shape, tuple(layers))


def merge_reshapes(layers: list[FloatLayer]) -> list[FloatLayer]:
    """Make one reshape of neighbouring ones (under the name of the first) and drop those that change nothing."""
    merged: list[FloatLayer] = []
    for layer in layers:
        if isinstance(layer, ReshapeLayer) and merged and isinstance(merged[-1], ReshapeLayer):
            before = merged.pop()
            layer = ReshapeLayer(name=before.name, in_shape=before.in_shape, out_shape=layer.out_shape)
        if isinstance(layer, ReshapeLayer) and layer.in_shape == layer.out_shape:
            continue
        merged.append(layer)
    return merged
