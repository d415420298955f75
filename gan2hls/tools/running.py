"""Running external programs: their output goes to a log, and none of them is left behind."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gan2hls.errors import MissingToolError, ToolError, ToolTimeoutError
from gan2hls.files import disk_errors
from gan2hls.tools.known import Tool
from gan2hls.watch import Group

TAIL_LINES = 15
"""Last lines of a failed program's output that its error shows."""

KILL_GRACE_SECONDS = 2.0
"""How long a program may clean up after SIGTERM before it gets SIGKILL."""


def environment_with(*tools: Tool) -> dict[str, str]:
    """This process's environment with the tools' folders first on PATH, for programs that look there themselves."""
    folders = [str(tool.path if tool.path.is_dir() else tool.path.parent) for tool in tools]
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": os.pathsep.join([*dict.fromkeys(folders), path])}


def run_tool(
    command: Sequence[str | Path],
    *,
    what: str,
    log: Path,
    cwd: Path,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end, its output going to a log file, and return that output.

    The program runs in a process group of its own. On a time-out, Ctrl-C or any other exception the whole group ends,
    and so it does where this process is killed: no simulator or compiler is left behind.

    Args:
        command: the program and its arguments.
        what: what is being done, for the error message, e.g. "compiling the C simulation".
        log: where standard output and error go; its folder is made.
        cwd: the folder to run in.
        timeout: seconds; None waits for ever.
        env: its whole environment; None hands on this process's own.

    Raises:
        MissingToolError: there is no such program.
        ToolError: it failed, or, as a ToolTimeoutError, ran into the time-out; shows the last lines of its output.
        Gan2HlsError: the log can not be written.
    """
    words = [str(word) for word in command]
    log = Path(log).absolute()
    with disk_errors(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        stream = log.open("wb")
    process = group = None
    with stream:
        try:
            with _interrupts_deferred():
                group = _group(what, words)
                process = _start(words, what, stream.fileno(), cwd, env, group)
            code = process.wait(timeout)
        except BaseException as error:
            if process is not None and group is not None:
                with _interrupts_deferred():
                    _end_group(process, group)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            tail = f"{_tail(log)}\nstopped: it ran for more than {timeout:g} s".lstrip()
            raise ToolTimeoutError(what, words, log, tail) from None
        finally:
            if group is not None:
                group.release()
    with disk_errors(log):
        output = log.read_text(errors="replace")
    if code != 0:
        ending = f"ended by signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        raise ToolError(what, words, log, f"{_tail(log)}\n{ending}".lstrip())
    return output


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Let Ctrl-C wait until the block is done: in the midst of starting a program, nobody would know which to end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    old = signal.signal(signal.SIGINT, lambda number, frame: pending.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old)
    if pending:
        signal.raise_signal(signal.SIGINT)


def _group(what: str, words: list[str]) -> Group:
    try:
        return Group()
    except OSError as error:
        raise ToolError(what, words, tail=f"can not be started: {error.strerror or error}") from error


def _start(
    words: list[str], what: str, output: int, cwd: Path, env: Mapping[str, str] | None, group: Group
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=group.id,
        )
    except FileNotFoundError:
        if not Path(cwd).is_dir():
            raise ToolError(what, words, tail=f"{cwd}: no such folder to run in") from None
        raise MissingToolError(f"{what}: there is no program {words[0]}") from None
    except OSError as error:
        raise ToolError(what, words, tail=f"can not be started: {error.strerror or error}") from error


def _tail(log: Path) -> str:
    with disk_errors(log):
        return "\n".join(log.read_text(errors="replace").rstrip().splitlines()[-TAIL_LINES:])


def _end_group(process: "subprocess.Popen[bytes]", group: Group) -> None:
    """End a process and all of its group: SIGTERM, and SIGKILL to what is left after `KILL_GRACE_SECONDS`."""
    for wish in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(group.id, wish)
            deadline = time.monotonic() + KILL_GRACE_SECONDS
            while time.monotonic() < deadline:
                process.poll()
                group.poll()
                os.killpg(group.id, 0)
                time.sleep(0.01)
        except (ProcessLookupError, PermissionError):
            break
    process.wait()
