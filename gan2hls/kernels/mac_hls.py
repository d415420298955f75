"""What the C++ of a MAC kernel has of its own: the iterations of its loop, and weight words in banks."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from gan2hls.integers import ceil_div

MOST_BANK_BITS = 1024
"""Bits of a bank of a weight word, above which an HLS tool's memories, and the paths across them, become unwieldy."""


def word_banks(values: int, bits: int) -> tuple[int, int]:
    """Banks of a word, and values of a bank: the fewest banks of at most `MOST_BANK_BITS`, all of the same size."""
    banks = ceil_div(values, max(1, MOST_BANK_BITS // bits))
    return banks, ceil_div(values, banks)


def in_banks(words: np.ndarray, bits: int) -> np.ndarray:
    """Words (depth, values) as (depth, banks, values of a bank), 0 where the last bank has room left."""
    banks, values = word_banks(words.shape[1], bits)
    return np.pad(words, ((0, 0), (0, banks * values - words.shape[1]))).reshape(len(words), banks, values)


def loop_iterations(needs: Sequence[int], frees: Sequence[int], steps: Sequence[int], words: int, ring: int) -> int:
    """Iterations that `mac_engine.h` takes for a frame.

    An iteration does a step of a pixel if the words that the pixel needs were read before, and reads a word if this
    pixel or the next one needs it and the ring has room; behind the last pixel, the rest of the frame.

    Args:
        needs: words of the frame that each pixel in raster order needs, 0 without taps.
        frees: words of the frame that neither it nor any later pixel needs.
        steps: that it takes for all groups of output channels.
        words: of a frame.
        ring: words that the ring holds.
    """
    count = loaded = 0
    for (need, following), free, busy in zip(pairwise([*needs, words]), frees, steps, strict=True):
        taken = busy + max(0, need - loaded)
        loaded = max(loaded, min(max(need, following), free + ring, loaded + taken))
        count += taken
    return count + words - loaded
