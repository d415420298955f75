"""FPGA families and parts: what a hardware multiplier takes, what a block RAM holds, and how much a part has of each.

A target is named by its part ("ecp5-85k", "zu3eg") or by its family alone ("xcup"), which then has no limits.
"""

from dataclasses import dataclass

from gan2hls.errors import UserError


@dataclass(frozen=True)
class Family:
    """What all parts of a family share.

    Attributes:
        multiplier: what synthesis calls the hardware multiplier that a DSP stands for here.
        factor_bits: signed bits of its wider port, into which weights are packed.
        operand_bits: signed bits of its other port, which takes the activation.
        block_ram_bits: bits of one block RAM, parity bits included.
    """

    name: str
    multiplier: str
    factor_bits: int
    operand_bits: int
    block_ram: str
    block_ram_bits: int
    lut_inputs: int

    def products(self, in_bits: int, weight_bits: int, *, signed: bool, symmetric: bool) -> int:
        """How many weights fit into one hardware multiplier with the activation that they share.

        They stand `in_bits + weight_bits` apart, so that no product reaches into the next one (`packed_multiply.sv`).
        One at least; weights of 1 and 2 bits share none, because adders do without a multiplier.

        Args:
            in_bits, signed: type of the activation.
            weight_bits: signed bits of a weight.
            symmetric: no weight has the most negative value, which saves the sum of the weights a bit.
        """
        if weight_bits <= 2 or in_bits + (not signed) > self.operand_bits:
            return 1
        room = self.factor_bits - weight_bits - (not symmetric)
        return 1 + max(0, room // (in_bits + weight_bits))


@dataclass(frozen=True)
class Target:
    """A part, with the most LUTs, flip-flops, multipliers and block RAMs it has; a bare family has None of each."""

    name: str
    family: Family
    luts: int | None = None
    flip_flops: int | None = None
    dsps: int | None = None
    block_rams: int | None = None


FAMILIES = {
    family.name: family
    for family in (
        Family("ecp5", "MULT18X18D", 18, 18, "DP16KD", 18432, 4),
        Family("gowin", "MULT18X18", 18, 18, "BSRAM", 18432, 4),
        Family("nexus", "MULT18X18", 18, 18, "EBR", 18432, 4),
        Family("xc7", "DSP48E1", 25, 18, "RAMB36E1", 36864, 6),
        Family("xcup", "DSP48E2", 27, 18, "RAMB36E2", 36864, 6),
    )
}

# Vendors' product tables: Lattice FPGA-DS-02012 and -02049, Gowin DS117 and DS226, AMD DS180, DS190 and DS891.
TARGETS = {
    target.name: target
    for target in (
        *(Target(name, family) for name, family in FAMILIES.items()),
        Target("ecp5-25k", FAMILIES["ecp5"], 24288, 24288, 28, 56),
        Target("ecp5-45k", FAMILIES["ecp5"], 43848, 43848, 72, 108),
        Target("ecp5-85k", FAMILIES["ecp5"], 83640, 83640, 156, 208),
        Target("gw1nr-9", FAMILIES["gowin"], 8640, 6480, 20, 26),
        Target("gw2ar-18", FAMILIES["gowin"], 20736, 15552, 48, 46),
        Target("lifcl-40", FAMILIES["nexus"], 32256, 32256, 56, 84),
        Target("xc7a35t", FAMILIES["xc7"], 20800, 41600, 90, 50),
        Target("xc7a100t", FAMILIES["xc7"], 63400, 126800, 240, 135),
        Target("xc7z020", FAMILIES["xc7"], 53200, 106400, 220, 140),
        Target("zu3eg", FAMILIES["xcup"], 70560, 141120, 360, 216),
        Target("zu7ev", FAMILIES["xcup"], 230400, 460800, 1728, 312),
        Target("xck26", FAMILIES["xcup"], 117120, 234240, 1248, 144),
    )
}


def target(name: str) -> Target:
    """The target of a name.

    Raises:
        UserError: no part or family has that name.
    """
    if name not in TARGETS:
        raise UserError(f"unknown target {name!r}; use one of {', '.join(TARGETS)}")
    return TARGETS[name]
