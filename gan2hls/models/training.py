"""Training of a DCGAN: repeatable to the bit, interruptible, resumable.

Everything that decides the result lies in the configuration and the checkpoint: the weights of both networks and the
averaged generator, both optimizers, the latents' random state, and the position in the epoch. The order of the images
in epoch e is drawn from (seed, e) alone, so the position is enough to continue in it.
"""

import copy
import csv
import hashlib
import io
import math
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan2hls.data import image_grid, load_images, save_image
from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.files import MARKER, check_output_directory, is_file, read_bytes, write_bytes, write_json, write_text
from gan2hls.models.architecture import Chain
from gan2hls.models.dcgan import architecture_of
from gan2hls.models.losses import LOSSES
from gan2hls.models.train_config import TrainConfig, differences, dump_train_config, read_train_config
from gan2hls.models.train_session import progress_bar, stop_signals, threads
from gan2hls.models.train_state import State, new_state
from gan2hls.models.weights import write_safetensors

CHECKPOINT, CONFIG, LOG = "checkpoint.pt", "config.toml", "log.csv"
WEIGHTS, CARD, SAMPLES = "generator.safetensors", "generator.json", "samples"

_SAMPLE_STREAM, _STATISTICS_STREAM = 1, 2  # latents beside the training's own, so that looking changes nothing
_STATISTICS_BATCHES, _STATISTICS_BATCH = 32, 256


class Interrupted(Gan2HlsError):  # noqa: N818  (nothing went wrong)
    """Training was stopped by Ctrl-C or SIGTERM; a checkpoint is written and the message says how to go on."""

    exit_code = 130


def train(
    config: TrainConfig, directory: Path, *, resume: bool = True, progress: bool = True, command: str = "gan2hls train"
) -> Path:
    """Train, and write into `directory`: config, checkpoint, log, sample grids, and the generator with its card.

    Where a checkpoint of the same configuration lies there, training goes on from it, and the weights come out the
    same, bit for bit, as without the interruption (same machine, same versions of torch).

    Args:
        config: the configuration.
        directory: a new or empty folder, or that of an interrupted or finished run.
        resume: False starts from the beginning even if there is a checkpoint.
        progress: show a progress bar on standard error.
        command: how the user called; the card tells it.

    Returns:
        The path of `generator.safetensors`; its card `generator.json` lies beside it.

    Raises:
        UserError: wrong data, or the folder holds a run with another configuration or something else.
        Interrupted: Ctrl-C or SIGTERM; a checkpoint has been written.
        Gan2HlsError: the losses are no longer finite, or the disk is full.
    """
    directory = Path(directory)
    _check_directory(config, directory, resume)
    with threads(config.training.threads):
        images = torch.from_numpy(load_images(config.data))
        steps = len(images) // config.training.batch_size
        if steps == 0:
            raise UserError(
                f"data: {len(images)} images are less than one batch; "
                f"use more, or a training.batch_size of at most {len(images)}"
            )
        state = new_state(config, images)
        _prepare_directory(config, directory, resume)
        checkpoint = directory / CHECKPOINT
        if is_file(checkpoint):
            state.unpack(read_bytes(checkpoint), checkpoint)
        with stop_signals() as stop, progress_bar(progress, config, steps, state) as advance:
            while state.epoch < config.training.epochs:
                _epoch(config, directory, images, state, stop, advance)
        write_text(directory / LOG, _log_text(state.rows))
        return _export(config, directory, state, len(images), command)


def _check_directory(config: TrainConfig, directory: Path, resume: bool) -> None:
    """Refuse a folder that is not ours, or that holds a begun run of another configuration."""
    check_output_directory(directory)
    if not (resume and (directory / CHECKPOINT).is_file()):
        return
    old = read_train_config(directory / CONFIG)
    if old != config:
        changes = ", ".join(differences(asdict(old), asdict(config)))
        raise UserError(
            f"{directory}: holds a run with another configuration ({changes}); "
            "name another folder, or train without resuming to replace it"
        )


def _prepare_directory(config: TrainConfig, directory: Path, resume: bool) -> None:
    """Make the folder; only now, with the data read, so that a wrong path leaves nothing behind."""
    if not resume:
        for name in (CHECKPOINT, LOG, WEIGHTS, CARD):
            (directory / name).unlink(missing_ok=True)
        for sample in (directory / SAMPLES).glob("epoch-*.png"):
            sample.unlink()
    write_json(directory / MARKER, {"made_by": "gan2hls train"})
    write_text(directory / CONFIG, dump_train_config(config))


def _epoch(
    config: TrainConfig,
    directory: Path,
    images: Tensor,
    state: State,
    stop: threading.Event,
    advance: Callable[[str], None],
) -> None:
    """The remaining steps of the current epoch; checkpoints, log and samples as they come due."""
    options = config.training
    order = torch.from_numpy(np.random.default_rng((options.seed, state.epoch)).permutation(len(images)))
    steps = len(images) // options.batch_size
    began = time.monotonic()

    def save() -> None:
        nonlocal began
        now = time.monotonic()
        state.seconds, began = state.seconds + now - began, now
        write_bytes(directory / CHECKPOINT, state.pack())

    while state.step < steps:
        batch = images[order[state.step * options.batch_size : (state.step + 1) * options.batch_size]]
        _set_rates(config, state, steps)
        figures = _step(config, state, batch)
        for name, value in figures.items():
            if not math.isfinite(value):
                raise Gan2HlsError(
                    f"{directory}: training diverged in epoch {state.epoch + 1}, step {state.step + 1}: "
                    f"{name} is {value}; lower training.generator_rate and training.discriminator_rate"
                )
            state.sums[name] = state.sums.get(name, 0.0) + value
        state.step += 1
        advance(f"d {figures['discriminator_loss']:.2f} g {figures['generator_loss']:.2f}")
        if stop.is_set():
            save()
            raise Interrupted(
                f"interrupted in epoch {state.epoch + 1} of {options.epochs}; the state is saved in {directory}: "
                "the same command goes on from there"
            )
        if state.step % options.checkpoint_every == 0 and state.step < steps:
            save()
    now = time.monotonic()
    state.seconds, began = state.seconds + now - began, now
    means = {name: value / steps for name, value in state.sums.items()}
    state.epoch, state.step, state.sums = state.epoch + 1, 0, {}
    state.rows.append({"epoch": state.epoch, **means, "seconds": round(state.seconds, 1)})
    write_text(directory / LOG, _log_text(state.rows))
    if state.epoch % options.sample_every == 0 or state.epoch == options.epochs:
        samples = _sample(final_generator(config, state), config)
        save_image(directory / SAMPLES / f"epoch-{state.epoch:04d}.png", image_grid(samples))
    save()


