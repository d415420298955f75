"""Doing a task in a worker: what goes wrong becomes its outcome, with the log of the tool that failed."""

import dataclasses
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gan2hls.errors import Gan2HlsError, ToolError, UserError
from gan2hls.resources import program_digest
from gan2hls.sweep.task import Outcome, Task


class _LoggedError(Gan2HlsError):
    """A tool's failure, with what its log says: the log itself lies in a folder that goes away."""

    def __init__(self, message: str, log: bytes) -> None:
        super().__init__(message)
        self.log = log


@contextmanager
def kept_log() -> Iterator[None]:
    """Take a failed tool's log along before its folder is removed."""
    try:
        yield
    except ToolError as error:
        lines = [line for line in str(error).splitlines() if not line.startswith("whole log: ")]
        what = lines[0].split(" failed: ")[0] + " failed"
        reason = f": {lines[-1]}" if len(lines) > 1 else ""
        log = error.log.read_bytes() if error.log is not None and error.log.is_file() else b""
        raise _LoggedError(what + reason, log) from error


def execute(task: Task, payload: Any, program: str, tools: Mapping[str, str]) -> Outcome:
    """Do a task in a worker; what goes wrong becomes its outcome, since not every exception survives the way back.

    Args:
        task: what to do.
        payload: see `Task.run`.
        program: digest of the gan2hls that wants it; this one must be the same.
        tools: versions that the outcome is kept under; those that are known must be the ones here.
    """
    began = time.monotonic()
    try:
        if program_digest() != program:
            raise UserError("the worker has another gan2hls installed than this one")
        here = task.tools()
        others = [f"{name} {here[name]} and not {tools[name]}" for name in here if _differ(here[name], tools.get(name))]
        if others:
            raise UserError(f"the worker has {', '.join(others)}")
        outcome = task.run(payload)
    except Exception as error:
        message = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
        if not isinstance(error, Gan2HlsError):
            message = f"{type(error).__name__}: {message}"
        log = error.log if isinstance(error, _LoggedError) else b""
        outcome = Outcome(error=message or type(error).__name__, log=log)
    return dataclasses.replace(outcome, seconds=round(time.monotonic() - began, 2))


def _differ(here: str, wanted: str | None) -> bool:
    """Where one of the two is missing, nothing is compared: running the tool says so better."""
    return bool(here) and bool(wanted) and here != wanted
