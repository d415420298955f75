"""A group of processes that ends with this process, however that ends.

A process that is killed can end nobody. So a small one waits in the group for the end of a pipe whose other end only
this process holds: the kernel closes it in any case.
"""

import os
import subprocess
from contextlib import suppress

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
