"""What tests of sweeps share: a tiny sweep, workers in this process, and tasks that do what they are told."""

import os
import signal
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan2hls.flow_config import FlowConfig, read_flow_config
from gan2hls.report.points import PointReport
from gan2hls.sweep import Listener, Sweep
from gan2hls.sweep.task import Outcome, Task
from gan2hls.sweep.workers import Workers
from tests.doors import write_generator

CONFIG = """
[model]
source = "tiny.safetensors"
[calibration]
samples = 8
[simulation]
cosim_images = 2
[sweep]
weight_bits = [2, 4]
target = ["ecp5", "xcup"]
multipliers = [8]
images = 32
"""


def settings(folder: Path, text: str = CONFIG, **changes: Any) -> FlowConfig:
    """The configuration in `folder`, with a tiny generator, some keys of section [sweep] changed."""
    if not (folder / "tiny.safetensors").exists():
        write_generator(folder)
    (folder / "c.toml").write_text(text)
    return read_flow_config(folder / "c.toml", [("sweep", name, value) for name, value in changes.items()])


class Inline:
    """Workers in this process: a task is done when it is given. Counts them, and may stop before one."""

    def __init__(self, stop_before: int | None = None) -> None:
        self.titles: list[str] = []
        self._stop_before = stop_before

    def slots(self) -> int:
        return 1

    def submit(self, function: Callable[..., Outcome], *arguments: Any) -> "Future[Outcome]":
        if len(self.titles) == self._stop_before:
            raise KeyboardInterrupt
        self.titles.append(arguments[0].title)
        future: Future[Outcome] = Future()
        future.set_result(function(*arguments))
        return future

    def deaths(self, error: BaseException) -> int:
        return 0

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


class Notes(Listener):
    """Remembers what is said."""

    def __init__(self, on_finished: Callable[[PointReport], None] = lambda point: None) -> None:
        self.points: list[PointReport] = []
        self.warnings: list[str] = []
        self._on_finished = on_finished

    def finished(self, point: PointReport, seconds: float) -> None:
        self.points.append(point)
        self._on_finished(point)

    def warn(self, line: str) -> None:
        self.warnings.append(line)


def run_inline(folder: Path, config: FlowConfig, stop_before: int | None = None) -> tuple[list[str], Any]:
    """Run a sweep in `folder / "out"`: titles of the tasks that were done, and the report."""
    workers = Inline(stop_before)
    report = Sweep(folder / "out", config, lambda: workers, local=False).run()
    return workers.titles, report


@dataclass(frozen=True)
class Deed(Task):
    """Kills its worker as often as told, as counted in a file, then takes some time and gives its number."""

    number: int
    seconds: float = 0.0
    kills: int = 0
    counter: str = ""
    kind = "deed"

    def run(self, payload: Any) -> Outcome:
        if self.kills:
            counter = Path(self.counter)
            counter.write_text(counter.read_text() + "x" if counter.exists() else "x")
            if len(counter.read_text()) <= self.kills:
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        return Outcome({"number": self.number, "process": os.getpid()})


def steps(*tasks: Task) -> Generator[tuple[Task, ...], tuple[Outcome, ...], tuple[Outcome, ...]]:
    """A point that is some tasks, one after another."""
    outcomes: tuple[Outcome, ...] = ()
    for task in tasks:
        outcomes += yield (task,)
    return outcomes


def do(folder: Path, workers: Workers, *deeds: Deed) -> list[Outcome]:
    """What deeds give."""
    sweep = Sweep(folder / "out", settings(folder), lambda: workers, local=False)
    try:
        return [outcome for (outcome,) in sweep._runner.take([steps(deed) for deed in deeds], lambda result: None)]
    finally:
        workers.close()
