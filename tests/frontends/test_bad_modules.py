"""Modules and files of weights that can not be read: one clear error each, soon, and nothing large allocated.

`BAD_OBJECTS` and `BAD_WEIGHTS` are tables that other tests of bad input may read, too.
"""

import io
import json
import pickle
import resource
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

import gan2hls
from gan2hls.errors import UserError
from gan2hls.frontends import from_torch
from gan2hls.models.layer_types import Affine

# -- objects ----------------------------------------------------------------------------------------------------------


def _with_weight(change: Callable[[Tensor], Tensor]) -> Callable[[], nn.Module]:
    """A Linear whose weight is replaced by something that is no plain matrix."""

    def make() -> nn.Module:
        module = nn.Sequential(nn.Linear(4, 4))
        weight = change(module[0].weight.detach())
        del module[0].weight
        module[0].register_buffer("weight", weight)
        return module

    return make


def _quantized(weight: Tensor) -> Tensor:
    return torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8)


def _filled(value: float, dtype: torch.dtype = torch.float32) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)).to(dtype)
        for parameter in module.parameters():
            parameter.data.fill_(value)
        return module

    return make


def _exported() -> Any:
    return torch.export.export(nn.Linear(4, 4), (torch.zeros(2, 4),))


def _scripted_inside() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), torch.jit.script(nn.ReLU()))


BAD_OBJECTS: dict[str, tuple[Callable[[], Any], str]] = {
    "none": (lambda: None, "NoneType can not be read; give an nn.Module"),
    "number": (lambda: 7, "int can not be read; give an nn.Module"),
    "function": (lambda: torch.relu, "can not be read; give an nn.Module"),
    "tensor": (lambda: torch.zeros(4), "Tensor can not be read; give an nn.Module"),
    "state_dict": (lambda: nn.Linear(4, 4).state_dict(), "OrderedDict can not be read; give an nn.Module"),
    "class": (lambda: nn.ReLU, "ReLU is a class and can not be read; give an instance of it"),
    "exported_program": (_exported, "ExportedProgram can not be read; give the nn.Module that it was made from"),
    "scripted": (lambda: torch.jit.script(nn.Linear(4, 4)), "scripted by TorchScript"),
    "traced": (lambda: torch.jit.trace(nn.Linear(4, 4), torch.zeros(2, 4)), "traced by TorchScript"),
    "scripted_inside": (_scripted_inside, "1: scripted by TorchScript, which can not be read"),
    "meta": (lambda: nn.Sequential(nn.Linear(4, 4, device="meta")), "0.weight: has no values (meta device)"),
    "huge_meta": (lambda: nn.Linear(10**9, 10**9, device="meta"), "weight: has no values (meta device)"),
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(4)), "0.weight: has no values yet; run the module once"),
    "sparse": (_with_weight(lambda w: w.to_sparse()), "0.weight: type sparse_coo tensor is not supported"),
    "csr": (_with_weight(lambda w: w.to_sparse_csr()), "0.weight: type sparse_csr tensor is not supported"),
    "nested": (_with_weight(lambda w: torch.nested.nested_tensor([w, w])), "0.weight: type nested tensor"),
    "quantized": (_with_weight(_quantized), "0.weight: type torch.qint8 is not supported"),
    "complex": (_with_weight(lambda w: w.to(torch.complex64)), "0.weight: type torch.complex64 is not supported"),
    "complex_module": (lambda: nn.Linear(4, 4, dtype=torch.complex64), "weight: type torch.complex64"),
    "repeated": (_with_weight(lambda w: torch.zeros(1).expand(10**6, 10**6)), "0.weight: shape (1000000, 1000000) is"),
    "nan": (_filled(float("nan")), "0.weight: holds NaN or infinite values"),
    "infinite": (_filled(float("-inf")), "0.weight: holds NaN or infinite values"),
    "too_large_for_float32": (_filled(1e200, torch.float64), "0.weight: holds values that are too large for float32"),
    "huge_eps": (lambda: nn.BatchNorm1d(4, eps=10**400).eval(), "(BatchNorm1d): eps 1000"),
    "huge_slope": (lambda: nn.Sequential(nn.Linear(4, 4), nn.LeakyReLU(10**400)), "negative_slope 1000"),
    "huge_constant": (lambda: Affine(scale=10**400), "the constant 1000"),
    "overflow": (_filled(1e38), "2: gives NaN or infinite values for ordinary input: its weights are too large"),
}
QUIET = "ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"


@pytest.mark.parametrize("name", BAD_OBJECTS)
@pytest.mark.filterwarnings(*QUIET)
def test_bad_object(name):
    make, message = BAD_OBJECTS[name]
    given = make()
    for read in (
        lambda: from_torch.trace(given, (4,)),
        lambda: gan2hls.quantize(given, torch.zeros(3, 4)),
        lambda: from_torch.trace(gan2hls.load(given), (4,)),
    ):
        with pytest.raises(UserError) as caught:
            read()
        assert message in str(caught.value)
        assert len(str(caught.value)) < 1000


