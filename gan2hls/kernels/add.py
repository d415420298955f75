"""`add`: the sum or the difference of several streams."""

from dataclasses import dataclass
from typing import ClassVar

from gan2hls.counting import Machine, Tally, Values
from gan2hls.kernels import rules
from gan2hls.kernels.base import Kernel


@dataclass(frozen=True, eq=False)
class AddKernel(Kernel):
    """x[0] + x[1] + …, or x[0] - x[1] - … where `subtract`, exactly; all ports of equal lanes."""

    module: ClassVar[str] = "add"
    subtract: bool = False

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "Inputs": len(self.inputs),
            "Beats": self.output.beats,
            "Lanes": self.output.lanes,
            "InBits": self.input.bits,
            "InSigned": int(self.input.signed),
            "OutBits": self.output.bits,
            "Subtract": int(self.subtract),
        }

    def rules(self) -> tuple[rules.Rule, ...]:
        return rules.join(len(self.inputs))

    @staticmethod
    def count(values: Values, tally: Tally) -> Machine:
        width = values["Lanes"] * values["OutBits"]
        tally.sums((values["Inputs"] - 1) * width)
        tally.functions(values["Inputs"] + 1)  # a beat at each input, and room
        tally.skid_buffer(width)
        return Machine.COUNTED
