"""What yosys does for each family, and what its cells cost in the family's own units.

A LUT is what the part's product table counts: one LUT4 on ECP5, Gowin and Nexus, one LUT6 on Xilinx.
"""

import re
from dataclasses import dataclass

from gan2hls.targets import Target

XILINX_LIBMAP = (
    "memory_libmap -logic-cost-rom 0.015625 -lib +/xilinx/{luts} -lib +/xilinx/brams_xc4v.txt -D HAS_SIZE_36 {defines} "
    "-no-auto-huge"
)


@dataclass(frozen=True)
class Recipe:
    """How a family is synthesized, and how its cells are counted.

    Attributes:
        command: the yosys command, without its top.
        memory_label: the label of that command under which it maps memories to cells.
        libmap: the `memory_libmap` that it runs there; run before it, so that contents can be left out in between.
        block_ram_cells: what `libmap` calls a block RAM, as a yosys selection.
        block_ram_init: bits of the initial content of such a cell.
        luts: cell → LUTs that it takes.
        memory_luts: cell → LUTs that it takes as memory or shift register; counted among the LUTs too.
        flip_flops: cells that are flip-flops.
        dsps: cell → hardware multipliers (`Family.multiplier`) that it takes.
        block_rams: cell → block RAMs (`Family.block_ram`) that it takes.
        notes: what must be known beside the figures.
    """

    command: str
    memory_label: str
    libmap: str
    block_ram_cells: str
    block_ram_init: int
    luts: dict[str, int]
    memory_luts: dict[str, int]
    flip_flops: re.Pattern[str]
    dsps: dict[str, float]
    block_rams: dict[str, float]
    notes: tuple[str, ...] = ()


_ECP5 = Recipe(
    command="synth_ecp5",
    memory_label="map_ram",
    libmap="memory_libmap -lib +/lattice/lutrams_trellis.txt -lib +/lattice/brams_16kd.txt",
    block_ram_cells="t:$__DP16KD_ t:$__PDPW16KD_",
    block_ram_init=18432,
    luts={"LUT4": 1, "CCU2C": 2},
    # 16×4 bits lie in the LUTs of two slices, and the write port takes those of a third one.
    memory_luts={"TRELLIS_DPR16X4": 6},
    flip_flops=re.compile("TRELLIS_FF"),
    dsps={"MULT18X18D": 1},
    block_rams={"DP16KD": 1, "PDPW16KD": 1},
)

_GOWIN = Recipe(
    command="synth_gowin -noiopads",
    memory_label="map_ram",
    libmap="memory_libmap -lib +/gowin/lutrams.txt -lib +/gowin/brams.txt",
    block_ram_cells="t:$__GOWIN_SP_ t:$__GOWIN_DP_ t:$__GOWIN_SDP_",
    block_ram_init=18432,
    luts={"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "ALU": 1},
    memory_luts={"RAM16SDP1": 6, "RAM16SDP2": 6, "RAM16SDP4": 6},
    flip_flops=re.compile("DFF.*"),
    dsps={"MULT9X9": 0.5, "MULT18X18": 1, "MULT36X36": 4},
    block_rams=dict.fromkeys(("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9"), 1.0),
)

_NEXUS = Recipe(
    command="synth_nexus -noiopad",
    memory_label="map_ram",
    libmap="memory_libmap -lib +/lattice/lutrams_nexus.txt -lib +/lattice/brams_nexus.txt",
    block_ram_cells="t:$__NX_DP16K_ t:$__NX_PDP16K_",
    block_ram_init=18432,
    luts={"LUT4": 1, "WIDEFN9": 2, "CCU2": 2, "INV": 1},
    memory_luts={"DPR16X4": 6},
    flip_flops=re.compile("FD1P3.*"),
    dsps={"MULT9X9": 0.5, "MULT18X18": 1, "MULT18X36": 2, "MULT36X36": 4},
    block_rams={"DP16K": 1, "PDP16K": 1, "PDPSC16K": 1},
)

_XILINX_LUTS = {**{f"LUT{inputs}": 1 for inputs in range(1, 7)}, "LUT6_2": 1, "INV": 1}
_XILINX_MEMORY_LUTS = {
    "SRL16E": 1,
    "SRLC16E": 1,
    "SRLC32E": 1,
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1S": 2,
    "RAM128X1D": 4,
    "RAM256X1S": 4,
    "RAM256X1D": 8,
    "RAM512X1S": 8,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM64X8SW": 8,
}


def _xilinx(family: str, generation: str, luts: str, defines: str, notes: tuple[str, ...]) -> Recipe:
    return Recipe(
        command=f"synth_xilinx -family {family} -flatten -noiopad -noclkbuf",
        memory_label="map_memory",
        libmap=XILINX_LIBMAP.format(luts=luts, defines=defines),
        block_ram_cells="t:$__XILINX_BLOCKRAM_*",
        block_ram_init=36864,
        luts=_XILINX_LUTS,
        memory_luts=_XILINX_MEMORY_LUTS,
        flip_flops=re.compile("FD[RSCP]E(_1)?"),
        dsps={f"DSP48E{generation}": 1},
        block_rams={f"RAMB36E{generation}": 1, f"RAMB18E{generation}": 0.5},
        notes=(
            "each LUT1 to LUT6 counts as one; Vivado puts some pairs of small ones into one LUT6, so it reports fewer",
            *notes,
        ),
    )


RECIPES = {
    "ecp5": _ECP5,
    "gowin": _GOWIN,
    "nexus": _NEXUS,
    "xc7": _xilinx("xc7", "1", "lutrams_xc5v.txt", "-D HAS_CASCADE -D HAS_CONFLICT_BUG -D HAS_MIXWIDTH_SDP", notes=()),
    "xcup": _xilinx(
        "xcup",
        "2",
        "lutrams_xcu.txt",
        "-D HAS_MIXWIDTH_SDP -D HAS_ADDRCE -lib +/xilinx/urams.txt",
        notes=(
            "yosys leaves the registers of a DSP48E2 outside of it: flip-flops that Vivado would take into the DSP are "
            "counted here",
        ),
    ),
}
"""By the name of the family in `gan2hls.targets`."""

_GOWIN_FAMILIES = {"gw1nr-9": "gw1n"}


def synth_command(target: Target) -> str:
    """The yosys command for a target, without its top."""
    command = RECIPES[target.family.name].command
    if target.family.name == "gowin":
        command += f" -family {_GOWIN_FAMILIES.get(target.name, 'gw2a')}"
    return command
