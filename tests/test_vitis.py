"""Vitis HLS is used where it is on PATH; where it is not, one message says so. Stand-ins take the vendor's place."""

import sys
from pathlib import Path

import numpy as np
import pytest

import gan2hls
from gan2hls import cli
from gan2hls.errors import MissingToolError, ToolError
from tests.doors import LATENT, write_generator


@pytest.fixture
def project(tmp_path: Path) -> gan2hls.Project:
    model = gan2hls.load(write_generator(tmp_path))
    samples = np.random.default_rng(0).standard_normal((16, *LATENT)).astype(np.float32)
    return gan2hls.build(gan2hls.quantize(model, samples), tmp_path / "out")


def stand_in(folder: Path, name: str, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell script on PATH in place of the vendor's program."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / name).write_text(f"#!/bin/sh\n{body}\n")
    (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")


def test_without_vitis(project: gan2hls.Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"vitis_hls: not found(.|\n)*PATH"):
        project.vitis()
    assert not (project.directory / ".run" / "vitis").exists()


@pytest.mark.parametrize(
    ("name", "expected"), [("vitis-run", "--mode hls --tcl build.tcl"), ("vitis_hls", "-f build.tcl")]
)
def test_the_script_runs(
    name: str, expected: str, project: gan2hls.Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    body = f'test -f build.tcl && test "$*" = "{expected}" && touch generator_ip.zip'
    stand_in(tmp_path, name, body, monkeypatch)
    archive = project.vitis()
    assert archive.name == "generator_ip.zip"
    assert archive.is_file()
    assert not (project.directory / "hls" / "generator_ip.zip").exists(), "the project itself stays as it was written"


@pytest.mark.parametrize("body", ["echo ERROR: no licence; exit 1", "echo ERROR: no licence"], ids=["fails", "no IP"])
def test_a_failure_shows_its_log(
    body: str, project: gan2hls.Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(tmp_path, "vitis_hls", body, monkeypatch)
    with pytest.raises(ToolError, match="Vitis HLS failed") as caught:
        project.vitis()
    assert caught.value.log is not None
    assert "no licence" in caught.value.log.read_text()


def test_without_vitis_nothing_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gan2hls", "build", "--vitis"])
    with pytest.raises(SystemExit) as ending:
        cli.main()
    assert ending.value.code == 2
    assert "vitis_hls: not found" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
