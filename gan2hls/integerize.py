"""From real scales to integers: the one border between float and integer.

Each block becomes a MAC op (if it has a layer), a `Requantize`, and for tanh and its like a `Lookup`. The requantizer
must compute, in steps of its result, y = acc·M[c] + B[c] with real M = input scale · weight scale · gain / output scale
and B = offset / output scale. Where a shift s of 47 at most makes all M·2^s and B·2^s integers that fit, these are
its numbers, exactly; that is so wherever scales are powers of two. Otherwise s is the largest at which they fit, and
they are rounded to nearest: relative to the largest, by 2^-18.

Torch numbers elements (channel, row, column), the graph (row, column, channel). Where a vector becomes an image or an
image a vector, the permutation goes into the channels of the layers before or after, so a `Reshape` moves nothing.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from gan2hls.errors import UserError, raise_problems
from gan2hls.frontends.float_model import (
    Conv2dLayer,
    ConvTranspose2dLayer,
    LinearLayer,
    ReshapeLayer,
    Shape,
    UpsampleLayer,
)
from gan2hls.ir import Graph, IntType, Node, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense, Lookup, Requantize, Reshape, Upsample
from gan2hls.ops.lookup import function_table
from gan2hls.ops.mac import MacOp
from gan2hls.ops.requantize import MULTIPLIER_BITS
from gan2hls.quantization.blocks import MacLayer, from_out_rows
from gan2hls.quantization.quantized_model import QuantizedBlock, QuantizedModel, QuantizedStep, check_samples
from gan2hls.quantization.quantizers import Format, QuantizedWeight

LARGEST_MULTIPLIER = (1 << (MULTIPLIER_BITS - 1)) - 1
LARGEST_SHIFT = 47
LARGEST_SUM = 1 << 61
"""Bound of |acc·m + b|, half of what `Requantize` takes."""

Order = np.ndarray | None
"""Of a tensor of one pixel: `order[i]` is torch's index of the graph's channel i; None if they are equal."""


def integerize(model: QuantizedModel, name: str = "generator") -> Graph:
    """Give the integer graph of a quantized model.

    Args:
        model: the quantized model.
        name: of the generated top module, see `names.top_problem`.

    Raises:
        UserError: a reshape from image to image that mixes channels and pixels, or scales so far apart that the
            requantizer's integers can not hold their ratio.
    """
    steps, graph_input_shape = _without_doors(model)
    problems: list[str] = []
    orders = _orders(steps, graph_input_shape, problems)
    raise_problems(problems, "the model can not be made integer:")
    incoming = TensorType(_nhwc(graph_input_shape), model.input.int_type, model.input.scale)
    nodes: list[Node] = []
    tensor = incoming
    for step, before, after in zip(steps, orders, orders[1:], strict=False):
        for node in _nodes(step, tensor, before, after):
            nodes.append(node)
            raise_problems(f"{node.name}: {line}" for line in node.op.verify(tensor))
            tensor = node.op.output_type(tensor)
    return Graph.chain(incoming, nodes, tuple(model.input_shape), tuple(model.output_shape), name).verify()


def proxy_distance(model: QuantizedModel, graph: Graph, x: Tensor | np.ndarray) -> dict[str, float]:
    """Measure how far the fake-quantized proxy is from the hardware, in steps of the last format.

    Args:
        model: the quantized model.
        graph: what `integerize` made of it.
        x: (n, *input_shape), real values.

    Returns:
        `max_steps` and `mean_steps`, over all elements of all outputs.
    """
    samples = torch.as_tensor(x).detach().double()
    check_samples(samples, model.input_shape, "samples")
    with torch.no_grad():
        proxy = model.forward(samples).numpy()
    difference = np.abs(proxy - graph.run(samples.numpy())) / model.output.scale
    return {"max_steps": float(difference.max()), "mean_steps": float(difference.mean())}


def _nhwc(shape: Shape) -> tuple[int, int, int]:
    channels, height, width = shape if len(shape) == 3 else (shape[0], 1, 1)
    return height, width, channels


def _pixels(shape: Shape) -> int:
    height, width, _ = _nhwc(shape)
    return height * width


def _without_doors(model: QuantizedModel) -> tuple[list[QuantizedStep], Shape]:
    """Leave out the reshapes at the very ends, which cost nothing at the door; give the steps and their input shape."""
    steps, input_shape = list(model.steps), model.input_shape
    if isinstance(steps[0], ReshapeLayer):
        input_shape = steps.pop(0).out_shape
    if isinstance(steps[-1], ReshapeLayer):
        steps.pop()
    return steps, input_shape


def _flattened(shape: Shape) -> Order:
    """Give the order of a vector that holds the pixels of a torch image of this shape as the graph has them."""
    if shape[0] == 1 or _pixels(shape) == 1:
        return None
    return np.arange(math.prod(shape)).reshape(shape).transpose(1, 2, 0).ravel()


class _Segment:
    """Neighbouring tensors of one pixel between two layers that could permute their channels; they share one order."""

    def __init__(self, order: Order = None, fixed: bool = False) -> None:
        self.order, self.fixed = order, fixed

    def demand(self, order: Order) -> bool:
        """Fix the order; False if it is fixed to another one."""
        if not self.fixed:
            self.order, self.fixed = order, True
        return (
            np.array_equal(self.order, order) if self.order is not None and order is not None else self.order is order
        )


def _orders(steps: Sequence[QuantizedStep], input_shape: Shape, problems: list[str]) -> list[Order]:
    """Give the order of the channels of each tensor: `result[i]` enters `steps[i]`, the last one leaves the graph."""
    segments = [_Segment(fixed=True)]
    for step in steps:
        before = segments[-1]
        if isinstance(step, QuantizedBlock):
            free = step.mac is not None and _pixels(step.out_shape) == 1
            after = _Segment(fixed=not free) if step.mac is not None else before
        elif isinstance(step, ReshapeLayer):
            after = _reshaped(step, before, problems)
        else:
            after = _Segment(fixed=True)
            if not before.demand(None):
                problems.append(f"{step.name}: upsamples a flattened image of several pixels; this is not supported")
        segments.append(after)
    if not segments[-1].demand(None):
        problems.append(
            "the last layer works on a flattened image of several pixels; put a Linear layer after the reshape"
        )
    return [segment.order for segment in segments]


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


def _nodes(step: QuantizedStep, tensor: TensorType, before: Order, after: Order) -> Iterator[Node]:
    if isinstance(step, UpsampleLayer):
        yield Node(step.name, Upsample(step.factor))
    elif isinstance(step, ReshapeLayer):
        shape = _nhwc(step.out_shape)
        if shape != tensor.shape:
            yield Node(step.name, Reshape(shape))
    else:
        yield from _block_nodes(step, tensor, before, after)


def _block_nodes(block: QuantizedBlock, tensor: TensorType, before: Order, after: Order) -> Iterator[Node]:
    assert tensor.scale is not None
    scale, accumulators = torch.full_like(block.gain, tensor.scale), tensor
    if block.mac is not None and block.weight is not None:
        op = _mac_op(block.mac, block.weight, before, after)
        raise_problems(f"{block.name}: {line}" for line in op.verify(tensor))
        accumulators = op.output_type(tensor)
        scale = scale * block.weight.scale
        yield Node(block.name, op)
    entering = block.table or block.output
    step = scale * block.gain / entering.scale
    if block.weight is not None:
        # Nothing ever arrives from a channel without weights, so any multiplier does; let it be no special one.
        silent = (block.weight.integers == 0).all(1)
        step = torch.where(silent, step[~silent].abs().max() if not bool(silent.all()) else 1.0, step)
    offset = block.offset / entering.scale
    if after is not None:
        step, offset = step[after.tolist()], offset[after.tolist()]
    numbers = _requantize_numbers(block, step.tolist(), offset.tolist(), accumulators.int_type)
    kind = entering.int_type
    requantize = Requantize(
        numbers.multiplier,
        numbers.bias,
        numbers.shift,
        low=kind.min if block.table else _bound(block.activation.low, entering),
        high=kind.max if block.table else _bound(block.activation.high, entering),
        output=kind,
        scale=entering.scale,
        negative_multiplier=numbers.negative_multiplier,
        negative_bias=numbers.negative_bias,
    )
    alone = block.mac is None and block.table is None
    yield Node(block.name if alone else f"{block.name}.requantize", requantize)
    if block.table is not None:
        output, name = block.output, block.activation.name
        table = function_table(block.activation.function.at, kind, entering.scale, output.int_type, output.scale)
        yield Node(f"{block.name}.{name}", Lookup(table, output.int_type, output.scale, name))


def _bound(value: float, result: Format) -> int:
    """Give the integer of a format that is nearest to a bound of its values."""
    kind = result.int_type
    if math.isinf(value):
        return kind.max if value > 0 else kind.min
    return min(max(math.floor(value / result.scale + 0.5), kind.min), kind.max)


def _mac_op(mac: MacLayer, weight: QuantizedWeight, before: Order, after: Order) -> MacOp:
    codes = from_out_rows(mac, weight.codes)
    if isinstance(mac, ConvTranspose2dLayer):
        codes = codes.permute(2, 3, 0, 1)
    elif isinstance(mac, Conv2dLayer):
        codes = codes.permute(2, 3, 1, 0)
    else:
        codes = codes.T[None, None]
    array = codes.numpy()
    if before is not None:
        array = array[:, :, before]
    if after is not None:
        array = array[:, :, :, after]
    array = np.ascontiguousarray(array)
    scales = weight.scale.unique().tolist()
    common = (array, weight.bits, weight.codebook, scales[0] if len(scales) == 1 else None)
    if isinstance(mac, LinearLayer):
        return Dense(*common)
    if isinstance(mac, Conv2dLayer):
        return Conv2d(*common, stride=mac.stride, padding=mac.padding)
    return ConvTranspose2d(*common, stride=mac.stride, padding=mac.padding, output_padding=mac.output_padding)


@dataclass(frozen=True)
class _Numbers:
    """The integers of a `Requantize`."""

    shift: int
    multiplier: np.ndarray
    bias: np.ndarray
    negative_multiplier: np.ndarray | None
    negative_bias: np.ndarray | None

    def fits(self, accumulators: IntType) -> bool:
        """Say whether the requantizer takes these numbers for accumulators of this type."""
        factors, offsets = [self.multiplier], [self.bias]
        if self.negative_multiplier is not None and self.negative_bias is not None:
            factors.append(self.negative_multiplier)
            offsets.append(self.negative_bias)
        largest = max(max(map(abs, values.tolist())) for values in factors)
        offset = max(max(map(abs, values.tolist())) for values in offsets)
        total = accumulators.magnitude * largest + offset + (1 << self.shift)
        return largest <= LARGEST_MULTIPLIER and total < LARGEST_SUM


def _requantize_numbers(
    block: QuantizedBlock, step: list[float], offset: list[float], accumulators: IntType
) -> _Numbers:
    """Choose the integers that do y = acc·step + offset, and slope·y where y is negative."""
    columns = [[Fraction(value) for value in values] for values in (step, offset)]
    if block.activation.slope is not None:
        columns += [[Fraction(block.activation.slope) * value for value in values] for values in columns]
    exact = max(value.denominator.bit_length() - 1 for values in columns for value in values)
    if exact <= LARGEST_SHIFT:
        numbers = _numbers_at(columns, exact)
        if numbers is not None and numbers.fits(accumulators):
            return numbers
    largest = float(max(abs(value) for values in columns[::2] for value in values))
    # A little too large to begin with; without any multiplier, just fine enough for the offset.
    start = MULTIPLIER_BITS - math.frexp(largest)[1] if largest > 0 else MULTIPLIER_BITS
    for shift in range(min(start, LARGEST_SHIFT), -1, -1):
        numbers = _numbers_at(columns, shift)
        if numbers is not None and numbers.fits(accumulators):
            return numbers
    raise UserError(
        f"{block.name}: the steps of its result are too small for the integers of a requantizer: one step of an "
        f"accumulator is {largest:.3g} of them, the largest offset {max(map(abs, offset)):.3g}; give a larger scale"
    )


def _numbers_at(columns: list[list[Fraction]], shift: int) -> _Numbers | None:
    """Give the numbers rounded at this shift; None if they do not even fit 63 bits."""
    arrays: list[np.ndarray] = []
    for values in columns:
        rounded = [math.floor(value * (1 << shift) + Fraction(1, 2)) for value in values]
        if max(map(abs, rounded)) >= 1 << 62:
            return None
        arrays.append(np.array(rounded, dtype=np.int64))
    multiplier, bias, *negative = arrays
    return _Numbers(shift, multiplier, bias, *(negative or (None, None)))
