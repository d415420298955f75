"""The command line on a network of two inputs and two outputs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gan2hls.files import read_json
from tests.command_line import FAST, Command, command

__all__ = ["command"]

ARCHITECTURE = """
input_shape = {z = [3], label = [2]}
outputs = ["image", "mask"]
[[layers]]
name = "both"
type = "Concat"
inputs = ["z", "label"]
[[layers]]
name = "start"
type = "Linear"
in_features = 5
out_features = 8
[[layers]]
name = "square"
type = "Unflatten"
unflattened_size = [2, 2, 2]
[[layers]]
name = "relu"
type = "ReLU"
[[layers]]
name = "image"
type = "Conv2d"
inputs = ["relu"]
in_channels = 2
out_channels = 1
kernel_size = 1
[[layers]]
name = "mask"
type = "Conv2d"
inputs = ["relu"]
in_channels = 2
out_channels = 1
kernel_size = 1
"""


@pytest.fixture
def model(tmp_path: Path, rng: np.random.Generator) -> list[str]:
    """Files of the network and of samples in the current folder, and the words that name them."""
    shapes = {"start.weight": (8, 5), "start.bias": (8,), "image.weight": (1, 2, 1, 1), "image.bias": (1,)}
    shapes |= {"mask.weight": (1, 2, 1, 1), "mask.bias": (1,)}
    weights = {name: torch.from_numpy(rng.normal(size=shape).astype(np.float32)) for name, shape in shapes.items()}
    save_file(weights, tmp_path / "net.safetensors")
    (tmp_path / "net.toml").write_text(ARCHITECTURE)
    (tmp_path / "c.toml").write_text(FAST)
    np.save(tmp_path / "z.npy", rng.normal(size=(20, 3)))
    np.save(tmp_path / "label.npy", np.eye(2)[rng.integers(0, 2, 20)])
    return ["net.safetensors", "--architecture", "net.toml", "--config", "c.toml", "--out", "run"]


def test_samples_of_each_input_and_each_output_compared(command: Command, model: list[str], tmp_path: Path) -> None:
    done = command("csim", *model, "--input", "z=z.npy", "--input", "label=label.npy")
    assert done.code == 0, done.err
    assert "golden = C++: equal, 16 values of 2 frames" in done.out
    result = read_json(tmp_path / "run" / "quantize.json")
    assert result["latents"] == "z: samples of z.npy; label: samples of label.npy"
    assert set(result["psnr_by_output"]) == {"image.requantize", "mask.requantize"}
    with np.load(tmp_path / "run" / "samples.npz") as samples:
        assert {"latents.z", "latents.label", "golden.image.requantize", "golden.mask.requantize"} <= set(samples)
        pairs = {tuple(row) for row in np.load(tmp_path / "z.npy").astype(np.float32)}
        assert {tuple(row) for row in samples["latents.z"]} <= pairs
    with np.load(tmp_path / "run" / "csim.npz") as outputs:
        assert {name: values.shape for name, values in outputs.items()} == {
            "image.requantize": (2, 1, 2, 2),
            "mask.requantize": (2, 1, 2, 2),
        }
    again = command("csim", *model, "--input", "z=z.npy", "--input", "label=label.npy")
    assert "as before" in again.out


def test_an_input_without_a_file_gets_latents(command: Command, model: list[str], tmp_path: Path) -> None:
    done = command("quantize", *model, "--input", "label=label.npy")
    assert done.code == 0, done.err
    assert "latents: z: N(0, 1); label: samples of label.npy" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input", "style=z.npy"], "input 'style' is unknown; the model takes z, label"),
        (["--input", "z"], "--input 'z' is not accepted; give NAME=FILE"),
        (["--input", "z=z.npy", "--input", "z=z.npy"], "--input z is given twice"),
        (["--input", "z=label.npy"], "label.npy: calibration samples have shape (20, 2); expected (n, 3)"),
        (["--input", "z=missing.npy"], "missing.npy: no such file"),
        (["--input", "z=z.npy", "--input", "label=short.npy"], "different numbers of calibration samples"),
    ],
)
def test_a_wrong_input_is_one_error(
    command: Command, model: list[str], words: list[str], message: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "short.npy", np.zeros((3, 2)))
    done = command("quantize", *model, *words)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "run").exists()


def test_one_file_for_several_inputs_is_refused(command: Command, model: list[str], tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[calibration]\nfile = "z.npy"\n')
    done = command("quantize", *model)
    assert done.code == 2
    assert "z.npy: one file of calibration samples, and inputs z, label; give one for each" in done.err
