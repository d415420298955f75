"""The float model: a graph of named layers, each with its inputs, its shapes and its effective weights.

It is what every frontend gives and what the quantizer reads. Shapes are torch's, without the batch: `(features,)` or
`(channels, height, width)`. Nothing here is trainable: what dropout, spectral norm, weight norm or batch statistics
contribute in eval mode is already contained in the numbers.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F

from gan2hls.arguments import by_name
from gan2hls.errors import raise_problems
from gan2hls.frontends.running import run_steps

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
        in_shape: shape of its input (of the first one, where there are several), without the batch.
        out_shape: shape of its output, without the batch.
        inputs: names of the layers, or inputs of the model, whose values it takes.
    """

    name: str
    in_shape: Shape
    out_shape: Shape
    inputs: tuple[str, ...]

    # The one signature that others may narrow: most layers take one tensor, joins several.
    def forward(self, *xs: Any, **_: Any) -> torch.Tensor:
        """Give the output `(batch, *out_shape)` of inputs `(batch, *in_shape)`."""
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
class PReluLayer(FloatLayer):
    """A leaky ReLU with a slope for each channel: `y = x`, where that is negative `x * slope[c]`."""

    slope: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See `FloatLayer.forward`."""
        return F.prelu(x, self.slope.to(x.dtype))


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


@dataclass(frozen=True, eq=False, kw_only=True)
class ConstantLayer(FloatLayer):
    """`value` `(*out_shape)`, the same for each sample; it reads nothing."""

    value: torch.Tensor

    def forward(self) -> torch.Tensor:
        """Give the value as a batch of one, which joins broadcast."""
        return self.value[None]


@dataclass(frozen=True, eq=False, kw_only=True)
class AddLayer(FloatLayer):
    """The sum of two or more values of one shape."""

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        """See `FloatLayer.forward`."""
        total = xs[0]
        for x in xs[1:]:
            total = total + x
        return total


@dataclass(frozen=True, eq=False, kw_only=True)
class SubLayer(FloatLayer):
    """The first value less the second one, which has the same shape."""

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        """See `FloatLayer.forward`."""
        first, second = xs
        return first - second


@dataclass(frozen=True, eq=False, kw_only=True)
class ConcatLayer(FloatLayer):
    """The channels of two or more values one after the other."""

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        """See `FloatLayer.forward`."""
        return torch.cat(xs, 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class SliceLayer(FloatLayer):
    """The channels from `start` up to, but without, `stop`."""

    start: int
    stop: int

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See `FloatLayer.forward`."""
        return x[:, self.start : self.stop]


