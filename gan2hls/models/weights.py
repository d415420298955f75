"""Weights in files: safetensors and torch checkpoints, read without ever running code from them."""

import io
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from gan2hls.errors import UserError, raise_problems
from gan2hls.files import read_bytes, write_bytes

TORCH_SUFFIXES = (".pth", ".pt")
ACCEPTED = "accepted: .safetensors, or .pth and .pt holding tensors only"


def read_state_dict(path: Path | str) -> dict[str, Tensor]:
    """Read the tensors of a file by name, on the CPU.

    A torch checkpoint is read with `weights_only=True`, which loads tensors and plain containers and refuses all else.
    If it wraps its state dictionary, as {"state_dict": {...}, "epoch": 3} does, and only one of its entries can be one,
    that entry is taken.

    Raises:
        UserError: missing, damaged or truncated file, another suffix, or a pickle that holds more than tensors.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".safetensors", *TORCH_SUFFIXES):
        raise UserError(f"{path}: weights with the suffix {suffix!r} are not supported; {ACCEPTED}")
    data = read_bytes(path, hint=ACCEPTED)
    if suffix == ".safetensors":
        try:
            return safetensors.torch.load(data)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: damaged, or not a safetensors file: {error}; {ACCEPTED}") from None
    return _state_dict_in(load_checkpoint(data, path), path)


def load_checkpoint(data: bytes, path: Path) -> Any:
    """Unpack a torch checkpoint of tensors and plain containers; no code in it is ever run.

    Raises:
        UserError: damaged, truncated, or holding anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unusual pickles; what can not be read is an error below
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error)
        if "GLOBAL" in reason or "global" in reason or "Unsupported" in reason:
            what = "holds Python objects beside tensors, which are refused because loading them can run code"
            raise UserError(f"{path}: {what}; save model.state_dict() alone ({ACCEPTED})") from None
        raise UserError(f"{path}: damaged, or not a torch checkpoint; {ACCEPTED}") from None
    except Exception:  # torch raises RuntimeError, EOFError, KeyError, ... on damaged archives
        raise UserError(f"{path}: damaged or truncated, or not a torch checkpoint; {ACCEPTED}") from None


def _is_state_dict(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(key, str) and isinstance(item, Tensor) for key, item in value.items())
    )


def _state_dict_in(value: Any, path: Path) -> dict[str, Tensor]:
    if _is_state_dict(value):
        return dict(value)
    if not isinstance(value, Mapping):
        raise UserError(f"{path}: holds a {type(value).__name__}, not a dictionary of tensors; {ACCEPTED}")
    inside = [key for key, item in value.items() if _is_state_dict(item)]
    for preferred in ("generator", "state_dict"):
        if preferred in inside and (len(inside) == 1 or preferred == "generator"):
            return dict(value[preferred])
    if len(inside) == 1:
        return dict(value[inside[0]])
    found = (
        f"several: {', '.join(map(str, inside))}" if inside else f"none among {', '.join(map(str, value)) or 'nothing'}"
    )
    raise UserError(
        f"{path}: expected one dictionary of tensors, found {found}; save the generator's alone ({ACCEPTED})"
    )


def load_weights(module: nn.Module, state_dict: Mapping[str, Tensor], source_name: str) -> None:
    """Copy tensors into `module`, all of them or none.

    A missing `num_batches_tracked` (a counter that only training uses) is not an error.

    Raises:
        UserError: names all tensors that are missing, unexpected, of a wrong shape or kind, or not finite.
    """
    expected = module.state_dict()
    problems = []
    for key, tensor in expected.items():
        if key not in state_dict:
            if not key.endswith("num_batches_tracked"):
                problems.append(f"{key}: missing, expected shape {tuple(tensor.shape)}")
            continue
        given = state_dict[key]
        if given.shape != tensor.shape:
            problems.append(f"{key}: shape {tuple(given.shape)}, expected {tuple(tensor.shape)}")
        elif given.is_complex() or given.is_quantized or given.is_sparse:
            problems.append(f"{key}: type {given.dtype} is not supported, expected real dense numbers")
        elif given.is_floating_point() and not bool(torch.isfinite(given.to(torch.float32)).all()):
            problems.append(f"{key}: holds NaN or infinite values")
    problems.extend(
        f"{key}: unexpected, the architecture has no such tensor" for key in state_dict if key not in expected
    )
    raise_problems((f"{source_name}: {line}" for line in problems), f"{source_name}: does not fit the architecture:")
    module.load_state_dict(dict(state_dict), strict=False)


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors atomically as safetensors.

    Raises:
        Gan2HlsError: the file can not be written.
    """
    plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    write_bytes(Path(path), safetensors.torch.save(plain, dict(metadata) if metadata else None))
