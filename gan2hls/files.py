"""Writing so that an interruption or a full disk never leaves half a file or half a folder.

Everything is written under a temporary name beside its destination and renamed at the end.
"""

import fcntl
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from gan2hls.errors import Gan2HlsError, UserError

MARKER = "gan2hls.json"
"""File whose presence says that a folder was made by gan2hls and may be replaced by it."""


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
    """Make of any `OSError` one `Gan2HlsError` that says that `path` can not be written, and why."""
    try:
        yield
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
        content = (item for item in directory.iterdir() if not _LEFTOVER.fullmatch(item.name))
        if not (directory / MARKER).is_file() and any(content):
            raise UserError(
                f"{directory}: the folder exists and was not made by gan2hls (no {MARKER} in it); "
                "name a new or an empty folder"
            )
        if kind is not None and (directory / MARKER).is_file():
            marker = read_json(directory / MARKER)
            found = marker.get("kind") if isinstance(marker, dict) else None
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
    with disk_errors(directory), made_folder(directory.parent):
        clean_up(directory)
        check_output_directory(directory, kind)
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


def remove_folder(folder: Path) -> None:
    """Remove a folder that nobody needs; what can not be removed is left for `clean_up` of the next run."""
    _in_use.discard(folder)
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
