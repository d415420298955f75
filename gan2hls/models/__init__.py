"""Generators: how they are described, trained, stored and loaded; and the one that is shipped."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gan2hls.limits import ARRAY_BYTES
from gan2hls.resources import resource


def shipped_generator() -> tuple[Path, Path]:
    """Weights and card of the shipped generator of 32x32 digits; the card holds its architecture.

    `read_architecture(card)` and `read_state_dict(weights)` read them.
    """
    return resource("assets", "digits32.safetensors"), resource("assets", "digits32.json")


Distribution = Literal["normal", "uniform"]
"""What a generator's latents are drawn from: N(0, 1), or U(-1, 1)."""

DISTRIBUTIONS: tuple[Distribution, ...] = ("normal", "uniform")
DISTRIBUTION_TEXTS: dict[Distribution, str] = {"normal": "N(0, 1)", "uniform": "U(-1, 1)"}


def latents(count: int, shape: Sequence[int], seed: int, distribution: Distribution = "normal") -> NDArray[np.float32]:
    """Latents (count, *shape) from numpy's default generator, the same for a seed everywhere.

    Args:
        count, shape: how many, and of what shape.
        seed: of the generator.
        distribution: "normal" is N(0, 1), "uniform" is U(-1, 1).

    Raises:
        UserError: more than memory is meant for.
    """
    ARRAY_BYTES.check(count * math.prod(shape) * 4, f"{count:,} samples of shape {tuple(shape)}")
    generator = np.random.default_rng(seed)
    if distribution == "uniform":
        return generator.random((count, *shape), dtype=np.float32) * np.float32(2) - np.float32(1)
    return generator.standard_normal((count, *shape), dtype=np.float32)
