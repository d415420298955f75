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
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from gan2hls.data import image_grid, load_images, save_image
from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.files import MARKER, check_output_directory, is_file, read_bytes, write_bytes, write_json, write_text
from gan2hls.models.architecture import Chain
from gan2hls.models.dcgan import architecture_of, build_discriminator, build_generator
from gan2hls.models.losses import LOSSES
from gan2hls.models.train_config import TrainConfig, differences, dump_train_config, read_train_config
from gan2hls.models.weights import load_checkpoint, write_safetensors

CHECKPOINT, CONFIG, LOG = "checkpoint.pt", "config.toml", "log.csv"
WEIGHTS, CARD, SAMPLES = "generator.safetensors", "generator.json", "samples"

_SAMPLE_STREAM, _STATISTICS_STREAM = 1, 2  # latents beside the training's own, so that looking changes nothing
_STATISTICS_BATCHES, _STATISTICS_BATCH = 32, 256


class Interrupted(Gan2HlsError):  # noqa: N818  (nothing went wrong)
    """Training was stopped by Ctrl-C or SIGTERM; a checkpoint is written and the message says how to go on."""

    exit_code = 130


@dataclass
class _State:
    """All that changes while training."""

    generator: Chain
    average: Chain
    discriminator: nn.Module
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    latents: torch.Generator
    data_digest: str  # of the images: other ones would silently give another result
    epoch: int = 0  # finished epochs
    step: int = 0  # finished steps of the current epoch
    sums: dict[str, float] = field(default_factory=dict)  # of the current epoch
    rows: list[dict[str, float]] = field(default_factory=list)  # of finished epochs, for the log
    seconds: float = 0.0  # spent on training so far

    _PARTS = ("generator", "average", "discriminator", "generator_optimizer", "discriminator_optimizer")
    _VALUES = ("epoch", "step", "sums", "rows", "seconds")

    def pack(self) -> bytes:
        """A torch checkpoint of tensors and plain containers."""
        content: dict[str, Any] = {name: getattr(self, name).state_dict() for name in self._PARTS}
        content |= {name: getattr(self, name) for name in self._VALUES}
        content |= {"latents": self.latents.get_state(), "data_digest": self.data_digest}
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return buffer.getvalue()

    def unpack(self, data: bytes, path: Path) -> None:
        """Take everything from a checkpoint.

        Raises:
            UserError: it is damaged, or was made by another configuration or of other images.
        """
        content = load_checkpoint(data, path)
        try:
            if not isinstance(content, dict):
                raise TypeError(f"a {type(content).__name__}, not a dictionary")
            other_data = content["data_digest"] != self.data_digest
            for name in self._PARTS:
                getattr(self, name).load_state_dict(content[name])
            for name in self._VALUES:
                setattr(self, name, content[name])
            self.latents.set_state(content["latents"])
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"{path}: not a checkpoint of this configuration: {str(error).splitlines()[0]}") from None
        if other_data:
            raise UserError(f"{path}: the images have changed since; train without resuming, or into another folder")


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
    with _threads(config.training.threads):
        images = torch.from_numpy(load_images(config.data))
        steps = len(images) // config.training.batch_size
        if steps == 0:
            raise UserError(
                f"data: {len(images)} images are less than one batch; "
                f"use more, or a training.batch_size of at most {len(images)}"
            )
        state = _new_state(config, images)
        _prepare_directory(config, directory, resume)
        checkpoint = directory / CHECKPOINT
        if is_file(checkpoint):
            state.unpack(read_bytes(checkpoint), checkpoint)
        with _stop_signals() as stop, _progress(progress, config, steps, state) as advance:
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


def _new_state(config: TrainConfig, images: Tensor) -> _State:
    options = config.training
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        generator, discriminator = build_generator(config.dcgan), build_discriminator(config.dcgan)
    # Channels last: a third faster on the CPU.
    generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    betas = (options.beta1, options.beta2)
    return _State(
        generator,
        copy.deepcopy(generator).requires_grad_(False),
        discriminator,
        torch.optim.Adam(generator.parameters(), options.generator_rate, betas, fused=True),
        torch.optim.Adam(discriminator.parameters(), options.discriminator_rate, betas, fused=True),
        torch.Generator().manual_seed(options.seed),
        hashlib.sha256(images.numpy().data).hexdigest(),
    )


def _epoch(
    config: TrainConfig,
    directory: Path,
    images: Tensor,
    state: _State,
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


def _set_rates(config: TrainConfig, state: _State, steps: int) -> None:
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


def _step(config: TrainConfig, state: _State, real: Tensor) -> dict[str, float]:
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


def final_generator(config: TrainConfig, state: _State) -> Chain:
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


def _export(config: TrainConfig, directory: Path, state: _State, image_count: int, command: str) -> Path:
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


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Set torch's number of threads for a while: the result depends on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into an event that is asked between two steps; the second one acts as ever."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            if handler is not None:  # None: set by other means than Python's, out of our reach
                signal.signal(number, handler)

    def handle(_number: int, _frame: object) -> None:
        stop.set()
        restore()

    for number in before:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        restore()


@contextmanager
def _progress(show: bool, config: TrainConfig, steps: int, state: _State) -> Iterator[Callable[[str], None]]:
    """A bar over all steps; gives the function that advances it by one step and shows the losses."""
    bar = Progress(
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not show,
    )
    epochs = config.training.epochs
    done = state.epoch * steps + state.step
    task = bar.add_task("", total=epochs * steps, completed=done, epoch=state.epoch, epochs=epochs, losses="")

    def advance(losses: str) -> None:
        bar.update(task, advance=1, epoch=min(state.epoch + 1, epochs), losses=losses)

    with bar:
        yield advance
