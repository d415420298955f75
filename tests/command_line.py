"""The command line in this process or as a program of its own, for tests: `conftest` has its fixtures."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gan2hls import cli

COMMANDS = ("quantize", "build", "csim", "cosim", "estimate", "synth", "report", "sweep", "demo", "train", "doctor")
FAST = "[calibration]\nsamples = 8\n[simulation]\ncsim_images = 2\ncosim_images = 1\n"


@dataclass(frozen=True)
class Done:
    """What a command left: exit code and screens."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Calls `gan2hls` in this process, in an empty current folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["gan2hls", *map(str, words)])
        with pytest.raises(SystemExit) as ending:
            cli.main()
        screens = capsys.readouterr()
        return Done(int(ending.value.code or 0), screens.out, screens.err)

    return call


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny generator, its configuration, and a run up to `csim`, which the real program made."""
    from tests.doors import write_generator  # loads torch, for which the tests without it do not wait

    folder = tmp_path_factory.mktemp("a user's läb")
    write_generator(folder)
    (folder / "fast.toml").write_text(FAST)
    done = program(folder, "csim", "tiny.safetensors", "--config", "fast.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "golden = C++: equal, 32 values of 2 frames" in done.stdout
    assert not done.stderr
    return folder


def program(folder: Path, *words: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run `gan2hls` in a process of its own."""
    line = [sys.executable, "-m", "gan2hls.cli", *map(str, words)]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=300, **options)


def leftovers(folder: Path) -> list[str]:
    """What a killed run left in a folder."""
    from tests.doors import tree

    return [name for name in tree(folder) if any(part in name for part in (".partial", ".tmp", ".csim-"))]