def _set_rates(config: TrainConfig, state: State, steps: int) -> None:
    """Set the learning rates of the next step; they follow from its position, so a checkpoint need not hold them."""
    options = config.training
    left = options.epochs - state.epoch - state.step / steps
    factor = min(1.0, left / options.decay_epochs) if options.decay_epochs else 1.0
    for optimizer, rate in (
        (state.generator_optimizer, options.generator_rate),
        (state.discriminator_optimizer, options.discriminator_rate),
    ):
        for group in optimizer.param_groups:
            group["lr"] = rate * factor


def _step(config: TrainConfig, state: State, real: Tensor) -> dict[str, float]:
    """One update of the discriminator and one of the generator, on the same generated images."""
    options, loss = config.training, LOSSES[config.training.loss]
    real = real.contiguous(memory_format=torch.channels_last)
    latents = _latents(config, len(real), state.latents)
    fake = state.generator(latents)

    state.discriminator.requires_grad_(True)
    real_scores, fake_scores = state.discriminator(real), state.discriminator(fake.detach())
    discriminator_loss = loss.discriminator(real_scores, fake_scores, options.real_target)
    state.discriminator_optimizer.zero_grad()
    discriminator_loss.backward()
    state.discriminator_optimizer.step()

    state.discriminator.requires_grad_(False)
    generator_loss = loss.generator(state.discriminator(fake))
    state.generator_optimizer.zero_grad()
    generator_loss.backward()
    state.generator_optimizer.step()

    with torch.no_grad():
        for mean, current in zip(state.average.parameters(), state.generator.parameters(), strict=True):
            mean.lerp_(current, 1 - options.ema_decay)
    return {
        "discriminator_loss": discriminator_loss.item(),
        "generator_loss": generator_loss.item(),
        "real_score": real_scores.mean().item(),
        "fake_score": fake_scores.mean().item(),
    }


def _latents(config: TrainConfig, count: int, source: torch.Generator) -> Tensor:
    """Latents (count, latent, 1, 1) of the generator's distribution."""
    shape = (count, config.generator.latent, 1, 1)
    if config.generator.distribution == "uniform":
        return torch.rand(shape, generator=source) * 2 - 1
    return torch.randn(shape, generator=source)


def final_generator(config: TrainConfig, state: State) -> Chain:
    """The averaged generator, with batch-norm statistics measured on its own activations, in evaluation mode.

    Averaged weights do not fit the running statistics of the weights they were averaged from, so these are measured
    afresh on 8,192 latents.
    """
    generator = copy.deepcopy(state.average)
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    generator.train()
    source = torch.Generator().manual_seed(_STATISTICS_STREAM)
    with torch.no_grad():
        for _ in range(_STATISTICS_BATCHES):
            generator(_latents(config, _STATISTICS_BATCH, source))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return generator.eval()


def _sample(generator: Chain, config: TrainConfig) -> np.ndarray:
    source = torch.Generator().manual_seed(_SAMPLE_STREAM)
    with torch.no_grad():
        images: Tensor = generator(_latents(config, config.training.samples, source))
    return images.contiguous().numpy()


def _export(config: TrainConfig, directory: Path, state: State, image_count: int, command: str) -> Path:
    """Write the generator and its card."""
    weights = directory / WEIGHTS
    tensors = {
        key: tensor
        for key, tensor in final_generator(config, state).state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    write_safetensors(weights, tensors)
    write_json(directory / CARD, generator_card(config, weights, image_count, command))
    return weights


def generator_card(config: TrainConfig, weights: Path, image_count: int, command: str) -> dict[str, Any]:
    """What a user of the weights must know: architecture, data, seed, epochs, command, digest of the file."""
    architecture = architecture_of(config.dcgan)
    return {
        "format": "gan2hls generator card 1",
        "architecture": architecture.to_mapping(),
        "output_range": [-1.0, 1.0],
        "weights": {
            "file": weights.name,
            "bytes": weights.stat().st_size,
            "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        },
        "data": {**_plain(config.data), "images": image_count},
        "command": command,
        "seed": config.training.seed,
        "epochs": config.training.epochs,
        "config": _plain(config),
        "versions": {"torch": torch.__version__},
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _log_text(rows: list[dict[str, float]]) -> str:
    """Finished epochs as CSV: means of losses (nats) and scores over an epoch, seconds of training since the start."""
    buffer = io.StringIO()
    names = ("epoch", "discriminator_loss", "generator_loss", "real_score", "fake_score", "seconds")
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {name: value if name in ("epoch", "seconds") else f"{value:.4f}" for name, value in row.items()}
        )
    return buffer.getvalue()
