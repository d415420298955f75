"""Arithmetic: `(x + 1) / 2`, `x * self.gain`, `1 - x`, as `y = x · scale + offset`; sums of branches."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch

from gan2hls.frontends.drafts import Draft, Traced, UnsupportedError
from gan2hls.frontends.float_model import AddLayer, AffineLayer, Shape, SubLayer
from gan2hls.frontends.torch_activations import number

Constant = torch.Tensor
"""Real, float64; its shape is broadcast with the batch."""


def _constant(value: Any) -> Constant:
    if isinstance(value, Traced):
        raise UnsupportedError("both values depend on the input; one of them must be a constant")
    if isinstance(value, bool) or not isinstance(value, int | float | torch.Tensor):
        raise UnsupportedError(f"a {type(value).__name__} is not supported; use a number or a tensor")
    tensor = (
        value if isinstance(value, torch.Tensor) else torch.tensor(number("the constant", value), dtype=torch.float64)
    )
    if tensor.is_complex() or tensor.is_quantized or tensor.layout != torch.strided:
        raise UnsupportedError(f"a constant of type {tensor.dtype} is not supported; use real numbers")
    return tensor.detach().to("cpu", torch.float64)


def _affine(scale: Constant, offset: Constant, by_pixel: Callable[[Shape], Draft | None] | None = None) -> Draft:
    return Draft(AffineLayer, {"scale": scale, "offset": offset}, complete=_each_channel, by_pixel=by_pixel)


def _sum_by_pixel(x: Traced, sign: float, constant: Constant) -> Callable[[Shape], Draft | None]:
    """What `sign · x + constant` is of an input of some shape if the constant is no offset of its channels."""

    def draft(shape: Shape) -> Draft | None:
        ones = (1,) * (1 + len(shape) - constant.ndim)
        aligned = constant.reshape(ones + tuple(constant.shape))
        if len(shape) != 3 or aligned.ndim != 4 or len(aligned) != 1 or abs(sign) != 1:
            return None
        if any(n not in (1, m) for n, m in zip(aligned.shape[1:], shape, strict=True)):
            return None
        value = aligned[0].expand(shape)
        if torch.equal(value, value[:, :1, :1].expand(shape)):
            return None
        return Draft(AddLayer, joins=(x, value)) if sign == 1 else Draft(SubLayer, joins=(value, x))

    return draft


def _each_channel(fields: Mapping[str, Any], in_shape: Shape, out_shape: Shape) -> Mapping[str, Any]:
    if in_shape != out_shape:
        raise UnsupportedError(f"broadcasts {in_shape} to {out_shape}; only one value, or one a channel, is supported")
    return {name: _channel_values(value, in_shape) for name, value in fields.items()}


def _channel_values(value: Constant, shape: Shape) -> torch.Tensor:
    """Give the (channels,) values of a constant; it must be the same in all samples and pixels."""
    ones = (1,) * (1 + len(shape) - value.ndim)
    aligned = value.reshape(ones + tuple(value.shape))
    first = aligned[:1, :, :1, :1] if len(shape) == 3 else aligned[:1]
    if not torch.equal(first.expand_as(aligned), aligned):
        where = "pixel to pixel" if len(shape) == 3 and aligned.shape[0] == 1 else "sample to sample"
        raise UnsupportedError(
            f"a constant of shape {tuple(value.shape)} that differs from {where} is not supported; "
            "use one value, or one a channel"
        )
    return first.flatten().expand(shape[0]).clone()


_ONE, _ZERO = torch.tensor(1.0, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)


def _joined(x: Traced, other: Traced, factor: float) -> Draft:
    if x == other:
        return _affine(_ONE + factor, _ZERO)
    if abs(factor) != 1:
        raise UnsupportedError(f"alpha {abs(factor):g} between two branches is not supported; use 1")
    return Draft(AddLayer if factor == 1 else SubLayer, joins=(x, other))


def _add(x: Any, other: Any, alpha: Any = 1, sign: int = 1) -> Draft:
    factor = _constant(alpha) * sign
    if isinstance(x, Traced) and isinstance(other, Traced):
        return _joined(x, other, number("alpha", factor))
    if isinstance(x, Traced):
        added = _constant(other) * factor
        return _affine(_ONE, added, _sum_by_pixel(x, 1, added))
    return _affine(factor, _constant(x), _sum_by_pixel(other, number("alpha", factor), _constant(x)))


def _sub(x: Any, other: Any, alpha: Any = 1) -> Draft:
    return _add(x, other, alpha, -1)


def _rsub(x: Any, other: Any, alpha: Any = 1) -> Draft:
    return _sub(other, x, alpha)


def _mul(x: Any, other: Any) -> Draft:
    return _affine(_constant(other if isinstance(x, Traced) else x), _ZERO)


def _div(x: Any, other: Any, rounding_mode: str | None = None) -> Draft:
    if rounding_mode is not None:
        raise UnsupportedError(f"rounding_mode {rounding_mode!r} is not supported; use None")
    if not isinstance(x, Traced):
        raise UnsupportedError("divides by a value that depends on the input; divide by a constant")
    return _affine(1 / _constant(other), _ZERO)


def _neg(x: Any) -> Draft:
    return _affine(-_ONE, _ZERO)


_READERS: Mapping[Callable[..., Draft], tuple[Callable[..., Any], ...]] = {
    _add: (operator.add, operator.iadd, torch.add),
    _sub: (operator.sub, operator.isub, torch.sub, torch.subtract),
    _rsub: (torch.rsub,),
    _mul: (operator.mul, operator.imul, torch.mul, torch.multiply),
    _div: (operator.truediv, operator.itruediv, torch.div, torch.divide, torch.true_divide),
    _neg: (operator.neg, torch.neg, torch.negative),
}

FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Draft]] = {
    function: reader for reader, functions in _READERS.items() for function in functions
}

_IN_PLACE_TOO: Mapping[str, Callable[..., Draft]] = {
    "add": _add,
    **dict.fromkeys(("sub", "subtract"), _sub),
    **dict.fromkeys(("mul", "multiply"), _mul),
    **dict.fromkeys(("div", "divide", "true_divide"), _div),
    **dict.fromkeys(("neg", "negative"), _neg),
}

_RIGHT: Mapping[str, Callable[..., Draft]] = {
    # What Python calls on a tensor constant whose other operand is traced: constant + x.
    **dict.fromkeys(("__add__", "__radd__"), _add),
    "__sub__": _sub,
    **dict.fromkeys(("__mul__", "__rmul__"), _mul),
    "__rsub__": _rsub,
    **dict.fromkeys(("__truediv__", "__div__"), _div),
}

METHODS: Mapping[str, Callable[..., Draft]] = {
    **_IN_PLACE_TOO,
    **{f"{name}_": reader for name, reader in _IN_PLACE_TOO.items()},
    **_RIGHT,
}

JOINS = frozenset({_add, _sub, _rsub})
"""Readers that take two values that depend on the input."""
