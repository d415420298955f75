"""Files that are none, that are too large, damaged, hostile or nested without end, at each door that reads one."""

import gzip
import io
import json
import os
import pickle
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.bad_inputs.case import MODEL, Case, words

Make = Callable[[Path], Any]


# What is no regular file, in the place of each file that gan2hls reads.


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder_in_place(path: Path) -> None:
    path.mkdir()


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's path is short
        try:
            listener.bind(path.name)
        finally:
            os.chdir(here)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def terminal(path: Path) -> None:
    path.symlink_to("/dev/tty")


def dangling(path: Path) -> None:
    path.symlink_to("nothing-there")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def secret(path: Path) -> None:
    path.write_text("")
    path.chmod(0)


def sparse(path: Path) -> None:
    """Five terabytes that take no room."""
    with path.open("wb") as stream:
        stream.truncate(5 << 40)


NO_FILES: dict[str, tuple[Make, str]] = {
    "FIFO": (fifo, "a FIFO"),
    "folder": (folder_in_place, "a folder"),
    "socket": (unix_socket, "a socket"),
    "endless device": (endless, "a device"),
    "terminal": (terminal, "a device"),
    "dangling link": (dangling, "no such file"),
    "link to itself": (link_to_itself, "symbolic links"),
    "unreadable file": (secret, "not readable"),
    "5 TB": (sparse, "GAN2HLS_MAX_"),
}


def replaced(name: str, make: Make, also: Make | None = None) -> Make:
    def do(folder: Path) -> None:
        if also is not None:
            also(folder)
        path = folder / name
        path.unlink(missing_ok=True)
        make(path)

    return do


def text(name: str, content: str | bytes) -> Make:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


CALIBRATED = text("c.toml", '[calibration]\nfile = "latents.npy"\n')
DATA_IDX = text("t.toml", '[data]\nsource = "idx"\npath = "images.idx"\n')
DATA_NPZ = text("t.toml", '[data]\nsource = "npz"\npath = "images.npz"\n')
DATA_FOLDER = text("t.toml", '[data]\nsource = "folder"\npath = "images"\n')


def in_images(make: Make) -> Make:
    def do(path: Path) -> None:
        path.parent.mkdir()
        make(path)

    return do


DOORS: dict[str, tuple[str, str, Make | None]] = {
    "weights": (MODEL, f"build {MODEL}", None),
    "weights.pth": ("tiny.pth", "build tiny.pth", None),
    "card": ("tiny.json", f"build {MODEL}", None),
    "architecture": ("a.toml", f"quantize {MODEL} --architecture a.toml", None),
    "architecture.json": ("a.json", f"estimate {MODEL} --architecture a.json --target xcup", None),
    "config": ("c.toml", f"csim {MODEL} --config c.toml", None),
    "sweep's config": ("c.toml", f"sweep {MODEL} --config c.toml", None),
    "training config": ("t.toml", "train --config t.toml", None),
    "calibration": ("latents.npy", f"quantize {MODEL} --config c.toml", CALIBRATED),
    "IDX": ("images.idx", "train --config t.toml", DATA_IDX),
    "NPZ": ("images.npz", "train --config t.toml", DATA_NPZ),
}
OPTIONAL = ("card",)
"""Files that need not be there: without one, the message is that it is missed."""


def no_files() -> Iterator[tuple[str, Case]]:
    for door, (name, line, also) in DOORS.items():
        for kind, (make, said) in NO_FILES.items():
            missing = said in ("no such file", "a folder") and door in OPTIONAL
            yield (
                f"{kind} as {door}",
                Case(
                    words(line),
                    (name, "architecture" if missing else said),
                    replaced(name, make, also),
                    user=65534 if make is secret else None,
                ),
            )
    for kind in ("FIFO", "socket", "endless device", "dangling link", "5 TB", "unreadable file"):
        make, said = NO_FILES[kind]
        yield (
            f"{kind} as image",
            Case(
                words("train --config t.toml"),
                ("images/a.png", said),
                replaced("images/a.png", in_images(make), DATA_FOLDER),
                user=65534 if make is secret else None,
            ),
        )


# Text that no parser should follow.

