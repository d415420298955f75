"""Reading of regular files of a sane size alone; writing so that nothing is ever left half written.

Everything is written under a temporary name beside its destination and renamed at the end, so that an interruption or
a full disk never leaves half a file or half a folder.
"""

import fcntl
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.limits import FILE_BYTES, TEXT_BYTES, Limit

MARKER = "gan2hls.json"
"""File whose presence says that a folder was made by gan2hls and may be replaced by it."""

MOST_NAME_BYTES, MOST_PATH_BYTES = 255, 4096
"""Of Linux: NAME_MAX, PATH_MAX with the NUL at its end."""

_NAME_ROOM, _PATH_ROOM = 55, 512

MOST_NESTED = 64
"""Levels of tables and lists in a file; our own have six."""

_SURROGATE = re.compile("[\ud800-\udfff]")


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


def check_path(path: Path | str, *, room: bool = False) -> Path:
    """The path, if a file could have it.

    Args:
        path: of something that is there or is to be made.
        room: leave room for temporary names beside it, and for what gan2hls puts into a folder of this path.

    Raises:
        UserError: it is empty, holds a NUL byte or half a character, or a name in it is longer than names can be.
    """
    text = os.fspath(path)
    most_name, most_path = MOST_NAME_BYTES, MOST_PATH_BYTES - 1
    if room:
        most_name, most_path = most_name - _NAME_ROOM, most_path - _PATH_ROOM
    try:
        names = os.fsencode(text).split(b"/")
    except UnicodeEncodeError:
        raise UserError(f"{text!r} is no path: it holds half a character") from None
    if not text or b"\0" in b"".join(names):
        raise UserError(f"{text!r} is no path: it {'holds a NUL byte' if text else 'is empty'}")
    if max(map(len, names)) > most_name or sum(map(len, names)) + len(names) - 1 > most_path:
        raise UserError(f"{text}: too long; a name has at most {most_name} bytes, a path {most_path:,}")
    return Path(path)


def is_file(path: Path | str) -> bool:
    """Whether something other than a folder is there, of whatever kind: `read_bytes` says what is wrong with it.

    Raises:
        UserError: no path, or in a folder that may not be searched.
    """
    kind = _kind(path)
    return kind is not None and not stat.S_ISDIR(kind)


def is_folder(path: Path | str) -> bool:
    """Whether a folder is there.

    Raises:
        UserError: as `is_file`.
    """
    kind = _kind(path)
    return kind is not None and stat.S_ISDIR(kind)


def _kind(path: Path | str) -> int | None:
    """Type bits of what a path leads to; None if nothing is there."""
    path = check_path(path)
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"{path}: not readable: {error.strerror}") from None


def read_bytes(path: Path | str, limit: Limit = FILE_BYTES, hint: str = "") -> bytes:
    """Read a regular file whole.

    Args:
        path: the file; a link to one is followed.
        limit: of its size.
        hint: put behind the message where there is no file, as "accepted: …".

    Raises:
        UserError: names the file: missing, not readable, too large, or a folder, FIFO, socket or device, none of
            which is opened.
    """
    path, hint = check_path(path), hint and f"; {hint}"
    try:
        _check_readable(path, path.stat(), limit)
        # Should it have become a FIFO or a terminal meanwhile, nobody waits for its other end, or becomes its owner.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), "rb") as stream:
            _check_readable(path, os.fstat(stream.fileno()), limit)
            data = stream.read()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file{hint}") from None
    except OSError as error:
        raise UserError(f"{path}: not readable: {error.strerror}") from None
    limit.check(len(data), str(path))
    return data


def _check_readable(path: Path, status: os.stat_result, limit: Limit) -> None:
    for test, kind in _OTHER_KINDS:
        if test(status.st_mode):
            raise UserError(f"{path}: {kind}; name a regular file")
    limit.check(status.st_size, str(path))


_OTHER_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_json(path: Path | str, limit: Limit = TEXT_BYTES) -> Any:
    """Read JSON of plain values (see `check_values`).

    Raises:
        UserError: names the file: as `read_bytes`, or damaged, nested too deep, or with numbers beyond 64 bits.
    """
    return parse(path, "JSON", json.loads, limit)


def parse(path: Path | str, kind: str, parser: Callable[[str], Any], limit: Limit = TEXT_BYTES) -> Any:
    """Read a text file of plain values by a parser that raises `ValueError` for what it can not read.

    Raises:
        UserError: as `read_json`.
    """
    data = read_bytes(path, limit)
    try:
        value = parser(data.decode("utf-8"))
    except RecursionError:
        raise UserError(f"{path}: not readable as {kind}: nested deeper than {MOST_NESTED} levels") from None
    except ValueError as error:
        raise UserError(f"{path}: not readable as {kind}: {error}") from None
    check_values(value, str(path))
    return value


def check_values(value: Any, where: str) -> None:
    """Refuse what no setting needs and what much trips over.

    Raises:
        UserError: nested too deep, an integer beyond 64 bits, or a string with half a character (a lone surrogate).
    """
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MOST_NESTED:
            raise UserError(f"{where}: nested deeper than {MOST_NESTED} levels")
        if isinstance(value, Mapping):
            waiting += ((item, depth + 1) for pair in value.items() for item in pair)
        elif isinstance(value, list | tuple):
            waiting += ((item, depth + 1) for item in value)
        elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            raise UserError(f"{where}: an integer of {value.bit_length()} bits; use at most 64")
        elif isinstance(value, str) and _SURROGATE.search(value):
            raise UserError(f"{where}: {value!r} holds half a character")


def check_output_directory(directory: Path, kind: str | None = None) -> None:
    """Refuse a destination that exists and was not made by gan2hls (no marker file in it, and not empty).

    Args:
        directory: the destination.
        kind: what it must be if it exists, as its marker says; None accepts anything of ours.
    """
    directory = check_path(directory, room=True)
    if is_folder(directory):
        if _has_entries(directory) and not is_file(directory / MARKER):
            raise UserError(
                f"{directory}: the folder exists and was not made by gan2hls (no {MARKER} in it); "
                "name a new or an empty folder"
            )
        if kind is not None and is_file(directory / MARKER):
            content = read_json(directory / MARKER)
            found = content.get("kind") if isinstance(content, dict) else None
            if found != kind:
                what = f"a {found}" if isinstance(found, str) else "something else"
                raise UserError(f"{directory}: holds {what} made by gan2hls, not a {kind}; name another folder")
    elif is_file(directory):
        raise UserError(f"{directory}: a file is in the way; name a new or an empty folder")
    else:
        for parent in directory.absolute().parents:
            if is_file(parent):
                raise UserError(f"{directory}: {parent} is a file, not a folder; name a folder that can be made")
            if is_folder(parent):
                break


def _has_entries(directory: Path) -> bool:
    try:
        return any(directory.iterdir())
    except OSError as error:
        raise UserError(f"{directory}: not readable: {error.strerror}") from None


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
