"""Runs bad inputs in processes of their own that start at once: one process loads everything and forks for each.

A request is a line of JSON (`name`, `folder`, `scratch`); the answer is one too: exit code (negative: a signal),
seconds of CPU time, and bytes of memory. The screens are files in the scratch folder.
"""

import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gan2hls.models.weights import read_state_dict
from tests.bad_inputs.case import Case
from tests.bad_inputs.corpus import CASES
from tests.doors import state_dict, write_generator

MODULES = ("cli", "flow", "sweep.options", "sweep.workers", "sweep.screen", "report.sweep", "models.training")
CPU_SECONDS = 5
"""Of a case; whoever takes more is not refusing but working."""

SECONDS = 60
"""After that, on however busy a machine, a case counts as one that does not end."""

MEMORY = 1 << 30
"""Bytes that a case may take beside what is loaded already."""

RAISED, ACCEPTED, OTHER = 2, 0, 99


def serve() -> None:
    """Answer requests until standard input ends."""
    for name in MODULES:
        importlib.import_module(f"gan2hls.{name}")
    _warm_up()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _warm_up() -> None:
    """Take a good generator through everything once: much of torch is loaded by what first needs it."""
    import torch

    import gan2hls
    from gan2hls.flow import Run
    from gan2hls.flow_config import read_flow_config

    torch.set_num_threads(1)  # a process of several threads must not fork
    with tempfile.TemporaryDirectory() as name:
        model = write_generator(Path(name))
        torch.save(state_dict(), Path(name) / "tiny.pth")
        read_state_dict(Path(name) / "tiny.pth")
        settings = read_flow_config(None, [("model", "source", str(model)), ("folding", "multipliers", 4)])
        run = Run(Path(name) / "run", settings).until("build")
        gan2hls.Project.open(run.directory / "project").estimate("ecp5-85k")


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    child = os.fork()
    if child == 0:
        code = OTHER
        try:
            code = _run(CASES[request["name"]], Path(request["folder"]), Path(request["scratch"]))
        finally:
            os._exit(code)
    deadline = time.monotonic() + SECONDS
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            seconds, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
            return {"code": os.waitstatus_to_exitcode(status), "seconds": seconds, "memory": memory}
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            deadline = float("inf")
        time.sleep(0.002)


def _run(case: Case, folder: Path, scratch: Path) -> int:
    """What the forked process does; gives its exit code."""
    for number, name in ((0, os.devnull), (1, scratch / "out"), (2, scratch / "err")):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT
        os.dup2(os.open(name, flags, 0o666), number)
    os.chdir(folder)
    os.environ |= {"TMPDIR": str(scratch / "tmp"), "HOME": str(scratch / "tmp"), **dict(case.environment)}
    tempfile.tempdir = None
    _limit()
    if case.user is not None:
        os.setgroups([])
        os.setuid(case.user)
    code = _command(case.does) if isinstance(case.does, tuple) else _call(case)
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _limit() -> None:
    loaded = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (loaded + MEMORY, loaded + MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _command(words: tuple[str, ...]) -> int:
    from gan2hls import cli

    sys.argv = ["gan2hls", *words]
    try:
        cli.main()
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        return OTHER
    return OTHER


def _call(case: Case) -> int:
    from gan2hls.errors import UserError

    assert callable(case.does)
    try:
        result = case.does()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return RAISED
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        return OTHER
    print(f"accepted, and gave {type(result).__name__}")
    return ACCEPTED


if __name__ == "__main__":
    serve()
