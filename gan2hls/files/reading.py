"""Reading of regular files of a sane size alone, and of plain values in them."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gan2hls.errors import UserError
from gan2hls.limits import FILE_BYTES, TEXT_BYTES, Limit

MOST_NAME_BYTES, MOST_PATH_BYTES = 255, 4096
"""Of Linux: NAME_MAX, PATH_MAX with the NUL at its end."""

_NAME_ROOM, _PATH_ROOM = 55, 512

MOST_NESTED = 64
"""Levels of tables and lists in a file; our own have six."""

_SURROGATE = re.compile("[\ud800-\udfff]")


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


def can_be_file(path: Path | str) -> bool:
    """Whether nothing but a regular file would be replaced by one: neither a folder nor, by root, a device.

    Raises:
        UserError: as `is_file`.
    """
    kind = _kind(path)
    return kind is None or stat.S_ISREG(kind)


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


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and below it, in an order that does not depend on the file system.

    Raises:
        OSError: a folder can not be read; `Path.rglob` would leave out what is in it.
    """

    def fail(error: OSError) -> None:
        raise error

    walked = os.walk(folder, onerror=fail)
    return sorted(Path(place) / name for place, _, names in walked for name in names)


def sha256(*parts: bytes | str) -> str:
    """Hex digest of the parts, each length-prefixed so that no two lists of parts collide."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
