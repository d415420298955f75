"""Errors that reach a user: one clear message each, and the exit code that goes with it."""

from collections.abc import Iterable, Sequence
from pathlib import Path


class Gan2HlsError(Exception):
    """Base of every error that gan2hls raises on purpose; the command line prints it without a traceback."""

    exit_code = 1


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
    """Raise one `UserError` that lists all problems; return if there are none."""
    found = list(problems)
    if not found:
        return
    if heading and len(found) > 1:
        found = [heading, *(f"  {line}" for line in found)]
    raise UserError("\n".join(found))
