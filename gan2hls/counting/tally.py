"""What a kernel counts into: features of its LUTs and flip-flops, and multipliers."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from gan2hls.counting.multipliers import hardware_multipliers
from gan2hls.counting.names import FEATURES, Feature, Machine
from gan2hls.counting.shapes import Mapped, Shape
from gan2hls.integers import ceil_div, clog2
from gan2hls.targets import FAMILIES

Features = dict[Feature, float]
Values = Mapping[str, Any]
"""Parameters of a kernel by name: an integer each, or several (`Kernel.lists`)."""


_TABLES = {"ecp5": (16, 1.9), "gowin": (16, 1.5), "nexus": (16, 1.9), "xc7": (32, 3.0), "xcup": (32, 3.0)}
"""Words of a table of one bit that yosys puts into a LUT, and LUTs for each as many words more: it finds few LUTs of
six inputs that hold 64 bits without order. From tables of 3 to 256 words on ecp5, gowin, xcup; the others are alike."""


@dataclass
class Tally:
    """Features of one kernel on one family, and multipliers, as they are counted.

    Attributes:
        memories: each with what it becomes there.
        products: hardware multipliers so far.
    """

    family: str
    memories: tuple[tuple[Shape, Mapped], ...]
    luts: Features = field(default_factory=lambda: defaultdict(float))
    flip_flops: Features = field(default_factory=lambda: defaultdict(float))
    products: float = 0.0

    def both(self, feature: Feature, count: float) -> None:
        """Count a feature of LUTs and flip-flops alike."""
        self.luts[feature] += count
        self.flip_flops[feature] += count

    # -- kernels without fitted coefficients (`Machine.COUNTED`) ------------------------------------------------------

    def registers(self, bits: int) -> None:
        """Count bits of registers."""
        self.flip_flops[Feature.REGISTERS] += bits

    def functions(self, inputs: int, bits: int = 1) -> None:
        """Count so many bits that each depend on so many others: a tree of LUTs each."""
        self.luts[Feature.FUNCTIONS] += bits * ceil_div(max(0, inputs - 1), FAMILIES[self.family].lut_inputs - 1)

    def sums(self, bits: int) -> None:
        """Count bits of adders, of two terms each."""
        self.luts[Feature.SUMS] += bits

    def counter(self, states: int) -> None:
        """Count a counter: its bits, the sum that they become, and the start that they go back to."""
        bits = clog2(states)
        self.registers(bits)
        self.sums(bits)
        if FAMILIES[self.family].lut_inputs < 6:  # which has room for that choice in front of the adder
            self.functions(3, bits)

    def skid_buffer(self, bits: int, inputs: int = 1) -> None:
        """Count a skid buffer: two beats with `tlast`, the choice between the input and the spare one, two flags.

        Args:
            bits: of a beat.
            inputs: bits that each bit of the input depends on.
        """
        self.registers(2 * (bits + 1) + 2)
        self.functions(inputs + 2, bits)
        self.functions(4, 6)  # what the flags become, and when the registers load

    def choices(self) -> None:
        """Count the choice among rows of a deep read-only memory, which stands between its two registers."""
        for shape, mapped in self.memories:
            if mapped.rows > 1:
                self.functions(mapped.rows + clog2(mapped.rows), shape.bits)
                self.registers(clog2(mapped.rows))
                if self.family == "ecp5":  # `store` takes the second register to be in the block RAM
                    self.registers(shape.bits)

    # -- products and memories ----------------------------------------------------------------------------------------

    def multiply(self, a: int, b: int, y: int, count: float, *, registered: bool = True) -> float:
        """Count equal products, each with a register behind it, or behind what chooses it.

        Args:
            a, b, y: bits of the factors and of the product.
            count: how many.
            registered: nothing but a register follows.

        Returns:
            Hardware multipliers that they take.
        """
        cells, soft = hardware_multipliers(self.family, a, b, y, registered=registered)
        self.luts[Feature.SOFT_PRODUCTS] += soft * count
        if soft:
            self.luts[Feature.SOFT_PRODUCT_ROWS] += min(a, b) * count
        # Nexus, 7 series and ECP5 take the register behind a product into the multiplier.
        absorbed = registered and (self.family in ("nexus", "xc7") or (self.family == "ecp5" and cells == 1))
        in_multipliers = Feature.ABSORBED_PRODUCTS if absorbed else Feature.PRODUCTS_IN_MULTIPLIERS
        self.flip_flops[in_multipliers if cells else Feature.PRODUCTS_IN_LUTS] += y * count
        if cells > 1:
            self.luts[Feature.MULTIPLIER_SUMS] += y * count
        self.products += cells * count
        return cells * count

    def store(self, *, second: Collection[str] = (), outputs: bool = True, unordered: bool = False) -> None:
        """Count the memories, and the registers behind them.

        Args:
            second: kinds of those that have a second register.
            outputs: whether what is read from plain logic goes into a register of its own.
            unordered: whether tables in plain logic are counted as such without order, in LUTs.
        """
        for shape, mapped in self.memories:
            absorbed = self.family == "ecp5" and mapped.where == "block RAM"  # `synth/registers.py`
            if shape.kind in second and not absorbed:
                block = mapped.where == "block RAM"
                behind = Feature.SECOND_REGISTERS_OF_BLOCK_RAM if block else Feature.SECOND_REGISTERS_OF_SOFT_MEMORY
                self.flip_flops[behind] += shape.bits
            if mapped.where == "LUT RAM":
                self.luts[Feature.MEMORY_LUTS] += mapped.luts
                self.flip_flops[Feature.SOFT_MEMORY_OUTPUTS] += shape.bits * shape.reads
            elif mapped.where == "logic":
                if outputs:
                    self.flip_flops[Feature.SOFT_MEMORY_OUTPUTS] += shape.bits * shape.reads
                if shape.written:
                    self.both(Feature.STORED_BITS, shape.words * shape.bits)
                elif unordered:
                    self._unordered_table(shape)
                else:
                    self._table(shape)

    def _table(self, shape: Shape) -> None:
        """A memory of plain logic that is only read."""
        words = 1 << FAMILIES[self.family].lut_inputs  # that one LUT holds of a bit
        if shape.words > 1:
            self.luts[Feature.TABLE_BITS] += max(0, shape.words - words) * shape.bits * shape.reads / words
        if shape.words > 2:  # few words have few different columns
            self.luts[Feature.TABLE_OUTPUTS] += min(shape.bits, 1 << min(shape.words - 1, 20)) * shape.reads

    def _unordered_table(self, shape: Shape) -> None:
        """One that has no order: a LUT for each different bit, and more where the words do not fit one."""
        words, growth = _TABLES[self.family]
        if shape.words > 1:  # few words have few different columns
            columns = min(shape.bits, 1 << min(shape.words - 1, 20))
            luts = 1 + growth * shape.filled * max(0, shape.words - words) / words
            self.luts[Feature.TABLE_LUTS] += columns * luts * shape.reads

    def check(self, machine: Machine) -> None:
        """Refuse what is not declared: it would have no coefficient, and count for nothing.

        Raises:
            ValueError: a feature that the kind of kernel has not.
        """
        for resource, declared in FEATURES[machine]._asdict().items():
            undeclared = getattr(self, resource).keys() - declared
            if undeclared:
                raise ValueError(f"{machine}: {resource} have no feature {', '.join(sorted(undeclared))}; declare it")
