"""Files and folders of one folder that are replaced all together or not at all.

What is new lies in a hidden folder until it is complete. `commit` then moves the old content aside and the new one into
its place, by renames alone. A plan on disk says what is moved: after an error, or at the next start after a kill, the
renames are undone.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gan2hls.errors import UserError
from gan2hls.files import disk_errors, leave_behind, leftovers, partial_name, read_json, remove_folder, write_json

_NAME = "staging"
_PLAN = "plan.json"


@dataclass(frozen=True)
class Staging:
    """New content of a folder.

    Attributes:
        directory: what it is for.
        new: where it is written; each file or folder there replaces the one of its name.
    """

    directory: Path
    new: Path

    def commit(self, remove: Iterable[str] = ()) -> None:
        """Put the new content into its place.

        Args:
            remove: names of old files or folders that go, where nothing replaces them.

        Raises:
            Gan2HlsError: the disk is full and the like; all is as it was before then.
        """
        work = self.new.parent
        with disk_errors(self.directory):
            made = sorted(item.name for item in self.new.iterdir())
            gone = [name for name in remove if (self.directory / name).exists()]
            plan = {name: (self.directory / name).exists() for name in dict.fromkeys([*made, *gone])}
            write_json(work / _PLAN, plan)
            try:
                for name, replaced in plan.items():
                    if replaced:
                        (self.directory / name).rename(work / "old" / name)
                    if name in made:
                        (self.new / name).rename(self.directory / name)
                (work / _PLAN).unlink()  # from here on the new content is the one that stays
            except BaseException:
                with suppress(OSError):  # then the next run does it, of this process or another
                    _undo(work, self.directory)
                raise


@contextmanager
def staged(directory: Path) -> Iterator[Staging]:
    """Give a place for new content of `directory`, which exists; what was not committed at the end is removed.

    Raises:
        Gan2HlsError: the disk is full, the folder is not writable, and the like.
    """
    with disk_errors(directory):
        work = partial_name(directory.absolute() / _NAME)
        try:
            for folder in (work, work / "new", work / "old"):
                folder.mkdir()
            yield Staging(directory, work / "new")
        finally:
            if (work / _PLAN).exists():  # it could not be undone
                leave_behind(work)
            else:
                remove_folder(work)


def recover(directory: Path) -> None:
    """Undo what a killed process had begun to replace in a folder, and remove what it left.

    Raises:
        Gan2HlsError: it can not be undone.
    """
    with disk_errors(directory):
        for work in leftovers(directory.absolute() / _NAME):
            if (work / _PLAN).exists():
                _undo(work, directory)
            remove_folder(work)


def _undo(work: Path, directory: Path) -> None:
    """Move back what a plan says, as far as it was moved; may be done again where it was interrupted."""
    try:
        plan = read_json(work / _PLAN)
    except UserError:
        plan = None
    for name, replaced in plan.items() if isinstance(plan, dict) else ():
        if Path(name).name != name or (replaced and not (work / "old" / name).exists()):
            continue  # not moved yet, or back already
        if (directory / name).exists() and not (work / "new" / name).exists():
            (directory / name).rename(work / "new" / name)
        if replaced:
            (work / "old" / name).rename(directory / name)
    (work / _PLAN).unlink()
