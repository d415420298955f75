"""The one dialect of the hand-written SystemVerilog, beyond what Verilator checks; `sim/lint.py` runs it.

Some rules are taste, so that all files read alike. Others are traps of yosys, which reads some SystemVerilog without a
word and makes something else of it.
"""

import re
from pathlib import Path

WIDTH = 120
"""Characters of a line."""

LENGTH = 250
"""Lines of a module's file."""

_LINE_RULES = {
    r"\b(?:parameter|localparam)\s+(?:int|integer)\b(?!\s+(?:un)?signed\b)": (
        "a size is `int unsigned`; what may be negative is `int signed`"
    ),
    r"[^\s\[][+-]:|[+-]:\S": "a part select is written `[a +: b]`, with spaces",
    r"(?<!typedef )\benum\b": "an enum is named: typedef enum logic [...] {...} name_t",
    r"(?<!typedef )\b(?:struct|union)\b": "a structure is named: typedef struct packed {...} name_t",
    r"\b(?:struct|union)\b(?!\s+packed\b)": "a structure is packed",
}
"""What no line may hold, comments left out, and why."""


def findings(path: Path) -> list[str]:
    """What is wrong in the style of a file, each as `file:line: what`; nothing where all is well."""
    text = path.read_text()
    lines = text.split("\n")
    code = [line.partition("//")[0] for line in lines]
    found: list[tuple[int, str]] = []
    for number, (line, plain) in enumerate(zip(lines, code, strict=True), 1):
        if len(line) > WIDTH:
            found.append((number, f"{len(line)} characters; a line has {WIDTH} at most"))
        found += [(number, what) for pattern, what in _LINE_RULES.items() if re.search(pattern, plain)]
        if line != line.rstrip() or "\t" in line:
            found.append((number, "no tabs, and no spaces at the end of a line"))
    found += _module_findings(path.stem, code)
    found += _type_findings(code)
    return [f"{path.name}:{number}: {what}" for number, what in sorted(set(found))]


def _module_findings(stem: str, code: list[str]) -> list[tuple[int, str]]:
    """One module a file, with the file's name, of a size that one can read, and every net in it declared."""
    found = []
    modules = [(number, m[1]) for number, line in enumerate(code, 1) if (m := re.match(r"module (\w+)", line))]
    for number, name in modules:
        if name != stem or len(modules) > 1:
            found.append((number, f"module {name}: a file holds one module, with the file's name"))
    lines = len(code) - 1  # the last line ends too
    if lines > LENGTH:
        found.append((lines, f"{lines} lines; a module has {LENGTH} at most: cut it where its comments do"))
    nettypes = [(number, line.split()) for number, line in enumerate(code, 1) if line.startswith("`default_nettype")]
    if [words[1:] for _, words in nettypes] != [["none"], ["wire"]]:
        found.append((1, "`default_nettype none stands before the module, `default_nettype wire behind it"))
    return found


def _type_findings(code: list[str]) -> list[tuple[int, str]]:
    """Enums that are read by number, and structures where yosys loses them."""
    text = "\n".join(code)
    enums = re.findall(r"typedef enum\b[^{;]*\{[^}]*\}\s*(\w+)\s*;", text)
    structures = re.findall(r"typedef struct\b[^{;]*\{[^}]*\}\s*(\w+)\s*;", text)
    variables = {
        name
        for kind in enums
        for names in re.findall(rf"^\s*{kind}\s+([\w\s,]+);", text, re.MULTILINE)
        for name in re.split(r"\s*,\s*", names.strip())
    }
    found, in_function = [], False
    for number, line in enumerate(code, 1):
        in_function = (in_function or bool(re.match(r"\s*function\b", line))) and "endfunction" not in line
        found += [
            (number, f"{name}[...]: an enum is compared with its names, or its bits get names")
            for name in re.findall(r"\b(\w+)\s*\[", line)
            if name in variables
        ]
        if any(re.match(rf"\s*{kind}\s*(?:\[|\w+\s*\[)", line) for kind in structures):
            found.append((number, "yosys reads one bit of an array's structure: take a vector and [a +: b]"))
        if in_function and re.match(r"\s*\w+\.\w+\s*=", line):
            found.append((number, "yosys loses what a function assigns to a field: concatenate the fields"))
    return found
