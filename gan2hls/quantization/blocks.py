"""Blocks: what becomes one requantization, so one point where values are quantized.

A block is a multiply-accumulate layer with the batch-norms and the activation after it. Batch-norms and activations
reach it through reshapes and upsampling, with which they commute. What finds no such layer becomes a block of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gan2hls.frontends.float_model import (
    ActivationLayer,
    BatchNormLayer,
    Conv2dLayer,
    ConvTranspose2dLayer,
    FloatLayer,
    FloatModel,
    LinearLayer,
    ReshapeLayer,
    Shape,
    UpsampleLayer,
)

MacLayer = LinearLayer | Conv2dLayer | ConvTranspose2dLayer
ShapeLayer = ReshapeLayer | UpsampleLayer


@dataclass(frozen=True, eq=False)
class Block:
    """`y = activation(mac(x) · gain[c] + offset[c])`, any of the three possibly missing.

    Args:
        name: that of its first layer.
        members: names of all its layers.
        in_shape, out_shape: in torch's order, without the batch.
        mac: the layer, without its bias; None if the block only scales and activates.
        gain: (channels,) float64.
        offset: (channels,) float64, the bias contained.
        activation: or None.
    """

    name: str
    members: tuple[str, ...]
    in_shape: Shape
    out_shape: Shape
    mac: MacLayer | None
    gain: Tensor
    offset: Tensor
    activation: ActivationLayer | None = None

    def before_activation(self, x: Tensor) -> Tensor:
        """Give `mac(x) · gain + offset` in the dtype of `x`."""
        return affine(self.mac, self.gain, self.offset, x)

    def activate(self, x: Tensor) -> Tensor:
        """Apply the activation, if there is one."""
        return x if self.activation is None else self.activation.forward(x)


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
    if isinstance(layer, BatchNormLayer):
        return replace(block, gain=layer.scale, offset=layer.offset)
    return replace(block, activation=layer) if isinstance(layer, ActivationLayer) else block


def _joined(steps: list[Step], layer: FloatLayer) -> bool:
    """Put a batch-norm or an activation into the last block, if that computes the same."""
    position = len(steps) - 1
    while position >= 0 and not isinstance(steps[position], Block):
        position -= 1
    if position < 0 or not isinstance(layer, BatchNormLayer | ActivationLayer):
        return False
    block = steps[position]
    assert isinstance(block, Block)
    if block.activation is not None:
        return False
    members = (*block.members, layer.name)
    if isinstance(layer, ActivationLayer):
        steps[position] = replace(block, members=members, activation=layer)
        return True
    between = [step for step in steps[position + 1 :] if not isinstance(step, Block)]
    moved = _norm_before(between, layer.scale, layer.offset)
    if moved is None:
        return False
    scale, offset = moved
    steps[position] = replace(block, members=members, gain=block.gain * scale, offset=block.offset * scale + offset)
    return True


def _norm_before(between: Sequence[ShapeLayer], scale: Tensor, offset: Tensor) -> tuple[Tensor, Tensor] | None:
    """Give the batch-norm that does before the layers what (scale, offset) does after them; None if none does."""
    for layer in reversed(between):
        if isinstance(layer, UpsampleLayer):
            continue
        if len(layer.in_shape) == 1 and len(layer.out_shape) == 3:
            pixels = layer.out_shape[1] * layer.out_shape[2]
            scale, offset = scale.repeat_interleave(pixels), offset.repeat_interleave(pixels)
        elif layer.in_shape[0] != layer.out_shape[0]:
            return None
    return scale, offset
