"""Weight words in banks, as the C++ of a MAC kernel has them."""

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
