"""Figures of quality."""

import math

import numpy as np
from numpy.typing import ArrayLike


def psnr(image: ArrayLike, reference: ArrayLike, peak: float = 2.0) -> float:
    """Peak signal-to-noise ratio in dB, 10·log10(peak² / mean squared error), over all elements at once.

    Args:
        image: any shape.
        reference: the same shape.
        peak: width of the value range; 2 for images in [-1, 1], 255 for bytes.

    Returns:
        The ratio, infinite for equal images.

    Raises:
        ValueError: the shapes differ or are empty.
    """
    first, second = np.asarray(image, np.float64), np.asarray(reference, np.float64)
    if first.shape != second.shape or first.size == 0:
        raise ValueError(f"PSNR needs two arrays of one shape, got {first.shape} and {second.shape}")
    error = float(np.mean((first - second) ** 2))
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)
