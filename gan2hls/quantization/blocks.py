"""Blocks: what becomes one requantization, so one point where values are quantized.

A block is a layer that computes wide values (it multiplies and accumulates, or adds branches) with the batch-norms, the
arithmetic with constants and the activations behind it, as far as one requantizer, or one table behind it, does them
all. They reach it through reshapes and upsampling, with which they commute, and only where nobody else reads what lies
between. What finds no such layer becomes a block of its own.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gan2hls.frontends.float_model import (
    ActivationLayer,
    AddLayer,
    AffineLayer,
    ConcatLayer,
    ConstantLayer,
    Conv2dLayer,
    ConvTranspose2dLayer,
    FloatLayer,
    FloatModel,
    LinearLayer,
    PReluLayer,
    ReshapeLayer,
    Shape,
    SliceLayer,
    SubLayer,
    UpsampleLayer,
)
from gan2hls.quantization.activation import (
    NO_ACTIVATION,
    Activation,
    moved_before,
    with_function,
    with_scalar_affine,
    with_slope,
)

MacLayer = LinearLayer | Conv2dLayer | ConvTranspose2dLayer
SumLayer = AddLayer | SubLayer
WideLayer = MacLayer | SumLayer | ConstantLayer
"""What a block may begin with."""
ShapeLayer = ReshapeLayer | UpsampleLayer
MoveLayer = ShapeLayer | SliceLayer | ConcatLayer
"""What only moves values, and so keeps their format."""
Joined = AffineLayer | ActivationLayer | PReluLayer
"""What a block takes in behind its first layer."""


@dataclass(frozen=True, eq=False)
class Block:
    """`y = activation(wide(x...) · gain[c] + offset[c])`, without `wide` of the input itself.

    Args:
        name: that of its first layer.
        members: names of all its layers.
        inputs: names of the steps, or inputs of the model, that it reads.
        in_shape, out_shape: in torch's order, without the batch.
        wide: the layer that multiplies and accumulates, without its bias, or that adds or subtracts, or a constant;
            None if the block only scales and activates.
        gain: (channels,) float64.
        offset: (channels,) float64, the bias contained.
        activation: one that changes nothing if there is none.
    """

    name: str
    members: tuple[str, ...]
    inputs: tuple[str, ...]
    in_shape: Shape
    out_shape: Shape
    wide: WideLayer | None
    gain: Tensor
    offset: Tensor
    activation: Activation = NO_ACTIVATION

    @property
    def mac(self) -> MacLayer | None:
        """The layer with weights, None if there is none."""
        return self.wide if isinstance(self.wide, MacLayer) else None

    @property
    def sums(self) -> bool:
        """Whether it adds or subtracts branches, which then need one format."""
        return isinstance(self.wide, SumLayer)

    @property
    def only_adds(self) -> bool:
        """Whether it adds branches and does nothing else."""
        return isinstance(self.wide, AddLayer) and self._is_plain

    @property
    def is_branch(self) -> bool:
        """Whether it does nothing but quantize."""
        return self.wide is None and self._is_plain

    @property
    def _is_plain(self) -> bool:
        return self.activation.is_none and bool((self.gain == 1).all()) and bool((self.offset == 0).all())

    def before_activation(self, *xs: Tensor) -> Tensor:
        """Give `wide(x...) · gain + offset` in the dtype of `xs`."""
        return affine(self.wide, self.gain, self.offset, *xs)

    def activate(self, x: Tensor) -> Tensor:
        """Apply the activation."""
        return self.activation.forward(x)

    def forward(self, *xs: Tensor) -> Tensor:
        """Give the result `(batch, *out_shape)`."""
        return self.activate(self.before_activation(*xs))


Step = Block | MoveLayer


def affine(wide: WideLayer | None, gain: Tensor, offset: Tensor, *xs: Tensor) -> Tensor:
    """Give `wide(x...) · gain[c] + offset[c]` in the dtype of `xs`."""
    if isinstance(wide, MacLayer):
        x = replace(wide, weight=wide.weight.to(xs[0].dtype)).forward(xs[0])
    else:
        x = xs[0] if wide is None else wide.forward(*xs)
    ones = (1,) * (x.ndim - 2)
    return x * gain.to(x.dtype).view(-1, *ones) + offset.to(x.dtype).view(-1, *ones)


def out_rows(mac: MacLayer, weight: Tensor) -> Tensor:
    """View a layer's weights as (output channels, weights of a channel)."""
    if isinstance(mac, ConvTranspose2dLayer):
        weight = weight.transpose(0, 1)
    return weight.reshape(weight.shape[0], -1)


