"""Writing of files so that nothing is ever left half written.

Everything is written under a temporary name beside its destination and renamed at the end, so that an interruption or
a full disk never leaves half a file.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from gan2hls.errors import Gan2HlsError, UserError

_TEMPORARY_NAMES = (
    (re.compile(r"\.[^/]+\.\d+\.[0-9a-f]{8}\.partial/(?:new|old)/"), ""),
    (re.compile(r"\.([^/]+)\.\d+\.[0-9a-f]{8}\.partial"), r"\1"),
    (re.compile(r"\.([^/]+)\.[0-9a-f]{8}\.tmp\b"), r"\1"),
)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Make of any `OSError` one `Gan2HlsError` that says that `path` can not be written, and why.

    A pipe that nobody reads any more is no disk: that error stays what it is.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        detail, where = error.strerror or str(error), _final_name(path)
        if error.filename and not isinstance(error.filename, int):
            found = _final_name(os.fsdecode(error.filename))
            detail += "" if found == where else f" ({found})"
        raise Gan2HlsError(f"can not write {where}: {detail}") from error


def _final_name(path: Path | str) -> str:
    """A path as it will be when what is written is complete."""
    for pattern, name in _TEMPORARY_NAMES:
        path = pattern.sub(name, str(path))
    return str(path)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically: readers see the old content or the new one, never a part.

    Raises:
        Gan2HlsError: the disk is full, the folder is not writable, and the like.
    """
    with _replacing(Path(path)) as stream:
        stream.write(data)


def copy_file(source: Path, path: Path) -> None:
    """Copy a file of any size atomically; errors as `write_bytes`."""
    with _replacing(Path(path)) as stream, disk_errors(source), source.open("rb") as content:
        shutil.copyfileobj(content, stream)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of `path` when it is whole."""
    # Opened like any file, not by mkstemp, so that the umask decides on its permissions.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with disk_errors(path), made_folder(path.parent):
        if path.exists() and not (path.is_file() or path.is_dir()):  # root could replace a device
            raise UserError(f"{path}: not a regular file, and is not replaced by one; name another")
        try:
            with temporary.open("xb") as stream:
                yield stream
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; on failure those that were made go again, if nothing is in them."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    made: list[Path] = []
    try:
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            made.append(path)
        folder.mkdir(exist_ok=True)  # says what is in the way, if something is
        yield
    except BaseException:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir()
        raise


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys in the given order, one newline at the end."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
