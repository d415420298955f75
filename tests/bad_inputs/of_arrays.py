"""Arrays that claim more than they hold, and archives that unpack to more than anybody has."""

import gzip
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.bad_inputs.case import MODEL, Case, words
from tests.bad_inputs.of_files import CALIBRATED, DATA_FOLDER, DATA_IDX, DATA_NPZ, Make


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


CASES = dict(arrays())
