"""What CONTRIBUTING.md tells people to look at is there."""

import re
from pathlib import Path

import pytest

from gan2hls.counting import Machine, Tally
from gan2hls.kernels import Kernel
from gan2hls.operation import Op
from tests.conftest import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGE = TEXT[TEXT.index("## Add an op") : TEXT.index("## Lint and style")]
QUOTED = sorted(set(re.findall(r"`([^`]+)`", TEXT)))
MADE = {"dist/", ".venv/bin/python", ".venv/bin/gan2hls", "../shared"}
"""What commands make, or what lies beside the repository."""
PATHS = [text for text in QUOTED if "/" in text and " " not in text and text not in MADE]
CLASSES = {"Op": Op, "Kernel": Kernel, "Tally": Tally, "Machine": Machine}


def test_it_names_files() -> None:
    assert len(PATHS) > 30


@pytest.mark.parametrize("path", PATHS)
def test_a_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z-]+)", TEXT))))
def test_a_target_of_make_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def names() -> list[str]:
    """What is quoted in the page and is no path or command: identifiers, with what stands in brackets behind them."""
    found = set(re.findall(r"`([A-Za-z_][\w.]*)[^`/]*`", PAGE))
    return sorted(name for name in found if not (name.startswith("make") or ("." in name and name[0].islower())))


def words() -> set[str]:
    """Of all sources."""
    found: set[str] = set()
    for folder in ("gan2hls", "hw", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".sv", ".h") and path != Path(__file__):
                found |= set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return found


def test_a_name_exists() -> None:
    quoted = names()
    assert {"Slice", "Op.follow", "Tally.registers", "PReluLayer", "verify"} <= set(quoted)
    known = words()
    for name in quoted:
        first, *rest = name.split(".")
        if rest:
            assert hasattr(CLASSES[first], rest[0]), name
        else:
            assert first in known, name
