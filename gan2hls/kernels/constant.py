"""`constant`: a frame that is always the same."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from gan2hls.counting import Machine, Shape, Tally, Values
from gan2hls.integers import ceil_div
from gan2hls.kernels import rules
from gan2hls.kernels.base import Kernel, Memory


@dataclass(frozen=True, eq=False)
class ConstantKernel(Kernel):
    """No input, and an output that offers `values` (pixels, channels) frame after frame."""

    module: ClassVar[str] = "constant"
    values: np.ndarray

    @property
    def parameters(self) -> dict[str, int]:
        return {"Beats": self.output.beats, "Lanes": self.output.lanes, "Bits": self.output.bits}

    @cached_property
    def memories(self) -> dict[str, Memory]:
        port = self.output
        padded = np.zeros((port.pixels, ceil_div(port.channels, port.lanes) * port.lanes), dtype=np.int64)
        padded[:, : port.channels] = self.values
        return {"values": Memory(padded.reshape(-1, port.lanes), port.bits, port.signed)}

    def shapes(self) -> Iterator[Shape]:
        elements = self.output.beats * self.output.lanes
        yield replace(self.memories["values"].shape("constants"), filled=self.values.size / elements)

    def rules(self) -> tuple[rules.Rule, ...]:
        return rules.constant()

    @staticmethod
    def count(values: Values, tally: Tally) -> Machine:
        tally.counter(values["Beats"] + 1)
        tally.registers(4)  # of each of the memory's two registers, whether it has a beat, and whether it is the last
        tally.functions(3, 2)  # whether the registers move on, and whether what they hold is offered
        tally.store(second=("constants",), unordered=True)
        tally.choices()
        return Machine.COUNTED
