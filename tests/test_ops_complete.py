"""An op is one stem: `ops/X.py`, `hw/hls/X.h`, `hw/rtl/X.sv`, `tests/ops/test_X.py`; nothing elsewhere knows it."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from gan2hls import ops
from gan2hls.ir import Op
from gan2hls.kernels import Kernel
from tests.rtl.designs import designs

ROOT = Path(__file__).resolve().parent.parent


def stems_of(path: Path) -> list[tuple[str, str]]:
    """Stem and class of each class in a file that gives `stem` a value; a file of helpers has none."""
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for statement in node.body if isinstance(node, ast.ClassDef) else []:
            target = statement.target if isinstance(statement, ast.AnnAssign) else None
            if isinstance(statement, ast.Assign):
                target = statement.targets[0]
            value = getattr(statement, "value", None)
            if isinstance(target, ast.Name) and target.id == "stem" and isinstance(value, ast.Constant):
                assert isinstance(node, ast.ClassDef)
                found.append((value.value, node.name))
    return found


FILES = {path: stems_of(path) for path in sorted((ROOT / "gan2hls" / "ops").glob("*.py"))}
OPS = [(path, *pair) for path, pairs in FILES.items() for pair in pairs]
IDS = [stem for _, stem, _ in OPS]


SHARED = {"sub": "add"}
"""Hardware of an op that is another one's."""


def test_there_are_ops() -> None:
    assert {"dense", "conv2d", "conv_transpose2d", "requantize", "lookup"} <= set(IDS)


@pytest.mark.parametrize(("path", "stem", "name"), OPS, ids=IDS)
def test_an_op_has_its_four_files(path: Path, stem: str, name: str) -> None:
    assert path.stem == stem, f"{path.name} holds the op {stem}; name the file so"
    module = SHARED.get(stem, stem)
    wanted = [f"hw/hls/{module}.h", f"hw/rtl/{module}.sv", f"tests/ops/test_{stem}.py"]
    missing = [file for file in wanted if not (ROOT / file).is_file()]
    assert not missing, f"{name} lacks {', '.join(missing)}"


@pytest.mark.parametrize(("path", "stem", "name"), OPS, ids=IDS)
def test_an_op_is_registered(path: Path, stem: str, name: str) -> None:
    assert getattr(ops, name, None) is Op.registry.get(stem), f"gan2hls/ops/__init__.py does not import {name}"
    assert name in ops.__all__
    assert Op.registry[stem].__module__ == f"gan2hls.ops.{path.stem}"


@pytest.mark.parametrize(("path", "stem", "name"), OPS, ids=IDS)
def test_the_module_in_rtl_is_called_like_its_file(path: Path, stem: str, name: str) -> None:
    file = ROOT / "hw" / "rtl" / f"{stem}.sv"
    if not file.is_file():
        pytest.skip("the file is missing, which another test reports")
    assert re.findall(r"^module\s+(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE) == [stem]


def parameter_table() -> dict[str, set[str]]:
    """Module → names of its parameters, as docs/architecture.md has them."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text[text.index("## Kernel parameters") :]
    rows = re.findall(r"^\| (`[^|]+`) \| `([A-Z][^`|]+)` \|$", section, re.MULTILINE)
    return {module: set(names.split()) for modules, names in rows for module in re.findall(r"`(\w+)`", modules)}


def test_every_kernel_has_its_row_in_the_table_of_parameters(rng: np.random.Generator) -> None:
    table = parameter_table()
    assert table.keys() == Kernel.registry.keys()
    stages = [stage for case in designs(rng).values() for stage in case.pipeline().stages]
    assert {stage.module for stage in stages} | {"fifo"} == Kernel.registry.keys(), "tests/rtl/designs.py lacks one"
    for stage in stages:
        assert table[stage.module] == stage.parameters.keys() | stage.kernel.lists.keys(), stage.module


def test_every_op_of_the_registry_is_in_a_file_here() -> None:
    in_package = {stem for stem, op in Op.registry.items() if op.__module__.startswith("gan2hls.")}
    assert in_package == {*IDS, "input"}  # which has no hardware


def names_in_python(path: Path) -> set[str]:
    """Names and whole string constants in a file; a docstring that mentions an op is no code for it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= {node.value, node.value.removesuffix(".h").removesuffix(".sv")}
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {part for alias in node.names for part in alias.name.split(".")}
            names |= set((getattr(node, "module", None) or "").split("."))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ops":
            names.add(node.attr)
    return names


BACKENDS = sorted((ROOT / "gan2hls" / "backends").glob("*.py"))


@pytest.mark.parametrize("path", BACKENDS, ids=lambda path: path.name)
def test_a_backend_has_no_code_for_an_op(path: Path) -> None:
    named = names_in_python(path) & {word for _, stem, name in OPS for word in (stem, name)}
    assert not named, f"{path.name} names {', '.join(sorted(named))}: what depends on the op belongs into the op"


TEMPLATES = sorted(path for folder in ("hls", "rtl") for path in (ROOT / "templates" / folder).glob("*.j2"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_template_has_no_code_for_an_op(path: Path) -> None:
    jinja = " ".join(re.findall(r"\{[%{].*?[%}]\}", path.read_text(encoding="utf-8"), re.DOTALL))
    quoted = set(re.findall(r"""["'](\w+)["']""", jinja))
    named = quoted & {word for _, stem, name in OPS for word in (stem, name)}
    assert not named, f"{path.name} names {', '.join(sorted(named))}: what depends on the op belongs into the op"


MAY_ASK_WHICH = ("ops", "kernels", "frontends", "integerize")
PACKAGE = ROOT / "gan2hls"
OTHERS = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).with_suffix("").parts[0] not in MAY_ASK_WHICH
]


def asked_which(path: Path) -> list[int]:
    """Lines that compare an op's stem or a kernel's module, or ask whether something is a certain op or kernel."""
    classes = {name for _, _, name in OPS} | {"MacOp", "ConvolutionOp", "Op", "Kernel", "MacKernel"}
    words = {stem for _, stem, _ in OPS} | {"fifo", "width_converter"}
    lines = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("isinstance", "issubclass")
        ):
            if {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)} & classes:
                lines.append(node.lineno)
        elif isinstance(node, ast.Compare | ast.Match):
            inside = list(ast.walk(node))
            asks = any(isinstance(part, ast.Attribute) and part.attr in ("stem", "module") for part in inside)
            if asks and any(isinstance(part, ast.Constant) and part.value in words for part in inside):
                lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_else_asks_which_op_it_is(path: Path) -> None:
    lines = asked_which(path)
    assert not lines, f"{path.name}, lines {lines}: what depends on the op belongs into the op, or into its kernel"
