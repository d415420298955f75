"""Folders that appear whole or not at all, and what killed processes leave of them."""

import fcntl
import glob
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.files.reading import check_path, is_file, is_folder, read_json
from gan2hls.files.writing import disk_errors, made_folder

MARKER = "gan2hls.json"
"""File whose presence says that a folder was made by gan2hls and may be replaced by it."""

_LEFTOVER = re.compile(r"\..+\.\d+\.[0-9a-f]{8}\.partial")
"""Name of a folder that only a running or a killed process has, see `partial_name`."""

_in_use: set[Path] = set()
"""Such folders of this process."""


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
