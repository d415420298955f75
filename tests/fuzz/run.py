"""The differential fuzz: random networks through golden model, C++ and RTL, for as long as wanted.

    python -m tests.fuzz.run --minutes 60 --jobs 2      new seeds
    python -m tests.fuzz.run --seed 123                 one seed again
    python -m tests.fuzz.run --listed                   all seeds of the list again

Seeds that fail are appended to `seeds.txt`, the list that `make test` runs again. Exit status 1 if one failed.
"""

import argparse
import contextlib
import itertools
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

ROOT = Path(__file__).resolve().parents[2]
SEEDS = Path(__file__).with_name("seeds.txt")
BATCH = 10
"""Networks of one Verilator build: most of its time is the same for one."""
LIMIT_SECONDS = 3600
"""After which a batch is taken to have no end."""


# -- the list of seeds ------------------------------------------------------------------------------------------------


def listed_seeds(path: Path = SEEDS) -> list[int]:
    """Seeds that failed once: the first word of each line, without what follows a #."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [int(words[0]) for line in lines if (words := line.partition("#")[0].split())]


def remember(seed: int, problem: str, path: Path = SEEDS) -> None:
    """Append a seed to the list, once, with the first line of what was wrong."""
    if seed not in listed_seeds(path):
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{seed}  # {(problem.splitlines() or [''])[0][:100]}\n")


# -- a batch, in a process of its own ---------------------------------------------------------------------------------


def work(seeds: Sequence[int]) -> None:
    """Check the networks of some seeds; prints one line of JSON: what is wrong, and the network, by seed."""
    from tests.fuzz.check import check
    from tests.fuzz.networks import draw_network

    networks = {seed: draw_network(seed) for seed in seeds}
    with tempfile.TemporaryDirectory(prefix="gan2hls-fuzz-") as folder:
        problems = check(list(networks.values()), Path(folder))
    found = {seed: ["\n".join(lines), networks[seed].describe()] for seed, lines in problems.items()}
    print(json.dumps(found))


class StoppedError(Exception):
    """The fuzz ends before this batch did."""


class Workers:
    """Processes that check a batch each, one failing network told from the others by halving."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def check(self, seeds: Sequence[int]) -> dict[int, tuple[str, str]]:
        """What is wrong, and the network in a few lines, by seed.

        Raises:
            StoppedError: `stop` was called.
        """
        status, output, errors = self._run(["--work", *map(str, seeds)])
        if status == 0:
            return {int(seed): (problem, about) for seed, (problem, about) in json.loads(output).items()}
        if len(seeds) > 1:
            half = len(seeds) // 2
            return {**self.check(seeds[:half]), **self.check(seeds[half:])}
        what = f"ended by signal {-status}" if status < 0 else "failed"
        return {seeds[0]: (_last_error(errors) or what, errors[-3000:])}

    def _run(self, arguments: list[str]) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "tests.fuzz.run", *arguments]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with self._lock:
            if self._stopped:
                raise StoppedError
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **threads},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then ends them
            )
            self._running.add(process)
        try:
            output, errors = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._end(process)
            output, errors = process.communicate()
            errors += f"\nno end after {LIMIT_SECONDS} s\n"
        finally:
            with self._lock:
                self._running.discard(process)
        if self._stopped:
            raise StoppedError
        return process.returncode, output, errors

    def stop(self) -> None:
        """End all processes, and start none."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            process.send_signal(signal.SIGINT)  # so that it ends its own tools and removes its folder
        for process in running:
            self._end(process)

    @staticmethod
    def _end(process: "subprocess.Popen[str]") -> None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _last_error(errors: str) -> str:
    """The line of a traceback that says what it was, and what follows it."""
    lines = errors.rstrip().splitlines()
    start = max((i for i, line in enumerate(lines) if line.startswith(" ")), default=-1)
    first = next((i for i, line in enumerate(lines) if line.startswith("gan2hls.errors")), start + 1)
    return "\n".join(lines[first : first + 12])


# -- the whole run ----------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What came out so far."""

    checked: int = 0
    failures: dict[int, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.checked:,} networks, {len(self.failures)} failed"


def fuzz(batches: Iterator[list[int]], jobs: int, console: Console, *, keep: Path | None = SEEDS) -> Tally:
    """Check batches of seeds until there are no more or Ctrl-C is pressed; failures are printed as they come.

    Args:
        batches: of seeds, taken when a worker is free.
        jobs: workers at a time.
        console: gets failures, and on a terminal the progress.
        keep: list that failing seeds are appended to, None for none.
    """
    tally, workers = Tally(), Workers()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with (
        ThreadPoolExecutor(jobs) as pool,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("fuzz", total=None)
        waiting: dict[Future[dict[int, tuple[str, str]]], list[int]] = {}
        try:
            while True:
                while len(waiting) < jobs and (batch := next(batches, None)):
                    waiting[pool.submit(workers.check, batch)] = batch
                if not waiting:
                    break
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    tally.checked += len(waiting.pop(future))
                    for seed, (problem, about) in future.result().items():
                        tally.failures[seed] = problem
                        _tell(console, seed, problem, about)
                        if keep is not None:
                            remember(seed, problem, keep)
                progress.update(task, description=str(tally))
        except KeyboardInterrupt:
            console.print("stopped", style="yellow")
        finally:
            workers.stop()
    return tally


def _tell(console: Console, seed: int, problem: str, about: str) -> None:
    console.print(f"seed {seed} failed; again: make fuzz SEED={seed}", style="bold red", highlight=False)
    console.print(f"{problem}\n{about}", markup=False, highlight=False, soft_wrap=True)


def new_batches(minutes: float, first: int) -> Iterator[list[int]]:
    """Seeds from `first` on, until the time is over."""
    deadline = time.monotonic() + 60 * minutes
    for start in itertools.count(first, BATCH):
        if time.monotonic() >= deadline:
            return
        yield list(range(start, start + BATCH))


def main() -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the shell put this in the background
    parser = argparse.ArgumentParser(description="random networks through golden model, C++ and RTL")
    parser.add_argument("--minutes", type=float, default=10, help="how long new networks are begun")
    parser.add_argument("--seed", type=int, help="the one network to check")
    parser.add_argument("--first", type=int, help="the first seed; a random one without")
    parser.add_argument("--listed", action="store_true", help=f"check the seeds of {SEEDS.name}")
    parser.add_argument("--jobs", type=int, default=1, help="batches at a time")
    parser.add_argument("--work", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return 0
    console = Console()
    if options.seed is not None:
        batches = iter([[options.seed]])
    elif options.listed:
        listed = listed_seeds()
        batches = iter([listed[i : i + BATCH] for i in range(0, len(listed), BATCH)])
    else:
        first = secrets.randbits(31) if options.first is None else options.first
        console.print(f"seeds from {first} on, for {options.minutes:g} minutes", highlight=False)
        batches = new_batches(options.minutes, first)
    tally = fuzz(batches, max(1, options.jobs), console)
    console.print(f"{tally}{': ' if tally.failures else ''}{', '.join(map(str, tally.failures))}", highlight=False)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
