"""Parse C++ with clang's front end, the one that HLS compilers are built on, by way of the libclang of PyPI.

Code that g++ takes is not yet code that they take: clang bounds the steps of a constant expression, and warns of other
things. Two readings are parsed: the C simulation, and what a synthesis tool sees, with the widths of synthesis.
"""

import functools
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan2hls.tools import require_tool

WARNINGS = ("-Wall", "-Wextra", "-Wno-unknown-pragmas")
"""HLS pragmas are unknown to clang as it is, and meant to be."""


@dataclass(frozen=True)
class Reading:
    """One way in which the same C++ is read.

    Attributes:
        name: for messages.
        flags: of the compiler.
        prelude: C++ before the first line of the code.
    """

    name: str
    flags: tuple[str, ...]
    prelude: str = ""


CSIM = Reading("C simulation", ("-DGAN2HLS_CSIM",))

# `ap_int.h` of the open ap_types refuses __SYNTHESIS__: what follows it has the widths of synthesis.
SYNTHESIS = Reading("synthesis", (), "#include <ap_int.h>\n#define __SYNTHESIS__\n")

READINGS = (CSIM, SYNTHESIS)


class FrontEndMissingError(Exception):
    """There is no libclang; the message says how to get it."""


@functools.cache
def system_folders() -> tuple[str, ...]:
    """Where g++ looks for the headers of C and C++: libclang comes without any.

    Raises:
        MissingToolError: no g++.
    """
    command = [str(require_tool("g++").path), "-E", "-v", "-x", "c++", "/dev/null"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env={"LC_ALL": "C"}).stderr
    listed = said.partition("#include <...> search starts here:\n")[2].partition("End of search list.")[0]
    return tuple(line.strip() for line in listed.splitlines())


def arguments(reading: Reading, includes: Sequence[Path]) -> list[str]:
    """What clang gets: `includes` come before the ap_types headers, and g++'s own folders last."""
    system = [str(require_tool("ap_types").path), *system_folders()]
    return [
        *("-std=c++17", "-ferror-limit=0", *WARNINGS, *reading.flags, "-nostdinc", "-nostdinc++"),
        *(f"-I{folder}" for folder in includes),
        *(word for folder in system for word in ("-isystem", folder)),
    ]


def findings(text: str, folder: Path, includes: Sequence[Path], reading: Reading) -> list[str]:
    """What clang says about a source text, a line each: warnings, errors, and where in which template they came up.

    Args:
        text: the source, as if it lay in `folder`.
        includes: further folders of headers.
        reading: how it is read.

    Raises:
        FrontEndMissingError: the Python package libclang is not installed.
        MissingToolError: g++ or the ap_types headers are missing.
    """
    try:
        from clang import cindex
    except ImportError:
        raise FrontEndMissingError("libclang: not found; pip install libclang") from None
    source = str(folder / f"parsed_{reading.name.replace(' ', '_')}.cpp")
    unit = cindex.Index.create().parse(
        source, arguments(reading, includes), unsaved_files=[(source, reading.prelude + text)]
    )
    return [line for said in unit.diagnostics for line in (str(said), *(f"    {child}" for child in said.children))]
