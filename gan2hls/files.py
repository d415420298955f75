"""Writing so that an interruption or a full disk never leaves half a file or half a folder.

Everything is written under a temporary name beside its destination and renamed at the end.
"""

import fcntl
import glob
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
        detail = error.strerror or str(error)
        if error.filename and Path(os.fsdecode(error.filename)) != path:
            detail += f" ({os.fsdecode(error.filename)})"
        raise Gan2HlsError(f"can not write {path}: {detail}") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically: readers see the old content or the new one, never a part.

    Raises:
        Gan2HlsError: the disk is full, the folder is not writable, and the like.
    """
    path = Path(path)
    # Opened like any file, not by mkstemp, so that the umask decides on its permissions.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with _disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                stream.write(data)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys in the given order, one newline at the end."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_bytes(path: Path) -> bytes:
    """Read a file; a missing or unreadable one is a `UserError` that names it."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: not readable: {error.strerror}") from None


def read_json(path: Path) -> Any:
    """Read JSON; a missing or damaged file is a `UserError` that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as JSON: {error}") from None


def check_output_directory(directory: Path, kind: str | None = None) -> None:
    """Refuse a destination that exists and was not made by gan2hls (no marker file in it, and not empty).

    Args:
        directory: the destination.
        kind: what it must be if it exists, as its marker says; None accepts anything of ours.
    """
    directory = Path(directory)
    if directory.is_dir():
        if any(directory.iterdir()) and not (directory / MARKER).is_file():
            raise UserError(
                f"{directory}: the folder exists and was not made by gan2hls (no {MARKER} in it); "
                "name a new or an empty folder"
            )
        if kind is not None and (directory / MARKER).is_file():
            content = read_json(directory / MARKER)
            found = content.get("kind") if isinstance(content, dict) else None
            if found != kind:
                what = f"a {found}" if isinstance(found, str) else "something else"
                raise UserError(f"{directory}: holds {what} made by gan2hls, not a {kind}; name another folder")
    elif directory.exists():
        raise UserError(f"{directory}: a file is in the way; name a new or an empty folder")


@contextmanager
def output_directory(directory: Path, kind: str | None = None) -> Iterator[Path]:
    """Give a temporary folder beside `directory`; on success it replaces `directory`, on failure it is removed.

    The caller writes `MARKER` into it. A killed run leaves at most a hidden temporary folder, which the next run
    to the same destination removes.

    Raises:
        UserError: `directory` exists and is not ours, or not of this kind.
        Gan2HlsError: the disk is full, the folder is not writable, and the like.
    """
    directory = Path(directory).resolve()
    with _disk_errors(directory):
        clean_up(directory)
        check_output_directory(directory, kind)
        directory.parent.mkdir(parents=True, exist_ok=True)
        temporary = _partial(directory)
        temporary.mkdir()
    try:
        with _disk_errors(directory):
            yield temporary
            _swap(temporary, directory)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _partial(directory: Path) -> Path:
    """A new hidden name beside `directory` that tells which process uses it."""
    return directory.with_name(f".{directory.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")


def _swap(new: Path, directory: Path) -> None:
    """Put `new` in the place of `directory`, which is moved aside first: nothing renames over a folder with content."""
    if not directory.exists():
        new.rename(directory)
        return
    aside = _partial(directory)
    aside.mkdir()
    directory.rename(aside / "old")
    try:
        new.rename(directory)
    except BaseException:
        (aside / "old").rename(directory)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other processes out of a folder, which exists.

    Raises:
        UserError: another one works in it.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{directory}: another gan2hls works in this folder; wait for it") from None
        except OSError:
            pass  # some network file systems have no locks
        yield
    finally:
        os.close(descriptor)


def clean_up(directory: Path) -> None:
    """Remove what killed processes left beside `directory`; bring back old content that was moved aside in vain."""
    for leftover in directory.parent.glob(f".{glob.escape(directory.name)}.*.partial"):
        owner = leftover.name.split(".")[-3]
        if owner != str(os.getpid()) and _is_running(owner):
            continue
        if not directory.exists() and (leftover / "old").is_dir():
            with suppress(OSError):
                (leftover / "old").rename(directory)
        shutil.rmtree(leftover, ignore_errors=True)


def _is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    return True


def sha256(*parts: bytes | str) -> str:
    """Hex digest of the parts, each length-prefixed so that no two lists of parts collide."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
