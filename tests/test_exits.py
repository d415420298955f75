"""The last door of the command line: whatever is raised, one message and the right exit code."""

import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gan2hls import exits
from gan2hls.errors import MOST_CHARACTERS, MOST_PROBLEMS, Gan2HlsError, ToolError, UserError, printable, raise_problems
from gan2hls.files import disk_errors
from gan2hls.limits import FRAMES, Limit

ROOT = Path(__file__).resolve().parent.parent


def raising(error: BaseException) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


def recursive() -> None:
    recursive()


ENDS: dict[str, tuple[Callable[[], Any], int, str]] = {
    "user's mistake": (raising(UserError("a.toml: no such file")), 2, "error: a.toml: no such file\n"),
    "failure": (raising(Gan2HlsError("the disk is full")), 1, "error: the disk is full\n"),
    "tool": (raising(ToolError("compiling", ["g++"], tail="x")), 1, "error: compiling failed: g++\nx\n"),
    "interrupted": (raising(exits.Interrupted()), 130, "interrupted; the same command goes on where it stopped\n"),
    "disk": (
        raising(OSError(errno.ENOSPC, "No space left on device", "a/b")),
        1,
        "error: a/b: No space left on device\n",
    ),
    "read-only disk": (raising(OSError(errno.EROFS, "Read-only file system")), 1, "error: Read-only file system\n"),
    "long name": (
        raising(OSError(errno.ENAMETOOLONG, "File name too long", "a" * 9)),
        2,
        "error: aaaaaaaaa: File name",
    ),
    "memory": (raising(MemoryError()), 1, "error: not enough memory; use fewer samples, or a smaller network\n"),
    "torch's memory": (raising(RuntimeError("can't allocate memory: 9 TB")), 1, "error: not enough memory: can't allo"),
    "reader gone": (raising(BrokenPipeError()), 141, ""),
    "bug": (raising(KeyError("weights")), 70, "error: internal error: KeyError: 'weights' (test_exits.py:"),
    "endless recursion": (recursive, 70, "error: internal error: RecursionError: maximum recursion depth exceeded"),
    "encoding": (lambda: "\ud800".encode(), 70, "error: internal error: UnicodeEncodeError: "),
    "usage, by typer": (raising(SystemExit(2)), 2, ""),
    "exit with words": (raising(SystemExit("no")), 1, ""),
    "nothing": (lambda: None, 0, ""),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_end_is_a_code_and_a_message(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    action, code, message = ENDS[name]
    assert exits.run(action) == code
    err = capsys.readouterr().err
    assert err.startswith(message)
    assert bool(err) == bool(message)
    assert "Traceback" not in err


def test_a_traceback_for_whoever_asks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(exits.TRACEBACK, "1")
    assert exits.run(raising(KeyError("weights"))) == 70
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):\n")
    assert "error: internal error: KeyError: 'weights'" in err


def program(line: str, folder: Path, **options: Any) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    command = ["bash", "-o", "pipefail", "-c", line.replace("gan2hls", f"{sys.executable} -m gan2hls.cli")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=300)


def test_a_full_disk_behind_standard_output(tmp_path: Path) -> None:
    done = program("gan2hls --help > /dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


def test_a_reader_that_is_gone(tmp_path: Path) -> None:
    done = program("gan2hls doctor | true", tmp_path)
    assert (done.returncode, done.stderr) in ((128 + signal.SIGPIPE, ""), (0, ""))  # 0 where the pipe took it all
    for closed in (">&-", ">&- 2>&-"):
        done = program(f"gan2hls doctor {closed}", tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "error: can not write standard output: No space left on"),
    ],
)
def test_output_that_fails_in_the_midst_of_a_run_is_not_the_disk_of_the_run(
    error: OSError, code: int, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    class Failing(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    def action() -> None:
        with disk_errors(tmp_path):
            exits.Screen(file=Failing()).print("quantize")

    assert exits.run(action) == code
    err = capsys.readouterr().err
    assert err.startswith(message)
    assert bool(err) == bool(message)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_characters(tmp_path: Path, encoding: str) -> None:
    """The version alone needs none; the help's frames do."""
    done = program("gan2hls build --help", tmp_path, env={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, "")
    assert "--weight-bits" in done.stdout


# Messages


def test_printable_escapes_what_drives_a_terminal() -> None:
    assert printable("a\x1b[2J\x07\r\nb\t×\u202e\udcff") == "a\\x1b[2J\\x07\\r\nb\t×\\u202e\\udcff"
    assert printable(printable("\x1b")) == "\\x1b"


def test_printable_cuts_and_counts() -> None:
    cut = printable("b" * 5000 + "z")
    assert len(cut) <= MOST_CHARACTERS
    assert cut.endswith("z")
    kept = cut.count("b") + 1
    assert f" … {5001 - kept:,} characters … " in cut
    assert printable("\n".join("x" * 250)).endswith("\n… and 150 more lines")
    assert printable("x" * MOST_CHARACTERS) == "x" * MOST_CHARACTERS


def test_problems_are_cut_and_counted() -> None:
    with pytest.raises(UserError) as caught:
        raise_problems((f"problem {i}" for i in range(20_000)), "heading:")
    lines = str(caught.value).splitlines()
    assert len(lines) == MOST_PROBLEMS + 2
    assert lines[-1] == f"  … and {20_000 - MOST_PROBLEMS:,} more"


# Limits


def test_a_limit_is_raised_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="samples: 2,000,000 frames are too many; use at most 1,000,000, or raise the"):
        FRAMES.check(2_000_000, "samples")
    monkeypatch.setenv(FRAMES.variable, "2000000")
    FRAMES.check(2_000_000, "samples")
    for wrong in ("", "0", "-1", "1e6", "9" * 30, "²"):
        monkeypatch.setenv(FRAMES.variable, wrong)
        with pytest.raises(UserError, match=f"environment variable {FRAMES.variable}: .* use frames, above 0"):
            FRAMES.check(1, "samples")


def test_the_documentation_has_every_limit() -> None:
    import gan2hls.limits as limits

    text = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
    for limit in vars(limits).values():
        if isinstance(limit, Limit):
            assert f"| `{limit.variable}` | " in text


def test_the_screen_replaces_characters_that_it_lacks() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    exits.Screen(file=stream).print("×")
    stream.seek(0)
    assert stream.read() == "?\n"
