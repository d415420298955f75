"""How each torch module, function and tensor method becomes a layer of the float model.

`read_module(module)` and `read_function(kind, target, args, kwargs)` give a `Draft`: the kind of layer, its tensors
and attributes, and what input it takes. They raise `UnsupportedError` with all reasons. `Draft.finish` makes the layer
once the shapes are known.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from gan2hls.frontends.float_model import (
    ActivationLayer,
    BatchNormLayer,
    Conv2dLayer,
    ConvTranspose2dLayer,
    FloatLayer,
    LinearLayer,
    Pair,
    ReshapeLayer,
    Shape,
    UpsampleLayer,
)

ACCEPTED = (
    "accepted are Linear, ConvTranspose2d, Conv2d, BatchNorm1d, BatchNorm2d, ReLU, LeakyReLU, Tanh, Sigmoid, nearest "
    "Upsample by integers, Flatten, Unflatten, Identity, Dropout, their functions, and view, reshape, flatten, "
    "unflatten, squeeze, unsqueeze"
)


class UnsupportedError(Exception):
    """A layer that can not be read; `args` are the reasons, one a string."""


@dataclass(frozen=True)
class Draft:
    """A layer without its name and shapes.

    Args:
        layer: its class; None if it changes nothing and vanishes.
        fields: tensors and attributes of the layer.
        rank: number of dimensions of its input, without the batch; None if any.
        channels: features or channels of its input; None if any.
    """

    layer: type[FloatLayer] | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    rank: int | None = None
    channels: int | None = None

    def check_input(self, shape: Shape) -> None:
        """Raise `UnsupportedError` if an input of this shape is not accepted."""
        rank_is_wrong = self.rank is not None and len(shape) != self.rank
        channels_are_wrong = self.channels is not None and shape[0] != self.channels
        if rank_is_wrong or channels_are_wrong:
            channels = "features" if self.channels is None else self.channels
            wanted = f"({channels},)" if self.rank == 1 else f"({channels}, height, width)"
            if self.rank is None:
                wanted = f"({channels},) or ({channels}, height, width)"
            raise UnsupportedError(f"its input has the shape {shape} without the batch; {wanted} is needed")

    def finish(self, name: str, in_shape: Shape, out_shape: Shape) -> FloatLayer | None:
        """Make the layer; None if it vanishes."""
        if self.layer is None:
            return None
        fields = dict(self.fields)
        if self.layer is ConvTranspose2dLayer:
            fields["output_padding"] = _output_padding(fields, in_shape, out_shape)
        elif self.layer is UpsampleLayer:
            fields["factor"] = _upsample_factor(in_shape, out_shape)
        elif self.layer in (ActivationLayer, BatchNormLayer) and len(in_shape) == 2:
            raise UnsupportedError(f"its input has the shape {in_shape}: neither a vector nor an image")
        layer = self.layer(name=name, in_shape=in_shape, out_shape=out_shape, **fields)
        damaged = [key for key, value in layer.tensors().items() if not bool(torch.isfinite(value).all())]
        if damaged:
            raise UnsupportedError(f"{' and '.join(damaged)} not finite (NaN or infinite)")
        return layer


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
    return Draft(ConvTranspose2dLayer, fields, 3, weight.shape[0])


def _output_padding(fields: Mapping[str, Any], in_shape: Shape, out_shape: Shape) -> Pair:
    # Read off the shapes, so that forward(x, output_size=...) needs no case of its own.
    kernel = fields["weight"].shape[2:]
    without = [(in_shape[1 + i] - 1) * fields["stride"][i] - 2 * fields["padding"][i] + kernel[i] for i in range(2)]
    return out_shape[1] - without[0], out_shape[2] - without[1]


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
    scale = 1 / torch.sqrt(running_var.detach().cpu().double() + eps)
    if weight is not None:
        scale = scale * weight.detach().cpu().double()
    offset = -running_mean.detach().cpu().double() * scale
    if bias is not None:
        offset = offset + bias.detach().cpu().double()
    return Draft(BatchNormLayer, {"scale": scale, "offset": offset}, None, len(scale))


def _activation(kind: str) -> Callable[..., Draft]:
    def read(x: Any, inplace: bool = False) -> Draft:
        return Draft(ActivationLayer, {"kind": kind})

    return read


def _leaky_relu(x: Any, negative_slope: float = 0.01, inplace: bool = False) -> Draft:
    if not isinstance(negative_slope, int | float) or not math.isfinite(negative_slope):
        raise UnsupportedError(f"negative_slope {negative_slope} is not supported; use a number")
    return Draft(ActivationLayer, {"kind": "leaky_relu", "slope": float(negative_slope)})


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
    return Draft(UpsampleLayer, {}, 3)


def _upsample_factor(in_shape: Shape, out_shape: Shape) -> Pair:
    (height, width), (out_height, out_width) = in_shape[1:], out_shape[1:]
    if out_height % height or out_width % width:
        raise UnsupportedError(
            f"from {height}x{width} to {out_height}x{out_width} is not supported; use whole multiples"
        )
    return out_height // height, out_width // width


def _dropout(x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Draft:
    if training and p > 0:
        raise UnsupportedError("dropout stays active in eval mode; use training=self.training")
    return Draft(None)


def _reshape(x: Any, *args: Any, **kwargs: Any) -> Draft:
    # A reshape keeps the order of the elements; its shapes, read off the trace, say everything.
    return Draft(ReshapeLayer)


def _identity(x: Any, *args: Any, **kwargs: Any) -> Draft:
    return Draft(None)


def _index(x: Any, index: Any) -> Draft:
    parts = index if isinstance(index, tuple) else (index,)
    if any(part is not None and part is not Ellipsis and part != slice(None) for part in parts):
        raise UnsupportedError("indexing is supported only to add dimensions: x[:, :, None, None]")
    return Draft(ReshapeLayer)


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
    nn.ReLU: lambda m: Draft(ActivationLayer, {"kind": "relu"}),
    nn.LeakyReLU: lambda m: _leaky_relu(None, m.negative_slope),
    nn.Tanh: lambda m: Draft(ActivationLayer, {"kind": "tanh"}),
    nn.Sigmoid: lambda m: Draft(ActivationLayer, {"kind": "sigmoid"}),
    nn.Upsample: lambda m: _upsample(None, m.size, m.scale_factor, m.mode),
    nn.Flatten: _reshape,
    nn.Unflatten: _reshape,
    nn.Identity: _identity,
    nn.Dropout: _identity,
    nn.Dropout1d: _identity,
    nn.Dropout2d: _identity,
}

_FUNCTIONS: dict[Callable[..., Any], Callable[..., Draft]] = {
    F.linear: _linear,
    F.conv2d: _conv2d,
    F.conv_transpose2d: _conv_transpose2d,
    F.batch_norm: _batch_norm,
    F.relu: _activation("relu"),
    F.relu_: _activation("relu"),
    torch.relu: _activation("relu"),
    torch.relu_: _activation("relu"),
    F.leaky_relu: _leaky_relu,
    F.leaky_relu_: _leaky_relu,
    F.tanh: _activation("tanh"),
    torch.tanh: _activation("tanh"),
    F.sigmoid: _activation("sigmoid"),
    torch.sigmoid: _activation("sigmoid"),
    torch.special.expit: _activation("sigmoid"),
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
    operator.getitem: _index,
}

_METHODS: dict[str, Callable[..., Draft]] = {
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"), _reshape),
    **dict.fromkeys(("contiguous", "clone", "detach"), _identity),
    **{name: _activation(name) for name in ("relu", "tanh", "sigmoid")},
    **{f"{name}_": _activation(name) for name in ("relu", "tanh", "sigmoid")},
}


def known_class(module: nn.Module) -> type[nn.Module] | None:
    """Give the torch.nn class whose mathematics a module has, also for subclasses that leave `forward` alone."""
    for base in type(module).__mro__:
        if base in _MODULES:
            same = type(module).forward is base.forward
            helper = getattr(base, "_conv_forward", None)
            return base if same and getattr(type(module), "_conv_forward", None) is helper else None
    return None


def read_module(module: nn.Module) -> Draft:
    """Read a leaf module.

    Raises:
        UnsupportedError: with all reasons.
    """
    known = known_class(module)
    if known is None:
        raise UnsupportedError("not supported")
    return _MODULES[known](module)


def read_function(target: Callable[..., Any] | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Draft:
    """Read a call of a function, or of a tensor method if `target` is a string.

    Args:
        target: the function, or the method's name.
        args: its arguments; those that are no constants may be anything.
        kwargs: its keyword arguments.

    Raises:
        UnsupportedError: with all reasons.
    """
    reader = _METHODS.get(target) if isinstance(target, str) else _FUNCTIONS.get(target)
    if reader is None:
        raise UnsupportedError("not supported")
    named = {("x" if key in ("input", "self") else key): value for key, value in kwargs.items()}
    return reader(*args, **named)


def is_known_function(target: Callable[..., Any] | str) -> bool:
    """Say whether `read_function` knows this function or tensor method."""
    return target in _METHODS if isinstance(target, str) else target in _FUNCTIONS
