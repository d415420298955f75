"""Work that ends with this process, however that ends: a group of processes, and a thread that stays in C.

A process that is killed can end nobody. So a small one waits in the group for the end of a pipe whose other end only
this process holds: the kernel closes it in any case.
"""

import os
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

_WATCHER = "read -r line && exit; trap '' TERM; kill -s TERM -- -$$; sleep 2; kill -s KILL -- -$$"
"""A line says that nothing is left to end. Else the whole group ends, this one at last."""


class Group:
    """A process group for programs, which start in it (`process_group=`) and thereby never run unwatched.

    Raises:
        OSError: there is no shell, or no process can be started.
    """

    def __init__(self) -> None:
        reader, self._pipe = os.pipe()
        try:
            self._watcher = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHER],
                stdin=reader,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,
            )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(reader)
        self.id = self._watcher.pid

    def poll(self) -> None:
        """Take note of the watcher's end, if it was ended with the rest."""
        self._watcher.poll()

    def release(self) -> None:
        """Watch no longer; what still runs in the group goes on."""
        with suppress(BrokenPipeError):
            os.write(self._pipe, b"\n")
        os.close(self._pipe)
        self._watcher.wait()


def interruptible(work: Callable[[], Any]) -> Any:
    """Do work that stays in C for long; Ctrl-C ends the wait at once, and with the process the work."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future.result()