@dataclass(frozen=True, eq=False)
class FloatModel:
    """Layers from one or several inputs to one or several outputs.

    Args:
        inputs: shape of each input, without the batch, by name.
        layers: each one behind those that it reads.
        outputs: names of the layers whose values leave the model.

    Raises:
        UserError: an input of no layer, a result that nobody uses, shapes that do not match at a join.
    """

    inputs: Mapping[str, Shape]
    layers: tuple[FloatLayer, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        raise_problems(self._problems(), "the float model is not valid:")

    def _problems(self) -> Iterator[str]:
        shapes = dict(self.inputs)
        used = {*self.outputs, *(name for layer in self.layers for name in layer.inputs)}
        for layer in self.layers:
            unknown = [name for name in layer.inputs if name not in shapes]
            yield from (f"{layer.name}: its input {name!r} is not a layer before it or an input" for name in unknown)
            if layer.name in shapes:
                yield f"{layer.name}: two layers, or a layer and an input, have this name"
            if not unknown and layer.inputs and shapes[layer.inputs[0]] != layer.in_shape:
                yield f"{layer.name}: its input has the shape {shapes[layer.inputs[0]]}; {layer.in_shape} is needed"
            if not unknown and len(layer.inputs) > 1:
                found = join_problems(type(layer), [shapes[name] for name in layer.inputs])
                yield from (f"{layer.name}: {problem}" for problem in found)
            shapes[layer.name] = layer.out_shape
            if layer.name not in used:
                yield f"{layer.name}: nobody uses its result"
        yield from (f"input {name!r}: nobody uses it" for name in self.inputs if name not in used)
        yield from (f"output {name!r}: there is no such layer" for name in self.outputs if name not in shapes)

    @property
    def input_shape(self) -> Shape:
        """Shape of the only input, without the batch."""
        (shape,) = self.inputs.values()
        return shape

    @property
    def output_shapes(self) -> dict[str, Shape]:
        """Shape of each output, without the batch, by name."""
        shapes = {**self.inputs, **{layer.name: layer.out_shape for layer in self.layers}}
        return {name: shapes[name] for name in self.outputs}

    @property
    def output_shape(self) -> Shape:
        """Shape of the only output, without the batch."""
        (shape,) = self.output_shapes.values()
        return shape

    @property
    def users(self) -> Counter[str]:
        """How many layers, and outputs, take the value of each layer and input."""
        return Counter([*self.outputs, *(name for layer in self.layers for name in layer.inputs)])

    def forward(self, x: Any) -> Any:
        """Compute the outputs in the dtype of the weights.

        Args:
            x: `(batch, *input_shape)`, or a mapping of such tensors by the names of the inputs.

        Returns:
            `(batch, *output_shape)`, or with several outputs a dictionary of such tensors by name.
        """
        found = run_steps(self.layers, by_name(x, tuple(self.inputs)), self.outputs)
        return found if len(found) > 1 else found[self.outputs[0]]

    __call__ = forward

    def to_double(self) -> "FloatModel":
        """Give the same model with its tensors in float64."""
        layers = []
        for layer in self.layers:
            doubled: dict[str, Any] = {name: value.double() for name, value in layer.tensors().items()}
            layers.append(dataclasses.replace(layer, **doubled))
        return dataclasses.replace(self, layers=tuple(layers))


def join_problems(kind: type[FloatLayer], shapes: Sequence[Shape]) -> Iterator[str]:
    """Yield what is wrong with the shapes that meet at a join."""
    listed = " and ".join(map(str, shapes))
    if issubclass(kind, ConcatLayer):
        if len({shape[1:] for shape in shapes}) > 1:
            yield f"joins the channels of {listed}; equal heights and widths are needed"
    elif len(set(shapes)) > 1:
        yield f"joins values of the shapes {listed}; equal ones are needed"


def merge_reshapes(layers: Sequence[FloatLayer], outputs: Sequence[str]) -> tuple[list[FloatLayer], tuple[str, ...]]:
    """Make one reshape of those in a row, drop those that change nothing; give the layers and outputs that are left.

    A row has the name of its first reshape, unless others read that one too.
    """
    users = Counter([*outputs, *(name for layer in layers for name in layer.inputs)])
    merged: dict[str, FloatLayer] = {}
    renamed: dict[str, str] = {}
    for layer in layers:
        own_name = layer.name
        layer = dataclasses.replace(layer, inputs=tuple(renamed.get(name, name) for name in layer.inputs))
        before = merged.get(layer.inputs[0]) if layer.inputs else None
        if isinstance(layer, ReshapeLayer) and isinstance(before, ReshapeLayer):
            users[before.name] -= 1
            alone = users[before.name] == 0
            if alone:
                del merged[before.name]
            else:
                users[before.inputs[0]] += 1
            layer = dataclasses.replace(before, name=before.name if alone else own_name, out_shape=layer.out_shape)
        if isinstance(layer, ReshapeLayer) and layer.in_shape == layer.out_shape:
            renamed[own_name] = layer.inputs[0]
            users[layer.inputs[0]] += users[own_name] - 1
            continue
        if layer.name != own_name:
            renamed[own_name] = layer.name
            users[layer.name] = users[own_name]
        merged[layer.name] = layer
    return list(merged.values()), tuple(renamed.get(name, name) for name in outputs)
