"""`requantize`: scale, add, round and saturate, each channel by its own numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from gan2hls.counting import Feature, Machine, Tally, Values
from gan2hls.integers import ceil_div, clog2
from gan2hls.kernels import rules
from gan2hls.kernels.base import Kernel, Memory

PART_BITS = 17
"""Bits of the lower part of a wide product (`requantize.sv`)."""


@dataclass(frozen=True, eq=False)
class RequantizeKernel(Kernel):
    """A requantization, its ports of equal lanes.

    Args:
        constants: name → (channels,) integers and their bits, `multiplier` holding shifts where `use_multiplier` is
            False; in the order of the module's parameters.
        shift, low, high: see `ops.requantize`.
        use_multiplier: whether a product is made of every value, not of negative ones alone.
        parts: multipliers of each product.
    """

    module: ClassVar[str] = "requantize"
    constants: Mapping[str, tuple[np.ndarray, int, bool]]
    shift: int
    low: int
    high: int
    use_multiplier: bool
    parts: int

    @property
    def _leaky(self) -> bool:
        return "negative_multiplier" in self.constants

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "Pixels": self.input.pixels,
            "Channels": self.input.channels,
            "Lanes": self.output.lanes,
            "InBits": self.input.bits,
            "InSigned": int(self.input.signed),
            "MultiplierBits": self.constants["multiplier"][1],
            "BiasBits": self.constants["bias"][1],
            "Shift": self.shift,
            "OutBits": self.output.bits,
            "OutSigned": int(self.output.signed),
            "Low": self.low,
            "High": self.high,
            "Leaky": int(self._leaky),
            "UseMultiplier": int(self.use_multiplier),
            "Parts": self.parts,
        }

    @cached_property
    def memories(self) -> dict[str, Memory]:
        lanes, channels = self.output.lanes, self.input.channels
        beats = ceil_div(channels, lanes)
        memories = {}
        for name, (values, bits, signed) in self.constants.items():
            padded = np.zeros(beats * lanes, dtype=np.int64)
            padded[:channels] = values
            memories[name] = Memory(padded.reshape(beats, lanes), bits, signed)
        return memories

    @property
    def multipliers(self) -> int:
        return self.output.lanes * (self.parts if self.use_multiplier else int(self._leaky))

    def rules(self) -> tuple[rules.Rule, ...]:
        return rules.registers(6 + self._leaky)

    @staticmethod
    def count(values: Values, tally: Tally) -> Machine:
        lanes, in_bits, m_bits, b_bits = (values[key] for key in ("Lanes", "InBits", "MultiplierBits", "BiasBits"))
        shift, out_bits, leaky = values["Shift"], values["OutBits"], values["Leaky"]
        x_bits = in_bits + 1 - values["InSigned"]
        product = x_bits + m_bits
        total = max(product, b_bits, max(shift, 1)) + 2
        tally.flip_flops[Feature.INPUTS] += (2 + leaky) * lanes * in_bits
        tally.flip_flops[Feature.BIASES] += 2 * lanes * b_bits if values["Channels"] > lanes else 0
        tally.flip_flops[Feature.TOTALS] += lanes * total
        tally.flip_flops[Feature.RESULTS] += lanes * out_bits
        tally.flip_flops[Feature.SKID_BUFFER] += 2 * lanes * out_bits
        whole = Feature.ABSORBED_WHOLE_PRODUCTS if tally.family == "xc7" else Feature.WHOLE_PRODUCTS
        tally.flip_flops[whole] += lanes * product
        tally.luts[Feature.TOTALS] += lanes * total
        tally.luts[Feature.SATURATION] += lanes * max(1, total - shift)
        tally.luts[Feature.RESULTS] += lanes * out_bits
        tally.luts[Feature.SKID_BUFFER] += lanes * out_bits
        tally.luts[Feature.LANES] += lanes
        tally.both(Feature.GROUP_COUNTER, clog2(ceil_div(values["Channels"], lanes) + 1))
        if leaky:
            tally.both(Feature.BRANCHES, lanes * (m_bits + b_bits))
            tally.luts[Feature.SIGNS] += lanes * (in_bits + 2)
            tally.flip_flops[Feature.SIGNS] += lanes
        _scale(values, x_bits, product, tally)
        tally.store(second=("constants",))
        return Machine.REQUANTIZE


def _scale(values: Values, x_bits: int, product: int, tally: Tally) -> None:
    """The products by the scale: whole, of two parts, or shifted."""
    lanes, m_bits, leaky = values["Lanes"], values["MultiplierBits"], values["Leaky"]
    if values["UseMultiplier"] and values["Parts"] > 1 and x_bits > PART_BITS + 1:
        high = x_bits - PART_BITS
        tally.multiply(PART_BITS + 1, m_bits, PART_BITS + 1 + m_bits, lanes)
        tally.multiply(high, m_bits, high + m_bits, lanes)
        tally.luts[Feature.PART_SUMS] += lanes * (high + m_bits)
        return
    if values["UseMultiplier"] or leaky:
        tally.multiply(x_bits, m_bits, product, lanes, registered=bool(values["UseMultiplier"]))
    if not values["UseMultiplier"]:
        tally.luts[Feature.SHIFTERS] += lanes * product * max(1, min(m_bits, clog2(product)))
        if not leaky:
            tally.flip_flops[Feature.PRODUCTS_IN_LUTS] += lanes * product
