"""A search for bit widths layer by layer, by optuna: quality against multipliers against frames a second.

The study lies in the sweep's folder and goes on where it was interrupted. Trials are asked for in batches of one size,
each with a sampler seeded by its number, and told in order: what is tried depends neither on how many workers there are
nor on interruptions.
"""

import dataclasses
import importlib
import json
import logging
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

from gan2hls.errors import MissingToolError
from gan2hls.files import sha256
from gan2hls.quantization.config import LayerConfig
from gan2hls.resources import program_digest
from gan2hls.sweep.listener import Listener
from gan2hls.sweep.points import Point
from gan2hls.sweep.runner import Runner
from gan2hls.sweep.steps import PointTasks
from gan2hls.sweep.task import Outcome, Task
from gan2hls.sweep_config import SweepConfig

BATCH = 8
"""Trials that are asked for before the first of them is told."""

EQUAL_DB = 200.0
"""PSNR of equal images, which is infinite, for the search."""

JOURNAL = "search.journal"
_SEEDS = 1_000_003
"""Trials that seeds lie apart."""


def require_optuna() -> Any:
    """The package.

    Raises:
        MissingToolError: it is not installed.
    """
    try:
        return importlib.import_module("optuna")
    except ImportError:
        raise MissingToolError("a search needs the package optuna (pip install 'gan2hls[sweep]')") from None


def search(tasks: PointTasks, runner: Runner, base: Point, layers: list[str], listener: Listener) -> list[Point]:
    """Try widths until there are as many trials as wanted.

    Args:
        tasks, runner: what is done for a trial, and what does it.
        base: the point whose folding budget, target and exceptions of layers stay, but for the widths searched.
        layers: names of the layers with weights, as `quantize.layers` has them.
        listener: what to tell.

    Returns:
        The points that no other beats in PSNR, hardware multipliers and frames/s together, by number of their trial.
    """
    optuna = require_optuna()
    optuna.logging.set_verbosity(logging.ERROR)
    with warnings.catch_warnings():
        # Names of the objectives and fixed parameters have been called experimental for years.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _search(optuna, tasks, runner, base, layers, listener)


def _search(
    optuna: Any, tasks: PointTasks, runner: Runner, base: Point, layers: list[str], listener: Listener
) -> list[Point]:
    config = tasks.config.sweep
    name = _study_name(tasks, base, layers)
    study = _study(optuna, runner.directory, name, listener)
    while len(study.trials) < config.search or _unfinished(optuna, study):
        trials = [optuna.trial.Trial(study, trial._trial_id) for trial in _unfinished(optuna, study)]
        points = []
        for trial in trials:
            points.append(_point(optuna, study, trial, base, layers, config))
        while len(study.trials) < config.search and (not trials or len(study.trials) % BATCH):
            trial = study.ask()
            trials.append(trial)
            points.append(_point(optuna, study, trial, base, layers, config))
        values = runner.take([_evaluate(tasks, point) for point in points], lambda value: None)
        for trial, value in zip(trials, values, strict=True):
            failed = {"state": optuna.trial.TrialState.FAIL} if value is None else {}
            study.tell(trial.number, value, **failed)
        listener.searched(len(study.trials), config.search)
    return _best(optuna, study, base, layers, config)


def _unfinished(optuna: Any, study: Any) -> list[Any]:
    """Trials that were asked for and not told."""
    return list(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)))


def _study_name(tasks: PointTasks, base: Point, layers: list[str]) -> str:
    """Of all that trials depend on."""
    config = tasks.config.sweep
    parts = [
        *(dataclasses.asdict(base.quantize), dataclasses.asdict(base.budget), layers, config.images, config.seed),
        *(config.search_weight_bits, config.search_activation_bits, tasks.clock_mhz, tasks.config.simulation.seed),
        dataclasses.asdict(tasks.config.calibration) | {"file": None, "inputs": {}},
    ]
    return sha256(program_digest(), tasks.inputs, json.dumps(parts, sort_keys=True))[:16]


