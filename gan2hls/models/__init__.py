"""Generators: how they are described, trained, stored and loaded; and the one that is shipped."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gan2hls.limits import ARRAY_BYTES
from gan2hls.resources import resource


def shipped_generator() -> tuple[Path, Path]:
    """Weights and card of the shipped generator of 32x32 digits; the card holds its architecture.

    `read_architecture(card)` and `read_state_dict(weights)` read them.
    """
    return resource("assets", "digits32.safetensors"), resource("assets", "digits32.json")


def latents(count: int, shape: Sequence[int], seed: int) -> NDArray[np.float32]:
    """Standard-normal latents (count, *shape) from numpy's default generator, the same for a seed everywhere.

    Raises:
        UserError: more than memory is meant for.
    """
    ARRAY_BYTES.check(count * math.prod(shape) * 4, f"{count:,} samples of shape {tuple(shape)}")
    return np.random.default_rng(seed).standard_normal((count, *shape), dtype=np.float32)
