"""What is counted of a kernel for an estimate: features of its LUTs and flip-flops, multipliers, shapes of memories.

Each kernel counts itself (`Kernel.counted`, `Kernel.shapes`); what the counts become on a family `estimate` says.
"""

from gan2hls.counting.names import Feature, Machine
from gan2hls.counting.shapes import Mapped, Shape
from gan2hls.counting.tally import Features, Tally, Values

__all__ = ["Feature", "Features", "Machine", "Mapped", "Shape", "Tally", "Values"]
