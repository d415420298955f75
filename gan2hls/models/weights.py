"""Weights in files: safetensors and torch checkpoints, read without ever running code from them."""

import io
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.parameter import is_lazy

from gan2hls.errors import UserError, raise_problems
from gan2hls.files import read_bytes, write_bytes

TORCH_SUFFIXES = (".pth", ".pt")
WRAPPERS = ("module.", "_orig_mod.")
"""What `DataParallel` and `torch.compile` put before all names."""
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


def _check_archive(data: bytes, path: Path) -> None:
    """Refuse an archive whose content is larger than itself; torch stores it as it is."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            content = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return  # an old format, or damaged, which torch says
    if content > len(data):
        raise UserError(
            f"{path}: {len(data):,} bytes claim to hold {content:,}; torch.save compresses nothing ({ACCEPTED})"
        )


def load_checkpoint(data: bytes, path: Path) -> Any:
    """Unpack a torch checkpoint of tensors and plain containers; no code in it is ever run.

    Raises:
        UserError: damaged, truncated, or holding anything else, or more than there is.
    """
    _check_archive(data, path)
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


def _has_other_names(value: Any) -> bool:
    return isinstance(value, Mapping) and any(
        isinstance(item, Tensor) and not isinstance(key, str) for key, item in value.items()
    )


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
    if _has_other_names(value):
        wrong = next(key for key, item in value.items() if isinstance(item, Tensor) and not isinstance(key, str))
        raise UserError(f"{path}: the name of a tensor is {wrong!r}, not text; save model.state_dict() ({ACCEPTED})")
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


def tensor_problem(tensor: Tensor) -> str:
    """Why a tensor can not be used as weights, or nothing; whatever it claims to be, nothing large is allocated."""
    if is_lazy(tensor):
        return "has no values yet; run the module once, then give it"
    if tensor.is_meta or isinstance(tensor, FakeTensor):
        return "has no values (meta device); load weights first"
    if tensor.is_nested or tensor.layout != torch.strided:
        kind = "nested" if tensor.is_nested else str(tensor.layout).removeprefix("torch.")
        return f"type {kind} tensor is not supported, expected real dense numbers (to_dense())"
    if tensor.is_quantized or tensor.is_complex():
        return f"type {tensor.dtype} is not supported, expected real dense numbers"
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return (
            f"shape {tuple(tensor.shape)} is made of {tensor.untyped_storage().nbytes():,} bytes that are repeated; "
            "save it as it is (contiguous())"
        )
    if not bool(torch.isfinite(tensor.to(torch.float32)).all()):
        if bool(torch.isfinite(tensor).all()):
            return "holds values that are too large for float32"
        return "holds NaN or infinite values"
    return ""


def _without_wrapper(state_dict: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Drop the prefix that a wrapper around the whole module gave to all names."""
    for prefix in WRAPPERS:
        if state_dict and all(key.startswith(prefix) for key in state_dict):
            if any(key.startswith(prefix) for key in expected):
                continue
            inner = {key.removeprefix(prefix): tensor for key, tensor in state_dict.items()}
            return _without_wrapper(inner, expected)
    return state_dict


def load_weights(module: nn.Module, state_dict: Mapping[str, Tensor], source_name: str) -> None:
    """Put tensors into `module`, all of them or none.

    A module on the meta device, which takes no memory, gets the tensors themselves; another one copies of them.
    A missing `num_batches_tracked` (a counter that only training uses) is not an error. The prefixes that
    `DataParallel` and `torch.compile` put before all names are dropped.

    Raises:
        UserError: names all tensors that are missing, unexpected, of a wrong shape or kind, or not finite.
    """
    expected = module.state_dict()
    state_dict = _without_wrapper(state_dict, expected)
    problems = []
    found: dict[str, Tensor] = {}
    for key, tensor in expected.items():
        if key not in state_dict:
            if not key.endswith("num_batches_tracked"):
                problems.append(f"{key}: missing, expected shape {tuple(tensor.shape)}")
            found[key] = torch.zeros(tensor.shape, dtype=tensor.dtype) if tensor.ndim == 0 else tensor
            continue
        given = state_dict[key]
        problem = tensor_problem(given)
        if not given.is_nested and given.shape != tensor.shape:
            problem = f"shape {tuple(given.shape)}, expected {tuple(tensor.shape)}"
        if problem:
            problems.append(f"{key}: {problem}")
        else:
            found[key] = given.to(tensor.dtype)
    problems.extend(
        f"{key}: unexpected, the architecture has no such tensor" for key in state_dict if key not in expected
    )
    raise_problems((f"{source_name}: {line}" for line in problems), f"{source_name}: does not fit the architecture:")
    on_meta = any(tensor.is_meta for tensor in expected.values())
    module.load_state_dict(found, assign=on_meta)


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors atomically as safetensors.

    Raises:
        Gan2HlsError: the file can not be written.
    """
    plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    write_bytes(Path(path), safetensors.torch.save(plain, dict(metadata) if metadata else None))
