"""Workers that are real processes: some die, some never come, a scheduler goes away."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gan2hls.errors import Gan2HlsError, MissingToolError, UserError
from gan2hls.sweep import Sweep, workers
from gan2hls.sweep.workers import ClusterWorkers, LocalWorkers
from tests.sweep.deeds import Deed, Notes, do, run_inline, settings

ROOT = Path(__file__).resolve().parents[2]


# Processes of this machine


def test_a_worker_that_dies_costs_no_task(tmp_path: Path) -> None:
    """One deed kills its worker once and is done at the second try; one always does; the others know nothing of it."""
    deeds = [
        Deed("once", 0, kills=1, counter=str(tmp_path / "once")),
        Deed("always", 1, kills=99, counter=str(tmp_path / "always")),
        *(Deed(f"deed {number}", number) for number in (2, 3, 4)),
    ]
    outcomes = do(tmp_path, LocalWorkers(2), *deeds)
    assert [outcome.values.get("number") for outcome in outcomes] == [0, None, 2, 3, 4]
    assert outcomes[1].error == "killed its worker 3 times; it may need more memory than there is"
    assert (tmp_path / "once").read_text() == "xx"
    assert (tmp_path / "always").read_text() == "xxx"
    assert not any(is_running(outcome.values["process"]) for outcome in outcomes if outcome.values)


def test_workers_end_with_their_parent_and_with_close(tmp_path: Path) -> None:
    local = LocalWorkers(1)
    future = local.submit(_process)
    process = future.result(60).values["process"]
    assert process != os.getpid()
    local.submit(_sleep_long)
    local.close()
    assert not is_running(process)
    code = (
        "from gan2hls.sweep.workers import LocalWorkers; from tests.sweep.test_workers import _process; import time\n"
        "print(LocalWorkers(1).submit(_process).result().values['process'], flush=True); time.sleep(100)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", f"if __name__ == '__main__':\n  exec({code!r})"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as parent:
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 30
    while is_running(orphan) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(orphan)


def _process() -> workers.Outcome:
    return workers.Outcome({"process": os.getpid()})


def _sleep_long() -> workers.Outcome:
    time.sleep(1000)
    return workers.Outcome()


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


# A Dask cluster


@dataclass
class Cluster:
    """A scheduler and two workers, each a process."""

    address: str
    scheduler: "subprocess.Popen[str]"
    workers: list["subprocess.Popen[str]"]


def dask(program: str, *words: str) -> "subprocess.Popen[str]":
    line = [sys.executable, "-m", f"distributed.cli.dask_{program}", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(line, cwd="/", env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    pytest.importorskip("distributed")
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    started = [dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")]
    for name in ("one", "two"):
        folder = str(tmp_path / name)
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", folder)
        started.append(dask("worker", address, "--host", "127.0.0.1", *options))
    try:
        yield Cluster(address, started[0], started[1:])
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_cluster_loses_a_worker_and_no_point(cluster: Cluster, tmp_path: Path) -> None:
    config = settings(tmp_path, weight_bits=[2, 3, 4, 5])
    killed: list[int] = []

    def kill_one(point: object) -> None:
        if not killed:
            killed.append(cluster.workers[0].pid)
            cluster.workers[0].send_signal(signal.SIGKILL)

    notes = Notes(kill_one)
    sweep = Sweep(tmp_path / "out", config, lambda: ClusterWorkers(cluster.address), notes, local=False)
    report = sweep.run()
    assert killed
    assert [point.error for point in report.points] == [None] * 8
    assert sweep.tasks_run == 12
    assert run_inline(tmp_path, config)[0] == [], "what a cluster did counts here"


def test_a_scheduler_that_goes_away(cluster: Cluster, tmp_path: Path) -> None:
    config = settings(tmp_path, weight_bits=[2, 3, 4, 5])
    notes = Notes(lambda point: cluster.scheduler.kill())
    sweep = Sweep(tmp_path / "out", config, lambda: ClusterWorkers(cluster.address), notes, local=False)
    with pytest.raises(Gan2HlsError, match=rf"the Dask scheduler at {cluster.address} is gone; finished points are ke"):
        sweep.run()
    assert notes.points
    done, report = run_inline(tmp_path, config)
    assert 0 < len(done) < 12
    assert [point.error for point in report.points] == [None] * 8


def test_no_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 0.5)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(Gan2HlsError, match=f"no Dask scheduler answers at {address}"):
        ClusterWorkers(address)


@pytest.mark.parametrize(
    "address", ["", "host", "host:1", "tcp://host", "tcp://host:99999", "http://host:1", "tcp://:1"]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(UserError, match="is no address; use tcp://host:port"):
        workers.chosen(None, address)


def test_missing_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingToolError, match=r"pip install 'gan2hls\[sweep\]'"):
        workers.chosen(None, "tcp://host:1")


def test_jobs_or_a_scheduler() -> None:
    with pytest.raises(UserError, match="jobs 0 is not supported; use 1 or more"):
        workers.chosen(0, None)
    with pytest.raises(UserError, match="jobs and scheduler are given; use one of them"):
        workers.chosen(1, "tcp://host:1")
