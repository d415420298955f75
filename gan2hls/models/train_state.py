"""All that changes while a DCGAN trains, as a checkpoint holds it."""

import copy
import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan2hls.errors import UserError
from gan2hls.models.architecture import Chain
from gan2hls.models.dcgan import build_discriminator, build_generator
from gan2hls.models.train_config import TrainConfig
from gan2hls.models.weights import load_checkpoint


@dataclass
class State:
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


def new_state(config: TrainConfig, images: Tensor) -> State:
    """Before the first step; images are (n, channels, height, width)."""
    options = config.training
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        generator, discriminator = build_generator(config.dcgan), build_discriminator(config.dcgan)
    # Channels last: a third faster on the CPU.
    generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    betas = (options.beta1, options.beta2)
    return State(
        generator,
        copy.deepcopy(generator).requires_grad_(False),
        discriminator,
        torch.optim.Adam(generator.parameters(), options.generator_rate, betas, fused=True),
        torch.optim.Adam(discriminator.parameters(), options.discriminator_rate, betas, fused=True),
        torch.Generator().manual_seed(options.seed),
        hashlib.sha256(images.numpy().data).hexdigest(),
    )
