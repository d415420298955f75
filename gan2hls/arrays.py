"""NumPy's files of real numbers, read without pickle and only where they hold what their headers claim."""

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gan2hls.errors import UserError, shown
from gan2hls.files import read_bytes
from gan2hls.limits import FILE_BYTES

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npy(path: Path | str) -> np.ndarray:
    """The array of a `.npy` file, in the machine's byte order.

    Raises:
        UserError: names the file: as `files.read_bytes`, damaged, or not of real numbers.
    """
    return npy_array(read_bytes(path), str(path))


def npy_array(data: bytes, where: str) -> np.ndarray:
    """The array of a `.npy` file's content.

    Raises:
        UserError: names `where`: as `read_npy`.
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        shape, fortran_order, dtype = _HEADERS[version](stream)
    except Exception as error:  # the header is a Python expression: parsers raise much for a bad one
        raise UserError(f"{where}: not readable as .npy: {str(error) or type(error).__name__}") from None
    if dtype.kind not in "biuf":
        what = "Python objects, which are refused because loading them can run code" if dtype.hasobject else dtype
        raise UserError(f"{where}: holds values of type {what}; use real numbers")
    if min(shape, default=0) < 0 or len(shape) > _MOST_DIMENSIONS:
        raise UserError(f"{where}: an array of shape {shown(shape)} is not supported")
    wanted, there = math.prod(shape) * dtype.itemsize, len(data) - stream.tell()
    if wanted != there:
        state = "truncated" if there < wanted else "too long"
        raise UserError(f"{where}: {state}: shape {shape} of {dtype} takes {wanted} bytes, it holds {there}")
    flat = np.frombuffer(data, dtype, offset=stream.tell()).astype(dtype.newbyteorder("="))
    return flat.reshape(shape, order="F" if fortran_order else "C")


_MOST_DIMENSIONS = 8


def npz_array(data: bytes, where: str, key: str | None, default: str) -> np.ndarray:
    """One array of an NPZ archive's content.

    Args:
        data: the archive.
        where: how messages call it.
        key: name of the array; None takes that called `default`, or the only one.
        default: see `key`.

    Raises:
        UserError: no archive, damaged, without such an array, or one that `read_npy` would not read.
    """
    if data.startswith(np.lib.format.MAGIC_PREFIX):
        raise UserError(f"{where}: holds a single array, not an NPZ archive; write it with numpy.savez")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            entry = members[_wanted(list(members), where, key, default)]
            FILE_BYTES.check(entry.file_size, f"{where}: {entry.filename}")
            content = archive.read(entry)
    except UserError:
        raise
    except Exception as error:  # zipfile, zlib, lzma and struct each raise their own on damaged archives
        raise UserError(f"{where}: not readable as NPZ: {str(error) or type(error).__name__}") from None
    return npy_array(content, f"{where}: {entry.filename}")


def _wanted(names: list[str], where: str, key: str | None, default: str) -> Any:
    wanted = key or (default if default in names else names[0] if len(names) == 1 else None)
    if wanted not in names:
        asked = f"no array {key!r}" if key else f"several arrays and none is called {default!r}; name one as key"
        raise UserError(f"{where}: {asked if names else 'no arrays'} (it holds: {', '.join(names) or 'nothing'})")
    return wanted
