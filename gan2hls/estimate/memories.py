"""Which memories become block RAM, and how many: the rule of yosys' `memory_libmap`, for the memories of `hw/rtl`.

For each kind of RAM of a family yosys counts what a memory would cost, in units of its library: cells, multiplexers
where the memory is deeper than a cell, half a unit a bit of their inputs, and two units a read port. The cheapest is
taken; plain logic costs a unit a bit, or a small share of one where nothing is written. (yosys,
`passes/memory/memory_libmap.cc`; the cells' costs are those of `techlibs/*/brams*.txt` and `lutrams*.txt`.)
"""

from dataclasses import dataclass

from gan2hls.counting import Mapped, Shape


@dataclass(frozen=True)
class _Ram:
    """A cell of yosys' library.

    Attributes:
        block: block RAMs that it is; 0 for one of LUTs.
        luts: that it takes.
        depth_bits: address bits at its narrowest width.
        widths: that its ports may have, each twice the one before, parity aside.
        cost: of a cell; of that, `scaled` goes by the share of its bits that is used.
        rom_ports, ram_ports: read ports where nothing is written, and beside a write port; 0 where it can not.
        least: index of the narrowest width that a write port takes.
        byte: bits that one write enable governs; 0 a whole word.
    """

    block: float
    luts: int
    depth_bits: int
    widths: tuple[int, ...]
    cost: float
    scaled: float = 0.0
    rom_ports: int = 0
    ram_ports: int = 1
    least: int = 0
    byte: int = 0


_NARROW, _WIDE = (1, 2, 4, 9, 18), (1, 2, 4, 9, 18, 36)


def _true_dual(cost: float, block: float = 1.0, bits: int = 14, widths: tuple[int, ...] = _NARROW) -> _Ram:
    return _Ram(block, 0, bits, widths, cost, rom_ports=2, ram_ports=1, byte=9)


def _simple_dual(
    cost: float, block: float = 1.0, bits: int = 14, widths: tuple[int, ...] = _WIDE, least: int = 0
) -> _Ram:
    return _Ram(block, 0, bits, widths, cost, rom_ports=1, ram_ports=1, least=least, byte=9)


_LUT4 = _Ram(0, 6, 4, (4,), 4)
_GOWIN_LUT = _Ram(0, 6, 4, (4,), 4, scaled=4)
_XILINX_BLOCKS = (
    _true_dual(129, 0.5),
    _true_dual(257, 1.0, 15, _WIDE),
    _simple_dual(129, 0.5),
    _simple_dual(257, 1.0, 15, (*_WIDE, 72)),
)
_XC7_LUTS = (
    *(_Ram(0, 8, bits, (width,), 8, scaled=8) for bits, width in ((5, 4), (6, 2), (7, 1))),
    *(_Ram(0, 4, bits, (width,), 7, scaled=7, ram_ports=3) for bits, width in ((5, 2), (6, 1))),
    *(_Ram(0, 4, bits, (width,), 8, scaled=7) for bits, width in ((5, 6), (6, 3))),
)
_XCUP_LUTS = (
    *(_Ram(0, 8, bits, (width,), 16, scaled=16) for bits, width in ((5, 8), (6, 4), (7, 2), (8, 1))),
    *(_Ram(0, 8, bits, (width,), 16, scaled=16, ram_ports=3) for bits, width in ((5, 4), (6, 2))),
    *(_Ram(0, 8, bits, (width,), 16, scaled=16) for bits, width in ((5, 14), (6, 7))),
)
_RAMS = {
    "ecp5": (_LUT4, _true_dual(128), _simple_dual(128, least=3)),
    "gowin": (
        _GOWIN_LUT,
        _Ram(1, 0, 14, _WIDE, 128, rom_ports=1, ram_ports=0, byte=9),
        _true_dual(128),
        _simple_dual(128),
    ),
    "nexus": (_LUT4, _true_dual(129), _simple_dual(128)),
    "xc7": (*_XC7_LUTS, *_XILINX_BLOCKS),
    "xcup": (*_XCUP_LUTS, *_XILINX_BLOCKS),
}
_ROM_BIT = {"ecp5": 1 / 16, "gowin": 1 / 16, "nexus": 1 / 16, "xc7": 1 / 64, "xcup": 1 / 64}
"""Cost of a bit of a memory that is only read, in logic; of one that is written, 1."""


def map_memory(shape: Shape, family: str) -> Mapped:
    """What yosys makes of a memory."""
    if not shape.bits:
        return Mapped("logic")
    best = shape.words * shape.bits * (1.0 if shape.written else _ROM_BIT[family])
    found = Mapped("logic")
    for ram in _RAMS[family]:
        if (ram.ram_ports if shape.written else ram.rom_ports) == 0:
            continue
        cost, cells, rows = _geometry(shape, ram)
        if cost < best:
            best = int(cost)  # as yosys keeps it: where two cost the same but for a fraction, the first one is taken
            found = Mapped("block RAM" if ram.block else "LUT RAM", cells * ram.block, cells * ram.luts, rows)
    return found


def _geometry(shape: Shape, ram: _Ram) -> tuple[float, int, int]:
    """Cost, number of cells, and rows of them, at the cheapest width."""
    copies = -(-shape.reads // (ram.ram_ports if shape.written else ram.rom_ports))
    found: tuple[float, int, int] | None = None
    for index, width in enumerate(ram.widths):
        if shape.written and index < min(ram.least, 3):
            continue
        byte = min(ram.byte or width, width) if shape.written else 1
        bits = -(-shape.bits // byte) * byte
        rows = -(-shape.words // (1 << (ram.depth_bits - index)))
        cells = -(-rows * bits // width)
        cost = (ram.cost - ram.scaled) * cells * copies + ram.scaled * rows * shape.bits / width * copies
        cost += 0.5 * (rows - 1) * shape.bits * shape.reads + 2.0 * shape.reads
        if shape.written and rows > 1:
            cost += 0.5 * rows
        if found is None or cost < int(found[0]):  # yosys keeps the best cost as an integer
            found = cost, cells * copies, rows
    assert found is not None
    return found
