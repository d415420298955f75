"""Blocks: what becomes one requantization, so one point where values are quantized.

A block is a multiply-accumulate layer with the batch-norms, the arithmetic with constants and the activations after it,
as far as one requantizer, or one table behind it, does them all. They reach it through reshapes and upsampling, with
which they commute. What finds no such layer becomes a block of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gan2hls.frontends.float_model import (
    ActivationLayer,
    AffineLayer,
    Conv2dLayer,
    ConvTranspose2dLayer,
    FloatLayer,
    FloatModel,
    LinearLayer,
    ReshapeLayer,
    Shape,
    UpsampleLayer,
)
from gan2hls.quantization.activation import NO_ACTIVATION, Activation, moved_before, with_function, with_scalar_affine

MacLayer = LinearLayer | Conv2dLayer | ConvTranspose2dLayer
ShapeLayer = ReshapeLayer | UpsampleLayer


@dataclass(frozen=True, eq=False)
class Block:
    """`y = activation(mac(x) · gain[c] + offset[c])`, without `mac` of the input itself.

    Args:
        name: that of its first layer.
        members: names of all its layers.
        in_shape, out_shape: in torch's order, without the batch.
        mac: the layer, without its bias; None if the block only scales and activates.
        gain: (channels,) float64.
        offset: (channels,) float64, the bias contained.
        activation: one that changes nothing if there is none.
    """

    name: str
    members: tuple[str, ...]
    in_shape: Shape
    out_shape: Shape
    mac: MacLayer | None
    gain: Tensor
    offset: Tensor
    activation: Activation = NO_ACTIVATION

    def before_activation(self, x: Tensor) -> Tensor:
        """Give `mac(x) · gain + offset` in the dtype of `x`."""
        return affine(self.mac, self.gain, self.offset, x)

    def activate(self, x: Tensor) -> Tensor:
        """Apply the activation."""
        return self.activation.forward(x)


Step = Block | ShapeLayer


def affine(mac: MacLayer | None, gain: Tensor, offset: Tensor, x: Tensor) -> Tensor:
    """Give `mac(x) · gain[c] + offset[c]` in the dtype of `x`."""
    if mac is not None:
        x = replace(mac, weight=mac.weight.to(x.dtype)).forward(x)
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


def make_blocks(model: FloatModel) -> list[Step]:
    """Group the layers of a model into blocks and the reshapes and upsamplings between them."""
    steps: list[Step] = []
    for layer in model.layers:
        if isinstance(layer, ReshapeLayer | UpsampleLayer):
            steps.append(layer)
        elif not _joined(steps, layer):
            steps.append(_new_block(layer))
    return steps


def _new_block(layer: FloatLayer) -> Block:
    if isinstance(layer, LinearLayer | Conv2dLayer | ConvTranspose2dLayer):
        channels = layer.out_shape[0]
        offset = torch.zeros(channels, dtype=torch.float64) if layer.bias is None else layer.bias.double()
        mac: MacLayer | None = replace(layer, bias=None)
    else:
        channels = layer.in_shape[0]
        offset, mac = torch.zeros(channels, dtype=torch.float64), None
    gain = torch.ones(channels, dtype=torch.float64)
    block = Block(layer.name, (layer.name,), layer.in_shape, layer.out_shape, mac, gain, offset)
    if isinstance(layer, AffineLayer | ActivationLayer):
        changed = _with_layer(replace(block, members=()), layer, [])
        assert changed is not None, "a block that does nothing yet takes any layer"
        return changed
    return block


def _joined(steps: list[Step], layer: FloatLayer) -> bool:
    """Put arithmetic or an activation into the last block, if that computes the same."""
    position = len(steps) - 1
    while position >= 0 and not isinstance(steps[position], Block):
        position -= 1
    if position < 0 or not isinstance(layer, AffineLayer | ActivationLayer):
        return False
    block = steps[position]
    assert isinstance(block, Block)
    between = [step for step in steps[position + 1 :] if not isinstance(step, Block)]
    changed = _with_layer(block, layer, between)
    if changed is None:
        return False
    steps[position] = changed
    return True


def _with_layer(block: Block, layer: AffineLayer | ActivationLayer, between: Sequence[ShapeLayer]) -> Block | None:
    """Give the block that does what `layer` does behind it and what lies between; None if none does."""
    members = (*block.members, layer.name)
    if isinstance(layer, AffineLayer):
        changed = _with_affine(block, layer.scale, layer.offset, between)
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
