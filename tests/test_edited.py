"""Projects and graphs that somebody edited: refused with one line, or opened as what they say; never a traceback."""

import copy
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gan2hls import project_files
from gan2hls.errors import UserError
from gan2hls.files import MARKER
from gan2hls.project import Project, build
from tests.test_api import tiny

HOSTILE: tuple[Any, ...] = (
    *(0, -1, 10**30, -(10**30), 1.5, 1e308, 1e-320, math.nan, math.inf, True, None),
    *("", "x", "../../etc", "\0", "ünï", [], {}, [[]], [0], {"a": 0}),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "p"
    build(tiny(), folder, multipliers=8)
    return folder


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "p"))


def sign(folder: Path) -> None:
    """Make the digest right, as whoever edits can."""
    values = json.loads((folder / MARKER).read_text())
    others = {key: value for key, value in values.items() if key not in ("kind", "gan2hls", "sha256")}
    values["sha256"] = project_files._digest(folder, others)
    (folder / MARKER).write_text(json.dumps(values))


def refusal(folder: Path) -> str | None:
    """Why a project is not opened; None if it is."""
    try:
        Project.open(folder)
    except UserError as error:
        return str(error)
    return None


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to all that is in a JSON value."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def changed(value: Any, path: tuple[Any, ...], to: Any) -> Any:
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return value


@pytest.mark.parametrize("file", [MARKER, "graph/graph.json"])
def test_hostile_values_everywhere(project: Path, file: str) -> None:
    path = project / file
    good = json.loads(path.read_text())
    for place in places(good):
        if place[0] == "folding" and len(place) > 2 and place[1] != "0":
            continue  # one node is like another
        for value in HOSTILE:
            path.write_text(json.dumps(changed(good, place, value)))
            sign(project)
            print(f"{place} = {value!r}")  # if the test fails
            said = refusal(project)
            assert said is None or (len(said.splitlines()) == 1 and str(project) in said)


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("clock_mhz",), math.nan, "clock_mhz: expected a finite number, got nan"),
        (("clock_mhz",), "fast", "clock_mhz: expected a number, got 'fast'"),
        (("part",), "a b", "part 'a b' is not a device name"),
        (("target",), "ecp9", "unknown target 'ecp9'"),
        (("folding", "0", "pe"), 0, "pe 0 is not supported"),
        (("folding", "0", "pe"), 99, "pe 99 is not supported"),
        (("folding", "0", "simd"), None, "simd: expected an integer, got None"),
        (("folding", "nobody"), {"pe": 1, "simd": 1}, "no node 'nobody'"),
        (("folding",), {}, "node '0' has none"),
        (("more",), 1, "unknown key 'more'"),
        (("gan2hls",), "0.0.1", "made by gan2hls 0.0.1, and this is "),
        (("gan2hls",), None, "it does not say by which gan2hls it was made"),
    ],
)
def test_a_manifest_is_not_believed(project: Path, place: tuple[str, ...], value: Any, says: str) -> None:
    path = project / MARKER
    path.write_text(json.dumps(changed(json.loads(path.read_text()), place, value)))
    sign(project)
    with pytest.raises(UserError, match=r"build the project again$") as error:
        Project.open(project)
    assert says in str(error.value)


def test_an_edit_that_could_be_is_seen(project: Path) -> None:
    """The sources beside it were written for another folding."""
    path = project / MARKER
    values = json.loads(path.read_text())
    assert values["folding"]["0"]["simd"] != 1
    path.write_text(json.dumps(changed(values, ("folding", "0", "simd"), 1)))
    with pytest.raises(UserError, match=r"damaged \(it or the graph was edited\); build the project again"):
        Project.open(project)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.write_text("[" * 500),
        lambda path: path.write_text("[]"),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
@pytest.mark.parametrize("file", [MARKER, "graph/graph.json", "graph/weights.safetensors"])
def test_damaged_files(project: Path, file: str, damage: Callable[[Path], Any]) -> None:
    damage(project / file)
    said = refusal(project)
    assert said is not None
    assert len(said.splitlines()) == 1
    assert str(project) in said
