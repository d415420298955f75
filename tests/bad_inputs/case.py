"""What a bad input is: how it is made, what a user then does, and what has to be said."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL = "tiny.safetensors"
"""The good generator that lies in each case's folder, with its card `tiny.json` and the same weights as `tiny.pth`."""

PROJECT = "made"
"""A good project of it, in cases that ask for one."""


def nothing(folder: Path) -> None:
    """The folder holds the good generator alone."""


@dataclass(frozen=True)
class Case:
    """One bad input.

    Args:
        does: words of a command line; or a function to call in the case's folder, which has to raise a `UserError`.
        says: what the one message has to hold.
        make: puts the bad input into a folder that holds the good generator.
        code: exit code of the command line.
        environment: variables that are set.
        project: whether the folder also holds a good project, `made`.
        most_lines: of the message; lists of problems have several.
        user: user id to run under, where permissions are what is bad; root may do everything.
    """

    does: tuple[str, ...] | Callable[[], Any]
    says: tuple[str, ...] = ()
    make: Callable[[Path], Any] = nothing
    code: int = 2
    environment: tuple[tuple[str, str], ...] = ()
    project: bool = False
    most_lines: int = 3
    user: int | None = None


def words(line: str) -> tuple[str, ...]:
    """A command line, split at blanks."""
    return tuple(line.split())
