"""Memories by their shape, and what synthesis makes of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A memory: `kind` as in `synth.MemoryUsage`, words, bits of a word that are not constant, and ports.

    `filled` is the share of its elements that are no padding.
    """

    kind: str
    words: int
    bits: int
    reads: int = 1
    written: bool = False
    filled: float = 1.0


@dataclass(frozen=True)
class Mapped:
    """What a memory becomes: "block RAM", "LUT RAM" or "logic", block RAMs, and LUTs that are memory.

    `rows` is into how many pieces of its words it is cut; what is read is chosen among them.
    """

    where: str
    block_rams: float = 0.0
    luts: float = 0.0
    rows: int = 1
