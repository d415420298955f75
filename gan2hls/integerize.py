"""From real scales to integers: the one border between float and integer.

Each block becomes a MAC op or a sum (if it has one), a `Requantize`, and for tanh and its like a `Lookup`. The
requantizer must compute, in steps of its result, y = acc·M[c] + B[c] with real M = input scale · weight scale · gain /
output scale and B = offset / output scale. Where a shift s of 47 at most makes all M·2^s and B·2^s integers that fit,
these are its numbers, exactly; that is so wherever scales are powers of two. Otherwise s is the largest at which they
fit, and they are rounded to nearest: relative to the largest, by 2^-18.

A sum is exact: what it adds has one format, and its wide result meets a `Requantize` like the accumulators of a MAC op.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan2hls.channel_orders import Order, channel_orders, nhwc
from gan2hls.errors import UserError, raise_problems
from gan2hls.frontends.float_model import (
    AddLayer,
    ConcatLayer,
    ConstantLayer,
    Conv2dLayer,
    ConvTranspose2dLayer,
    LinearLayer,
    ReshapeLayer,
    SliceLayer,
    SubLayer,
    UpsampleLayer,
)
from gan2hls.ir import Graph, Input, IntType, Node, Op, Tensors, TensorType
from gan2hls.ops import (
    Add,
    Concat,
    Constant,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Lookup,
    Requantize,
    Reshape,
    Slice,
    Sub,
    Upsample,
)
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


def integerize(model: QuantizedModel, name: str = "generator") -> Graph:
    """Give the integer graph of a quantized model.

    Args:
        model: the quantized model.
        name: of the generated top module, see `names.top_problem`.

    Raises:
        UserError: a reshape from image to image that mixes channels and pixels, or scales so far apart that the
            requantizer's integers can not hold their ratio.
    """
    ports = _Ports(model)
    problems = list(ports.problems)
    orders = channel_orders(ports.steps, tuple(model.inputs), ports.outputs, problems)
    raise_problems(problems, "the model can not be made integer:")
    nodes = [
        Node(name, Input(TensorType(nhwc(shape), model.input_formats[name].int_type, model.input_formats[name].scale)))
        for name, shape in ports.input_shapes.items()
    ]
    types = {node.name: node.op.output_type() for node in nodes}
    # The node that gives the value of each input and step.
    value = {name: name for name in model.inputs}
    for step in ports.steps:
        inputs = tuple(value[name] for name in step.inputs)
        tensors = tuple(types[name] for name in inputs)
        for node in _nodes(step, inputs, tensors, orders):
            entering = [types[name] for name in node.inputs]
            raise_problems(f"{node.name}: {line}" for line in node.op.verify(*entering))
            types[node.name] = node.op.output_type(*entering)
            nodes.append(node)
            inputs = (node.name,)
        value[step.name] = inputs[0]
    outputs = tuple(value[name] for name in ports.outputs)
    shapes = dict(model.inputs) | dict(zip(outputs, model.output_shapes, strict=True))
    return Graph(tuple(nodes), outputs, shapes, name).verify()


def proxy_distance(model: QuantizedModel, graph: Graph, x: Any) -> dict[str, float]:
    """Measure how far the fake-quantized proxy is from the hardware, in steps of the last format.

    Args:
        model: the quantized model.
        graph: what `integerize` made of it.
        x: (n, *input_shape), real values, or a mapping of such by the names of the inputs.

    Returns:
        `max_steps` and `mean_steps`, over all elements of all outputs.
    """
    samples = {name: values.double() for name, values in check_samples(x, model.inputs, "samples").items()}
    with torch.no_grad():
        found = _proxy_outputs(model, samples)
    hardware = graph.run({name: values.numpy() for name, values in samples.items()})
    results = hardware if isinstance(hardware, Mapping) else {graph.outputs[0]: hardware}
    differences = np.concatenate(
        [
            (np.abs(proxy.numpy() - results[name]) / model.formats[output].scale).ravel()
            for output, proxy, name in zip(model.outputs, found, graph.outputs, strict=True)
        ]
    )
    return {"max_steps": float(differences.max()), "mean_steps": float(differences.mean())}


def _proxy_outputs(model: QuantizedModel, samples: Mapping[str, Tensor]) -> list[Tensor]:
    """The proxy's outputs in order."""
    found = model.forward(samples)
    return [found[name] for name in model.outputs] if isinstance(found, Mapping) else [found]


