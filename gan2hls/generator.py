"""The Python API up to the integer graph: `load` → `quantize`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from gan2hls.arguments import checked, real_array
from gan2hls.config import from_mapping
from gan2hls.errors import UserError
from gan2hls.frontends import from_torch
from gan2hls.integerize import integerize
from gan2hls.ir import Graph
from gan2hls.quantization.config import QuantizeConfig
from gan2hls.quantization.ptq import quantize_float_model

if TYPE_CHECKING:
    Model = nn.Module
else:
    Model = Any  # to `checked`: the frontend says more of what is no module, such as a class or an exported program


@checked
def load(source: Model | Path | str, *, architecture: Path | str | Mapping[str, Any] | None = None) -> nn.Module:
    """Load a generator: a module, or a file of weights (.safetensors, .pth) with its architecture.

    See `frontends.from_torch.load`; no code in a file is run.
    """
    return from_torch.load(source, architecture=architecture)


@checked
def quantize(
    model: Model,
    calibration: np.ndarray | torch.Tensor | Mapping[str, Any],
    *,
    weight_bits: int = 8,
    activation_bits: int = 8,
    method: str = "auto",
    overrides: Mapping[str, Any] | None = None,
    **options: Any,
) -> Graph:
    """Quantize a generator after training, into the integer graph that is the golden model.

    Args:
        model: any module that torch.fx can trace, of supported layers.
        calibration: (n, *input shape) samples of the input, in torch's order; of several inputs, a mapping of such
            arrays by the names of `forward`'s arguments.
        weight_bits: 1 to 16.
        activation_bits: 2 to 16.
        method: how activation ranges are found: "auto", "minmax" or "percentile".
        overrides: layer name → fields of `quantization.config.LayerConfig`.
        options: further fields of `quantization.config.QuantizeConfig`, e.g. scales="power_of_two".

    Raises:
        UserError: everything in the model that is not supported, by name; options or samples that are not accepted.
    """
    values = {"weight_bits": weight_bits, "activation_bits": activation_bits, "method": method, **options}
    config = from_mapping(QuantizeConfig, {**values, "layers": dict(overrides or {})}, "quantize")
    samples: Any = (
        {name: calibration_samples(values, f" of {name}") for name, values in calibration.items()}
        if isinstance(calibration, Mapping)
        else calibration_samples(calibration)
    )
    shapes: Any = (
        {name: tuple(values.shape[1:]) for name, values in samples.items()}
        if isinstance(samples, Mapping)
        else tuple(samples.shape[1:])
    )
    float_model = from_torch.trace(model, None if isinstance(model, from_torch.Chain) else shapes)
    return integerize(quantize_float_model(float_model, samples, config))


def calibration_samples(values: Any, of: str = "") -> torch.Tensor:
    """Samples (n, *input shape) as a tensor; `of` says in messages which ones they are.

    Raises:
        UserError: no array of real numbers, or without a batch.
    """
    what = f"calibration samples{of}"
    try:
        array = real_array(values)
        samples = torch.as_tensor(array)
    except UserError as error:
        raise UserError(f"{what} must be an array of real numbers: {error}") from None
    except TypeError as error:  # of numbers that torch has not, such as those of 128 bits
        raise UserError(f"{what} of {array.dtype} are not supported: {error}") from None
    if samples.ndim not in (2, 4):
        hint = "; one sample needs a batch around it: x[None]" if samples.ndim in (1, 3) else ""
        raise UserError(
            f"{what} have shape {tuple(samples.shape)}; expected (n, features) or (n, channels, height, "
            f"width), the batch first{hint}"
        )
    return samples