def test_weights_that_overflow_only_for_large_input():
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    for parameter in module.parameters():
        parameter.data.fill_(1e18)
    with pytest.raises(UserError, match="0: gives NaN or infinite values for the calibration samples|2: gives NaN"):
        gan2hls.quantize(module, torch.full((4, 4), 1e20))


@pytest.mark.filterwarnings(*QUIET)
@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel, lambda m: torch.compile(nn.DataParallel(m))])
def test_wrappers_around_a_module_are_taken_off(wrap):
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    model = from_torch.trace(wrap(module), (4,))
    x = torch.randn(3, 4)
    torch.testing.assert_close(model(x), module(x))


@pytest.mark.parametrize("shape", [(4,), (3, 4, 8), (3, 4, 1, 1, 1), ()])
def test_samples_of_other_dimensions_are_shown_whole(shape):
    with pytest.raises(UserError) as caught:
        gan2hls.quantize(nn.Linear(4, 4), torch.zeros(shape))
    assert f"calibration samples have shape {shape}; expected (n, features) or (n, channels, height, width)" in str(
        caught.value
    )


# -- files of weights -------------------------------------------------------------------------------------------------

ARCHITECTURE = {
    "input_shape": [4],
    "layers": [{"name": "net.0", "type": "Linear", "in_features": 4, "out_features": 4}],
}
GOOD = {"net.0.weight": torch.eye(4), "net.0.bias": torch.zeros(4)}


