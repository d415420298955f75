import math

import numpy as np
import pytest

from gan2hls.metrics import psnr


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
