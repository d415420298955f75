"""What of a kernel takes multipliers, memories, flip-flops and LUTs: exact counts from the structure of `hw/rtl`.

Multipliers and block RAMs follow from them by rule. Of LUTs and flip-flops they are the features of a linear model,
whose coefficients `model.json` holds: most are numbers of bits, of registers, adders, multiplexers and memories.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gan2hls.errors import Gan2HlsError
from gan2hls.estimate.joins import count_add, count_concat, count_constant, count_fork, count_slice
from gan2hls.estimate.mac import count_mac
from gan2hls.estimate.memories import Mapped, Shape, map_memory
from gan2hls.estimate.names import Feature, Machine
from gan2hls.estimate.small import count_converter, count_fifo, count_lookup, count_requantize, count_upsample
from gan2hls.estimate.tally import Features, Tally, Values


@dataclass(frozen=True)
class Counted:
    """A kernel's exact figures for a family, and the features of its LUTs and flip-flops.

    Attributes:
        machine: of which there are coefficients.
        mac_dsps, other_dsps: multipliers of weights, and of all else.
        weight_rams: of `block_rams`, those that hold weights.
    """

    machine: Machine
    mac_dsps: float
    other_dsps: float
    block_rams: float
    weight_rams: float
    memories: tuple[tuple[Shape, Mapped], ...]
    luts: Features
    flip_flops: Features

    @property
    def memory_luts(self) -> float:
        """LUTs that are memory."""
        return sum(mapped.luts for _, mapped in self.memories)


Counter = Callable[[Values, Tally], Machine]
"""Counts a kernel of given parameters, and says which coefficients it goes by. One for each module of `hw/rtl`."""

COUNTERS: dict[str, Counter] = {
    "add": count_add,
    "concat": count_concat,
    "constant": count_constant,
    "conv2d": count_mac,
    "conv_transpose2d": count_mac,
    "dense": count_mac,
    "fifo": count_fifo,
    "lookup": count_lookup,
    "requantize": count_requantize,
    "reshape": count_converter,
    "slice": count_slice,
    "stream_fork": count_fork,
    "upsample": count_upsample,
    "width_converter": count_converter,
}


def count(module: str, values: Values, shapes: Sequence[Shape], family: str) -> Counted:
    """Everything about a kernel that its parameters and memories tell.

    Raises:
        Gan2HlsError: nothing counts this module yet.
    """
    if module not in COUNTERS:
        raise Gan2HlsError(f"{module}: no estimate of this module; there are those of {', '.join(COUNTERS)}")
    tally = Tally(family, tuple((shape, map_memory(shape, family)) for shape in shapes))
    machine = COUNTERS[module](values, tally)
    tally.luts[Feature.ONE] = tally.flip_flops[Feature.ONE] = 1.0
    tally.check(machine)
    mac = machine is Machine.MAC
    return Counted(
        machine=machine,
        mac_dsps=tally.products if mac else 0.0,
        other_dsps=0.0 if mac else tally.products,
        block_rams=sum(mapped.block_rams for _, mapped in tally.memories),
        weight_rams=sum(mapped.block_rams for shape, mapped in tally.memories if shape.kind == "weights"),
        memories=tally.memories,
        luts=dict(tally.luts),
        flip_flops=dict(tally.flip_flops),
    )