def _torch_bytes(content: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def _with(weight: Any) -> bytes:
    return _torch_bytes({**GOOD, "net.0.weight": weight})


def _compressed() -> bytes:
    """An archive of 100 KB that unpacks to 100 MB."""
    stored = zipfile.ZipFile(io.BytesIO(_torch_bytes({**GOOD, "x": torch.zeros(25_000_000)})))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in stored.infolist():
            archive.writestr(entry.filename, stored.read(entry))
    return stream.getvalue()


def _header(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _claim(shape: list[int], end: int, kind: str = "F32") -> bytes:
    return _header({"net.0.weight": {"dtype": kind, "shape": shape, "data_offsets": [0, end]}})


def _deep_pickle() -> bytes:
    return b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."


LEGACY = _torch_bytes(GOOD, _use_new_zipfile_serialization=False)
NEW = _torch_bytes(GOOD)
SAFE = safetensors.torch.save(GOOD)

BAD_WEIGHTS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "empty.pth": (".pth", lambda: b"", "damaged"),
    "zeros.pth": (".pth", lambda: bytes(1000), "accepted: .safetensors, or .pth"),
    "half.pth": (".pth", lambda: NEW[: len(NEW) // 2], "damaged"),
    "half_legacy.pth": (".pth", lambda: LEGACY[: len(LEGACY) - 40], "damaged"),
    "compressed.pth": (".pth", _compressed, "claim to hold 100,"),
    "repeated.pth": (".pth", lambda: _with(torch.zeros(1).expand(4, 4)), "bytes that are repeated"),
    "sparse.pth": (".pth", lambda: _with(torch.eye(4).to_sparse()), "net.0.weight: type sparse_coo tensor"),
    "csr.pth": (".pth", lambda: _with(torch.eye(4).to_sparse_csr()), "net.0.weight: type sparse_csr tensor"),
    "nested.pth": (".pth", lambda: _with(torch.nested.nested_tensor([torch.eye(4)])), "type nested tensor"),
    "quantized.pth": (".pth", lambda: _with(_quantized(torch.eye(4))), "type torch.qint8 is not supported"),
    "complex.pth": (".pth", lambda: _with(torch.eye(4) * 1j), "type torch.complex64 is not supported"),
    "meta.pth": (".pth", lambda: _with(torch.zeros(4, 4, device="meta")), "has no values (meta device)"),
    "lazy.pth": (".pth", lambda: _torch_bytes(nn.LazyLinear(4).state_dict()), "holds Python objects beside tensors"),
    "module.pth": (".pth", lambda: _torch_bytes(nn.Linear(4, 4)), "holds Python objects beside tensors"),
    "numbers_for_names.pth": (".pth", lambda: _torch_bytes({0: torch.eye(4)}), "the name of a tensor is 0, not text"),
    "bytes_for_names.pth": (".pth", lambda: _torch_bytes({b"w": torch.eye(4)}), "the name of a tensor is b'w'"),
    "list.pth": (".pth", lambda: _torch_bytes([torch.eye(4)]), "holds a list, not a dictionary of tensors"),
    "nothing.pth": (".pth", lambda: _torch_bytes({}), "expected one dictionary of tensors, found none"),
    "nan.pth": (".pth", lambda: _with(torch.full((4, 4), float("nan"))), "holds NaN or infinite values"),
    "double.pth": (".pth", lambda: _with(torch.eye(4, dtype=torch.float64) * 1e300), "too large for float32"),
    "deep.pth": (".pth", _deep_pickle, "deep.pth: "),
    "deep_list.pth": (
        ".pth",
        lambda: pickle.dumps(GOOD, protocol=0)[:50] + b"(" * 10_000,
        "accepted: .safetensors, or .pth",
    ),
    "empty.safetensors": (".safetensors", lambda: b"", "damaged"),
    "half.safetensors": (".safetensors", lambda: SAFE[: len(SAFE) // 2], "damaged"),
    "header_past_the_end.safetensors": (".safetensors", lambda: _header({}, length=2**40), "damaged"),
    "huge_header.safetensors": (".safetensors", lambda: _header({}, length=2**63 + 5), "damaged"),
    "deep_header.safetensors": (".safetensors", lambda: _header(b'{"a":' * 100_000), "damaged"),
    "list_header.safetensors": (".safetensors", lambda: _header(b"[" * 100_000), "damaged"),
    "claims_more.safetensors": (".safetensors", lambda: _claim([10**6, 10**6], 4 * 10**12), "damaged"),
    "overflows.safetensors": (".safetensors", lambda: _claim([2**33, 2**33], 0), "damaged"),
    "no_elements.safetensors": (".safetensors", lambda: _claim([0, 10**18], 0), "shape (0, 1000000000000000000)"),
    "wrong_dtype.safetensors": (".safetensors", lambda: _claim([4, 4], 64, "F99"), "damaged"),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
@pytest.mark.filterwarnings(*QUIET)
def test_bad_weights(name, tmp_path):
    _, content, message = BAD_WEIGHTS[name]
    path = tmp_path / name
    path.write_bytes(content())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError) as caught:
        gan2hls.load(path, architecture=ARCHITECTURE)
    assert name in str(caught.value)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "kilobytes"


@pytest.mark.parametrize(("features", "named"), [(10**9, "net.0"), (10**12, "net.0"), (10**30, "100 bits")])
def test_a_layer_larger_than_its_weights_is_refused_before_it_is_made(features, named, tmp_path):
    path = tmp_path / "g.safetensors"
    safetensors.torch.save_file(GOOD, path)
    layer = {"name": "net.0", "type": "Linear", "in_features": 4, "out_features": features}
    with pytest.raises(UserError) as caught:
        gan2hls.load(path, architecture={"input_shape": [4], "layers": [layer]})
    assert named in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 8_000_000, "kilobytes"


def test_a_tensor_that_is_repeated_does_not_fill_the_memory(tmp_path):
    """1 KB that says it holds 10^9, or 10^12, weights, and an architecture that agrees."""
    path = tmp_path / "g.pth"
    for size, message in (
        (30_000, r"a\.weight: shape \(30000, 30000\) is made of 4 bytes"),
        (10**6, r"a \(Linear\): its weights: 4,000,000,000,000 bytes are too many"),
    ):
        torch.save({"a.weight": torch.zeros(1).expand(size, size)}, path)
        layer = {"name": "a", "type": "Linear", "in_features": size, "out_features": size, "bias": False}
        with pytest.raises(UserError, match=message):
            gan2hls.load(path, architecture={"input_shape": [size], "layers": [layer]})


def test_an_input_of_impossible_size_is_refused(tmp_path):
    path = tmp_path / "g.safetensors"
    safetensors.torch.save_file(GOOD, path)
    for size in (10**18, 10**30):
        with pytest.raises(UserError):
            gan2hls.load(path, architecture={**ARCHITECTURE, "input_shape": [size, size, size]})


# -- what looks wrong and is right ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_names_of_a_wrapped_module_are_accepted(prefix, suffix, tmp_path):
    state = {f"{prefix}{key}": tensor for key, tensor in GOOD.items()}
    path: Path = tmp_path / f"g{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        safetensors.torch.save_file(state, path)
    module = gan2hls.load(path, architecture=ARCHITECTURE)
    x = torch.randn(2, 4)
    assert torch.equal(module(x), x)


def test_a_layer_that_is_called_module_keeps_its_name(tmp_path):
    path = tmp_path / "g.pth"
    torch.save({key.replace("net", "module"): tensor for key, tensor in GOOD.items()}, path)
    layer = {**ARCHITECTURE["layers"][0], "name": "module.0"}
    module = gan2hls.load(path, architecture={"input_shape": [4], "layers": [layer]})
    assert torch.equal(module(torch.eye(4)), torch.eye(4))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.float8_e4m3fn])
def test_weights_of_other_types_are_converted(dtype, tmp_path):
    path = tmp_path / "g.pth"
    torch.save({key: tensor.to(dtype) for key, tensor in GOOD.items()}, path)
    module = gan2hls.load(path, architecture=ARCHITECTURE)
    assert module.state_dict()["net.0.weight"].dtype == torch.float32
    assert torch.equal(module(torch.eye(4)), torch.eye(4))


def test_weights_that_share_memory_are_accepted(tmp_path):
    weight = torch.randn(4, 4)
    path = tmp_path / "g.pth"
    torch.save({"a.weight": weight, "b.weight": weight.T}, path)
    layers = [{"name": n, "type": "Linear", "in_features": 4, "out_features": 4, "bias": False} for n in "ab"]
    module = gan2hls.load(path, architecture={"input_shape": [4], "layers": layers})
    x = torch.randn(2, 4)
    torch.testing.assert_close(module(x), x @ weight.T @ weight)