class _Ports:
    """The steps without the reshapes at the very ends, which cost nothing at a port.

    Attributes:
        steps: those that are left.
        input_shapes: shape of each input as they take it, by name.
        outputs: names of the values that leave.
        problems: outputs that would be the same.
    """

    def __init__(self, model: QuantizedModel) -> None:
        users = Counter([*model.outputs, *(name for step in model.steps for name in step.inputs)])
        self.input_shapes = dict(model.inputs)
        renamed: dict[str, str] = {}
        steps: dict[str, QuantizedStep] = {}
        for step in model.steps:
            if isinstance(step, ReshapeLayer) and step.inputs[0] in self.input_shapes and users[step.inputs[0]] == 1:
                self.input_shapes[step.inputs[0]] = step.out_shape
                renamed[step.name] = step.inputs[0]
            else:
                steps[step.name] = replace(step, inputs=tuple(renamed.get(name, name) for name in step.inputs))
        outputs = []
        for name in (renamed.get(name, name) for name in model.outputs):
            last = steps.get(name)
            if isinstance(last, ReshapeLayer) and users[name] == 1:
                del steps[name]
                name = last.inputs[0]
            outputs.append(name)
        self.steps, self.outputs = tuple(steps.values()), tuple(outputs)
        self.problems = [
            f"output: gives the value of {name} under {count} shapes; give it once"
            for name, count in Counter(outputs).items()
            if count > 1
        ]


def _nodes(
    step: QuantizedStep, inputs: tuple[str, ...], tensors: Tensors, orders: Mapping[str, Order]
) -> Iterator[Node]:
    """Give the nodes of a step in a row; none if the graph has nothing to do."""
    if isinstance(step, QuantizedBlock):
        yield from _block_nodes(step, inputs, tensors, orders)
    elif isinstance(step, UpsampleLayer):
        yield Node(step.name, Upsample(step.factor), inputs)
    elif isinstance(step, SliceLayer):
        yield Node(step.name, Slice(step.start, step.stop), inputs)
    elif isinstance(step, ConcatLayer):
        yield Node(step.name, Concat(), inputs)
    elif nhwc(step.out_shape) != tensors[0].shape:
        yield Node(step.name, Reshape(nhwc(step.out_shape)), inputs)


def _wide_op(block: QuantizedBlock, before: Order, after: Order) -> Op | None:
    """The op that computes what the block requantizes; None if that is its input."""
    if block.mac is not None and block.weight is not None:
        return _mac_op(block.mac, block.weight, before, after)
    if isinstance(block.wide, AddLayer):
        return Add()
    return Sub() if isinstance(block.wide, SubLayer) else None


def _block_nodes(
    block: QuantizedBlock, inputs: tuple[str, ...], tensors: Tensors, orders: Mapping[str, Order]
) -> Iterator[Node]:
    after = orders[block.name]
    if isinstance(block.wide, ConstantLayer):
        yield Node(block.name, _constant(block.wide, block.output))
        return
    assert tensors[0].scale is not None
    scale, accumulators = torch.full_like(block.gain, tensors[0].scale), tensors[0]
    op = _wide_op(block, orders[block.inputs[0]], after)
    if op is not None:
        raise_problems(f"{block.name}: {line}" for line in op.verify(*tensors))
        accumulators = op.output_type(*tensors)
        yield Node(block.name, op, inputs)
        inputs = (block.name,)
    if block.weight is not None:
        scale = scale * block.weight.scale
    entering = block.table or block.output
    step = scale * block.gain / entering.scale
    if block.weight is not None:
        # Nothing ever arrives from a channel without weights, so any multiplier does; let it be no special one.
        silent = (block.weight.integers == 0).all(1)
        step = torch.where(silent, step[~silent].abs().max() if not bool(silent.all()) else 1.0, step)
    offset = block.offset / entering.scale
    slopes = torch.tensor(block.activation.slopes, dtype=torch.float64)
    if after is not None:
        step, offset = step[after.tolist()], offset[after.tolist()]
        slopes = slopes[after.tolist()] if len(slopes) > 1 else slopes
    numbers = _requantize_numbers(block.name, step.tolist(), offset.tolist(), slopes.tolist(), accumulators.int_type)
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
    alone = op is None and block.table is None
    name = block.name if alone else f"{block.name}.requantize"
    yield Node(name, requantize, inputs)
    if block.table is not None:
        output, function = block.output, block.activation.name
        table = function_table(block.activation.function.at, kind, entering.scale, output.int_type, output.scale)
        yield Node(f"{block.name}.{function}", Lookup(table, output.int_type, output.scale, function), (name,))


def _constant(layer: ConstantLayer, output: Format) -> Constant:
    height, width, _ = nhwc(layer.out_shape)
    reals = output.fake_quantize(layer.value.double()).reshape(-1, height, width).permute(1, 2, 0)
    integers = torch.floor(reals / output.scale + 0.5).long().numpy()
    return Constant(integers, TensorType(nhwc(layer.out_shape), output.int_type, output.scale))


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
    name: str, step: list[float], offset: list[float], slopes: list[float], accumulators: IntType
) -> _Numbers:
    """Choose the integers that do y = acc·step + offset, and slope·y where y is negative.

    `slopes` are those of all channels, or one for all of them, or none.
    """
    columns = [[Fraction(value) for value in values] for values in (step, offset)]
    if slopes:
        each = [Fraction(slope) for slope in slopes] * (len(step) if len(slopes) == 1 else 1)
        columns += [[slope * value for slope, value in zip(each, values, strict=True)] for values in columns]
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
        f"{name}: the steps of its result are too small for the integers of a requantizer: one step of an "
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