def _study(optuna: Any, directory: Path, name: str, listener: Listener) -> Any:
    """The study of this name in a sweep's folder, new or as it was left."""
    journal = directory / JOURNAL
    for lock in directory.glob(f"{JOURNAL}.lock*"):  # of a killed process: this one has the folder
        lock.unlink(missing_ok=True)
    try:
        return _open(optuna, journal, name)
    except Exception as error:  # whatever a damaged journal makes optuna raise
        listener.warn(f"{journal}: damaged, made anew ({type(error).__name__})")
        journal.unlink(missing_ok=True)
        return _open(optuna, journal, name)


def _open(optuna: Any, journal: Path, name: str) -> Any:
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    study = optuna.create_study(
        study_name=name,
        storage=optuna.storages.JournalStorage(backend),
        directions=["maximize", "minimize", "maximize"],
        load_if_exists=True,
    )
    study.set_metric_names(["PSNR in dB", "multipliers", "frames/s"])
    return study


def _point(optuna: Any, study: Any, trial: Any, base: Point, layers: list[str], config: SweepConfig) -> Point:
    """The point that a trial stands for; asks for its widths where that has not been done."""
    sampler = optuna.samplers.TPESampler(seed=config.seed * _SEEDS + trial.number)
    axes = _axes(base, layers, config)
    if trial.number < len(config.search_weight_bits):  # the first ones give all layers the same
        bits = config.search_weight_bits[trial.number]
        most = max(config.search_activation_bits, default=0)
        fixed = {name: bits if name.endswith("weight") else most for name in axes}
        sampler = optuna.samplers.PartialFixedSampler(fixed, sampler)
    study.sampler = sampler
    for name, values in axes.items():
        if len(values) == values[-1] - values[0] + 1:
            trial.suggest_int(name, values[0], values[-1])
        else:
            trial.suggest_categorical(name, values)
    return _point_of(trial, base, layers)


def _axes(base: Point, layers: list[str], config: SweepConfig) -> dict[str, list[int]]:
    """What a trial chooses, and from what. The last layer's result is the image, whose bits stay."""
    axes = {f"{layer} weight": sorted(config.search_weight_bits) for layer in layers}
    if config.search_activation_bits:
        axes |= {f"{layer} activation": sorted(config.search_activation_bits) for layer in layers[:-1]}
    return axes


def _point_of(trial: Any, base: Point, layers: list[str]) -> Point:
    exceptions = dict(base.quantize.layers)
    for layer in layers:
        chosen = {"weight_bits": trial.params[f"{layer} weight"]}
        if f"{layer} activation" in trial.params:
            chosen["activation_bits"] = trial.params[f"{layer} activation"]
        exceptions[layer] = dataclasses.replace(exceptions.get(layer, LayerConfig()), **chosen)
    quantize = dataclasses.replace(base.quantize, layers=exceptions)
    return Point(f"mixed {trial.number}", quantize, base.budget)


def _evaluate(
    tasks: PointTasks, point: Point
) -> Generator[tuple[Task, ...], tuple[Outcome, ...], tuple[float, float, float] | None]:
    """PSNR, multipliers and frames/s of a point, None if it failed."""
    quality, found = yield from tasks.estimated(point)
    if found is None or found.error:
        return None
    noise = quality.values["quality"]["psnr"]
    rate = tasks.clock_mhz * 1e6 / found.values["interval_cycles"]
    return EQUAL_DB if noise is None else noise, found.values["usage"]["dsps"], rate


def _best(optuna: Any, study: Any, base: Point, layers: list[str], config: SweepConfig) -> list[Point]:
    """Points of the trials that no other beats; of those that are the same, the first."""
    points: dict[str, Point] = {}
    for trial in sorted(study.best_trials, key=lambda trial: int(trial.number)):
        if trial.number < config.search:
            points.setdefault(json.dumps(trial.params, sort_keys=True), _point_of(trial, base, layers))
    return list(points.values())
