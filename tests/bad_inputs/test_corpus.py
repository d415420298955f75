"""Hundreds of bad inputs, each of which gets one clear message, soon, in little memory, and leaves nothing behind.

The tables are in the modules beside this one, a kind each; a new case is a line there. One in four, drawn by its name,
is among the quick tests; the others are as fast, but many.
"""

import os
import shutil
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bad_inputs.case import PROJECT
from tests.bad_inputs.conftest import Server
from tests.bad_inputs.corpus import CASES

QUICK = 4
"""Of so many cases, one is quick."""

LONGEST_LINE = 1200
"""Characters; the longest that `errors.printable` leaves."""


def listing(folder: Path) -> dict[str, object]:
    """Everything in a folder: kind, permissions, and what it holds; nothing is opened that is not a file."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            size = path.stat().st_size
            content: object = path.read_bytes() if size < 1 << 22 else size
        else:
            content = path.readlink() if stat.S_ISLNK(mode) else None
        found[str(path.relative_to(folder))] = (mode, content)
    return found


def is_quick(name: str) -> bool:
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % QUICK == 0


def drawn() -> Iterator[Any]:
    for name in CASES:
        yield pytest.param(name, marks=() if is_quick(name) else pytest.mark.slow)


def test_there_are_enough() -> None:
    assert sum(map(is_quick, CASES)) >= 300
    assert len(CASES) >= 1200


def _open_to_others(folder: Path) -> None:
    """Let another user come to the case's folder, which pytest makes for its own user alone."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    for path in (folder, *folder.parents):
        if path.stat().st_mode & 0o005 != 0o005:
            path.chmod(path.stat().st_mode | 0o055)


@pytest.mark.parametrize("name", list(drawn()))
def test_bad_input(server: Server, good: Path, folder: Path, name: str) -> None:
    case = CASES[name]
    scratch = folder.parent / "scratch"
    if case.project:
        shutil.copytree(good / PROJECT, folder / PROJECT)
    case.make(folder)
    if case.user is not None:
        _open_to_others(folder)
    before = listing(folder)
    done = server.run(name, folder, scratch)
    err = done.err
    assert done.code == case.code, done
    assert "Traceback" not in err
    assert "Warning" not in err
    lines = err.splitlines()
    usage = err.startswith(("Usage: ", "╭─ Error"))  # typer's frame, as wide as the terminal
    assert err.startswith("error: ") or usage
    assert 1 <= len(lines) <= (25 if usage else case.most_lines), err
    assert max(map(len, lines)) <= LONGEST_LINE
    assert all(character.isprintable() or character == "\n" for character in err)
    flat = " ".join(err.replace("│", " ").split())
    for said in case.says:
        assert said in flat, err
    assert listing(folder) == before
    assert not list((scratch / "tmp").iterdir())
