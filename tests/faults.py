"""File operations that fail: the n-th one below some folders, with an error of one's choice."""

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ERRORS = (errno.ENOSPC, errno.EROFS, errno.EISDIR, errno.EACCES, errno.EIO)

_CALLS = ("open", "mkdir", "rename", "replace", "unlink", "remove", "rmdir", "scandir", "symlink", "link", "utime")


class Faults:
    """Counts what is done to files below `folders`, and lets one operation fail.

    Args:
        folders: others are not looked at.
        fail_at: number of the operation that fails, from 0 on; None lets none fail.
        error: its errno; None ends the process there.
        forever: all later operations that need room fail too, as on a full disk.
    """

    def __init__(self, folders: Sequence[Path], fail_at: int | None, error: int | None, forever: bool = False) -> None:
        self.operations: list[str] = []
        self._folders = tuple(str(folder) for folder in folders)
        self._fail_at, self._error, self._forever = fail_at, error, forever

    def count(self, what: str, path: Any, needs_room: bool) -> None:
        number = len(self.operations)
        self.operations.append(f"{what} {path}")
        if number == self._fail_at or (
            self._forever and needs_room and self._fail_at is not None and number > self._fail_at
        ):
            if self._error is None:
                os._exit(0)
            raise OSError(self._error, os.strerror(self._error), str(path))

    def covers(self, path: Any) -> bool:
        try:
            text = os.fsdecode(path)
        except TypeError:
            return False  # a descriptor
        return os.path.abspath(text).startswith(self._folders)

    @contextmanager
    def active(self) -> Iterator["Faults"]:
        with pytest.MonkeyPatch.context() as patch:
            for name in _CALLS:
                patch.setattr(os, name, self._counted(name, getattr(os, name)))
            opened = self._opened(io.open)
            patch.setattr(io, "open", opened)
            patch.setattr(builtins, "open", opened)
            yield self

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any = ".", *arguments: Any, **keywords: Any) -> Any:
            # Where a name is relative to an open folder, something is removed that is ours.
            if keywords.get("dir_fd") is not None or self.covers(path):
                self.count(name, path, name in ("mkdir", "symlink", "link"))
            return function(path, *arguments, **keywords)

        return call

    def _opened(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, mode: str = "r", *arguments: Any, **keywords: Any) -> Any:
            if not self.covers(path):
                return function(path, mode, *arguments, **keywords)
            writes = not set(mode).isdisjoint("wxa+")
            self.count(f"open {mode}", path, writes)
            stream = function(path, mode, *arguments, **keywords)
            return _Stream(stream, path, self) if writes else stream

        return call


class _Stream:
    """An open file whose writing may fail."""

    def __init__(self, stream: Any, path: Any, faults: Faults) -> None:
        self._stream, self._path, self._faults = stream, path, faults

    def write(self, data: Any) -> Any:
        self._faults.count("write", self._path, True)
        return self._stream.write(data)

    def close(self) -> None:
        self._stream.close()
        self._faults.count("close", self._path, True)

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
