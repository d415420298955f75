"""`gan2hls sweep` as a user calls it: exit codes, messages, interruptions."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gan2hls
from gan2hls import cli
from gan2hls.sweep import workers
from tests.doors import write_generator
from tests.sweep.deeds import CONFIG, Inline


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a tiny generator and `c.toml`; tasks run in this process."""
    write_generator(tmp_path)
    (tmp_path / "c.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workers, "LocalWorkers", lambda jobs: Inline())
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["gan2hls", "sweep", *words])
    with pytest.raises(SystemExit) as ending:
        cli.main()
    return int(ending.value.code or 0)


def test_a_sweep(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--config", "c.toml", "--weight-bits", "3, 5", "--target", "xcup", "--multipliers", "4,8", "--out", "out")
    assert call(monkeypatch, *words) == 0
    shown = capsys.readouterr().out
    for label in ("W3A8 m4 xcup", "W3A8 m8 xcup", "W5A8 m4 xcup", "W5A8 m8 xcup"):
        assert f"/4 {label}: " in shown
    assert "frames/s" in shown
    assert "FID: 64 features of a LeNet of digits, against the float model's images." in shown
    assert (here / "out/sweep.json").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "ecp9"), "options: sweep: unknown target 'ecp9'"),
        (("--weight-bits", "2,x"), "--weight-bits '2,x' is not accepted; give integers with commas between them"),
        (("--weight-bits", "2,,3"), "--weight-bits '2,,3' is not accepted"),
        (("--weight-bits", "40"), "options: sweep: weight_bits 40 is not supported; use 1 to 16"),
        (("--frames-per-second", "fast"), "--frames-per-second 'fast' is not accepted; give numbers"),
        (("--quantizer", "best"), "weight_quantizer 'best' is not known"),
        (("--multipliers", "8", "--dsps", "8"), "multipliers and dsps are given; use one of them"),
        (("--scheduler", "nowhere"), "scheduler 'nowhere' is no address; use tcp://host:port"),
        (("--jobs", "0"), "jobs 0 is not supported; use 1 or more"),
        (("--jobs", "2", "--scheduler", "tcp://host:1"), "jobs and scheduler are given; use one of them"),
        (("missing.pth",), "missing.pth: no such file"),
    ],
)
def test_wrong_input_is_one_message_and_2(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    assert call(monkeypatch, *words, "--out", "out") == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert not (here / "out").exists()


def test_failed_points_are_listed_and_1(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "--config", "c.toml", "--multipliers", "1,8", "--out", "out") == 1
    shown = capsys.readouterr()
    assert "4 of 8 points failed; the same command tries them again:" in shown.err
    assert "  W2A8 m1 ecp5: " in shown.err
    assert "W2A8 m8 ecp5: " not in shown.err


def test_no_scheduler_is_1(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 0.3)
    assert call(monkeypatch, "--config", "c.toml", "--scheduler", "tcp://127.0.0.1:9", "--out", "out") == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err


def test_a_missing_tool_is_said_first(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert call(monkeypatch, "--config", "c.toml", "--cosim", "--out", "out") == 2
    assert "g++" in capsys.readouterr().err
    assert not (here / "out").exists()


def test_ctrl_c_ends_the_workers_and_is_130(here: Path) -> None:
    """The real program with a real pool, as a terminal interrupts it: the whole group at once."""
    line = [sys.executable, "-m", "gan2hls.cli", "sweep", "--config", "c.toml", "--out", "out", "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(gan2hls.__file__).resolve().parents[1])}
    options = {"cwd": here, "env": environment, "text": True, "start_new_session": True}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*line, "--weight-bits", "2,3,4,5,6,7,8"], **options, **pipes)  # type: ignore[call-overload]
    deadline = time.monotonic() + 60
    while not list(here.glob("out/cache/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "interrupted; the same command goes on where it stopped\n"
    kept = len(list(here.glob("out/cache/*")))
    assert 0 < kept < 21
    assert ended(process.pid), "nothing of its group is left"


def ended(group: int) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_all_points_fail(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--config", "c.toml", "--weight-bits", "3", "--target", "xcup", "--multipliers", "1", "--out", "out")
    assert call(monkeypatch, *words) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: 1 of 1 points failed; the same command tries them again:\n  W3A8 m1 xcup: ")
    assert "multiplier" in shown
    assert (here / "out/report.html").is_file()
