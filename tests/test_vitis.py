"""Vitis HLS is used where it is on PATH; where it is not, one message says so. Stand-ins take the vendor's place."""

import sys
from pathlib import Path

import numpy as np
import pytest

import gan2hls
from gan2hls import cli
from gan2hls.errors import Gan2HlsError, MissingToolError, ToolError, ToolTimeoutError, UserError
from tests.doors import LATENT, write_generator

REPORTS = Path(__file__).parent / "synth" / "reports"
OPTIONS = "--config hls_config.cfg --work_dir vitis"


@pytest.fixture
def project(tmp_path: Path) -> gan2hls.Project:
    model = gan2hls.load(write_generator(tmp_path))
    samples = np.random.default_rng(0).standard_normal((16, *LATENT)).astype(np.float32)
    return gan2hls.build(gan2hls.quantize(model, samples), tmp_path / "out")


def stand_in(folder: Path, name: str, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell script on PATH in place of the vendor's program."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / name).write_text(f"#!/bin/sh\n{body}\n")
    (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")


def report(inner: str, name: str = "csynth.xml") -> str:
    """Shell: synthesis leaves a report where the tool puts it."""
    folder = f"vitis/{inner}/syn/report"
    return f"mkdir -p {folder} && cp {REPORTS / name} {folder}/csynth.xml"


def step_by_step(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, csynth: str = "csynth.xml", cosim: str = "true"
) -> Path:
    """`v++` and `vitis-run` that note in a file with what they were called."""
    calls = folder / "calls"
    note = f'test -f hls_config.cfg || exit 3\necho "$(basename "$0") $*" >>{calls}'
    run = f"""{note}
case $3 in
    --csim) true ;;
    --cosim) {cosim} ;;
    --package) mkdir -p vitis/hls/impl && touch vitis/hls/impl/generator_ip.zip ;;
    *) exit 4 ;;
esac"""
    stand_in(folder, "vitis-run", run, monkeypatch)
    stand_in(folder, "v++", f"{note}\n{report('hls', csynth)}", monkeypatch)
    return calls


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
    monkeypatch.setenv("GAN2HLS_MAX_COSIM_SECONDS", "77")
    body = f"""test -f build.tcl && test -f limit.sh && test "$*" = "{expected}" &&
test "$GAN2HLS_MAX_COSIM_SECONDS" = 77 && {report("solution")} && touch generator_ip.zip"""
    stand_in(tmp_path, name, body, monkeypatch)
    archive = project.vitis()
    assert archive.name == "generator_ip.zip"
    assert archive.is_file()
    assert not (project.directory / "hls" / "generator_ip.zip").exists(), "the project itself stays as it was written"
    (loop,) = project.vitis_estimate().loops
    assert (loop.interval, loop.name) == (1, "mac_loop")


def test_single_steps_run(project: gan2hls.Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the compiler of the newer releases is here too."""
    calls, said = step_by_step(tmp_path, monkeypatch), list[str]()
    archive = project.vitis(say=said.append)
    assert archive.name == "generator_ip.zip" and archive.is_file()
    assert calls.read_text().splitlines() == [
        f"vitis-run --mode hls --csim {OPTIONS}",
        f"v++ -c --mode hls {OPTIONS}",
        f"vitis-run --mode hls --cosim {OPTIONS}",
        f"vitis-run --mode hls --package {OPTIONS}",
    ]
    assert said == [f"Vitis HLS: {step}" for step in ("C simulation", "synthesis", "co-simulation", "export")]
    assert [loop.name for loop in project.vitis_estimate().loops] == ["mac_loop"]


def test_a_loop_that_is_slower_is_an_error(
    project: gan2hls.Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = step_by_step(tmp_path, monkeypatch, csynth="csynth_slow.xml")
    with pytest.raises(Gan2HlsError, match=r"loop mac_loop of conv2d_u_conv_s: II = 3") as caught:
        project.vitis()
    assert "loop rows of upsample_u_up_s: it is not pipelined" in str(caught.value)
    assert "--cosim" not in calls.read_text(), "it is not simulated for hours first"
    assert "loop tail_loop of repack_s: II = 2; II = 1 is needed" in project.vitis_estimate().problems()


def test_a_script_that_looks_away_is_looked_after(
    project: gan2hls.Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    body = f"{report('solution', 'csynth_slow.xml')} && touch generator_ip.zip"
    stand_in(tmp_path, "vitis_hls", body, monkeypatch)
    with pytest.raises(Gan2HlsError, match="loop mac_loop of conv2d_u_conv_s: II = 3"):
        project.vitis()


def test_a_deadlock_in_co_simulation_ends(
    project: gan2hls.Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    step_by_step(tmp_path, monkeypatch, cosim="sleep 1000")
    monkeypatch.setenv("GAN2HLS_MAX_COSIM_SECONDS", "1")
    with pytest.raises(ToolTimeoutError, match=r"co-simulation failed(.|\n)*it ran for more than 1 s"):
        project.vitis()
    monkeypatch.setenv("GAN2HLS_MAX_COSIM_SECONDS", "soon")
    with pytest.raises(UserError, match="GAN2HLS_MAX_COSIM_SECONDS: 'soon' is not accepted; use seconds, above 0"):
        project.vitis()


@pytest.mark.parametrize("body", ["echo ERROR: no licence; exit 1", "echo ERROR: no licence"], ids=["fails", "no IP"])
def test_a_failure_shows_its_log(
    body: str, project: gan2hls.Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(tmp_path, "vitis_hls", f"{report('solution')}\n{body}", monkeypatch)
    with pytest.raises(ToolError, match="Vitis HLS failed") as caught:
        project.vitis()
    assert caught.value.log is not None
    assert "no licence" in caught.value.log.read_text()


def test_a_step_that_fails_shows_its_log(
    project: gan2hls.Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = step_by_step(tmp_path, monkeypatch, cosim="echo ERROR: mismatch; exit 1")
    with pytest.raises(ToolError, match="Vitis HLS: co-simulation failed") as caught:
        project.vitis()
    assert caught.value.log is not None and "mismatch" in caught.value.log.read_text()
    assert "--package" not in calls.read_text()


def test_a_tool_without_its_report(project: gan2hls.Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(tmp_path, "vitis_hls", "touch generator_ip.zip", monkeypatch)
    with pytest.raises(UserError, match=r"csynth\.xml: No such file"):
        project.vitis()


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


def test_the_command_shows_loops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step_by_step(tmp_path, monkeypatch)
    model = write_generator(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gan2hls", "build", str(model), "--out", "run", "--vitis"])
    with pytest.raises(SystemExit) as ending:
        cli.main()
    shown = capsys.readouterr()
    assert ending.value.code in (0, None), shown.err
    assert "generator_ip.zip" in shown.out
    assert "generator: loops" in shown.out and "mac_loop" in shown.out and "35,616" in shown.out
    assert "clock: 274.0 MHz reached (estimate), 200 MHz wanted" in shown.out
