"""The compiled engine of timed networks: `sim/timed_streams.cpp`, built once by g++ and kept for all later runs."""

import ctypes
import functools
import os
from pathlib import Path

import numpy as np

from gan2hls.files import scratch_folder, sha256
from gan2hls.kept import kept_file
from gan2hls.network import Engine, Network, PythonEngine
from gan2hls.resources import resource
from gan2hls.tools import find_tool, run_tool

_FLAGS = ("-std=c++17", "-O3", "-shared", "-fPIC")
_Integers = ctypes.POINTER(ctypes.c_int64)


def make_engine(network: Network) -> Engine:
    """The network, ready to run: compiled, or interpreted where there is no g++."""
    library = shared_library()
    return PythonEngine(network) if library is None else CompiledEngine(network, library)


class CompiledEngine(Engine):
    """A network in C++."""

    def __init__(self, network: Network, library: ctypes.CDLL) -> None:
        super().__init__(network)
        self._library = library
        sizes = np.array([network.kept, network.per_frame], dtype=np.int64).T.ravel()
        tables = (_Integers * len(network.tables))(*map(_pointer, network.tables))
        table_sizes = np.array([len(table) for table in network.tables], dtype=np.int64)
        program, rules = _pointer(network.program), len(network.rules)
        self._handle = library.timed_streams_new(
            len(network.kept), _pointer(sizes), rules, program, tables, _pointer(table_sizes)
        )
        if not self._handle:
            raise MemoryError(f"no memory for {sum(network.kept):,} cycles of a timed network")

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.timed_streams_delete(self._handle)

    def _run(self) -> None:
        done = self._library.timed_streams_run(self._handle, self.network.gate, self.network.start)
        assert done, "a rule asked for an entry that its `behind` does not keep"

    def _waits(self) -> list[tuple[int, int]]:
        track, entries = ctypes.c_int64(), ctypes.c_int64()
        waits = []
        for rule in range(len(self.network.rules)):
            self._library.timed_streams_waits(self._handle, rule, ctypes.byref(track), ctypes.byref(entries))
            waits.append((track.value, entries.value))
        return waits

    def first(self, track: int) -> int:
        return int(self._library.timed_streams_first(self._handle, track))

    def frames(self, track: int) -> int:
        return self._frames(track, 0)[0]

    def ends(self, track: int) -> list[int]:
        return self._frames(track, self.frames(track))[1].tolist()

    def alike(self, track: int) -> tuple[int, int]:
        return self._frames(track, 0)[2]

    def _frames(self, track: int, room: int) -> tuple[int, np.ndarray, tuple[int, int]]:
        """How many there are, the ends of the first `room`, and what `alike` says."""
        ends, shift, alike = np.zeros(room, dtype=np.int64), ctypes.c_int64(), ctypes.c_int64()
        found = ctypes.byref(shift), ctypes.byref(alike)
        count = self._library.timed_streams_frames(self._handle, track, room, _pointer(ends), *found)
        return count, ends, (alike.value, shift.value if alike.value else 0)

    def entries(self, track: int) -> tuple[int, np.ndarray]:
        found = np.zeros(1 << (self.network.kept[track] - 1).bit_length(), dtype=np.int64)
        count = self._library.timed_streams_entries(self._handle, track, len(found), _pointer(found))
        return max(0, count - len(found)), found[: min(count, len(found))]


def _pointer(array: np.ndarray) -> "ctypes._Pointer[ctypes.c_int64]":
    return array.ctypes.data_as(_Integers)


@functools.cache
def shared_library() -> ctypes.CDLL | None:
    """The engine, compiled unless it is kept already; None without a compiler."""
    compiler = find_tool("g++")
    if compiler is None:
        return None
    source = resource("sim", "timed_streams.cpp")

    def make(folder: Path) -> Path:
        made = folder / "timed_streams.so"
        command: list[str | Path] = [compiler.path, *_FLAGS, source, "-o", made]
        environment = {**os.environ, "TMPDIR": str(folder)}
        run_tool(command, what="compiling the cycle model", log=folder / "build.log", cwd=folder, env=environment)
        return made

    key = sha256(source.read_bytes(), str(compiler.path), compiler.version, *_FLAGS)
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if writable:
        return _declared(ctypes.CDLL(str(kept_file(folder, "timed_streams", ".so", key, make))))
    with scratch_folder("timed-streams") as scratch:  # a home that can not be written: for this process alone
        return _declared(ctypes.CDLL(str(make(scratch))))


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library, its functions with their types."""
    library.timed_streams_new.restype = ctypes.c_void_p
    library.timed_streams_new.argtypes = [
        *(ctypes.c_int64, _Integers, ctypes.c_int64, _Integers, ctypes.POINTER(_Integers), _Integers)
    ]
    handle = ctypes.c_void_p
    library.timed_streams_delete.argtypes = [handle]
    library.timed_streams_delete.restype = None
    library.timed_streams_run.argtypes = [handle, ctypes.c_int64, ctypes.c_int64]
    library.timed_streams_first.argtypes = [handle, ctypes.c_int64]
    library.timed_streams_first.restype = ctypes.c_int64
    library.timed_streams_frames.argtypes = [handle, ctypes.c_int64, ctypes.c_int64, _Integers, _Integers, _Integers]
    library.timed_streams_frames.restype = ctypes.c_int64
    library.timed_streams_waits.argtypes = [handle, ctypes.c_int64, _Integers, _Integers]
    library.timed_streams_waits.restype = None
    library.timed_streams_entries.argtypes = [handle, ctypes.c_int64, ctypes.c_int64, _Integers]
    library.timed_streams_entries.restype = ctypes.c_int64
    return library


def cache_folder() -> Path:
    """Where files are kept that belong to no project: `$XDG_CACHE_HOME/gan2hls`, or `~/.cache/gan2hls`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "gan2hls"
