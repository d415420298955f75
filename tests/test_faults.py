"""Whichever file operation fails, and how: one clear error, the old result whole, nothing left behind.

The n-th file operation of `build`, `csim`, `report` and `sweep` fails, for all n. What takes long and touches no file
is done once; g++ is replaced by a copy of what it made.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gan2hls import flow, simulate
from gan2hls.errors import Gan2HlsError
from gan2hls.files import write_bytes
from gan2hls.flow import Say
from gan2hls.flow_config import FlowConfig, read_flow_config
from gan2hls.project import Project
from gan2hls.report import sweep as sweep_page
from gan2hls.sweep import Listener, runner
from gan2hls.sweep.execution import execute
from gan2hls.sweep.options import run_sweep
from tests.doors import tree, write_generator
from tests.faults import ERRORS, Faults
from tests.sweep.deeds import Inline
from tests.test_flow import made, no_cosim, settings

STEP = 19
"""The quick test lets every so manieth operation fail; it is prime to the number of errors, which take turns."""


CACHES = ("run/cache", "run/project/.run")
"""Of a sweep, and of a project."""


def remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, called once."""
    results: list[Any] = []

    def call(*arguments: Any, **keywords: Any) -> Any:
        if not results:
            results.append(function(*arguments, **keywords))
        return results[0]

    return call


def entries(folder: Path) -> dict[str, bytes | None]:
    """All files with their content, and all folders, without the caches, in which what was done stays."""
    folders = {str(path.relative_to(folder)): None for path in folder.rglob("*") if path.is_dir()}
    found: dict[str, bytes | None] = {**folders, **tree(folder)}
    return {name: data for name, data in found.items() if not name.startswith(CACHES)}


Action = Callable[[Path, Say], None]
"""Something that is done in a folder, and tells of each stage."""


class Work:
    """A folder with a finished run, and copies of it in which things fail.

    Args:
        folder: an empty one.
        patch: undone by the caller.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.home, self.work, self.temporary = folder / "home", folder / "work", folder / "temporary"
        self.home.mkdir()
        write_generator(self.home)
        patch.setattr(Project, "cosim", no_cosim)
        self.config = settings(self.home)
        made(self.home / "run", self.config, "report")
        run_sweep(self.home / "sweep", small_sweep(self, 2), Inline, Listener(), local=False)
        self.temporary.mkdir()
        patch.setattr(tempfile, "tempdir", str(self.temporary))

    def copy(self, old: str | None) -> Path:
        """A fresh copy to work on; nothing is ever changed in place, so hard links will do."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        if old is not None:
            shutil.copytree(self.home / old, self.work / "run", copy_function=os.link)
        return self.work / "run"

    def faults(self, fail_at: int | None, error: int = 0, forever: bool = False) -> Faults:
        return Faults([self.work, self.temporary], fail_at, error, forever)

    def assert_clean(self) -> None:
        assert not list(self.temporary.iterdir())
        left = [path for path in self.work.rglob("*") if path.name.endswith((".partial", ".tmp"))]
        assert not left

    def fail_each(self, old: str | None, action: Action, every: int, forever: bool = False) -> None:
        """Let one operation of an action after another fail.

        Args:
            old: what is there before, as `copy` takes it.
            action: what is done in a folder; it tells of each stage.
            every: 1 takes all operations and errors, more only each so manieth, the errors taking turns.
            forever: all later operations that need room fail too.
        """
        states = [entries(self.copy(old).parent)]
        action(self.work / "run", lambda stage, state: states.append(entries(self.work)))
        self.copy(old)
        with self.faults(None).active() as faults:
            action(self.work / "run", lambda stage, state: None)
        states.append(entries(self.work))
        self.assert_clean()
        for turn, number in enumerate(range(0, len(faults.operations), every)):
            for error in ERRORS if every == 1 else (ERRORS[turn % len(ERRORS)],):
                self._fail(old, action, states, number, error, forever)

    def _fail(self, old: str | None, action: Action, states: list[Any], number: int, error: int, forever: bool) -> None:
        directory = self.copy(old)
        failed = None
        with self.faults(number, error, forever).active() as faults:
            try:
                action(directory, lambda stage, state: None)
            except Gan2HlsError as caught:
                failed = str(caught)
        print(f"operation {number}, {faults.operations[number]}: {os.strerror(error)}: {failed}")  # if a test fails
        self.assert_clean()
        found = entries(self.work)
        if failed is None:
            assert found == states[-1], "what failed was not needed, and all is there"
        else:
            assert len(failed.splitlines()) == 1
            assert found in states, "as it was before, or after a stage"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    with pytest.MonkeyPatch.context() as patch:
        yield Work(tmp_path_factory.mktemp("faults"), patch)


