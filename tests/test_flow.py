"""The staged flow: what is made anew and what is not, damaged checkpoints, edited sources, reproducibility."""

import dataclasses
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan2hls import flow
from gan2hls.budget import Budget
from gan2hls.config import from_mapping
from gan2hls.errors import MismatchError, MissingToolError, UserError
from gan2hls.files import MARKER
from gan2hls.flow import STAGES, Run, write_reports
from gan2hls.flow_config import FlowConfig, FoldingConfig, read_flow_config
from gan2hls.project import CosimResult, Project
from gan2hls.tools import known
from tests.doors import ARCHITECTURE, LATENT, tree, write_generator

CONFIG = """
[model]
source = "tiny.safetensors"
[calibration]
samples = 8
[folding]
multipliers = 8
[simulation]
csim_images = 2
cosim_images = 1
"""


def settings(folder: Path, text: str = CONFIG, *changes: tuple[str, str, Any]) -> FlowConfig:
    (folder / "c.toml").write_text(text)
    return read_flow_config(folder / "c.toml", changes)


def made(directory: Path, config: FlowConfig, last: str) -> list[str]:
    """Run, and give the stages that were made."""
    stages = []

    def say(stage: str, state: str) -> None:
        if state == "working":
            stages.append(stage)

    Run(directory, config, say).until(last)
    return stages


