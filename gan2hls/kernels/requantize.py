"""`requantize`: scale, add, round and saturate, each channel by its own numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from gan2hls.integers import ceil_div
from gan2hls.kernels import rules
from gan2hls.kernels.base import Kernel, Memory


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