NESTED = 100_000
CARD = '{"architecture": %s}'
TEXTS: dict[str, tuple[str, str | bytes]] = {
    # what it is → TOML, JSON
    "empty": ("", ""),
    "binary": (b"\x00\xff\xfe\x80" * 99, b"\x00\xff\xfe\x80" * 99),
    "UTF-16": ("[model]\n".encode("utf-16"), '{"architecture": {}}'.encode("utf-16")),
    "half a text": ('[model]\nsource = "', '{"architecture": {"input_sh'),
    "nested lists": ("x = " + "[" * NESTED + "]" * NESTED, "[" * NESTED + "]" * NESTED),
    "nested tables": ("x = " + "{a=" * NESTED + "1" + "}" * NESTED, '{"a":' * NESTED + "1" + "}" * NESTED),
    "nested 200 deep": ("x = " + "[" * 200 + "]" * 200, '{"architecture":' * 200 + "1" + "}" * 200),
    "long dotted key": (".".join(["a"] * 50_000) + " = 1", '{"' + "a." * 50_000 + '": 1}'),
    "long table name": ("[" + ".".join(["a"] * 50_000) + "]\n", '{"input_shape": ' + "[" * 3000),
    "integer of 5,000 digits": ("[quantize]\nweight_bits = " + "9" * 5000, '{"input_shape": [' + "9" * 5000 + "]}"),
    "integer of 400 digits": ("[quantize]\nweight_bits = " + "9" * 400, '{"input_shape": [' + "9" * 400 + "]}"),
    "string of 10 MB": (
        '[quantize]\nmethod = "' + "x" * 10_000_000 + '"',
        '{"input_shape": "' + "x" * 10_000_000 + '"}',
    ),
    "key of 1 MB": ("[quantize]\n" + "k" * 1_000_000 + " = 1", '{"' + "k" * 1_000_000 + '": 1}'),
    "terminal escapes": (
        '[quantize]\n"\\u001b[2J\\u001b]0;owned\\u0007" = 1',
        '{"\\u001b[2J\\u001b]0;owned\\u0007": 1, "layers": []}',
    ),
    "right-to-left": ('[quantize]\n"\\u202egnp.exe" = 1', '{"\\u202egnp.exe": 1, "layers": []}'),
    "markup": ('[quantize]\n"[red]x[/red][/]" = 1', '{"[red]x[/red][/]": 1, "layers": []}'),
    "20,000 unknown keys": (
        "[quantize]\n" + "\n".join(f"key{i} = 1" for i in range(20_000)),
        json.dumps({f"key{i}": 1 for i in range(20_000)} | {"layers": []}),
    ),
    "surrogate": ('[quantize]\nmethod = "\\ud800"', '{"input_shape": "\\ud800", "layers": []}'),
    "list in place of a table": ("quantize = []", "[]"),
    "number in place of a table": ("quantize = 3", "3"),
    "null": ("[quantize]\nweight_bits = null", "null"),
    "doubled key": ("[quantize]\nweight_bits = 8\nweight_bits = 4", '{"layers": [], "layers": {}}'),
}


def texts() -> Iterator[tuple[str, Case]]:
    for kind, (toml, js) in TEXTS.items():
        if kind not in ("empty",):
            yield (
                f"config: {kind}",
                Case(words(f"build {MODEL} --config c.toml"), ("c.toml",), text("c.toml", toml), most_lines=25),
            )
            yield (
                f"sweep's config: {kind}",
                Case(words(f"sweep {MODEL} --config c.toml"), ("c.toml",), text("c.toml", toml), most_lines=25),
            )
            yield (
                f"training config: {kind}",
                Case(words("train --config t.toml"), ("t.toml",), text("t.toml", toml), most_lines=25),
            )
        yield (
            f"architecture: {kind}",
            Case(words(f"build {MODEL} --architecture a.toml"), ("a.toml",), text("a.toml", toml), most_lines=25),
        )
        yield f"card: {kind}", Case(words(f"build {MODEL}"), ("tiny.json",), text("tiny.json", js), most_lines=25)
        yield (
            f"architecture.json: {kind}",
            Case(words(f"build {MODEL} --architecture a.json"), ("a.json",), text("a.json", js), most_lines=25),
        )


# Arrays that claim more than they hold, and archives that unpack to more than anybody has.


def npy(shape: object, dtype: str = "<f8", data: bytes = b"", order: str = "False") -> bytes:
    header = f"{{'descr': {dtype!r}, 'fortran_order': {order}, 'shape': {shape!r}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


