"""How each torch module, function and tensor method becomes a layer of the float model.

`read_module(module)` and `read_function(target, args, kwargs)` give a `Draft`: the kind of layer, its tensors and
attributes, and what input it takes. They raise `UnsupportedError` with all reasons. `Draft.finish` makes the layer
once the shapes are known.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from gan2hls.frontends import torch_activations, torch_arithmetic, torch_joins
from gan2hls.frontends.drafts import Draft, Traced, UnsupportedError
from gan2hls.frontends.float_model import (
    AddLayer,
    AffineLayer,
    ConcatLayer,
    Conv2dLayer,
    ConvTranspose2dLayer,
    FloatLayer,
    LinearLayer,
    Pair,
    ReshapeLayer,
    Shape,
    SliceLayer,
    SubLayer,
    UpsampleLayer,
)
from gan2hls.models import layer_types

ACCEPTED = (
    "accepted are Linear, ConvTranspose2d, Conv2d, BatchNorm1d, BatchNorm2d, ReLU, LeakyReLU, PReLU, ReLU6, Hardtanh, "
    "clamp, Tanh, Sigmoid, ELU, SELU, CELU, SiLU, GELU, Softplus, Hardswish, Hardsigmoid, LogSigmoid, Softsign, Mish, "
    "Tanhshrink, nearest Upsample by integers, Flatten, Unflatten, Identity, Dropout, their functions; + - * / with "
    "one value or one a channel; view, reshape, flatten, unflatten, squeeze, unsqueeze; + and - of branches; and cat, "
    "chunk, split and x[:, a:b] over channels"
)


def _tensor(value: torch.Tensor | None) -> torch.Tensor | None:
    return None if value is None else value.detach().to("cpu", torch.float32).clone()


def _pair(value: Any) -> Pair:
    first, second = value if isinstance(value, Sequence) and len(value) == 2 else (value, value)
    if isinstance(first, Sequence):
        first = second = first[0]
    return int(first), int(second)


def _show(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else str(pair)


def _check_kernel(weight: torch.Tensor, dilation: Any, groups: int) -> None:
    kernel = tuple(weight.shape[2:])
    # Dilation means nothing along a side of one tap.
    dilated = any(step != 1 and size > 1 for step, size in zip(_pair(dilation), kernel, strict=True))
    problems = []
    if dilated:
        problems.append(f"dilation {_show(_pair(dilation))} is not supported; use 1")
    if groups != 1:
        problems.append(f"groups {groups} is not supported; use 1")
    if problems:
        raise UnsupportedError(*problems)


def _linear(x: Any, weight: torch.Tensor, bias: torch.Tensor | None = None) -> Draft:
    return Draft(LinearLayer, {"weight": _tensor(weight), "bias": _tensor(bias)}, 1, weight.shape[1])


def _conv2d(
    x: Any,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Draft:
    _check_kernel(weight, dilation, groups)
    if padding == "valid":
        padding = 0
    elif padding == "same":
        if any(size % 2 == 0 for size in weight.shape[2:]):
            kernel = _show(_pair(tuple(weight.shape[2:])))
            raise UnsupportedError(
                f"padding 'same' with kernel {kernel} pads more on one side; use an odd kernel, or padding in integers"
            )
        padding = tuple(size // 2 for size in weight.shape[2:])
    fields = {"weight": _tensor(weight), "bias": _tensor(bias), "stride": _pair(stride), "padding": _pair(padding)}
    return Draft(Conv2dLayer, fields, 3, weight.shape[1])


def _conv_transpose2d(
    x: Any,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Draft:
    _check_kernel(weight, dilation, groups)
    fields = {"weight": _tensor(weight), "bias": _tensor(bias), "stride": _pair(stride), "padding": _pair(padding)}
    return Draft(ConvTranspose2dLayer, fields, 3, weight.shape[0], _with_output_padding)


def _with_output_padding(fields: Mapping[str, Any], in_shape: Shape, out_shape: Shape) -> Mapping[str, Any]:
    # Read off the shapes, so that forward(x, output_size=...) needs no case of its own.
    kernel = fields["weight"].shape[2:]
    without = [(in_shape[1 + i] - 1) * fields["stride"][i] - 2 * fields["padding"][i] + kernel[i] for i in range(2)]
    return {**fields, "output_padding": (out_shape[1] - without[0], out_shape[2] - without[1])}


def _batch_norm(
    x: Any,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Draft:
    if training or running_mean is None or running_var is None:
        raise UnsupportedError(
            "statistics of the batch are not supported; use running statistics (track_running_stats)"
        )
    scale = 1 / torch.sqrt(running_var.detach().cpu().double() + torch_activations.number("eps", eps))
    if weight is not None:
        scale = scale * weight.detach().cpu().double()
    offset = -running_mean.detach().cpu().double() * scale
    if bias is not None:
        offset = offset + bias.detach().cpu().double()
    return Draft(AffineLayer, {"scale": scale, "offset": offset}, None, len(scale))


def _upsample(
    x: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Draft:
    problems = []
    # For whole factors, "nearest-exact" picks the same pixels.
    if mode not in ("nearest", "nearest-exact"):
        problems.append(f"mode {mode!r} is not supported; use 'nearest'")
    factors = scale_factor if isinstance(scale_factor, Sequence) else [scale_factor]
    if any(factor is not None and (float(factor) != int(factor) or factor < 1) for factor in factors):
        problems.append(f"scale factor {scale_factor} is not supported; use whole numbers from 1 on")
    if problems:
        raise UnsupportedError(*problems)
    return Draft(UpsampleLayer, {}, 3, complete=_with_factor)


def _with_factor(fields: Mapping[str, Any], in_shape: Shape, out_shape: Shape) -> Mapping[str, Any]:
    (height, width), (out_height, out_width) = in_shape[1:], out_shape[1:]
    if out_height % height or out_width % width:
        raise UnsupportedError(
            f"from {height}x{width} to {out_height}x{out_width} is not supported; use whole multiples"
        )
    return {"factor": (out_height // height, out_width // width)}


def _dropout(x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Draft:
    if training and p > 0:
        raise UnsupportedError("dropout stays active in eval mode; use training=self.training")
    return Draft(None)


def _reshape(x: Any, *args: Any, **kwargs: Any) -> Draft:
    # A reshape keeps the order of the elements; its shapes, read off the trace, say everything.
    return Draft(ReshapeLayer)


def _identity(x: Any, *args: Any, **kwargs: Any) -> Draft:
    return Draft(None)


def _attribute(x: Any, name: str) -> Draft:
    if name != "data":
        raise UnsupportedError(f"the attribute {name} is not supported")
    return Draft(None)


def _conv2d_module(module: nn.Conv2d) -> Draft:
    padding: Any = module.padding
    zero = padding == "valid" or (not isinstance(padding, str) and _pair(padding) == (0, 0))
    problems = []
    if module.padding_mode != "zeros" and not zero:
        problems.append(f"padding_mode {module.padding_mode!r} is not supported; use 'zeros'")
    try:
        draft = _conv2d(None, module.weight, module.bias, module.stride, padding, module.dilation, module.groups)
    except UnsupportedError as reasons:
        raise UnsupportedError(*reasons.args, *problems) from None
    if problems:
        raise UnsupportedError(*problems)
    return draft


def _batch_norm_module(module: nn.BatchNorm1d | nn.BatchNorm2d) -> Draft:
    rank = 1 if isinstance(module, nn.BatchNorm1d) else 3
    if module.running_mean is None or module.running_var is None:
        return _batch_norm(None, None, None)
    draft = _batch_norm(None, module.running_mean, module.running_var, module.weight, module.bias, eps=module.eps)
    return Draft(draft.layer, draft.fields, rank, draft.channels)


_MODULES: dict[type[nn.Module], Callable[[Any], Draft]] = {
    nn.Linear: lambda m: _linear(None, m.weight, m.bias),
    nn.Conv2d: _conv2d_module,
    nn.ConvTranspose2d: lambda m: _conv_transpose2d(
        None, m.weight, m.bias, m.stride, m.padding, groups=m.groups, dilation=m.dilation
    ),
    nn.BatchNorm1d: _batch_norm_module,
    nn.BatchNorm2d: _batch_norm_module,
    **torch_activations.MODULES,
    nn.Upsample: lambda m: _upsample(None, m.size, m.scale_factor, m.mode),
    nn.Flatten: _reshape,
    nn.Unflatten: _reshape,
    nn.Identity: _identity,
    nn.Dropout: _identity,
    nn.Dropout1d: _identity,
    nn.Dropout2d: _identity,
    layer_types.Slice: lambda m: Draft(SliceLayer, {"start": m.start, "stop": m.stop}),
}

_JOIN_MODULES: dict[type[nn.Module], type[FloatLayer]] = {
    layer_types.Add: AddLayer,
    layer_types.Sub: SubLayer,
    layer_types.Concat: ConcatLayer,
}
"""Those of an architecture that take several inputs."""

_FUNCTIONS: dict[Callable[..., Any], Callable[..., Draft]] = {
    F.linear: _linear,
    F.conv2d: _conv2d,
    F.conv_transpose2d: _conv_transpose2d,
    F.batch_norm: _batch_norm,
    **torch_activations.FUNCTIONS,
    **torch_arithmetic.FUNCTIONS,
    **torch_joins.FUNCTIONS,
    F.interpolate: _upsample,
    F.upsample: _upsample,
    F.upsample_nearest: _upsample,
    F.dropout: _dropout,
    F.dropout2d: _dropout,
    torch.flatten: _reshape,
    torch.unflatten: _reshape,
    torch.reshape: _reshape,
    torch.squeeze: _reshape,
    torch.unsqueeze: _reshape,
    getattr: _attribute,
}

_METHODS: dict[str, Callable[..., Draft]] = {
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"), _reshape),
    **dict.fromkeys(("contiguous", "clone", "detach"), _identity),
    **dict.fromkeys(("to", "float", "cpu", "type", "type_as"), _identity),
    **torch_activations.METHODS,
    **torch_arithmetic.METHODS,
    **torch_joins.METHODS,
}


_JOINS = torch_arithmetic.JOINS | torch_joins.JOINS
_LOOK_THEMSELVES = frozenset({*torch_arithmetic.FUNCTIONS.values(), *torch_arithmetic.METHODS.values(), *_JOINS})
"""Readers that look themselves which of their arguments depend on the input."""


def known_class(module: nn.Module) -> type[nn.Module] | None:
    """Give the torch.nn class whose mathematics a module has, also for subclasses that leave `forward` alone."""
    for base in type(module).__mro__:
        if base in _MODULES or base in _JOIN_MODULES:
            same = type(module).forward is base.forward
            helper = getattr(base, "_conv_forward", None)
            return base if same and getattr(type(module), "_conv_forward", None) is helper else None
    return None


def read_module(module: nn.Module, inputs: Sequence[Traced]) -> Draft:
    """Read a leaf module that is called with these inputs.

    Raises:
        UnsupportedError: with all reasons.
    """
    known = known_class(module)
    if known is None:
        raise UnsupportedError("not supported")
    if known in _JOIN_MODULES:
        return Draft(_JOIN_MODULES[known], joins=tuple(inputs))
    return _MODULES[known](module)


def read_function(target: Callable[..., Any] | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Draft:
    """Read a call of a function, or of a tensor method if `target` is a string.

    Args:
        target: the function, or the method's name.
        args: its arguments; a `Traced` stands for each that depends on the input.
        kwargs: its keyword arguments.

    Raises:
        UnsupportedError: with all reasons.
    """
    reader = _reader(target)
    if reader is None:
        raise UnsupportedError("not supported")
    named = {("x" if key in ("input", "self") else key): value for key, value in kwargs.items()}
    if reader not in _LOOK_THEMSELVES:
        others = [*args[1:], *(value for key, value in named.items() if key != "x")]
        first = args[0] if args else named.get("x")
        if not isinstance(first, Traced) or any(isinstance(value, Traced) for value in others):
            raise UnsupportedError("a weight or another argument depends on the input; only the first one may")
    return reader(*args, **named)


def _reader(target: Callable[..., Any] | str) -> Callable[..., Draft] | None:
    return _METHODS.get(target) if isinstance(target, str) else _FUNCTIONS.get(target)


def joins_branches(target: nn.Module | Callable[..., Any] | str) -> bool:
    """Say whether this module, function or tensor method takes several values that depend on the input."""
    if isinstance(target, nn.Module):
        return known_class(target) in _JOIN_MODULES
    return _reader(target) in _JOINS


def is_known_function(target: Callable[..., Any] | str) -> bool:
    """Say whether `read_function` knows this function or tensor method."""
    return target in _METHODS if isinstance(target, str) else target in _FUNCTIONS
