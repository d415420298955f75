"""Files of weights that are damaged, hostile, or hold something else."""

import json
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tests.bad_inputs.case import MODEL, Case, words
from tests.bad_inputs.of_arrays import Hostile, zipped
from tests.bad_inputs.of_files import Make, text


def tensors(**changes: Any) -> Make:
    def make(folder: Path) -> None:
        values = dict(torch.load(folder / "tiny.pth", weights_only=True))
        for key, value in changes.items():
            key = key.replace("__", ".")
            if value is None:
                del values[key]
            else:
                values[key] = value
        torch.save(values, folder / "tiny.pth")

    return make


def header(**entries: Any) -> bytes:
    data = json.dumps(entries).encode()
    return struct.pack("<Q", len(data)) + data


def pickled(value: Any) -> Make:
    return lambda folder: (folder / "tiny.pth").write_bytes(pickle.dumps(value))


def saved_by_torch(value: Any) -> Make:
    return lambda folder: torch.save(value, folder / "tiny.pth")


def cut(name: str, keep: float) -> Make:
    def make(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(len(data) * keep)])

    return make


SAFETENSORS: dict[str, bytes] = {
    "empty": b"",
    "no safetensors": b"hello, world, this is text",
    "header of 2^63 bytes": struct.pack("<Q", 1 << 63) + b"{}",
    "header of 100 MB that is not there": struct.pack("<Q", 100_000_000) + b"{}",
    "header that is no JSON": struct.pack("<Q", 5) + b"{{{{{",
    "header nested": struct.pack("<Q", 200_000) + b"[" * 200_000,
    "claims 4 TB": header(a={"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}) + b"\0" * 9,
    "claims 2^64 values": header(a={"dtype": "F32", "shape": [1 << 32, 1 << 32], "data_offsets": [0, 4]}) + b"\0" * 4,
    "negative shape": header(a={"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}) + b"\0" * 4,
    "unknown type": header(a={"dtype": "Q7", "shape": [1], "data_offsets": [0, 4]}) + b"\0" * 4,
    "overlapping": header(
        a={"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        b={"dtype": "F32", "shape": [1], "data_offsets": [2, 6]},
    )
    + b"\0" * 8,
    "no tensors": header(),
    "other names": header(**{f"x{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(20_000)}),
}
PTHS: dict[str, tuple[str, Make]] = {
    "hostile": ("Python objects", pickled(Hostile())),
    "hostile inside": ("Python objects", saved_by_torch({"a": Hostile()})),
    "hostile by torch": ("Python objects", saved_by_torch([Hostile()] * 3)),
    "list": ("a list", saved_by_torch([torch.zeros(3)])),
    "number": ("a int", saved_by_torch(3)),
    "no tensors": ("dictionary of tensors", saved_by_torch({})),
    "keys that are numbers": ("tiny.pth", saved_by_torch({1: torch.zeros(3)})),
    "half": ("damaged", cut("tiny.pth", 0.5)),
    "a tenth": ("damaged", cut("tiny.pth", 0.1)),
    "text": ("damaged", text("tiny.pth", "hello, world")),
    "zip without anything": ("tiny.pth", text("tiny.pth", zipped())),
    "nested pickle": ("damaged", text("tiny.pth", b"\x80\x02" + b"(" * 1_000_000)),
    "pickle of 2^60 bytes": ("tiny.pth", text("tiny.pth", b"\x80\x05\x8e" + struct.pack("<Q", 1 << 60) + b".")),
    "endless memo": ("damaged", text("tiny.pth", b"\x80\x02" + b"]q\x00" * 100 + b"h\x63.")),
    "missing tensor": ("draw.bias: missing", tensors(draw__bias=None)),
    "20,000 unexpected tensors": ("unexpected", tensors(**{f"t{i}": torch.zeros(1) for i in range(20_000)})),
    "escapes in a key": ("\\x1b[2J", tensors(**{"\x1b[2J": torch.zeros(1)})),
    "markup in a key": ("[bold]x[/]", tensors(**{"[bold]x[/]": torch.zeros(1)})),
    "key of 1 MB": ("unexpected", tensors(**{"k" * 1_000_000: torch.zeros(1)})),
    "NaN": ("draw.bias", tensors(draw__bias=torch.tensor([float("nan")]))),
    "infinite": ("draw.bias", tensors(draw__bias=torch.tensor([float("inf")]))),
    "complex": ("draw.bias", tensors(draw__bias=torch.zeros(1, dtype=torch.complex64))),
    "wrong shape": ("draw.bias", tensors(draw__bias=torch.zeros(7))),
}


def weights() -> Iterator[tuple[str, Case]]:
    for kind, data in SAFETENSORS.items():
        yield f"safetensors: {kind}", Case(words(f"build {MODEL}"), (MODEL,), text(MODEL, data), most_lines=25)
    for keep in (0.1, 0.5, 0.99):
        yield f"safetensors: {keep:.0%} of it", Case(words(f"build {MODEL}"), (MODEL, "damaged"), cut(MODEL, keep))
    for kind, (said, make) in PTHS.items():
        yield f"pth: {kind}", Case(words("build tiny.pth"), ("tiny.pth", said), make, most_lines=25)
    for name in ("tiny.onnx", "tiny", "tiny.tar", "tiny.safetensors.gz"):
        yield (
            f"weights called {name}",
            Case(words(f"build {name} --architecture tiny.json"), (name, "accepted"), text(name, "x")),
        )


CASES = dict(weights())
