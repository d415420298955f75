"""Writing so that an interruption or a full disk never leaves half a file or half a folder.

Everything is written under a temporary name beside its destination and renamed at the end.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gan2hls.errors import Gan2HlsError, UserError

MARKER = "gan2hls.json"
"""File whose presence says that a folder was made by gan2hls and may be replaced by it."""


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Gan2HlsError(f"can not write {path}: {error.strerror or error}") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically: readers see the old content or the new one, never a part."""
    path = Path(path)
    temporary = None
    with _disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
            temporary = Path(name)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(path)
        except BaseException:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys in the given order, one newline at the end."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; a missing or damaged file is a `UserError` that names it."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as JSON: {error}") from None


def check_output_directory(directory: Path) -> None:
    """Refuse a destination that exists and was not made by gan2hls (no marker file in it, and not empty)."""
    directory = Path(directory)
    if directory.is_dir():
        if any(directory.iterdir()) and not (directory / MARKER).is_file():
            raise UserError(
                f"{directory}: the folder exists and was not made by gan2hls (no {MARKER} in it); "
                "name a new or an empty folder"
            )
    elif directory.exists():
        raise UserError(f"{directory}: a file is in the way; name a new or an empty folder")


@contextmanager
def output_directory(directory: Path) -> Iterator[Path]:
    """Give a temporary folder beside `directory`; on success it replaces `directory`, on failure it is removed.

    The caller writes `MARKER` into it. A killed run leaves at most a hidden temporary folder, which the next run
    to the same destination removes.

    Raises:
        UserError: `directory` exists and is not ours.
    """
    directory = Path(directory).absolute()
    check_output_directory(directory)
    with _disk_errors(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        for leftover in directory.parent.glob(f".{directory.name}.*.partial"):
            shutil.rmtree(leftover, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", suffix=".partial", dir=directory.parent))
    try:
        with _disk_errors(directory):
            temporary.chmod(0o755)
            yield temporary
            if directory.exists():
                old = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", suffix=".partial", dir=directory.parent))
                directory.rename(old / "old")
                temporary.rename(directory)
                shutil.rmtree(old, ignore_errors=True)
            else:
                temporary.rename(directory)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def sha256(*parts: bytes | str) -> str:
    """Hex digest of the parts, each length-prefixed so that no two lists of parts collide."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