class Hostile:
    """Unpickled, it would write a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("touch code-was-run",))


def objects() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Hostile()], dtype=object), allow_pickle=True)
    return stream.getvalue()


NPYS: dict[str, bytes] = {
    "empty": b"",
    "no array": b"hello, world",
    "header alone": b"\x93NUMPY",
    "header of 65,535 bytes that is not there": b"\x93NUMPY\x01\x00\xff\xff",
    "header of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
    "version 9": b"\x93NUMPY\x09\x00" + b"\0" * 99,
    "claims 8 TB": npy((10**12, 4, 1, 1)),
    "claims 10^30 values": npy((10**30, 4, 1, 1)),
    "claims 100 values": npy((100, 4, 1, 1), data=b"\0" * 8),
    "negative shape": npy((-1, 4, 1, 1), data=b"\0" * 320),
    "shape of strings": npy(("a", "b"), data=b"\0" * 320),
    "64 dimensions": npy((1,) * 64, data=b"\0" * 8),
    "unknown type": npy((8, 4, 1, 1), dtype="<q99"),
    "nested header": b"\x93NUMPY\x01\x00" + struct.pack("<H", 40_000) + b"(" * 40_000,
    "hostile header": npy((8, 4, 1, 1), dtype="__import__('os').system('touch code-was-run')"),
    "hostile objects": objects(),
    "strings": saved(np.array([["a", "b"]])),
    "complex": saved(np.zeros((8, 4, 1, 1), complex)),
    "dates": saved(np.zeros((8, 4, 1, 1), "datetime64[s]")),
    "records": saved(np.zeros((8, 4, 1, 1), [("a", "f4")])),
    "void": saved(np.zeros((8, 4, 1, 1), "V8")),
    "NaN": saved(np.full((8, 4, 1, 1), np.nan)),
    "infinite": saved(np.full((8, 4, 1, 1), np.inf)),
    "beyond float32": saved(np.full((8, 4, 1, 1), 1e300)),
    "no samples": saved(np.zeros((0, 4, 1, 1))),
    "scalar": saved(np.float64(3)),
    "vector": saved(np.zeros(4)),
    "wrong shape": saved(np.zeros((8, 5, 1, 1))),
    "truncated": saved(np.zeros((8, 4, 1, 1)))[:-9],
    "an archive": (lambda s: (np.savez(s, a=np.zeros(3)), s.getvalue())[1])(io.BytesIO()),
}


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return stream.getvalue()


def zip_bomb() -> bytes:
    """100 MB of zeros in 100 kB."""
    return zipped(images__npy=npy((100_000_000,), dtype="|u1", data=bytes(100_000_000)))


NPZS: dict[str, bytes | Callable[[], bytes]] = {
    "empty": b"",
    "no archive": b"hello, world",
    "half an archive": zipped(images__npy=saved(np.zeros((8, 28, 28), np.uint8)))[:200],
    "no members": zipped(),
    "member that is no array": zipped(images__npy=b"hello"),
    "claims 8 TB": zipped(images__npy=npy((10**6, 1000, 1000), data=b"\0" * 8)),
    "bomb": zip_bomb,
    "hostile objects": zipped(images__npy=objects()),
    "a name of a path": zipped(**{"../../images__npy": saved(np.zeros((2, 2)))}),
    "wrong shape": zipped(images__npy=saved(np.zeros((2, 2)))),
    "NaN": zipped(images__npy=saved(np.full((8, 28, 28), np.nan))),
    "no images": zipped(images__npy=saved(np.zeros((0, 28, 28)))),
    "several arrays": zipped(a__npy=saved(np.zeros((2, 2))), b__npy=saved(np.zeros((2, 2)))),
    "too large for the size": zipped(images__npy=saved(np.zeros((8, 64, 64), np.uint8))),
    "no pixels": zipped(images__npy=saved(np.zeros((8, 0, 28), np.uint8))),
}


def idx(*shape: int, data: bytes = b"", kind: int = 8) -> bytes:
    return bytes([0, 0, kind, len(shape)]) + b"".join(struct.pack(">I", n) for n in shape) + data


def gzip_bomb() -> bytes:
    """100 MB of zeros in 100 kB, the header of which says that they are images."""
    return gzip.compress(idx(100_000, 32, 32, data=bytes(102_400_000)))


def gzip_liar() -> bytes:
    """A header that says three gigabytes, in front of nothing."""
    return gzip.compress(idx(3_000_000, 32, 32))


SMALL = (("GAN2HLS_MAX_FILE_BYTES", str(1 << 26)),)
"""A limit that a bomb exceeds which is made fast."""


IDXS: dict[str, bytes | Callable[[], bytes]] = {
    "empty": b"",
    "no IDX": b"hello, world",
    "claims 4 EB": idx(0xFFFFFFFF, 0xFFFFFFFF, 1),
    "claims 255 dimensions": b"\0\0\x08\xff" + b"\xff" * 99,
    "header alone": b"\0\0\x08\x03",
    "truncated": idx(10, 28, 28, data=bytes(99)),
    "too long": idx(1, 2, 2, data=bytes(99)),
    "floats": idx(1, 2, 2, data=bytes(16), kind=0x0D),
    "labels": idx(8, data=bytes(8)),
    "no images": idx(0, 28, 28),
    "damaged gzip": gzip.compress(idx(1, 28, 28, data=bytes(784)))[:-12],
    "no gzip": b"\x1f\x8b" + b"x" * 50,
    "bomb": gzip_bomb,
    "packed header that lies": gzip_liar,
}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


IMAGES: dict[str, tuple[str, bytes | Callable[[], bytes]]] = {
    "empty": ("a.png", b""),
    "no image": ("a.png", b"hello, world"),
    "PNG of 10^10 pixels": ("a.png", png(100_000, 100_000)),
    "PNG of 100 million pixels": ("a.png", lambda: png(10_000, 10_000, bytes(30_010_000))),
    "PNG without pixels": ("a.png", png(28, 28)),
    "PNG of no size": ("a.png", png(0, 0)),
    "PNG with a text bomb": (
        "a.png",
        lambda: png(28, 28, bytes(28 * 85)).replace(
            chunk(b"IEND", b""), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 28))) * 3
        ),
    ),
    "truncated JPEG": ("a.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF" + b"\0" * 40),
    "truncated GIF": ("a.gif", b"GIF89a\xff\xff\xff\xff"),
    "BMP of 4 TB": (
        "a.bmp",
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 1_000_000, 1_000_000, 1, 24, 0, 0, 0, 0, 0, 0),
    ),
    "TIFF with a loop": ("a.tif", b"II*\x00\x08\x00\x00\x00\x00\x00\x08\x00\x00\x00"),
    "PGM of 10^18 pixels": ("a.pgm", b"P5 1000000000 1000000000 255\n"),
    "too large for the size": ("a.png", png(64, 64, bytes(64 * 193))),
}


def maker(name: str, data: bytes | Callable[[], bytes], also: Make) -> Make:
    def make(folder: Path) -> None:
        also(folder)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data if isinstance(data, bytes) else data())

    return make


def arrays() -> Iterator[tuple[str, Case]]:
    for kind, data in NPYS.items():
        yield (
            f"calibration: {kind}",
            Case(words(f"quantize {MODEL} --config c.toml"), ("latents.npy",), maker("latents.npy", data, CALIBRATED)),
        )
    train = words("train --config t.toml")
    for kind, lazy in NPZS.items():
        says = () if kind == "too large for the size" else ("images.npz",)
        limit = SMALL if kind == "bomb" else ()
        yield f"NPZ: {kind}", Case(train, says, maker("images.npz", lazy, DATA_NPZ), environment=limit)
    for kind, lazy in IDXS.items():
        limit = SMALL if kind == "bomb" else ()
        yield f"IDX: {kind}", Case(train, ("images.idx",), maker("images.idx", lazy, DATA_IDX), environment=limit)
    for kind, (name, lazy) in IMAGES.items():
        says = () if kind == "too large for the size" else (f"images/{name}",)
        yield f"image: {kind}", Case(train, says, maker(f"images/{name}", lazy, DATA_FOLDER))
    yield "images: an empty folder", Case(train, ("images",), lambda f: (DATA_FOLDER(f), (f / "images").mkdir()))
    yield "images: no folder", Case(train, ("images",), DATA_FOLDER)


# Weights.


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


CASES = dict([*no_files(), *texts(), *arrays(), *weights()])
