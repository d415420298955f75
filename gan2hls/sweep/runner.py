"""Taking points through their tasks: what is known is not done again, workers do the rest."""

import dataclasses
import re
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any

from gan2hls.files import disk_errors, write_bytes
from gan2hls.resources import program_digest
from gan2hls.sweep.cache import Cache
from gan2hls.sweep.execution import execute
from gan2hls.sweep.graphs import GraphFiles, graph_digest
from gan2hls.sweep.listener import Listener
from gan2hls.sweep.task import Model, Outcome, Task
from gan2hls.sweep.tasks import QuantizeTask
from gan2hls.sweep.workers import Workers

MOST_DEATHS = 3
"""Workers that a task may kill before it counts as failed."""

LOGS = "logs"

Steps = Generator[tuple[Task, ...], tuple[Outcome, ...], Any]
"""A point: yields the tasks that it needs next, gets their outcomes, and returns what comes of them."""


@dataclasses.dataclass
class _Running:
    """A point that waits for tasks."""

    index: int
    steps: Steps
    digests: tuple[str, ...] = ()


class Runner:
    """Does tasks for a sweep, and keeps what they gave in its folder.

    Args:
        directory: the sweep's folder.
        workers: makes the workers, when the first task needs one.
        model: reads the model, when the first task needs it.
        listener: what to tell.
    """

    def __init__(
        self, directory: Path, workers: Callable[[], Workers], model: Callable[[], Model], listener: Listener
    ) -> None:
        self.directory = directory
        self.tasks_run = 0
        self._listener = listener
        self._make_workers = workers
        self._workers: Workers | None = None
        self._model = model
        self._cache = Cache(directory / "cache", listener.warn)
        self._known: dict[str, Outcome] = {}
        self._graphs: dict[str, GraphFiles] = {}

    def take(self, all_steps: Sequence[Steps], say: Callable[[Any], None]) -> list[Any]:
        """Take points through their tasks, as many at a time as there are workers.

        Args:
            all_steps: the points.
            say: called with what each one gives, as soon as it does.

        Returns:
            What the points give, in order.
        """
        results: list[Any] = [None] * len(all_steps)
        waiting: dict[str, list[_Running]] = {}
        queue: deque[tuple[str, Task]] = deque()

        def advance(point: _Running, outcomes: tuple[Outcome, ...] | None) -> None:
            """Let a point go on until it needs what is not known."""
            while True:
                try:
                    tasks = point.steps.send(outcomes) if outcomes is not None else next(point.steps)
                except StopIteration as end:
                    results[point.index] = end.value
                    say(end.value)
                    return
                point.digests = tuple(self._cache.digest(task) for task in tasks)
                missing = [
                    (digest, task)
                    for digest, task in zip(point.digests, tasks, strict=True)
                    if self._look_up(task, digest) is None
                ]
                for digest, task in missing:
                    if digest not in waiting:
                        queue.append((digest, task))
                    waiting.setdefault(digest, []).append(point)
                if missing:
                    return
                outcomes = tuple(self._known[digest] for digest in point.digests)

        for index, steps in enumerate(all_steps):
            advance(_Running(index, steps), None)
        for digest in self._execute(queue):
            for point in waiting.pop(digest):
                if all(needed in self._known for needed in point.digests):
                    advance(point, tuple(self._known[needed] for needed in point.digests))
        return results

    def outcome(self, task: Task) -> Outcome | None:
        """A successful outcome of a task that has been done."""
        outcome = self._known.get(self._cache.digest(task))
        return outcome if outcome is not None and not outcome.error else None

    def keep_graph(self, quality: Outcome) -> str:
        """Digest of the graph that a quantization gave; its files are kept for the tasks that need them."""
        files = {name: data for name, data in quality.files.items() if name != "images.npz"}
        digest = graph_digest(files)
        self._graphs[digest] = files
        return digest

    def close(self) -> None:
        """End the workers."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def _look_up(self, task: Task, digest: str) -> Outcome | None:
        """What is known of a task, from this run or an earlier one."""
        if digest not in self._known:
            outcome = self._cache.get(task, digest)
            if outcome is not None:
                self._known[digest] = outcome
        return self._known.get(digest)

    def _execute(self, queue: deque[tuple[str, Task]]) -> Generator[str, None, None]:
        """Run tasks until the queue is empty, others being put into it meanwhile; gives the digests that are done."""
        running: dict[Future[Outcome], tuple[str, Task]] = {}
        deaths: dict[str, int] = {}
        while queue or running:
            workers = self._started_workers()
            slots = workers.slots() if queue else 0
            while queue and len(running) < slots:
                digest, task = queue.popleft()
                self._listener.started(task.title)
                future = workers.submit(execute, task, self._payload(task), program_digest(), task.tools())
                running[future] = digest, task
                self.tasks_run += 1
            workers.check()
            for future in wait(running, timeout=1.0, return_when=FIRST_COMPLETED).done:
                digest, task = running.pop(future)
                self._listener.ended(task.title)
                outcome = _result(future, workers, deaths, digest)
                if outcome is None:
                    queue.appendleft((digest, task))
                    continue
                self._keep(task, digest, outcome)
                yield digest

    def _keep(self, task: Task, digest: str, outcome: Outcome) -> None:
        log = self.directory / LOGS / f"{_file_name(task.title)}.log"
        if outcome.error:
            if outcome.log:
                write_bytes(log, outcome.log)
                outcome = dataclasses.replace(outcome, error=f"{outcome.error} (log: {LOGS}/{log.name})", log=b"")
        else:
            self._cache.put(task, digest, outcome)
            with disk_errors(log):
                log.unlink(missing_ok=True)
        self._known[digest] = outcome

    def _payload(self, task: Task) -> Model | GraphFiles | None:
        if isinstance(task, QuantizeTask):
            return self._model()
        graph = getattr(task, "graph", None)
        return None if graph is None else self._graphs[graph]

    def _started_workers(self) -> Workers:
        if self._workers is None:
            self._workers = self._make_workers()
        return self._workers


def _result(future: "Future[Outcome]", workers: Workers, deaths: dict[str, int], digest: str) -> Outcome | None:
    """What a task gave; None if its worker died and it should be tried again."""
    try:
        return future.result()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        killed = workers.deaths(error)
        if not killed:
            return Outcome(error=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    deaths[digest] = deaths.get(digest, 0) + killed
    if deaths[digest] < MOST_DEATHS:
        return None
    return Outcome(error=f"killed its worker {deaths[digest]} times; it may need more memory than there is")


def _file_name(title: str) -> str:
    return re.sub(r"[^\w.-]+", "-", title).strip("-")
