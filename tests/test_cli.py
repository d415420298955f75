"""The command line, as a user calls it: results and screens."""

import json
from pathlib import Path

import pytest

from gan2hls import __version__, tools
from gan2hls.models.weights import write_safetensors
from gan2hls.project import Project
from tests.command_line import COMMANDS, Command, program
from tests.doors import ARCHITECTURE, state_dict, tree, write_generator


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
