"""Activations of torch: as modules, functions and tensor methods."""

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from gan2hls.errors import shown
from gan2hls.frontends.drafts import Draft, UnsupportedError
from gan2hls.frontends.float_model import ActivationLayer, PReluLayer


def _draft(kind: str, **parameters: float) -> Draft:
    return Draft(ActivationLayer, {"kind": kind, "parameters": parameters})


def number(name: str, value: Any, above: float = -math.inf) -> float:
    """Give a finite number, also out of a tensor of one value, or raise `UnsupportedError`."""
    if isinstance(value, torch.Tensor) and value.numel() == 1 and not value.is_complex():
        value = value.item()
    good = isinstance(value, int | float) and abs(value) <= sys.float_info.max and value > above
    if not good:
        what = shown(value) if isinstance(value, int | float | str) else f"of type {type(value).__name__}"
        raise UnsupportedError(
            f"{name} {what} is not supported; use a number{'' if above == -math.inf else f' above {above:g}'}"
        )
    return float(value)


def _plain(kind: str) -> Callable[..., Draft]:
    def read(x: Any, inplace: bool = False) -> Draft:
        return _draft(kind)

    return read


def _leaky_relu(x: Any, negative_slope: Any = 0.01, inplace: bool = False) -> Draft:
    return _draft("leaky_relu", slope=number("negative_slope", negative_slope))


def _prelu(x: Any, weight: torch.Tensor) -> Draft:
    if weight.numel() == 1:
        return _leaky_relu(x, weight)
    return Draft(PReluLayer, {"slope": weight.detach().to("cpu", torch.float64).flatten()}, channels=weight.numel())


def _clamp(x: Any, min: Any = None, max: Any = None) -> Draft:
    ends = (min, max)
    if min is None and max is None:
        raise UnsupportedError("neither min nor max is given; use a number for one of them")
    for end in ends:
        if isinstance(end, torch.Tensor) and end.numel() > 1:
            raise UnsupportedError(f"a bound of shape {tuple(end.shape)} is not supported; use a number")
    low = -math.inf if min is None else number("min", min)
    high = math.inf if max is None else number("max", max)
    return _draft("clamp", low=low, high=high)


def _clamp_min(x: Any, min: Any) -> Draft:
    return _clamp(x, min)


def _clamp_max(x: Any, max: Any) -> Draft:
    return _clamp(x, None, max)


def _relu6(x: Any, inplace: bool = False) -> Draft:
    return _clamp(x, 0.0, 6.0)


def _hardtanh(x: Any, min_val: Any = -1.0, max_val: Any = 1.0, inplace: bool = False) -> Draft:
    return _clamp(x, min_val, max_val)


def _elu(x: Any, alpha: Any = 1.0, inplace: bool = False) -> Draft:
    return _draft("elu", alpha=number("alpha", alpha, above=0))


def _celu(x: Any, alpha: Any = 1.0, inplace: bool = False) -> Draft:
    return _draft("celu", alpha=number("alpha", alpha, above=0))


def _gelu(x: Any, approximate: str = "none") -> Draft:
    if approximate not in ("none", "tanh"):
        raise UnsupportedError(f"approximate {approximate!r} is not supported; use 'none' or 'tanh'")
    return _draft("gelu" if approximate == "none" else "gelu_tanh")


def _softplus(x: Any, beta: Any = 1.0, threshold: Any = 20.0) -> Draft:
    return _draft("softplus", beta=number("beta", beta, above=0), threshold=number("threshold", threshold))


MODULES: Mapping[type[nn.Module], Callable[[Any], Draft]] = {
    nn.ReLU: lambda m: _draft("relu"),
    nn.LeakyReLU: lambda m: _leaky_relu(None, m.negative_slope),
    nn.PReLU: lambda m: _prelu(None, m.weight),
    nn.ReLU6: lambda m: _relu6(None),
    nn.Hardtanh: lambda m: _hardtanh(None, m.min_val, m.max_val),
    nn.Tanh: lambda m: _draft("tanh"),
    nn.Sigmoid: lambda m: _draft("sigmoid"),
    nn.ELU: lambda m: _elu(None, m.alpha),
    nn.SELU: lambda m: _draft("selu"),
    nn.CELU: lambda m: _celu(None, m.alpha),
    nn.SiLU: lambda m: _draft("silu"),
    nn.GELU: lambda m: _gelu(None, m.approximate),
    nn.Softplus: lambda m: _softplus(None, m.beta, m.threshold),
    nn.Hardswish: lambda m: _draft("hardswish"),
    nn.Hardsigmoid: lambda m: _draft("hardsigmoid"),
    nn.LogSigmoid: lambda m: _draft("log_sigmoid"),
    nn.Softsign: lambda m: _draft("softsign"),
    nn.Mish: lambda m: _draft("mish"),
    nn.Tanhshrink: lambda m: _draft("tanhshrink"),
}
"""A subclass stands before or behind its base: the nearest one counts (ReLU6 is a Hardtanh)."""

_READERS: Mapping[Callable[..., Draft], tuple[Callable[..., Any], ...]] = {
    _plain("relu"): (F.relu, F.relu_, torch.relu, torch.relu_),
    _leaky_relu: (F.leaky_relu, F.leaky_relu_),
    _prelu: (F.prelu, torch.prelu),
    _relu6: (F.relu6,),
    _hardtanh: (F.hardtanh, F.hardtanh_),
    _clamp: (torch.clamp, torch.clamp_, torch.clip, torch.clip_),
    _clamp_min: (torch.clamp_min, torch.clamp_min_),
    _clamp_max: (torch.clamp_max, torch.clamp_max_),
    _plain("tanh"): (F.tanh, torch.tanh, torch.tanh_),
    _plain("sigmoid"): (F.sigmoid, torch.sigmoid, torch.sigmoid_, torch.special.expit),
    _elu: (F.elu, F.elu_),
    _plain("selu"): (F.selu, F.selu_, torch.selu, torch.selu_),
    _celu: (F.celu, F.celu_, torch.celu, torch.celu_),
    _plain("silu"): (F.silu,),
    _gelu: (F.gelu,),
    _softplus: (F.softplus,),
    _plain("hardswish"): (F.hardswish,),
    _plain("hardsigmoid"): (F.hardsigmoid,),
    _plain("log_sigmoid"): (F.logsigmoid,),
    _plain("softsign"): (F.softsign,),
    _plain("mish"): (F.mish,),
    _plain("tanhshrink"): (F.tanhshrink,),
}

FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Draft]] = {
    function: reader for reader, functions in _READERS.items() for function in functions
}

_METHOD_READERS: Mapping[str, Callable[..., Draft]] = {
    **{name: _plain(name) for name in ("relu", "tanh", "sigmoid")},
    **dict.fromkeys(("clamp", "clip"), _clamp),
    "clamp_min": _clamp_min,
    "clamp_max": _clamp_max,
    "prelu": _prelu,
}

METHODS: Mapping[str, Callable[..., Draft]] = {
    **_METHOD_READERS,
    **{f"{name}_": reader for name, reader in _METHOD_READERS.items()},
}
