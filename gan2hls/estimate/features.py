"""A kernel's exact figures on a family, and the features of its LUTs and flip-flops, as it counts them itself.

Multipliers and block RAMs follow from them by rule. Of LUTs and flip-flops they are the features of a linear model,
whose coefficients `model.json` holds: most are numbers of bits, of registers, adders, multiplexers and memories.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import gan2hls.ops  # noqa: F401  # whose kernels register themselves
from gan2hls.counting import Feature, Features, Machine, Mapped, Shape, Tally, Values
from gan2hls.errors import Gan2HlsError
from gan2hls.estimate.memories import map_memory
from gan2hls.kernels import Kernel


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


def count_kernel(kernel: Kernel, family: str) -> Counted:
    """Everything about a kernel that it counts itself."""
    return _count(kernel.counted, kernel.shapes(), family, kernel.weighted)


def count(module: str, values: Values, shapes: Iterable[Shape], family: str) -> Counted:
    """The same of a kernel of which only this is known: its module, parameters and memories.

    Raises:
        Gan2HlsError: no kernel has that module.
    """
    kernel = Kernel.registry.get(module)
    if kernel is None:
        raise Gan2HlsError(f"{module}: no kernel has this module; there are {', '.join(sorted(Kernel.registry))}")
    return _count(partial(kernel.count, values), shapes, family, kernel.weighted)


def _count(counter: Callable[[Tally], Machine], shapes: Iterable[Shape], family: str, weighted: bool) -> Counted:
    tally = Tally(family, tuple((shape, map_memory(shape, family)) for shape in shapes))
    machine = counter(tally)
    tally.luts[Feature.ONE] = tally.flip_flops[Feature.ONE] = 1.0
    tally.check(machine)
    return Counted(
        machine=machine,
        mac_dsps=tally.products if weighted else 0.0,
        other_dsps=0.0 if weighted else tally.products,
        block_rams=sum(mapped.block_rams for _, mapped in tally.memories),
        weight_rams=sum(mapped.block_rams for shape, mapped in tally.memories if shape.kind == "weights"),
        memories=tally.memories,
        luts=dict(tally.luts),
        flip_flops=dict(tally.flip_flops),
    )
