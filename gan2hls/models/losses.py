"""The losses of GAN training; a new one is one entry of `LOSSES`."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


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
