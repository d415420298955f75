"""A design as tools take it, and the folder that they work in."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gan2hls.errors import ToolError, UserError
from gan2hls.files import is_file, is_running, read_bytes, sha256


@dataclass(frozen=True)
class Design:
    """SystemVerilog in a folder: sources in the order in which they are read, and the memory files they read."""

    folder: Path
    sources: tuple[str, ...]
    memories: tuple[str, ...]

    @staticmethod
    def read(folder: Path, sources: Sequence[str] | None = None) -> "Design":
        """A written design, or other sources.

        Args:
            folder: where tools run; holds the sources and, anywhere in it, memory files (`*.mem`).
            sources: paths in it; None takes those that its `sources.f` lists.

        Raises:
            UserError: a source is missing, or lies elsewhere.
        """
        folder = Path(folder).resolve()
        if sources is None:
            if not is_file(folder / "sources.f"):
                raise UserError(f"{folder}: no RTL design made by gan2hls (no sources.f in it)")
            sources = read_bytes(folder / "sources.f").decode(errors="replace").split()
        names = []
        for source in sources:
            path = (folder / source).resolve()
            if not path.is_relative_to(folder):
                raise UserError(f"{source}: not in {folder}; tools see only what lies there")
            if not is_file(path):
                raise UserError(f"{path}: no such file")
            names.append(str(path.relative_to(folder)))
        memories = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.mem"))
        return Design(folder, tuple(names), tuple(memories))

    def digest(self) -> str:
        """Of all contents and names."""
        names = (*self.sources, *self.memories)
        return sha256(str(len(self.sources)), *(p for n in names for p in (n, read_bytes(self.folder / n))))

    def copy(self, folder: Path) -> None:
        """Put everything into another folder, under the same names."""
        if folder == self.folder:
            return
        for name in (*self.sources, *self.memories):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / name, folder / name)


@contextmanager
def working_folder(work: Path | str | None, scratch: Path | str | None) -> Iterator[Path]:
    """The folder to work in; a temporary one keeps its logs if a tool failed, and is gone otherwise."""
    if work is not None:
        path = Path(work).resolve()
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    if scratch is not None:
        Path(scratch).mkdir(parents=True, exist_ok=True)
        _clean_up(Path(scratch))
    path = Path(tempfile.mkdtemp(prefix=f"gan2hls-synth-{os.getpid()}-", dir=scratch)).resolve()
    keep = False
    try:
        yield path
    except ToolError as error:
        keep = error.log is not None and Path(error.log).is_relative_to(path)
        raise
    finally:
        for entry in path.iterdir() if keep else ():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.suffix != ".log":
                entry.unlink(missing_ok=True)
        if not keep:
            shutil.rmtree(path, ignore_errors=True)


def _clean_up(scratch: Path) -> None:
    """Remove the folders of processes that were killed; logs of a tool that failed stay."""
    for path in scratch.glob("gan2hls-synth-*-*"):
        only_logs = all(entry.suffix == ".log" for entry in path.iterdir())
        if not only_logs and not is_running(path.name.split("-")[2]):
            shutil.rmtree(path, ignore_errors=True)