def from_out_rows(mac: MacLayer, rows: Tensor) -> Tensor:
    """Give weights in the layer's own layout from `out_rows`."""
    if isinstance(mac, ConvTranspose2dLayer):
        inputs, outputs, *kernel = mac.weight.shape
        return rows.reshape(outputs, inputs, *kernel).transpose(0, 1)
    return rows.reshape(mac.weight.shape)


@dataclass(frozen=True, eq=False)
class Steps:
    """The blocks of a model and what moves values between them.

    Args:
        inputs: shape of each input by name.
        steps: each one behind those that it reads.
        outputs: names of the steps (or inputs) whose values leave the model, in the model's order.
    """

    inputs: dict[str, Shape]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The steps that quantize."""
        return tuple(step for step in self.steps if isinstance(step, Block))

    @property
    def users(self) -> Counter[str]:
        """How many steps, and outputs, take the value of each step and input."""
        return Counter([*self.outputs, *(name for step in self.steps for name in step.inputs)])


def make_blocks(model: FloatModel) -> Steps:
    """Group the layers of a model into blocks and the layers between them that only move values."""
    grouping = _Grouping(model)
    for layer in model.layers:
        grouping.take(layer)
    return grouping.result()


class _Grouping:
    """Steps by name, each at the place of its first layer."""

    def __init__(self, model: FloatModel) -> None:
        self.model, self.users = model, model.users
        self.steps: dict[str, Step] = {}
        # By layer or input: the step that gives its value. By step: the last layer that it holds.
        self.step_of = {name: name for name in model.inputs}
        self.last_layer = {name: name for name in model.inputs}

    def take(self, layer: FloatLayer) -> None:
        inputs = tuple(self.step_of[name] for name in layer.inputs)
        if isinstance(layer, Joined):
            if not self._joined(layer, inputs[0]):
                self._add(layer, replace(_new_block(layer), inputs=inputs))
        elif isinstance(layer, MoveLayer):
            self._add(layer, replace(layer, inputs=inputs))
        else:
            self._add(layer, self._wide_block(layer, inputs))

    def result(self) -> Steps:
        outputs = tuple(self.step_of[name] for name in self.model.outputs)
        return Steps(dict(self.model.inputs), tuple(self.steps.values()), outputs)

    def _add(self, layer: FloatLayer, step: Step) -> None:
        self.steps[step.name] = step
        self.step_of[layer.name], self.last_layer[step.name] = step.name, layer.name

    def _read_once(self, step: str) -> bool:
        return self.users[self.last_layer[step]] == 1

    def _wide_block(self, layer: FloatLayer, inputs: tuple[str, ...]) -> Block:
        """Make a block; a sum takes in sums that nobody else reads."""
        block = replace(_new_block(layer), inputs=inputs)
        if not isinstance(layer, AddLayer):
            return block
        members, taken = list(block.members), list(inputs)
        for name in inputs:
            before = self.steps.get(name)
            alone = isinstance(before, Block) and before.only_adds and self._read_once(name)
            if isinstance(before, Block) and alone and not {*before.inputs} & {*taken}:
                del self.steps[name]
                at = taken.index(name)
                taken[at : at + 1] = before.inputs
                members += before.members
        return replace(block, members=tuple(members), inputs=tuple(taken))

    def _joined(self, layer: Joined, before: str) -> bool:
        """Put arithmetic or an activation into the block before it, if that computes the same for all who read it."""
        between: list[ShapeLayer] = []
        step = self.steps.get(before)
        while step is not None and self._read_once(step.name):
            if isinstance(step, Block):
                changed = _with_layer(step, layer, between)
                if changed is not None:
                    self.steps[step.name] = changed
                    # The value behind what lies between is now that of the layer.
                    self.step_of[layer.name], self.last_layer[before] = before, layer.name
                return changed is not None
            if not isinstance(step, ShapeLayer):
                return False
            between.insert(0, step)
            step = self.steps.get(step.inputs[0])
        return False


def _new_block(layer: FloatLayer) -> Block:
    wide: WideLayer | None
    if isinstance(layer, MacLayer):
        channels, wide = layer.out_shape[0], replace(layer, bias=None)
        offset = torch.zeros(channels, dtype=torch.float64) if layer.bias is None else layer.bias.double()
    else:
        channels, wide = layer.in_shape[0], layer if isinstance(layer, SumLayer | ConstantLayer) else None
        offset = torch.zeros(channels, dtype=torch.float64)
    gain = torch.ones(channels, dtype=torch.float64)
    block = Block(layer.name, (layer.name,), layer.inputs, layer.in_shape, layer.out_shape, wide, gain, offset)
    if isinstance(layer, Joined):
        changed = _with_layer(replace(block, members=()), layer, [])
        assert changed is not None, "a block that does nothing yet takes any layer"
        return changed
    return block


def _with_layer(block: Block, layer: Joined, between: Sequence[ShapeLayer]) -> Block | None:
    """Give the block that does what `layer` does behind it and what lies between; None if none does."""
    members = (*block.members, layer.name)
    if isinstance(layer, AffineLayer):
        changed = _with_affine(block, layer.scale, layer.offset, between)
    elif isinstance(layer, PReluLayer):
        changed = _with_slopes(block, layer.slope, between)
    elif layer.kind == "hardsigmoid" and not block.activation.has_table:
        # clamp(x / 6 + 1/2, 0, 1) needs no table.
        sixth = torch.full((layer.in_shape[0],), 1 / 6, dtype=torch.float64)
        changed = _with_affine(block, sixth, torch.full_like(sixth, 0.5), between)
        clamp = replace(layer, kind="clamp", parameters={"low": 0.0, "high": 1.0})
        changed = None if changed is None else _with_activation(changed, clamp)
    else:
        changed = _with_activation(block, layer)
    return None if changed is None else replace(changed, members=members)


def _with_activation(block: Block, layer: ActivationLayer) -> Block | None:
    activation = with_function(block.activation, layer)
    return None if activation is None else replace(block, activation=activation)


def _with_slopes(block: Block, slope: Tensor, between: Sequence[ShapeLayer]) -> Block | None:
    moved = None if block.activation.has_table else _affine_before(between, slope, torch.zeros_like(slope))
    if moved is None:
        return None
    activation = with_slope(block.activation, tuple(moved[0].tolist()))
    return None if activation is None else replace(block, activation=activation)


def _with_affine(block: Block, scale: Tensor, offset: Tensor, between: Sequence[ShapeLayer]) -> Block | None:
    if block.activation.has_table:
        if bool((scale == scale[0]).all()) and bool((offset == offset[0]).all()):
            return replace(block, activation=with_scalar_affine(block.activation, float(scale[0]), float(offset[0])))
        return None
    moved = _affine_before(between, scale, offset)
    if moved is None:
        return None
    scale, offset = moved
    activation = moved_before(block.activation, scale, offset)
    if activation is None:
        return None
    return replace(block, activation=activation, gain=block.gain * scale, offset=block.offset * scale + offset)


def _affine_before(between: Sequence[ShapeLayer], scale: Tensor, offset: Tensor) -> tuple[Tensor, Tensor] | None:
    """Give the scale and offset that do before the layers what these do after them; None if none do."""
    for layer in reversed(between):
        if isinstance(layer, UpsampleLayer):
            continue
        if bool((scale == scale[0]).all()) and bool((offset == offset[0]).all()):
            scale, offset = scale[:1].expand(layer.in_shape[0]), offset[:1].expand(layer.in_shape[0])
        elif len(layer.in_shape) == 1 and len(layer.out_shape) == 3:
            pixels = layer.out_shape[1] * layer.out_shape[2]
            scale, offset = scale.repeat_interleave(pixels), offset.repeat_interleave(pixels)
        elif layer.in_shape[0] != layer.out_shape[0]:
            return None
    return scale, offset
