"""What tools made is kept: made once, made anew where it is damaged, whatever the folders are called."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan2hls import project as project_module
from gan2hls import simulate
from gan2hls.errors import Gan2HlsError, ToolError
from gan2hls.files import scratch_folder
from gan2hls.ir import IntType
from gan2hls.kept import kept_file
from gan2hls.ops import Lookup
from gan2hls.project import Project
from tests.ops.contract import single
from tests.test_flow import finished  # noqa: F401  (a fixture)
from tests.test_simulate import break_design, design, needs_rtl

ODD_NAME = 'a b\'s "c" $d ünï 模型'


class Maker:
    """Makes a file, and counts."""

    def __init__(self, content: bytes = b"made") -> None:
        self.content, self.count = content, 0

    def __call__(self, folder: Path) -> Path:
        self.count += 1
        (folder / "made").write_bytes(self.content)
        return folder / "made"


def test_it_is_made_once(tmp_path: Path) -> None:
    maker = Maker()
    path = kept_file(tmp_path / "deep", "tool", ".so", "k" * 64, maker)
    assert path.read_bytes() == b"made"
    assert kept_file(tmp_path / "deep", "tool", ".so", "k" * 64, maker) == path
    assert maker.count == 1
    assert list((tmp_path / "deep").iterdir()) == [path]


@pytest.mark.parametrize("damage", [b"mad", b"made.", b"", None])
def test_a_damaged_one_is_made_anew(tmp_path: Path, damage: bytes | None) -> None:
    maker = Maker()
    path = kept_file(tmp_path, "tool", ".so", "k" * 64, maker)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    assert kept_file(tmp_path, "tool", ".so", "k" * 64, maker).read_bytes() == b"made"
    assert maker.count == 2


def test_what_is_no_file_is_made_anew(tmp_path: Path) -> None:
    maker = Maker()
    path = kept_file(tmp_path, "tool", ".so", "k" * 64, maker)
    path.unlink()
    os.mkfifo(path)
    (tmp_path / "tool-x.so").mkdir()
    assert kept_file(tmp_path, "tool", ".so", "k" * 64, maker).read_bytes() == b"made"
    assert maker.count == 2


def test_another_one_replaces_it(tmp_path: Path) -> None:
    old = kept_file(tmp_path, "tool", ".so", "k" * 64, Maker())
    other = kept_file(tmp_path, "other", ".so", "k" * 64, Maker())
    new = kept_file(tmp_path, "tool", ".so", "l" * 64, Maker(b"new"))
    assert new != old
    assert sorted(tmp_path.iterdir()) == sorted([other, new])


def test_a_failure_leaves_the_old_one(tmp_path: Path) -> None:
    old = kept_file(tmp_path, "tool", "", "k" * 64, Maker())

    def fail(folder: Path) -> Path:
        (folder / "half").write_bytes(b"")
        raise OSError(28, "No space left on device")

    with pytest.raises(Gan2HlsError, match="No space left on device"):
        kept_file(tmp_path, "tool", "", "l" * 64, fail)
    assert list(tmp_path.iterdir()) == [old]


def test_scratch_folders_of_killed_processes_are_removed(tmp_path: Path) -> None:
    dead, alive = tmp_path / ".job.4194305.01234567.partial", tmp_path / f".job.{os.getppid()}.01234567.partial"
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "old").mkdir()
    with scratch_folder("job", tmp_path) as one, scratch_folder("job", tmp_path) as two:
        assert sorted(tmp_path.iterdir()) == sorted([alive, one, two])
    assert list(tmp_path.iterdir()) == [alive]


def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/nowhere']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(Gan2HlsError, match="no folder for temporary files: No usable"), scratch_folder("job"):
        pass


def test_a_damaged_c_simulation_is_made_anew(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    project = Project.open(finished / "run/project")
    x = np.zeros((1, *project.graph.input_shape))
    golden = project.graph.run(x)
    (library,) = (project.directory / ".run").glob("csim-*.so")
    good = library.read_bytes()
    copies: list[Path] = []

    def copied(hls: Path, name: str, made: Path, *, log: Path) -> None:
        copies.append(hls)
        made.write_bytes(good)

    monkeypatch.setattr(project_module, "compile_csim", copied)
    assert (project.csim(x) == golden).all()
    library.unlink()
    library.write_bytes(good[: len(good) // 2])
    assert (project.csim(x) == golden).all()
    assert len(copies) == 1
    assert library.read_bytes() == good


@needs_rtl
def test_a_second_simulation_compiles_nothing(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In folders whose names make and shells read otherwise; with other memories, which are no part of a simulator."""
    folder, temporary = tmp_path / ODD_NAME, tmp_path / f"temporary {ODD_NAME}"
    folder.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    began: list[str] = []
    run_tool = simulate.run_tool

    def noted(command: Any, *, what: str, **keywords: Any) -> str:
        began.append(what)
        return run_tool(command, what=what, **keywords)

    monkeypatch.setattr(simulate, "run_tool", noted)
    kind = IntType(4, True)
    for turn in range(3):
        case = single("table", Lookup(rng.permutation(16) - 8, kind, 1.0), (2, 2, 2), kind)
        one = design(case, folder, case.frames(rng))
        if turn == 2:
            (simulator,) = (folder / ".run").glob("cosim-*")
            simulator.write_bytes(simulator.read_bytes()[:1000])
        (run,) = simulate.simulate_rtl([one], log=folder / "log", optimize=False, keep=folder / ".run")
        assert (run.outputs == case.pipeline().graph.run_stream(one.x)).all()
    run_only, both = ["RTL simulation"], ["building the RTL simulation", "RTL simulation"]
    assert began == [*both, *run_only, *both]
    assert not list(temporary.iterdir())
    assert len(list((folder / ".run").iterdir())) == 1


@needs_rtl
def test_what_verilator_says_is_what_the_user_sees(rng: np.random.Generator, tmp_path: Path) -> None:
    kind = IntType(4, True)
    case = single("table", Lookup(rng.permutation(16) - 8, kind, 1.0), (2, 2, 2), kind)
    one = design(case, tmp_path, case.frames(rng))
    break_design(one, "kernels/lookup.sv", "value_last_q <= read_last_q;", "value_last_q <= nothing_q;")
    with pytest.raises(ToolError) as error:
        simulate.simulate_rtl([one], log=tmp_path / "log", optimize=False)
    assert "%Error: kernels/lookup.sv:" in str(error.value)
    assert "Can't find definition of variable: 'nothing_q'" in str(error.value)
    assert "Traceback" not in (tmp_path / "log").read_text()
