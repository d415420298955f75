"""Errors that reach a user: one clear message each, and the exit code that goes with it."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

MOST_CHARACTERS = 1000
"""Of one line of a message; what is left out in its middle is counted."""

MOST_LINES = 100
"""Of a message: what a tool says in its last lines is shown whole."""

MOST_PROBLEMS = 20
"""Problems that are listed; whoever has more has one that makes them all."""

_UNPRINTABLE = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f"  # control characters, with which terminals are driven
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"  # what has no width, and what turns the order of letters
    "\ud800-\udfff]"  # halves of characters: bytes of names that are no UTF-8
)


def printable(text: str) -> str:
    """Text as a terminal can show it: control characters as escapes, long lines and many lines cut, with a count.

    Names in messages come from files that anybody may have made.
    """
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"… and {len(lines) - MOST_LINES:,} more lines"]
    return "\n".join(_cut(_UNPRINTABLE.sub(_escaped, _cut(line))) for line in lines)


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode()


def _cut(line: str) -> str:
    """The line, or its beginning and its end, which mostly says what is accepted."""
    if len(line) <= MOST_CHARACTERS:
        return line
    end = MOST_CHARACTERS // 4
    start = MOST_CHARACTERS - end - 50
    return f"{line[:start]} … {len(line) - start - end:,} characters … {line[-end:]}"


def shown(value: Any) -> str:
    """`repr` of whatever a user gave, also of what has none: numbers of 5,000 digits, lists that hold themselves."""
    try:
        return repr(value)
    except Exception:  # of a foreign class, it may raise anything
        return f"<{type(value).__name__}>"


class Gan2HlsError(Exception):
    """Base of every error that gan2hls raises on purpose; the command line prints it without a traceback.

    Its message is `printable`, whatever names are in it.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class UserError(Gan2HlsError):
    """Input that gan2hls can not accept: the message names the thing and what is accepted."""

    exit_code = 2


class MissingToolError(UserError):
    """A program that a stage needs is not installed; the message says how to get it."""


class MismatchError(Gan2HlsError):
    """Two of golden model, C++ and RTL differ; the message gives the first differing element."""


class ToolError(Gan2HlsError):
    """An external program failed.

    Args:
        what: what was being done, e.g. "compiling the C simulation".
        command: the program and its arguments.
        log: where its whole output lies.
        tail: its last lines, shown to the user.
    """

    def __init__(self, what: str, command: Sequence[str], log: Path | None = None, tail: str = "") -> None:
        lines = [f"{what} failed: {' '.join(map(str, command))}"]
        if tail:
            lines.append(tail.rstrip())
        if log is not None:
            lines.append(f"whole log: {log}")
        super().__init__("\n".join(lines))
        self.log = log


class ToolTimeoutError(ToolError):
    """An external program was ended because it took longer than it may."""


def raise_problems(problems: Iterable[str], heading: str = "") -> None:
    """Raise one `UserError` that lists all problems, or the first and how many more; return if there are none."""
    found = list(problems)
    if not found:
        return
    if len(found) > MOST_PROBLEMS + 1:
        found = [*found[:MOST_PROBLEMS], f"… and {len(found) - MOST_PROBLEMS:,} more"]
    if heading and len(found) > 1:
        found = [heading, *(f"  {line}" for line in found)]
    raise UserError("\n".join(found))
