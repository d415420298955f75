"""Which products become hardware multipliers, and how many: the rules by which yosys calls `mul2dsp.v`, per family."""

from dataclasses import dataclass


@dataclass(frozen=True)
class _Rule:
    """A cell: bits of its ports, the fewest bits of factors and product for which it is used, and what it counts.

    `slice_bits` is what a wider factor is cut into, one bit less where `signed_only` slices need a sign.
    """

    ports: tuple[int, int]
    least: tuple[int, int]
    count: float = 1.0
    least_product: int = 1
    slice_bits: int = 0
    signed_only: bool = False


_LUT4_RULES = (
    _Rule((18, 18), (10, 4)),
    _Rule((18, 18), (4, 10)),
    _Rule((9, 9), (4, 4), 0.5),
)
RULES = {
    "ecp5": (_Rule((18, 18), (2, 2)),),
    "gowin": (_Rule((36, 36), (22, 22), 4), *_LUT4_RULES),
    "nexus": (_Rule((36, 36), (22, 22), 4), _Rule((36, 18), (22, 10), 2), *_LUT4_RULES),
    "xc7": (_Rule((25, 18), (2, 2), least_product=9, slice_bits=18, signed_only=True),),
    "xcup": (_Rule((27, 18), (2, 2), least_product=9, slice_bits=18, signed_only=True),),
}
"""In the order in which yosys tries them, on what the ones before have left."""

Product = tuple[int, int, int]
"""Bits of both factors and of the product."""


def hardware_multipliers(
    family: str, first: int, second: int, product: int, *, registered: bool = True
) -> tuple[float, int]:
    """Multipliers that a product of two signed factors takes, and bits (first · second) of it that are made of LUTs.

    Args:
        registered: nothing but a register follows; Nexus then takes it in, however small the product is.
    """
    if family == "nexus" and registered and max(first, second) <= 36:
        return 2.0 ** sum(bits > 18 for bits in (first, second)), 0
    left: list[Product] = [(max(first, second), min(first, second), product)]
    cells = 0.0
    for rule in RULES[family]:
        tried = left
        left = []
        for factors in tried:
            cells += rule.count * _apply(rule, *factors, left)
    return cells, sum(a * b for a, b, _ in left)


def _apply(rule: _Rule, a: int, b: int, y: int, left: list[Product]) -> int:
    """Cells of a rule that a product takes; what it can not take goes to `left`."""
    if a < rule.least[0] or b < rule.least[1] or y < rule.least_product:
        left.append((max(a, b), min(a, b), y))
        return 0
    for index, (bits, other) in enumerate(((a, b), (b, a))):
        port = rule.ports[index]
        if bits > port:
            width = rule.slice_bits or port
            step = width - rule.signed_only
            slices = (bits - port + step - 1) // step
            last = bits - slices * step
            parts = [(width, min(y, other + width))] * slices + [(last, other + last)]
            return sum(_apply(rule, *((part, other) if index == 0 else (other, part)), of, left) for part, of in parts)
    return 1
