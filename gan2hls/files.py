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
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

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


_LEFTOVER = re.compile(r"\..+\.\d+\.[0-9a-f]{8}\.partial")
"""Name of a folder that only a running or a killed process has, see `partial_name`."""

_TEMPORARY_NAMES = (
    (re.compile(r"\.[^/]+\.\d+\.[0-9a-f]{8}\.partial/(?:new|old)/"), ""),
    (re.compile(r"\.([^/]+)\.\d+\.[0-9a-f]{8}\.partial"), r"\1"),
    (re.compile(r"\.([^/]+)\.[0-9a-f]{8}\.tmp\b"), r"\1"),
)

_in_use: set[Path] = set()
"""Such folders of this process."""


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


def check_output_directory(directory: Path, kind: str | None = None) -> None:
    """Refuse a destination that exists and was not made by gan2hls (no marker file in it, and not empty).

    Args:
        directory: the destination.
        kind: what it must be if it exists, as its marker says; None accepts anything of ours.
    """
    directory = check_path(directory, room=True)
    if is_folder(directory):
        if not is_file(directory / MARKER) and _has_content(directory):
            raise UserError(
                f"{directory}: the folder exists and was not made by gan2hls (no {MARKER} in it); "
                "name a new or an empty folder"
            )
        if kind is not None and is_file(directory / MARKER):
            marker = read_json(directory / MARKER)
            found = marker.get("kind") if isinstance(marker, dict) else None
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


def _has_content(directory: Path) -> bool:
    """Whether more is in a folder than what killed processes left."""
    try:
        return any(not _LEFTOVER.fullmatch(item.name) for item in directory.iterdir())
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
    with disk_errors(directory):
        clean_up(directory)
        check_output_directory(directory, kind)
    with disk_errors(directory), made_folder(directory.parent):
        temporary = partial_name(directory)
        temporary.mkdir()
        try:
            yield temporary
            _swap(temporary, directory)
        except BaseException:
            remove_folder(temporary)
            raise


@contextmanager
def scratch_folder(name: str, parent: Path | None = None) -> Iterator[Path]:
    """A folder for what tools leave while they work, which is removed at the end.

    Args:
        name: what it is for; killed processes' folders of the same name in the same place are removed first.
        parent: where it is made; None takes the system's folder for temporary files.

    Raises:
        Gan2HlsError: the disk is full, the folder is not writable, and the like.
    """
    try:
        place = Path(tempfile.gettempdir() if parent is None else parent).absolute()
    except OSError as error:
        raise Gan2HlsError(f"no folder for temporary files: {error.strerror or error}") from None
    with disk_errors(place), made_folder(place):
        clean_up(place / name, bring_back=False)
        folder = partial_name(place / name)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            remove_folder(folder)


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and below it, in an order that does not depend on the file system.

    Raises:
        OSError: a folder can not be read; `Path.rglob` would leave out what is in it.
    """

    def fail(error: OSError) -> None:
        raise error

    walked = os.walk(folder, onerror=fail)
    return sorted(Path(place) / name for place, _, names in walked for name in names)


def partial_name(path: Path) -> Path:
    """A new hidden name beside `path` that tells which process uses it."""
    name = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")
    _in_use.add(name)
    return name


def leave_behind(folder: Path) -> None:
    """Leave a folder of `partial_name` to `leftovers`, as if the process had ended."""
    _in_use.discard(folder)


def remove_folder(folder: Path) -> None:
    """Remove a folder that nobody needs; what can not be removed is left for `clean_up` of the next run."""
    leave_behind(folder)
    for _ in range(2):  # an error that passes leaves nothing
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def _swap(new: Path, directory: Path) -> None:
    """Put `new` in the place of `directory`, which is moved aside first: nothing renames over a folder with content."""
    if not directory.exists():
        new.rename(directory)
        return
    aside = partial_name(directory)
    aside.mkdir()
    try:
        directory.rename(aside / "old")
        try:
            new.rename(directory)
        except BaseException:
            (aside / "old").rename(directory)
            raise
    except BaseException:
        with suppress(OSError):
            aside.rmdir()
        raise
    remove_folder(aside)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other processes out of a folder, which exists.

    Raises:
        UserError: another one works in it.
    """
    with disk_errors(directory):
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


def clean_up(path: Path, *, bring_back: bool = True) -> None:
    """Remove what killed processes left beside `path` (`partial_name`).

    Args:
        path: a file or folder that was being made.
        bring_back: old content that was moved aside in vain comes back.
    """
    for leftover in leftovers(path):
        if bring_back and not path.exists() and (leftover / "old").is_dir():
            with suppress(OSError):
                (leftover / "old").rename(path)
        remove_folder(leftover)


def leftovers(path: Path) -> list[Path]:
    """Folders of `partial_name` beside `path` whose processes are gone."""
    found = sorted(path.parent.glob(f".{glob.escape(path.name)}.*.partial"))
    return [item for item in found if _LEFTOVER.fullmatch(item.name) and not _is_used(item)]


def _is_used(folder: Path) -> bool:
    owner = folder.name.split(".")[-3]
    return folder in _in_use if owner == str(os.getpid()) else is_running(owner)


def is_running(process: str) -> bool:
    """Whether there is a process of this number."""
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
