"""Figures of quality."""

import importlib
import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gan2hls.errors import MissingToolError

SSIM_WINDOW = 11
CHUNK = 256
"""Images that are compared at a time."""
INCEPTION = "weights-inception-2015-12-05-6726825d.pth"
"""As torch-fidelity calls its file, whose content was converted from the network of Heusel et al."""


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


def ssim(images: ArrayLike, references: ArrayLike, peak: float = 2.0) -> float | None:
    """Mean structural similarity of images (Wang et al. 2004; Gaussian window of 11×11, sigma 1.5), by torchmetrics.

    Args:
        images: (n, channels, height, width).
        references: the same shape.
        peak: width of the value range.

    Returns:
        At most 1, which is reached by equal images; None where the arrays are no images, or smaller than the window.

    Raises:
        ValueError: the shapes differ or are empty.
        MissingToolError: torchmetrics is not installed.
    """
    first, second = np.asarray(images, np.float32), np.asarray(references, np.float32)
    if first.shape != second.shape or first.size == 0:
        raise ValueError(f"SSIM needs two arrays of one shape, got {first.shape} and {second.shape}")
    if first.ndim != 4 or min(first.shape[2:]) < SSIM_WINDOW:
        return None
    import torch

    similarity = _torchmetrics("functional.image").structural_similarity_index_measure
    pairs = [
        (torch.from_numpy(first[i : i + CHUNK]), torch.from_numpy(second[i : i + CHUNK]))
        for i in range(0, len(first), CHUNK)
    ]
    total = sum(float(similarity(a, b, data_range=peak, reduction="sum")) for a, b in pairs)
    return total / len(first)


def frechet_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Fréchet distance of two sets of features, each taken for a Gaussian (Heusel et al. 2017, eq. 6).

    |m1 - m2|² + tr(C1 + C2 - 2·(C1·C2)^½), with the trace of the root as the sum of the roots of the eigenvalues of
    C1^½·C2·C1^½, which is symmetric.

    Args:
        first: (n, features); n must be at least 2, and should be many times the features.
        second: (m, features).

    Returns:
        At least 0.

    Raises:
        ValueError: other shapes.
    """
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.ndim != 2 or two.ndim != 2 or one.shape[1] != two.shape[1] or min(len(one), len(two)) < 2:
        raise ValueError(f"the Fréchet distance needs two arrays (n, features), got {one.shape} and {two.shape}")
    c1, c2 = (np.atleast_2d(np.cov(values, rowvar=False)) for values in (one, two))
    values, vectors = np.linalg.eigh(c1)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ c2 @ root).clip(0)).sum()
    means = float(((one.mean(0) - two.mean(0)) ** 2).sum())
    return max(0.0, means + float(np.trace(c1) + np.trace(c2) - 2 * shared))


@dataclass(frozen=True)
class Distance:
    """A Fréchet distance of images: `value` of `features`, or None and `reason`, why there is none."""

    value: float | None
    features: str = ""
    reason: str = ""


def fid(images: ArrayLike, references: ArrayLike) -> Distance:
    """Fréchet distance between the features of two sets of images, which need not be pairs.

    Grey images: features of a LeNet of digits that ships with gan2hls (`models.features`). RGB: those of Inception v3
    (torchmetrics), where its weights are on this machine already; nothing is downloaded. Distances are comparable only
    where the features are the same.

    Args:
        images: (n, channels, height, width) in [-1, 1].
        references: (m, channels, height, width).

    Raises:
        ValueError: the shapes of the images differ.
    """
    first, second = np.asarray(images, np.float32), np.asarray(references, np.float32)
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(f"FID needs images of one shape, got {first.shape[1:]} and {second.shape[1:]}")
    if first.ndim != 4 or first.shape[1] not in (1, 3):
        return Distance(None, reason="the output is no image of one or three channels")
    if min(len(first), len(second)) < 2:
        return Distance(None, reason="a distance of distributions needs two images at least")
    if first.shape[1] == 3:
        return _inception_distance(first, second)
    from gan2hls.models.features import NAME, features_of

    return Distance(frechet_distance(features_of(first), features_of(second)), NAME)


def _inception_distance(first: np.ndarray, second: np.ndarray) -> Distance:
    import torch

    weights = Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION
    if importlib.util.find_spec("torch_fidelity") is None or not weights.is_file():
        reason = f"RGB images need torch-fidelity and the Inception weights {INCEPTION} in torch's hub folder"
        return Distance(None, reason=reason)
    measure = _torchmetrics("image.fid").FrechetInceptionDistance(normalize=True)
    for images, real in ((first, False), (second, True)):
        for i in range(0, len(images), CHUNK):
            measure.update(torch.from_numpy((images[i : i + CHUNK] + 1) / 2).clamp(0, 1), real=real)
    return Distance(max(0.0, float(measure.compute())), "2048 features of Inception v3")


def _torchmetrics(module: str) -> Any:
    try:
        return importlib.import_module(f"torchmetrics.{module}")
    except ImportError:
        raise MissingToolError("SSIM and FID need the package torchmetrics (pip install 'gan2hls[sweep]')") from None
