"""Where tasks run: processes of this machine, or a Dask cluster; both by the interface of `concurrent.futures`."""

import importlib
import multiprocessing
import os
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from gan2hls.errors import Gan2HlsError, MissingToolError, UserError
from gan2hls.limits import RUNS
from gan2hls.sweep.task import Outcome

CONNECT_SECONDS = 10.0
END_SECONDS = 5.0
"""How long a worker that is told to end may take to end its tools."""

_ADDRESS = re.compile(r"(tcp|tls|ucx|ws|wss)://(\[[0-9a-fA-F:]+\]|[^\s/:\[\]]+):(\d{1,5})")


class Workers(Protocol):
    """Something that runs tasks."""

    def slots(self) -> int:
        """How many tasks may wait or run there at a time."""

    def submit(self, function: Callable[..., Outcome], *arguments: Any) -> "Future[Outcome]":
        """Run a function of a module of gan2hls there."""

    def deaths(self, error: BaseException) -> int:
        """How many workers a task has killed if it ended by this error, since it was submitted; 0 if it killed none."""

    def check(self) -> None:
        """Raise `Gan2HlsError` if nothing runs there any more."""

    def close(self) -> None:
        """End everything that runs."""


def chosen(jobs: int | None, scheduler: str | None) -> Callable[[], Workers]:
    """What makes the workers that a user asked for, when the first task needs them.

    Args:
        jobs: processes of this machine; None takes one for each core.
        scheduler: address of a Dask scheduler, in place of them.

    Raises:
        UserError: both are given, or one can not be. MissingToolError: Dask is not installed.
    """
    if scheduler is None:
        if jobs is not None and jobs < 1:
            raise UserError(f"jobs {jobs} is not supported; use 1 or more")
        RUNS.check(jobs or 0, "jobs")
        return lambda: LocalWorkers(cores() if jobs is None else jobs)
    if jobs is not None:
        raise UserError("jobs and scheduler are given; use one of them")
    check_address(scheduler)
    _distributed()
    return lambda: ClusterWorkers(scheduler)


# -- processes of this machine ----------------------------------------------------------------------------------------


class LocalWorkers:
    """Processes of this machine, started as they are needed.

    Each has a pool of its own: where a worker dies, its pool breaks, and it is known which task was the one.

    Args:
        jobs: how many.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._threads = max(1, cores() // jobs)
        self._free: list[_Pool] = []
        self._busy: dict[Future[Outcome], _Pool] = {}

    def slots(self) -> int:
        return self.jobs

    def submit(self, function: Callable[..., Outcome], *arguments: Any) -> "Future[Outcome]":
        for future in [future for future in self._busy if future.done()]:
            pool = self._busy.pop(future)
            if future.cancelled() or self.deaths(future.exception() or Exception()):
                pool.close()
            else:
                self._free.append(pool)
        pool = self._free.pop() if self._free else _Pool(self._threads)
        try:
            future = pool.submit(function, *arguments)
        except BrokenProcessPool:  # it died while it had nothing to do
            pool.close()
            pool = _Pool(self._threads)
            future = pool.submit(function, *arguments)
        self._busy[future] = pool
        return future

    def deaths(self, error: BaseException) -> int:
        # A worker that is told to end (SIGTERM) first ends its tools, and gives SystemExit.
        return int(isinstance(error, BrokenProcessPool | SystemExit))

    def check(self) -> None:
        pass

    def close(self) -> None:
        pools = [*self._free, *self._busy.values()]
        for pool in pools:
            pool.terminate()
        for pool in pools:
            pool.close()
        self._free, self._busy = [], {}


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Pool:
    """A process that does one task after another."""

    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
        self._executor = ProcessPoolExecutor(1, context, initializer=_begin, initargs=(threads,))
        self._process: BaseProcess | None = None

    def submit(self, function: Callable[..., Outcome], *arguments: Any) -> "Future[Outcome]":
        if self._process is not None:
            return self._executor.submit(function, *arguments)
        before = set(multiprocessing.active_children())
        with _interrupts_blocked():
            future = self._executor.submit(function, *arguments)
        self._process = next(iter(set(multiprocessing.active_children()) - before), None)
        return future

    def terminate(self) -> None:
        """Have the process end its tools and what it does."""
        if self._process is not None and self._process.is_alive():
            self._process.terminate()

    def close(self) -> None:
        with suppress(BrokenProcessPool):
            self._executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Hand no Ctrl-C on to a process that starts: it comes to the whole group, and this one says what is to be done."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def _begin(threads: int) -> None:
    """In a new worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_follow_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)


def _end(number: int, frame: Any) -> None:
    """End the tools that run, and then the process: between two tasks, the pool swallows the exception."""
    threading.Thread(target=_end_soon, daemon=True).start()
    raise SystemExit(128 + number)


def _end_soon() -> None:
    time.sleep(END_SECONDS)
    os._exit(1)


def _follow_parent() -> None:
    """End with the process that started this one, however that ended: a pool's worker would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


# -- a Dask cluster ---------------------------------------------------------------------------------------------------


def check_address(address: str) -> str:
    """The address of a scheduler.

    Raises:
        UserError: it can not be one.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match.group(3)) < 1 << 16:
        raise UserError(f"scheduler {address!r} is no address; use tcp://host:port")
    return address


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError:
        raise MissingToolError("a scheduler needs the package distributed (pip install 'gan2hls[sweep]')") from None


class ClusterWorkers:
    """The workers of a Dask scheduler, which have gan2hls installed; files need not be shared.

    Args:
        address: tcp://host:port.

    Raises:
        UserError: it can not be an address. MissingToolError: Dask is not installed.
        Gan2HlsError: no scheduler answers there.
    """

    def __init__(self, address: str) -> None:
        self.address = check_address(address)
        distributed = _distributed()
        self._killed = distributed.scheduler.KilledWorker
        try:
            with _quiet_dask():
                self._client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise Gan2HlsError(f"no Dask scheduler answers at {address}: {_first_line(error)}") from None
        self._executor = self._client.get_executor(pure=False)

    def slots(self) -> int:
        """Two for each thread of a worker: the next task's data come while one runs."""
        self.check()
        try:
            return max(2, 2 * sum(self._client.nthreads().values()))
        except Exception as error:  # whatever a dead connection raises
            raise self._gone() from error

    def submit(self, function: Callable[..., Outcome], *arguments: Any) -> "Future[Outcome]":
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*large graph.*")
                future: Future[Outcome] = self._executor.submit(function, *arguments)
                return future
        except Exception as error:
            self.check()
            raise self._gone() from error

    def deaths(self, error: BaseException) -> int:
        """The scheduler gives a task to other workers itself, and gives up after `allowed-failures` of them."""
        if isinstance(error, self._killed):
            return 1 + int(getattr(error, "allowed_failures", 0) or 0)
        if isinstance(error, CancelledError):
            raise self._gone()
        return 0

    def check(self) -> None:
        if self._client.status != "running":
            raise self._gone()

    def _gone(self) -> Gan2HlsError:
        return Gan2HlsError(
            f"the Dask scheduler at {self.address} is gone; finished points are kept, and the same command goes on"
        )

    def close(self) -> None:
        with _quiet_dask(), suppress(Exception):
            self._client.close(timeout=2.0)


@contextmanager
def _quiet_dask() -> Iterator[None]:
    """Dask logs what it then also raises."""
    import logging

    logger = logging.getLogger("distributed")
    old, logger.disabled = logger.level, True
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(old)
        logger.disabled = False


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
