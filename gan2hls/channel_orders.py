"""In which order the graph has the channels of tensors of one pixel.

Torch numbers elements (channel, row, column), the graph (row, column, channel). Where a vector becomes an image or an
image a vector, the permutation goes into the channels of the layers before or after, so a `Reshape` moves nothing.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from gan2hls.frontends.float_model import ReshapeLayer, Shape, UpsampleLayer
from gan2hls.quantization.quantized_model import QuantizedBlock, QuantizedStep

Order = np.ndarray | None
"""Of a tensor of one pixel: `order[i]` is torch's index of the graph's channel i; None if they are equal."""


def nhwc(shape: Shape) -> tuple[int, int, int]:
    """Height, width and channels of a vector or an image of torch's shape."""
    channels, height, width = shape if len(shape) == 3 else (shape[0], 1, 1)
    return height, width, channels


def _pixels(shape: Shape) -> int:
    height, width, _ = nhwc(shape)
    return height * width


def _flattened(shape: Shape) -> Order:
    """Give the order of a vector that holds the pixels of a torch image of this shape as the graph has them."""
    if shape[0] == 1 or _pixels(shape) == 1:
        return None
    return np.arange(math.prod(shape)).reshape(shape).transpose(1, 2, 0).ravel()


def _equal(first: Order, second: Order) -> bool:
    return first is second or (first is not None and second is not None and np.array_equal(first, second))


class _Segment:
    """Tensors of one pixel between layers that could permute their channels; they share one order."""

    def __init__(self, order: Order = None, fixed: bool = False) -> None:
        self._order, self._fixed = order, fixed
        self._merged: _Segment | None = None

    def _root(self) -> "_Segment":
        return self if self._merged is None else self._merged._root()

    @property
    def order(self) -> Order:
        return self._root()._order

    def demand(self, order: Order) -> bool:
        """Fix the order; False if it is fixed to another one."""
        root = self._root()
        if not root._fixed:
            root._order, root._fixed = order, True
        return _equal(root._order, order)

    def merge(self, other: "_Segment") -> bool:
        """Let both have one order; False if theirs are fixed and differ."""
        first, second = self._root(), other._root()
        if first is second:
            return True
        if first._fixed and second._fixed and not _equal(first._order, second._order):
            return False
        if first._fixed:
            first, second = second, first
        first._merged = second
        return True


def channel_orders(
    steps: Sequence[QuantizedStep], inputs: Sequence[str], outputs: Sequence[str], problems: list[str]
) -> Mapping[str, Order]:
    """Give the order of the channels of each value, by the name of its input or step.

    Args:
        steps: each one behind those that it reads.
        inputs, outputs: names of the values at the ports, which are in torch's order.
        problems: gets what no layer can permute.
    """
    segments = {name: _Segment(fixed=True) for name in inputs}
    for step in steps:
        segments[step.name] = _segment(step, [segments[name] for name in step.inputs], problems)
    if not all(segments[name].demand(None) for name in outputs):
        problems.append(f"the last layer works on a flattened image of several pixels; {_LINEAR}")
    return {name: segment.order for name, segment in segments.items()}


def _segment(step: QuantizedStep, before: Sequence[_Segment], problems: list[str]) -> _Segment:
    """Give the segment of a step's value."""
    if isinstance(step, QuantizedBlock):
        if step.mac is not None:
            return _Segment(fixed=_pixels(step.out_shape) > 1)
        if not before:
            return _Segment(fixed=True)
        merged = [before[0].merge(other) for other in before[1:]]
        if not all(merged):
            problems.append(f"{step.name}: adds flattened images of several pixels and other vectors; {_LINEAR}")
        return before[0]
    if isinstance(step, ReshapeLayer):
        return _reshaped(step, before[0], problems)
    demanded = [segment.demand(None) for segment in before]
    if not all(demanded):
        what = "upsamples" if isinstance(step, UpsampleLayer) else "joins or parts the channels of"
        problems.append(f"{step.name}: {what} a flattened image of several pixels; this is not supported")
    return _Segment(fixed=True)


_LINEAR = "put a Linear layer after the reshape"


def _reshaped(step: ReshapeLayer, before: _Segment, problems: list[str]) -> _Segment:
    pixels_in, pixels_out = _pixels(step.in_shape), _pixels(step.out_shape)
    if pixels_in == 1 and pixels_out == 1:
        return before
    if pixels_in == 1:
        if not before.demand(_flattened(step.out_shape)):
            problems.append(
                f"{step.name}: makes an image of {step.out_shape} out of a vector whose order is fixed; "
                "put a Linear layer before the reshape"
            )
        return _Segment(fixed=True)
    if pixels_out == 1:
        return _Segment(_flattened(step.in_shape), fixed=True)
    if step.in_shape[0] != step.out_shape[0]:
        shapes = f"{step.in_shape} to {step.out_shape}"
        problems.append(f"{step.name}: a reshape from image to image ({shapes}) is not supported; keep the channels")
    return _Segment(fixed=True)
