"""Small integer arithmetic that everything on the integer side shares."""

from typing import Any

import numpy as np


def ceil_div(count: int, size: int) -> int:
    """How many parts of at most `size` make up `count`."""
    return -(-count // size)


def clog2(count: int) -> int:
    """Bits that tell `count` things apart, as SystemVerilog's `$clog2`; 0 for one or none."""
    return max(0, (count - 1).bit_length())


def signed_bits(low: int, high: int) -> int:
    """Bits of the smallest signed integer that holds `low` to `high`."""
    return max(int(low if low >= 0 else ~low).bit_length(), int(high if high >= 0 else ~high).bit_length()) + 1


def carrier(bound: int) -> Any:
    """Cheapest NumPy dtype in which integers up to `bound` in magnitude, and their sums up to it, are exact."""
    if bound < 1 << 24:
        return np.float32
    return np.float64 if bound < 1 << 53 else np.int64