@pytest.fixture
def quick(work: Work, monkeypatch: pytest.MonkeyPatch) -> Work:
    """What takes long is done once: quantization, the pipeline, and g++."""
    for name in (
        "load_float_model",
        "quantize_float_model",
        "integerize",
        "proxy_distance",
        "make_pipeline",
    ):
        monkeypatch.setattr(flow, name, remembered(getattr(flow, name)))
    monkeypatch.setattr("gan2hls.project_files.make_pipeline", remembered(flow.make_pipeline))
    libraries = sorted((work.home / "run/project/.run").glob("csim-*.so"))
    library = libraries[0].read_bytes()

    def compiled(command: list[Any], *, log: Path, **_: Any) -> str:
        write_bytes(log, b"")
        write_bytes(Path(command[command.index("-o") + 1]), library)
        return ""

    monkeypatch.setattr(simulate, "run_tool", compiled)
    outcomes: dict[str, Any] = {}

    def executed(task: Any, *arguments: Any) -> Any:
        if task.title not in outcomes:
            outcomes[task.title] = execute(task, *arguments)
        return outcomes[task.title]

    monkeypatch.setattr(runner, "execute", executed)
    for name in ("sweep_plots", "_html", "_json", "_markdown"):
        monkeypatch.setattr(sweep_page, name, remembered(getattr(sweep_page, name)))
    return work


def until(last: str, config: FlowConfig) -> Action:
    def action(directory: Path, say: Say) -> None:
        flow.Run(directory, config, say).until(last)

    return action


def small_sweep(work: Work, weight_bits: int) -> FlowConfig:
    lists = {"weight_bits": [weight_bits], "target": ["ecp5"], "multipliers": [8], "images": 4}
    return changed(work, *(("sweep", name, value) for name, value in lists.items()))


def sweep_of(config: FlowConfig) -> Action:
    def action(directory: Path, say: Say) -> None:
        class Told(Listener):
            def begin(self, points: int) -> None:
                say("begin", "")

        run_sweep(directory, config, Inline, Told(), local=False)

    return action


def changed(work: Work, *changes: tuple[str, str, Any]) -> FlowConfig:
    return read_flow_config(work.home / "c.toml", changes)


CASES: dict[str, Callable[[Work], tuple[str | None, Action]]] = {
    "first build": lambda work: (None, until("build", work.config)),
    "build": lambda work: ("run", until("build", changed(work, ("quantize", "weight_bits", 5)))),
    "first csim": lambda work: (None, until("csim", work.config)),
    "csim": lambda work: ("run", until("csim", changed(work, ("folding", "multipliers", 4)))),
    "first sweep": lambda work: (None, sweep_of(small_sweep(work, 2))),
    "sweep": lambda work: ("sweep", sweep_of(small_sweep(work, 3))),
    "report": lambda work: ("run", until("report", changed(work, ("simulation", "stalls", False)))),
}


@pytest.mark.parametrize("case", CASES)
def test_operations_that_fail(quick: Work, case: str) -> None:
    quick.fail_each(*CASES[case](quick), every=STEP)


def test_a_disk_that_stays_full(quick: Work) -> None:
    quick.fail_each(*CASES["csim"](quick), every=STEP, forever=True)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_all_operations_that_fail(quick: Work, case: str) -> None:
    quick.fail_each(*CASES[case](quick), every=1)
