import pytest

from gan2hls.errors import UserError
from gan2hls.targets import FAMILIES, TARGETS, target


def test_parts_have_limits_and_families_have_none() -> None:
    for name, part in TARGETS.items():
        limits = (part.luts, part.flip_flops, part.dsps, part.block_rams)
        assert target(name) is part
        assert all(limit is None for limit in limits) if name in FAMILIES else all(limits)


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(UserError, match=r"unknown target 'ecp6'; use one of ecp5, gowin"):
        target("ecp6")


# Weight and activation bits: products in a multiplier of ecp5, xc7 and xcup, and where no weight is the most negative.
PRODUCTS = {
    (3, 3): ((3, 4, 4), (3, 4, 5)),
    (4, 4): ((2, 3, 3), (2, 3, 3)),
    (4, 8): ((2, 2, 2), (2, 2, 2)),
    (5, 5): ((2, 2, 3), (2, 3, 3)),
    (6, 6): ((1, 2, 2), (2, 2, 2)),
    (8, 8): ((1, 2, 2), (1, 2, 2)),
    (16, 16): ((1, 1, 1), (1, 1, 1)),
    (2, 2): ((1, 1, 1), (1, 1, 1)),
}


@pytest.mark.parametrize("bits", PRODUCTS)
def test_products_that_share_a_multiplier(bits: tuple[int, int]) -> None:
    weight_bits, in_bits = bits
    for symmetric, expected in zip((False, True), PRODUCTS[bits], strict=True):
        for name, most in zip(("ecp5", "xc7", "xcup"), expected, strict=True):
            family = FAMILIES[name]
            assert family.products(in_bits, weight_bits, signed=True, symmetric=symmetric) == most
            assert family.products(in_bits, weight_bits, signed=False, symmetric=symmetric) == most
    assert FAMILIES["ecp5"].products(18, 3, signed=False, symmetric=True) == 1