def no_cosim(project: Project, x: np.ndarray, **_: Any) -> CosimResult:
    """In the place of the RTL simulation, where it is not what is tested: it takes ten seconds."""
    return CosimResult(project.graph.run_integers(x), 100, None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a generator, its configuration, and a whole run in `run`."""
    folder = tmp_path_factory.mktemp("finished")
    write_generator(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Project, "cosim", no_cosim)
        assert made(folder / "run", settings(folder), "report") == list(STAGES)
    return folder


@pytest.fixture
def work(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished`."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


# Results


def test_a_whole_run(work: Path) -> None:
    run = work / "run"
    (run / "cosim.json").unlink()
    assert made(run, read_flow_config(work / "c.toml"), "report") == ["cosim", "report"]
    assert json.loads((run / "csim.json").read_text()) == {"images": 2, "values": 32, "equal": True}
    cosim = json.loads((run / "cosim.json").read_text())
    assert cosim["equal"] is True
    assert 0 < cosim["latency_cycles"] != 100
    assert cosim["interval_cycles"] == Project.open(run / "project").pipeline.interval_cycles
    assert "equal, 48 values" in (run / "report.html").read_text()
    report = json.loads((run / "report.json").read_text())
    assert [entry["state"] for entry in report["runs"]] == ["equal"]
    assert report["runs"][0]["label"] == "W8A8"
    assert {path.name for path in run.glob("*.png")} == {"csim.png", "cosim.png"}
    assert not list((run / "project/.run").glob("*.log"))


def test_results_can_be_read_again(finished: Path) -> None:
    run = Run(finished / "run", read_flow_config(finished / "c.toml"))
    assert np.isfinite(run.psnr)
    assert run.graph.input_shape == LATENT
    assert run.project.graph.output_shape == (1, 4, 4)
    assert run.run_report().state == "equal"


def test_one_report_of_several_runs(finished: Path, tmp_path: Path) -> None:
    result = Run(finished / "run", read_flow_config(finished / "c.toml")).run_report()
    write_reports(tmp_path, "two", [result, result])
    assert len(json.loads((tmp_path / "report.json").read_text())["runs"]) == 2
    assert (tmp_path / "report.html").exists()


# What is made anew


def test_nothing_is_made_twice(work: Path) -> None:
    before = tree(work)
    assert made(work / "run", read_flow_config(work / "c.toml"), "report") == []
    assert tree(work) == before


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (("quantize", "weight_bits", 5), ["quantize", "build"]),
        (("calibration", "seed", 1), ["quantize", "build"]),
        (("simulation", "seed", 2), ["quantize", "build"]),
        (("simulation", "cosim_images", 3), ["quantize", "build"]),
        (("folding", "multipliers", 4), ["build"]),
        (("folding", "target", "xcup"), ["build"]),
        (("folding", "frames_per_second", 5e4), ["build"]),
        (("folding", "layers", {"up": {"pe": 3, "simd": 3, "packing": 3}}), ["build"]),
        (("folding", "layers", {"up": {"pe": 3, "simd": 2}}), ["build"]),
        (("hls", "clock_mhz", 100.0), ["build"]),
        (("simulation", "stalls", False), []),
    ],
    ids=lambda value: "-".join(map(str, value[:2])) if isinstance(value, tuple) else "",
)
def test_what_a_setting_makes_anew(work: Path, change: tuple[str, str, Any], stages: list[str]) -> None:
    assert made(work / "run", read_flow_config(work / "c.toml", [change]), "build") == stages
    # What was said of the old project is gone with it.
    assert (work / "run/csim.json").exists() == (not stages)
    assert (work / "run/report.html").exists() == (not stages)


def test_other_files_make_anew(work: Path) -> None:
    config = read_flow_config(work / "c.toml")
    write_generator(work, draw__bias=torch.full((1,), 0.5))
    assert made(work / "run", config, "build") == ["quantize", "build"]
    layers = [{**layer, "eps": 0.01} if layer["type"] == "BatchNorm2d" else layer for layer in ARCHITECTURE["layers"]]
    (work / "tiny.json").write_text(json.dumps({"architecture": {**ARCHITECTURE, "layers": layers}}))
    assert made(work / "run", config, "build") == ["quantize", "build"]
    np.save(work / "samples.npy", np.ones((4, *LATENT)))
    config = read_flow_config(work / "c.toml", [("calibration", "file", str(work / "samples.npy"))])
    assert made(work / "run", config, "build") == ["quantize", "build"]
    np.save(work / "samples.npy", np.ones((4, *LATENT)) / 2)
    assert made(work / "run", config, "build") == ["quantize", "build"]


def test_another_gan2hls_makes_anew(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "program_digest", lambda: "another")
    assert made(work / "run", read_flow_config(work / "c.toml"), "build") == ["quantize", "build"]


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("quantize/graph.json", ["quantize"]),
        ("quantize/weights.safetensors", ["quantize"]),
        ("samples.npz", ["quantize"]),
        ("quantize.json", ["quantize"]),
        ("project/graph/graph.json", ["build"]),
    ],
)
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_damaged_checkpoints_are_made_anew(work: Path, name: str, stages: list[str], damage: str) -> None:
    before = tree(work / "run/project")
    path = work / "run" / name
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.unlink()
    assert made(work / "run", read_flow_config(work / "c.toml"), "build") == stages
    after = tree(work / "run/project")
    assert {name: data for name, data in before.items() if not name.startswith(".run")}.items() <= after.items()


@pytest.mark.parametrize("folder", ["hls", "rtl"])
def test_a_missing_source_builds_anew(work: Path, folder: str) -> None:
    next(path for path in sorted((work / "run/project" / folder).rglob("*")) if path.is_file()).unlink()
    assert made(work / "run", read_flow_config(work / "c.toml"), "build") == ["build"]


@pytest.mark.parametrize("damage", ["truncated", "missing", "of another kind"])
def test_a_damaged_project_marker_is_made_anew(work: Path, damage: str) -> None:
    before, marker = tree(work / "run"), work / "run/project" / MARKER
    if damage == "missing":
        marker.unlink()
    else:
        marker.write_text("{" if damage == "truncated" else '{"kind": "run"}')
    assert made(work / "run", read_flow_config(work / "c.toml"), "report") == ["build"]
    after = tree(work / "run")
    assert {name: data for name, data in before.items() if "/.run/" not in name} == after


def test_a_project_that_this_run_did_not_make_is_left_alone(work: Path) -> None:
    shutil.rmtree(work / "run/project")
    assert made(work / "run", read_flow_config(work / "c.toml", [("quantize", "weight_bits", 5)]), "quantize")
    (work / "run/project").mkdir()
    (work / "run/project/thesis.tex").write_text("years of work")
    before = tree(work)
    with pytest.raises(UserError, match=r"run/project: the folder exists and was not made by gan2hls"):
        made(work / "run", read_flow_config(work / "c.toml", [("quantize", "weight_bits", 6)]), "build")
    assert tree(work) == before


@pytest.mark.parametrize(
    "stages",
    [
        *(None, 3, [], {}, {"quantize": 1}, {"quantize": {}}, {"quantize": {"made_from": math.nan, "files": {}}}),
        *({"build": {"made_from": "x", "files": [1]}}, {"report": {"made_from": "x", "files": {"\0": math.inf}}}),
    ],
)
def test_an_edited_manifest_is_not_believed(work: Path, stages: Any) -> None:
    before, marker = tree(work / "run"), work / "run" / MARKER
    values = json.loads(marker.read_text())
    marker.write_text(
        json.dumps(
            {**values, "stages": {**values["stages"], **stages} if isinstance(stages, dict) and stages else stages}
        )
    )
    made(work / "run", read_flow_config(work / "c.toml"), "build")
    after = tree(work / "run")
    for name in ("quantize/graph.json", "samples.npz", "project/gan2hls.json", "project/rtl/sources.f"):
        assert after[name] == before[name]
    assert json.loads(after[MARKER])["stages"]["build"] == json.loads(before[MARKER])["stages"]["build"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("hls", "part", "a b"), "part 'a b' is not a device name"),
        (("folding", "layers", {"up": {"pe": 9, "simd": 1}}), "folding of up: pe 9 is not supported"),
        (("folding", "layers", {"nobody": {"pe": 1, "simd": 1}}), "folding: no node 'nobody'"),
        (("folding", "multipliers", 1), "multipliers"),
        (("folding", "frames_per_second", 1e12), "can not be reached"),
        (("folding", "target", "ecp9"), "unknown target 'ecp9'"),
    ],
    ids=lambda value: "-".join(map(str, value[:2])) if isinstance(value, tuple) else "",
)
def test_what_can_not_be_is_refused_before_anything_is_touched(work: Path, change: Any, message: str) -> None:
    """Also where stages before the one that it is for have to be made anew."""
    before = tree(work)
    with pytest.raises(UserError, match=message):
        config = read_flow_config(work / "c.toml", [("quantize", "weight_bits", 5), change])
        made(work / "run", config, "report")
    assert tree(work) == before


def test_a_missing_tool_is_said_before_anything_is_touched(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_KINDS", [dataclasses.replace(kind, look=list) for kind in known._KINDS])
    before = tree(work)
    assert made(work / "run", read_flow_config(work / "c.toml"), "report") == []
    with pytest.raises(MissingToolError, match=r"g\+\+: not found"):
        made(work / "run", read_flow_config(work / "c.toml", [("quantize", "weight_bits", 5)]), "csim")
    assert tree(work) == before


def test_an_edited_source_is_kept_and_found_out(work: Path) -> None:
    config = read_flow_config(work / "c.toml")
    tables = [path for path in (work / "run/project/hls/firmware").rglob("*.h") if "tanh" in path.name]
    text = tables[0].read_text()
    digits = [i for i in range(text.index("{"), len(text)) if text[i].isdigit() and not text[i + 1].isdigit()]
    for i in digits:
        text = text[:i] + str((int(text[i]) + 1) % 8) + text[i + 1 :]
    tables[0].write_text(text)
    with pytest.raises(MismatchError, match=r"C\+\+ against the golden model"):
        made(work / "run", config, "csim")
    assert tables[0].read_text() == text
    assert not (work / "run/csim.json").exists()
    assert not (work / "run/report.html").exists()
    # Without it, the generated one comes back.
    tables[0].unlink()
    assert made(work / "run", config, "csim") == ["build", "csim"]


def test_another_process_in_the_folder(work: Path) -> None:
    config = read_flow_config(work / "c.toml")
    code = "import fcntl, os, sys; f = os.open(sys.argv[1], 0); fcntl.flock(f, 2); print('locked', flush=True); input()"
    line = [sys.executable, "-c", code, str(work / "run")]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match="run: another gan2hls works in this folder"):
            made(work / "run", config, "build")
        other.communicate("\n")
    assert made(work / "run", config, "build") == []


# Configuration


def test_options_go_before_the_file(tmp_path: Path) -> None:
    config = settings(tmp_path, CONFIG, ("folding", "multipliers", 9), ("quantize", "weight_bits", None))
    assert config.folding.multipliers == 9
    assert config.calibration.samples == 8
    assert config.quantize.weight_bits == 8


def test_one_budget_goes_before_another(tmp_path: Path) -> None:
    config = settings(tmp_path, CONFIG, ("folding", "dsps", 9), ("folding", "target", "xcup"))
    assert config.folding.budget == Budget(dsps=9, target="xcup")
    assert FoldingConfig().budget.multipliers is None


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "settings"
    folder.mkdir()
    config = settings(folder, '[model]\nsource = "../a.pth"\narchitecture = "a.toml"\n[calibration]\nfile = "z.npy"\n')
    assert Path(config.model.source or "").resolve() == tmp_path / "a.pth"
    assert config.model.architecture == str(folder / "a.toml")
    assert config.calibration.file == str(folder / "z.npy")
    monkeypatch.chdir(tmp_path)
    assert read_flow_config(None, [("model", "source", "b.pth")]).model.source == "b.pth"


def test_all_problems_at_once_each_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        settings(tmp_path, "[hls]\nclock = 1\n[quantize]\nweight_bits = 0\n[folding.layers.up]\npe = 0\nsimd = 1\n")
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{tmp_path / 'c.toml'}: ") for line in lines)
    assert "hls: unknown key 'clock'; did you mean 'clock_mhz'?" in lines[2] + lines[1] + lines[0]


def test_a_wrong_option_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^options: quantize: weight_bits 40 is not supported; use 1 to 16$"):
        settings(tmp_path, CONFIG, ("quantize", "weight_bits", 40))


def test_the_documentation_gives_every_key_and_its_default() -> None:
    text = (Path(__file__).parent.parent / "docs" / "usage.md").read_text(encoding="utf-8")
    block = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert block
    given = tomllib.loads(block.group(1))
    from_mapping(FlowConfig, given, "docs/usage.md")
    for section, keys in dataclasses.asdict(FlowConfig()).items():
        assert given[section].keys() <= keys.keys(), section
        for key, default in keys.items():
            if key not in given[section]:  # one of several that exclude each other
                assert default is None and re.search(rf"^# {key} = ", block.group(1), re.MULTILINE), f"{section}.{key}"
            elif default is not None and key != "layers":
                assert given[section][key] == default, f"{section}.{key}"


# Reproducibility


def test_the_same_input_gives_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    """In another process with another hash seed, in another folder: all files, the compiled simulation too."""
    code = (
        "import sys; from pathlib import Path; from gan2hls.flow import Run; from gan2hls.flow_config import *\n"
        "Run(Path(sys.argv[2]), read_flow_config(Path(sys.argv[1]))).until('csim')"
    )
    folder = tmp_path / "another folder, elsewhere"
    folder.mkdir()
    for file in ("tiny.safetensors", "tiny.json", "c.toml"):
        shutil.copy(finished / file, folder)
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    subprocess.run([sys.executable, "-c", code, "c.toml", "run"], cwd=folder, env=environment, check=True)
    first, second = tree(finished / "run"), tree(folder / "run")
    later = {name for name in first if name.startswith(("cosim", "report"))}
    assert second.keys() == first.keys() - later
    # The record of the stages is shorter; what it says of those that were made is the same.
    stages, shorter = json.loads(first.pop(MARKER))["stages"], json.loads(second.pop(MARKER))["stages"]
    assert shorter == {stage: stages[stage] for stage in ("quantize", "build", "csim")}
    assert second == {name: data for name, data in first.items() if name not in later}
