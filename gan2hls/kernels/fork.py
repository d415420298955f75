"""`stream_fork`: a stream that several read."""

from typing import ClassVar

from gan2hls.counting import Machine, Tally, Values
from gan2hls.kernels import rules
from gan2hls.kernels.base import Kernel


class Fork(Kernel):
    """One input, and its beats at each of several outputs, which stall independently as far as their buffers go."""

    module: ClassVar[str] = "stream_fork"

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "Outputs": len(self.outputs),
            "Beats": self.input.beats,
            "Bits": self.input.lanes * self.input.bits,
        }

    def rules(self) -> tuple[rules.Rule, ...]:
        return rules.fork(len(self.outputs))

    @staticmethod
    def count(values: Values, tally: Tally) -> Machine:
        for _ in range(values["Outputs"]):
            tally.skid_buffer(values["Bits"])
        tally.functions(values["Outputs"])  # room in all of them
        return Machine.COUNTED
