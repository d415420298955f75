"""`gan2hls synth` as a user calls it, and `Project.synth`."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gan2hls
from gan2hls import cli
from gan2hls.errors import UserError
from gan2hls.files import MARKER
from gan2hls.synth import ESTIMATE, SynthResult
from gan2hls.synth.nextpnr import SeedsInterrupted
from gan2hls.targets import FAMILIES, TARGETS, Target
from tests.doors import LATENT, tree, write_generator

pytest.importorskip("pyosys", reason='needs pyosys (pip install "gan2hls[synth]")')

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a user's läb")
    samples = np.random.default_rng(0).standard_normal((16, *LATENT)).astype(np.float32)
    model = gan2hls.load(write_generator(folder))
    return gan2hls.build(gan2hls.quantize(model, samples), folder / "out", multipliers=4).directory


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gan2hls", "synth", *map(str, words)])
        with pytest.raises(SystemExit) as ending:
            cli.main()
        screens = capsys.readouterr()
        return int(ending.value.code or 0), screens.out, screens.err

    return call


def test_a_table_and_a_file(built: Path, command: Command) -> None:
    code, out, err = command(built, "--target", "lifcl-40")
    assert (code, err) == (0, "")
    path = built / "synth" / "lifcl-40.json"
    result = SynthResult.from_values(json.loads(path.read_text()))
    assert result.usage.luts > 100 and not result.seconds
    for words in ("u_up", "conv_transpose2d", "MULT18X18", "EBR", f"{result.usage.luts:,}", "32,256"):
        assert words in out
    assert f"{100 * result.usage.luts / 32256:.1f} %" in out
    assert "table: synthesized, by pyosys" in out and f"result: {path}" in out
    assert "note: built without a target, not for lifcl-40: " in out and "gan2hls build --target lifcl-40" in out
    assert any("not for lifcl-40" in note for note in result.notes)
    before = path.read_bytes()
    assert command(built, "--target", "lifcl-40")[0] == 0
    shutil.rmtree(built / ".run")  # the cache
    assert command(built, "--target", "lifcl-40")[0] == 0
    assert path.read_bytes() == before, "the same input gives the same bytes"


def test_in_a_run(built: Path, command: Command, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "run" / "project")
    (tmp_path / "run" / MARKER).write_text('{"kind": "run"}')
    code, out, _ = command(tmp_path / "run", "--target", "gowin", "--no-place")
    assert code == 0 and str(tmp_path / "run" / "project" / "synth" / "gowin.json") in out


def test_a_part_that_is_too_small(built: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "gowin", Target("gowin", FAMILIES["gowin"], 10000, 10, 40, 40))
    code, out, err = command(built, "--target", "gowin")
    assert code == 1 and "error: gowin is too small: " in err and "flip-flops needed, it has 10" in err
    assert "total" in out
    values = json.loads((built / "synth" / "gowin.json").read_text())
    assert values["problems"] and values["usage"]["flip_flops"] > 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "spartan"), "unknown target 'spartan'; use one of ecp5, gowin, nexus, xc7, xcup, ecp5-25k"),
        (("--target", "nexus", "--clock", "50"), "nexus: a clock is wanted, but yosys alone can not tell it"),
        (("--target", "nexus", "--tool", "ise"), "unknown tool 'ise'; use one of auto, yosys, vivado"),
        (("--target", "ecp5-25k", "--seeds", "0"), "seeds 0 is not accepted; use 1 or more"),
        (("--target", "ecp5-25k", "--limit", "nan"), "limit nan is not accepted; give seconds above 0"),
    ],
)
def test_what_is_not_accepted(words: tuple[str, ...], message: str, built: Path, command: Command) -> None:
    before = tree(built)
    code, out, err = command(built, *words)
    assert (code, out) == (2, "") and f"error: {message}" in err
    assert tree(built) == before


def test_no_project(command: Command, tmp_path: Path) -> None:
    code, _, err = command(tmp_path, "--target", "ecp5")
    assert code == 2 and f"error: {tmp_path}: not a project made by gan2hls build" in err


def test_an_interruption_leaves_no_result(built: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from gan2hls.synth import yosys

    def interrupted(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(yosys, "run_tool", interrupted)
    before = tree(built)
    code, _, err = command(built, "--target", "xc7")
    assert code == 130 and "interrupted" in err
    assert tree(built) == before


def test_an_interruption_shows_the_seeds_that_ended(
    built: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **more: object) -> None:
        raise SeedsInterrupted("these seeds have ended, and are kept:\nseed 1: 99.0 MHz (router1)")

    monkeypatch.setattr(gan2hls.Project, "synth", interrupted)
    code, _, err = command(built, "--target", "ecp5-25k", "--seeds", "2")
    assert code == 130 and "interrupted; the same command goes on" in err
    assert "these seeds have ended, and are kept:\nseed 1: 99.0 MHz (router1)" in err


def test_what_vitis_estimated(built: Path) -> None:
    project = gan2hls.Project.open(built)
    with pytest.raises(UserError, match=r"csynth.xml: No such file"):
        project.vitis_estimate()
    reports = built / ".run" / "vitis" / "vitis" / "solution" / "syn" / "report"
    reports.mkdir(parents=True)
    shutil.copyfile(Path(__file__).parent / "reports" / "csynth.xml", reports / "csynth.xml")
    result = project.vitis_estimate()
    assert result.figures == ESTIMATE
    values = json.loads((built / "synth" / "vitis-hls.json").read_text())
    assert SynthResult.from_values(values) == result


def test_a_check_that_can_not_be_made_is_said_first(
    built: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def synthesized(*_: object, **__: object) -> SynthResult:
        raise AssertionError("it was synthesized")

    monkeypatch.setattr(gan2hls.Project, "synth", synthesized)
    code, out, err = command(built, "--target", "xcup", "--check")
    assert (code, out) == (2, "")
    assert "netlists of xcup can not be simulated; use ecp5" in err
