"""What latents are drawn from: said by an option, the configuration or the architecture, and used wherever they are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan2hls.errors import UserError
from gan2hls.flow import Run
from gan2hls.flow_config import FlowConfig, read_flow_config
from gan2hls.frontends import from_torch
from gan2hls.inputs import latent_source
from gan2hls.integerize import integerize
from gan2hls.metrics import psnr
from gan2hls.models import DISTRIBUTIONS, latents, shipped_generator, training
from gan2hls.models.architecture import read_architecture
from gan2hls.models.dcgan import DcganConfig, GeneratorConfig, architecture_of
from gan2hls.models.train_config import TrainConfig
from gan2hls.quantization.config import QuantizeConfig
from gan2hls.quantization.ptq import quantize_float_model
from gan2hls.sweep.driver import Sweep
from gan2hls.sweep.workers import chosen
from tests.doors import ARCHITECTURE, LATENT, write_generator


def config(folder: Path, *, card: str | None = None, file: np.ndarray | None = None, text: str = "") -> FlowConfig:
    """Settings of a tiny generator whose card, if any, names a distribution."""
    write_generator(folder)
    if card is not None:
        architecture = {**ARCHITECTURE, "distribution": card}
        (folder / "tiny.json").write_text(json.dumps({"architecture": architecture}))
    lines = ['[model]\nsource = "tiny.safetensors"\n[calibration]\nsamples = 64', text]
    if file is not None:
        np.save(folder / "given.npy", file)
        lines.append('file = "given.npy"')
    (folder / "c.toml").write_text("\n".join([*lines, "[simulation]\ncsim_images = 16\n[sweep]\nimages = 16"]))
    return read_flow_config(folder / "c.toml")


def test_uniform_latents() -> None:
    values = latents(4000, (5, 1, 1), 3, "uniform")
    assert values.shape == (4000, 5, 1, 1)
    assert values.dtype == np.float32
    assert (values.min(), values.max()) == (pytest.approx(-1, abs=1e-3), pytest.approx(1, abs=1e-3))
    assert float(values.mean()) == pytest.approx(0, abs=0.02)
    assert float(values.var()) == pytest.approx(1 / 3, abs=0.01)
    np.testing.assert_array_equal(values, latents(4000, (5, 1, 1), 3, "uniform"))
    np.testing.assert_array_equal(latents(4, (5,), 3), latents(4, (5,), 3, "normal"))


def test_option_before_file_before_card_before_normal(tmp_path: Path) -> None:
    assert latent_source(config(tmp_path)).distribution == "normal"
    assert latent_source(config(tmp_path, card="uniform")).distribution == "uniform"
    told = config(tmp_path, card="normal", text='distribution = "uniform"')
    assert latent_source(told).distribution == "uniform"
    option = read_flow_config(tmp_path / "c.toml", [("calibration", "distribution", "normal")])
    assert latent_source(option).distribution == "normal"


@pytest.mark.parametrize("place", ["architecture", "beside", "toml"])
def test_where_an_architecture_says_it(tmp_path: Path, place: str) -> None:
    inside = {**ARCHITECTURE, "distribution": "uniform"}
    content: dict[str, Any] = {"architecture": inside}
    if place == "beside":
        content = {"architecture": ARCHITECTURE, "distribution": "uniform"}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    if place == "toml":
        path = tmp_path / "a.toml"
        layer = '[[layers]]\nname = "0"\ntype = "Linear"\nin_features = 4\nout_features = 2\n'
        path.write_text(f'input_shape = [4]\ndistribution = "uniform"\n{layer}')
    architecture = read_architecture(path)
    assert architecture.distribution == "uniform"
    assert read_architecture(architecture.to_mapping()) == architecture


def test_what_it_can_not_be(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="distribution: 'gauss' is not accepted; use one of 'normal', 'uniform'"):
        config(tmp_path, text='distribution = "gauss"')
    with pytest.raises(UserError, match="distribution 'gauss' is not supported; use 'normal' or 'uniform'"):
        latent_source(config(tmp_path, card="gauss"))
    for damaged in ([], {"uniform": 1}, 3, True):
        with pytest.raises(UserError, match="is not supported; use 'normal' or 'uniform'"):
            read_architecture({**ARCHITECTURE, "distribution": damaged})


def run_arrays(folder: Path, settings: FlowConfig) -> tuple[Run, np.ndarray]:
    run = Run(folder / "run", settings).until("quantize")
    with np.load(folder / "run" / "samples.npz") as arrays:
        return run, arrays["latents"]


@pytest.mark.parametrize(("distribution", "text"), [("normal", "N(0, 1)"), ("uniform", "U(-1, 1)")])
def test_a_run_is_calibrated_and_compared_on_it(tmp_path: Path, distribution: Any, text: str) -> None:
    run, z = run_arrays(tmp_path, config(tmp_path, card=distribution))
    np.testing.assert_array_equal(z, latents(16, LATENT, 1, distribution))
    scale = run.graph.input.scale
    assert scale is not None
    largest = np.abs(latents(64, LATENT, 0, distribution)).max()
    assert 0.5 * largest / 127 < scale <= largest / 127 * (1 + 1e-6)
    assert run.summary("quantize")["latents"] == text


def test_samples_of_a_file_are_compared_where_nobody_says_a_distribution(tmp_path: Path) -> None:
    given = np.random.default_rng(0).random((20, *LATENT))  # U(0, 1): nothing that we would draw
    run, z = run_arrays(tmp_path, config(tmp_path, file=given))
    assert run.summary("quantize")["latents"] == "samples of given.npy"
    assert {row.tobytes() for row in z} <= {row.tobytes() for row in given.astype(np.float32)}
    assert len({row.tobytes() for row in z}) == 16


def test_a_file_with_too_few_samples_is_said(tmp_path: Path) -> None:
    run, z = run_arrays(tmp_path, config(tmp_path, file=np.ones((15, *LATENT))))
    np.testing.assert_array_equal(z, latents(16, LATENT, 1))
    text = run.summary("quantize")["latents"]
    assert text == "N(0, 1), for given.npy has 15 samples, not 16, and no distribution is given"


def test_a_file_does_not_change_a_distribution_that_somebody_says(tmp_path: Path) -> None:
    run, z = run_arrays(tmp_path, config(tmp_path, card="uniform", file=np.ones((40, *LATENT)) * 3))
    np.testing.assert_array_equal(z, latents(16, LATENT, 1, "uniform"))
    assert run.graph.input.scale == pytest.approx(3 / 127, rel=0.01), "the file is what is calibrated on"


def test_a_sweep_measures_what_a_run_does(tmp_path: Path) -> None:
    changes = [("sweep", "weight_bits", [8]), ("sweep", "target", ["ecp5-85k"]), ("sweep", "multipliers", [4])]
    config(tmp_path, card="uniform")
    settings = read_flow_config(tmp_path / "c.toml", changes)
    (point,) = Sweep(tmp_path / "sweep", settings, chosen(1, None)).run().points
    run = Run(tmp_path / "run", settings).until("quantize")
    assert point.quality is not None
    assert point.quality.psnr == pytest.approx(run.psnr, abs=1e-3)  # of float32 and float64 images
    assert point.quality.latents == "U(-1, 1)"


def test_training_describes_its_latents() -> None:
    made = architecture_of(DcganConfig(8, 1, GeneratorConfig(4, "uniform", (4, 4))))
    assert made.distribution == "uniform"
    assert read_architecture({"architecture": made.to_mapping()}).distribution == "uniform"


@pytest.mark.parametrize(("bits", "gain"), [(8, 6.0), (4, 3.5)])
def test_the_right_distribution_gains(bits: int, gain: float) -> None:
    """A generator of U(-1, 1) that is calibrated on N(0, 1) spends its integers on values that never come."""
    module = from_torch.load(shipped_generator()[0])
    with torch.no_grad():
        module.get_submodule("layers.0").weight *= 3**0.5  # U(-1, 1) has a variance of 1/3
    model = from_torch.trace(module)
    z = latents(64, model.input_shape, 9, "uniform")
    real = model(torch.from_numpy(z)).numpy()
    quality = {}
    for distribution in DISTRIBUTIONS:
        samples = latents(128, model.input_shape, 0, distribution)
        plain: dict[str, Any] = {"method": "minmax", "weight_quantizer": "symmetric", "bias_correction": False}
        settings = QuantizeConfig(weight_bits=bits, activation_bits=bits, input_bits=bits, **plain)
        quality[distribution] = psnr(integerize(quantize_float_model(model, samples, settings)).run(z), real)
    assert quality["uniform"] > quality["normal"] + gain


def test_training_draws_from_it(tmp_path: Path) -> None:
    """The sample grid and the batch-norm statistics too: `final_generator` has seen U(-1, 1) alone."""
    source = torch.Generator().manual_seed(1)
    config = TrainConfig(generator=GeneratorConfig(distribution="uniform"))
    drawn = training._latents(config, 2000, source)
    assert drawn.shape == (2000, 64, 1, 1)
    assert drawn.abs().max() <= 1
    assert float(drawn.var()) == pytest.approx(1 / 3, abs=0.01)
