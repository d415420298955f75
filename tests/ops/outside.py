"""What each op must give, by ways that share no code with it: torch in float64, plain Python integers, a dictionary."""

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional

from gan2hls.ir import Graph, Op, TensorType
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
from gan2hls.ops.mac import MacOp


def outside_graph(graph: Graph, x: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a graph, each op by `outside`, for integers of each input."""
    values = dict(x)
    frames = len(next(iter(x.values())))
    for node, tensors, _ in graph.steps():
        taken = [values[name] for name in node.inputs]
        if isinstance(node.op, Constant):
            values[node.name] = np.stack([node.op.values] * frames)
        elif len(taken) > 1 or isinstance(node.op, Slice):
            values[node.name] = _joined(node.op, taken)
        else:
            values[node.name] = outside(node.op, *tensors, *taken)
    return {name: values[name] for name in graph.outputs}


def _joined(op: Op, xs: list[np.ndarray]) -> np.ndarray:
    """By torch in integers, channels first."""
    tensors = [torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))).long() for x in xs]
    if isinstance(op, Add):
        result = torch.stack(tensors).sum(0)
    elif isinstance(op, Sub):
        result = torch.sub(*tensors)
    elif isinstance(op, Concat):
        result = torch.cat(tensors, 1)
    else:
        assert isinstance(op, Slice)
        result = tensors[0].narrow(1, op.start, op.stop - op.start)
    return _from_torch(result)


def outside(op: Op, tensor: TensorType, x: np.ndarray) -> np.ndarray:
    """The result of an op of one input for integers `x` (n, height, width, channels) of type `tensor`, int64."""
    if isinstance(op, MacOp):
        return _products(op, x)
    if isinstance(op, Requantize):
        return _requantized(op, x)
    if isinstance(op, Lookup):
        kind = tensor.int_type
        results = dict(zip(range(kind.min, kind.max + 1), op.table.tolist(), strict=True))
        return np.vectorize(results.__getitem__, otypes=[np.int64])(x)
    if isinstance(op, Upsample):
        return _from_torch(functional.interpolate(_to_torch(x), scale_factor=op.factor, mode="nearest"))
    assert isinstance(op, Reshape)
    return _reshaped(op, x)


def _to_torch(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))).double()


def _from_torch(y: torch.Tensor) -> np.ndarray:
    return y.numpy().transpose(0, 2, 3, 1).astype(np.int64)


def _products(op: MacOp, x: np.ndarray) -> np.ndarray:
    values = op.codes if op.codebook is None else np.asarray(op.codebook)[op.codes]
    assert np.abs(values).sum(axis=(0, 1, 2)).max() * np.abs(x).max() < 1 << 53, "float64 is exact below 2^53"
    weights = torch.from_numpy(np.ascontiguousarray(values.transpose(3, 2, 0, 1))).double()
    inputs = _to_torch(x)
    if isinstance(op, Dense):
        return _from_torch(functional.linear(inputs[:, :, 0, 0], weights[:, :, 0, 0])[:, :, None, None])
    if isinstance(op, ConvTranspose2d):
        options = {"stride": op.stride, "padding": op.padding, "output_padding": op.output_padding}
        return _from_torch(functional.conv_transpose2d(inputs, weights.transpose(0, 1), **options))
    assert isinstance(op, Conv2d)
    return _from_torch(functional.conv2d(inputs, weights, stride=op.stride, padding=op.padding))


def _requantized(op: Requantize, x: np.ndarray) -> np.ndarray:
    """The formula in Python's own integers, which have no width."""
    exact = x.astype(object)
    total = exact * op.multiplier.astype(object) + op.bias.astype(object)
    if op.negative_multiplier is not None and op.negative_bias is not None:
        negative = exact * op.negative_multiplier.astype(object) + op.negative_bias.astype(object)
        total = np.where(total < 0, negative, total)
    rounded = (2 * total + 2**op.shift) // 2 ** (op.shift + 1)
    return np.minimum(np.maximum(rounded, op.low), op.high).astype(np.int64)


def _reshaped(op: Reshape, x: np.ndarray) -> np.ndarray:
    height, width, channels = op.shape
    result = np.empty((len(x), *op.shape), dtype=np.int64)
    for frame, elements in zip(result, x.tolist(), strict=True):
        flat = iter([value for row in elements for pixel in row for value in pixel])
        for y in range(height):
            for column in range(width):
                for channel in range(channels):
                    frame[y, column, channel] = next(flat)
    return result
