"""Where branches meet and part, over channels: `cat`, `x[:, a:b]`, `narrow`, `chunk`, `split`."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from gan2hls.frontends.drafts import Draft, Traced, UnsupportedError
from gan2hls.frontends.float_model import ConcatLayer, ReshapeLayer, Shape, SliceLayer


def _check_dimension(dimension: Any, shape: Shape, what: str) -> None:
    rank = len(shape) + 1
    if not isinstance(dimension, int) or not -rank <= dimension < rank or dimension % rank != 1:
        raise UnsupportedError(f"{what} dimension {dimension} is not supported; use 1, the channels")


def _cat(tensors: Any, dim: Any = 0) -> Draft:
    parts = list(tensors) if isinstance(tensors, Sequence) else [tensors]
    if not all(isinstance(part, Traced) for part in parts):
        raise UnsupportedError("a constant beside values that depend on the input is not supported")

    def complete(fields: Mapping[str, Any], in_shape: Shape, out_shape: Shape) -> Mapping[str, Any]:
        _check_dimension(dim, in_shape, "concatenation over")
        return fields

    return Draft(ConcatLayer if len(parts) > 1 else None, complete=complete, joins=tuple(parts))


def _channel_slice(start: int | None, stop: int | None, shape: Shape) -> Mapping[str, Any]:
    """Give the fields of a `SliceLayer`; the indices count as those of a Python slice do."""
    first, last, _ = slice(start, stop).indices(shape[0])
    return {"start": first, "stop": last}


def _narrow(x: Any, dim: Any, start: Any, length: Any) -> Draft:
    def complete(fields: Mapping[str, Any], in_shape: Shape, out_shape: Shape) -> Mapping[str, Any]:
        _check_dimension(dim, in_shape, "a part along")
        first = int(start) % in_shape[0] if int(start) < 0 else int(start)
        return _channel_slice(first, first + out_shape[0], in_shape)

    return Draft(SliceLayer, complete=complete)


def _index(x: Any, index: Any) -> Draft:
    parts = index if isinstance(index, tuple) else (index,)
    whole = [part in (slice(None), slice(None, None, 1)) for part in parts]
    if all(part is None or part is Ellipsis or all_of_it for part, all_of_it in zip(parts, whole, strict=True)):
        return Draft(ReshapeLayer)
    channels = parts[1] if len(parts) > 1 else None
    if not isinstance(channels, slice) or channels.step not in (None, 1) or not all([whole[0], *whole[2:]]):
        raise UnsupportedError(
            "indexing is supported only to add dimensions, x[:, :, None, None], or to take neighbouring channels, "
            "x[:, 2:5]"
        )

    def complete(fields: Mapping[str, Any], in_shape: Shape, out_shape: Shape) -> Mapping[str, Any]:
        return _channel_slice(channels.start, channels.stop, in_shape)

    return Draft(SliceLayer, complete=complete)


def _split(x: Any, _: Any = None, dim: Any = 0, **sizes: Any) -> Draft:
    """A split itself moves nothing; its parts are slices."""

    def complete(fields: Mapping[str, Any], in_shape: Shape, out_shape: Shape) -> Mapping[str, Any]:
        _check_dimension(dim, in_shape, "a split along")
        return fields

    return Draft(SliceLayer, complete=complete)


_SPLIT_FUNCTIONS: tuple[Callable[..., Any], ...] = (
    torch.chunk,
    torch.split,
    torch.tensor_split,
    torch.split_with_sizes,
)
_SPLIT_METHODS = ("chunk", "split", "tensor_split", "split_with_sizes")
SPLITS: frozenset[Callable[..., Any] | str] = frozenset((*_SPLIT_FUNCTIONS, *_SPLIT_METHODS))
"""What gives several parts, which `x[i]` then takes."""

JOINS: frozenset[Callable[..., Any]] = frozenset({_cat})
"""Readers that look themselves which of their arguments depends on the input."""

FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Draft]] = {
    torch.cat: _cat,
    torch.concat: _cat,
    torch.concatenate: _cat,
    torch.narrow: _narrow,
    operator.getitem: _index,
    **dict.fromkeys(_SPLIT_FUNCTIONS, _split),
}
METHODS: Mapping[str, Callable[..., Draft]] = {
    "narrow": _narrow,
    **dict.fromkeys(_SPLIT_METHODS, _split),
}
