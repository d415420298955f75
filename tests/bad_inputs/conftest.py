"""The server of bad inputs, and the good generator and project that lie in each case's folder."""

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.bad_inputs.case import MODEL, PROJECT
from tests.bad_inputs.server import SECONDS
from tests.doors import state_dict, write_generator

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 300
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Done:
    """How a case ended."""

    code: int
    seconds: float
    memory: int
    out: str
    err: str


class Server:
    """`server.py` in a process of its own."""

    def __init__(self) -> None:
        environment = {**os.environ, **_ONE_THREAD, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        for name in ("COLUMNS", "GAN2HLS_TRACEBACK", "FORCE_COLOR"):
            environment.pop(name, None)
        line = [sys.executable, "-m", "tests.bad_inputs.server"]
        self._process = subprocess.Popen(
            line, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self._line(START_SECONDS) == "ready\n"

    def _line(self, seconds: float) -> str:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        assert ready, f"the server of bad inputs gave no answer in {seconds} s"
        return self._process.stdout.readline()

    def run(self, name: str, folder: Path, scratch: Path) -> Done:
        """Run a case in its folder; its screens and TMPDIR lie in `scratch`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"name": name, "folder": str(folder), "scratch": str(scratch)}) + "\n")
        answer: dict[str, Any] = json.loads(self._line(SECONDS + 60))
        screens = [(scratch / name).read_text(errors="backslashreplace") for name in ("out", "err")]
        return Done(**answer, out=screens[0], err=screens[1])

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good generator in both formats, and a project of it."""
    import gan2hls

    folder = tmp_path_factory.mktemp("good")
    write_generator(folder)
    torch.save(state_dict(), folder / "tiny.pth")
    module = gan2hls.load(folder / MODEL)
    gan2hls.build(gan2hls.quantize(module, torch.randn(16, 4, 1, 1)), folder / PROJECT, multipliers=4)
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """The case's folder, which holds the good generator; beside it `scratch`, which others may write too."""
    work = tmp_path / "work"
    shutil.copytree(good, work, ignore=lambda _, names: [name for name in names if name == PROJECT])
    (tmp_path / "scratch" / "tmp").mkdir(parents=True)
    for path in (tmp_path / "scratch", tmp_path / "scratch" / "tmp"):
        path.chmod(0o777)
    return work
