"""Imports go one way: the order that docs/architecture.md gives is the one that the code has."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "gan2hls"
FILES = sorted(PACKAGE.rglob("*.py"))


def layers() -> dict[str, int]:
    """Rank of each module from the sentence in docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    match = re.search(r"A module imports only from those before it.*?`(version [^`]*)`", text, re.DOTALL)
    assert match, "docs/architecture.md no longer gives the order of the modules"
    return {name: rank for rank, group in enumerate(match.group(1).split("<")) for name in group.split()}


LAYERS = layers()


def layer_of(path: Path) -> str:
    """`gan2hls/ops/dense.py` -> ops; the package's own `__init__` is its public face, "gan2hls"."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "gan2hls" if parts == ("__init__",) else parts[0]


def imported_layers(path: Path) -> Iterator[tuple[int, str]]:
    """Line and layer of each import from gan2hls, those inside functions and for type checking too."""
    module = ["gan2hls", *path.relative_to(PACKAGE).with_suffix("").parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = module[: -node.level] if node.level else []
            source = ".".join([*start, *([node.module] if node.module else [])])
            names = [f"{source}.{alias.name}" for alias in node.names] if source == "gan2hls" else [source]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "gan2hls":
                yield node.lineno, parts[1] if len(parts) > 1 and parts[1] in LAYERS else "gan2hls"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_has_a_layer(path: Path) -> None:
    layer = layer_of(path)
    assert layer in LAYERS or layer in ("gan2hls", "__main__"), (
        f"{path.name}: put {layer} into the order in docs/architecture.md"
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_those_before_it(path: Path) -> None:
    own = layer_of(path)
    # The public face stands between all the rest and the command line.
    ranks = {**LAYERS, "gan2hls": LAYERS["cli"] - 0.5, "__main__": LAYERS["cli"] + 1}
    if own not in ranks:
        pytest.skip("has no layer, which another test reports")
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {own} imports {layer}, which does not stand before it"
        for line, layer in imported_layers(path)
        if ranks[layer] > ranks[own]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "layer", [layer for layer in ("ir", "ops", "passes", "folding", "backends") if layer in LAYERS]
)
def test_the_integer_side_does_not_load_torch(layer: str) -> None:
    """Integer graphs are read, folded and rendered without a second's wait for a float framework."""
    if not (PACKAGE / f"{layer}.py").exists() and not (PACKAGE / layer / "__init__.py").exists():
        pytest.skip(f"there is no gan2hls.{layer}")
    code = f"import sys, gan2hls.{layer}; print([name for name in sys.modules if name in ('torch', 'tensorflow')])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def module_of(path: Path) -> str:
    parts = ("gan2hls", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path, known: Collection[str]) -> set[str]:
    """Modules that a file imports from, those inside functions and for type checking too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & set(known)) or {node.module}
    return (found & set(known)) - {module_of(path)}


def test_no_two_modules_import_each_other() -> None:
    """Within a layer too, not even for type checking: one of the two knows more than it has to."""
    known = {module_of(path) for path in FILES}
    needs = {module_of(path): imported_modules(path, known) for path in FILES}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
