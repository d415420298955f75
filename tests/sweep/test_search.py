"""The search: repeatable, resumable, and what it adds to the report."""

import sys
from pathlib import Path
from typing import Any

import pytest

optuna = pytest.importorskip("optuna")

from gan2hls.errors import MissingToolError  # noqa: E402
from gan2hls.sweep import Sweep  # noqa: E402
from gan2hls.sweep.search import JOURNAL  # noqa: E402
from tests.sweep.deeds import Inline, Notes, run_inline, settings  # noqa: E402

WIDTHS = {"search_weight_bits": [2, 4, 8], "target": ["ecp5"], "weight_bits": [4]}


def trials(folder: Path) -> list[Any]:
    """Widths and values of all trials in a study."""
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "out" / JOURNAL))
    storage = optuna.storages.JournalStorage(backend)
    (name,) = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    assert all(trial.state.is_finished() for trial in study.trials)
    return [(trial.number, trial.params, trial.values) for trial in study.trials]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], list[str]]:
    """Trials of an uninterrupted search of 12, and the labels of its points."""
    folder = tmp_path_factory.mktemp("searched")
    _, report = run_inline(folder, settings(folder, **WIDTHS, search=12))
    return trials(folder), [point.label for point in report.points]


def test_trials_and_points(searched: tuple[list[Any], list[str]]) -> None:
    found, labels = searched
    assert [number for number, _, _ in found] == list(range(12))
    assert all(params.keys() == {"up weight", "draw weight"} for _, params, _ in found)
    assert [set(params.values()) for _, params, _ in found[:3]] == [{2}, {4}, {8}], "at first all layers the same"
    assert labels[0] == "W4A8 m8 ecp5"
    numbers = [int(label.split()[1]) for label in labels[1:]]
    assert numbers
    assert all(label == f"mixed {number} m8 ecp5" for number, label in zip(numbers, labels[1:], strict=True))
    assert 1 not in numbers, "that is W4A8"
    values = {number: (value[0], -value[1], value[2]) for number, _, value in found}
    for number in numbers:
        assert not any(
            all(a >= b for a, b in zip(values[other], values[number], strict=True)) and values[other] != values[number]
            for other in values
        )


@pytest.mark.parametrize("stop", [1, 4, 9])
def test_an_interrupted_search_goes_on(tmp_path: Path, searched: tuple[list[Any], list[str]], stop: int) -> None:
    config = settings(tmp_path, **WIDTHS, search=12)
    workers = Inline(stop)
    with pytest.raises(KeyboardInterrupt):
        Sweep(tmp_path / "out", config, lambda: workers, local=False).run()
    _, report = run_inline(tmp_path, config)
    assert trials(tmp_path) == searched[0]
    assert [point.label for point in report.points] == searched[1]
    assert run_inline(tmp_path, config)[0] == []


def test_more_trials_and_another_seed(tmp_path: Path, searched: tuple[list[Any], list[str]]) -> None:
    run_inline(tmp_path, settings(tmp_path, **WIDTHS, search=8))
    run_inline(tmp_path, settings(tmp_path, **WIDTHS, search=12))
    assert trials(tmp_path) == searched[0]
    (tmp_path / "out" / JOURNAL).unlink()
    run_inline(tmp_path, settings(tmp_path, **WIDTHS, search=12, seed=1))
    assert trials(tmp_path)[:3] == searched[0][:3]
    assert trials(tmp_path) != searched[0]


def test_a_damaged_journal_is_made_anew(tmp_path: Path, searched: tuple[list[Any], list[str]]) -> None:
    config = settings(tmp_path, **WIDTHS, search=12)
    run_inline(tmp_path, config)
    journal = tmp_path / "out" / JOURNAL
    journal.write_bytes(b"nonsense\n" + journal.read_bytes())
    notes, workers = Notes(), Inline()
    Sweep(tmp_path / "out", config, lambda: workers, notes, local=False).run()
    assert workers.titles == []
    (line,) = notes.warnings
    assert f"{journal}: damaged, made anew" in line
    assert trials(tmp_path) == searched[0]


def test_activation_bits_are_searched_too(tmp_path: Path) -> None:
    config = settings(tmp_path, **WIDTHS, search=4, search_activation_bits=[3, 4])
    run_inline(tmp_path, config)
    found = trials(tmp_path)
    assert all(params.keys() == {"up weight", "draw weight", "up activation"} for _, params, _ in found)


def test_missing_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingToolError, match=r"a search needs the package optuna \(pip install 'gan2hls\[sweep\]'\)"):
        run_inline(tmp_path, settings(tmp_path, search=4))
    assert not (tmp_path / "out").exists()
