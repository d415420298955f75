"""The examples that need no file of others run as they are shipped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gan2hls.flow_config import read_flow_config
from gan2hls.models.train_config import read_train_config
from gan2hls.project import Project
from tests.conftest import ROOT

EXAMPLES = ROOT / "examples"


def run(folder: Path, *words: str) -> str:
    line = [sys.executable, str(EXAMPLES / "small_generator.py"), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_small_generator(tmp_path: Path) -> None:
    said = run(tmp_path, "out")
    assert "golden = C++: equal, 1,024 values" in said
    project = Project.open(tmp_path / "out")
    assert f"{project.estimate('ecp5-25k').usage.luts:,} LUTs" in said
    assert not project.estimate("ecp5-25k").problems()
    assert (tmp_path / "out" / "rtl" / "sources.f").is_file()


@pytest.mark.slow
def test_small_generator_in_rtl(tmp_path: Path) -> None:
    assert "golden = RTL: equal, a frame every " in run(tmp_path, "--cosim")
    assert (tmp_path / "runs" / "small-generator" / "hls").is_dir()


def test_configurations_are_read() -> None:
    assert read_flow_config(EXAMPLES / "digit-dcgan.toml", [("model", "source", "x.pth")]).quantize.layers
    assert read_train_config(EXAMPLES / "train-digits.toml").training.epochs > 1
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix == ".toml"} == {
        "digit-dcgan.toml",
        "digit-dcgan-architecture.toml",
        "train-digits.toml",
    }
