"""How a command ends: whatever happens becomes one message on standard error and an exit code."""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.markup import escape

from gan2hls.errors import Gan2HlsError, printable

BUG = 70
"""Exit code of an error that gan2hls did not expect (EX_SOFTWARE of sysexits.h)."""

TRACEBACK = "GAN2HLS_TRACEBACK"
"""Environment variable; set, each error shows where it was raised."""

_NAMES = (errno.ENAMETOOLONG, errno.ELOOP)
"""Errors of a path as it was given, not of a disk."""


def _open_streams() -> None:
    """Who closes standard output wants to read nothing; that is no reason to end."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (open as long as the program)


_open_streams()  # before the command line asks whether they are terminals


class Interrupted(Gan2HlsError):  # noqa: N818  (nothing went wrong)
    """Ctrl-C; typer would end the program without a word."""

    exit_code = 128 + signal.SIGINT

    def __init__(self, *more: str) -> None:
        super().__init__("\n".join(["interrupted; the same command goes on where it stopped", *more]))


class Screen(Console):
    """A terminal, pipe or file; when nobody reads it any more, the command ends as others do then.

    Other errors of it are told as its own: what is printed in the midst of a run would else count as the run's disk.
    """

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich's.

        Raises:
            BrokenPipeError: nobody reads any more. Gan2HlsError: the disk is full and the like.
        """
        try:
            super().print(*objects, **options)
        except BrokenPipeError:
            raise
        except OSError as error:
            name = "standard error" if self.stderr else "standard output"
            raise Gan2HlsError(f"can not write {name}: {error.strerror or error}") from error


def run(action: Callable[[], Any]) -> int:
    """Do what a command does and give its exit code; nothing is raised, and nothing is left to write.

    Exit codes:
        the exception's own for a `Gan2HlsError`; 1 if memory or a disk failed; 70 for what nobody expected; 128 + n
        for signal n, which the reader's end of a pipe going away counts as.
    """
    _accept_any_character()
    with _termination_like_interrupt() as caught:
        try:
            code = _ended(action)
            sys.stdout.flush()
            return code
        except Exception as error:
            if os.environ.get(TRACEBACK):
                traceback.print_exc()
            code, message = _told(error)
            _forget_output()
            interrupted = code == Interrupted.exit_code  # training says more of how it goes on
            if interrupted and caught:
                code = 128 + caught[0]
            prefix = "" if interrupted else "[red]error:[/red] "
            if message:
                with suppress(OSError, Gan2HlsError):  # there is no other place to say it
                    Screen(stderr=True, highlight=False).print(prefix + escape(printable(message)), soft_wrap=True)
            return code


def _ended(action: Callable[[], Any]) -> int:
    try:
        action()
    except SystemExit as ending:  # of typer, which has said what was wrong with the command line
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    return 0


def _told(error: Exception) -> tuple[int, str]:
    """Exit code and message of an exception."""
    if isinstance(error, Gan2HlsError):
        return error.exit_code, str(error)
    if isinstance(error, BrokenPipeError):
        return 128 + signal.SIGPIPE, ""
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):  # torch has no class for it
        detail = f": {error}" if str(error) else ""
        return 1, f"not enough memory{detail}; use fewer samples, or a smaller network"
    if isinstance(error, OSError):
        what = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        return 2 if error.errno in _NAMES else 1, f"{what}{error.strerror or error}"
    kind = type(error).__name__
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(frame.filename)}:{frame.lineno}"
    return (
        BUG,
        f"internal error: {kind}: {error} ({where}); this is a bug of gan2hls, and {TRACEBACK}=1 shows more of it",
    )


def _accept_any_character() -> None:
    """A terminal that lacks a character shows another one in its place; that is no reason to end."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")


def _forget_output() -> None:
    """Write what is waiting for standard output, or drop it, so that Python does not complain of it at its end."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _termination_like_interrupt() -> Iterator[list[int]]:
    """SIGTERM and SIGHUP end as Ctrl-C does, which also ends the programs that run; gives those that came."""
    caught: list[int] = []

    def interrupt(number: int, frame: Any) -> None:
        caught.append(number)
        signal.raise_signal(signal.SIGINT)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    # What is ignored stays so: that is what nohup does.
    old = {number: signal.signal(number, interrupt) for number in numbers if signal.getsignal(number) is signal.SIG_DFL}
    try:
        yield caught
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def readable_usage_errors() -> Iterator[None]:
    """What typer says of a command line, as a terminal can show it."""
    try:
        yield
    except Exception as error:
        if isinstance(getattr(error, "message", None), str) and hasattr(error, "format_message"):
            error.message = printable(error.message)  # type: ignore[attr-defined]
        raise
