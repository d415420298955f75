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
