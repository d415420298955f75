"""Several files and folders are replaced together: after an error, and after a kill at any operation."""

import errno
import os
from pathlib import Path

import pytest

from gan2hls.errors import Gan2HlsError
from gan2hls.files import write_text
from gan2hls.staging import recover, staged
from tests.doors import tree
from tests.faults import Faults

OLD = {"a.txt": b"old a", "b/deep.txt": b"old b", "gone.txt": b"old gone", "kept.txt": b"kept"}
NEW = {"a.txt": b"new a", "b/other.txt": b"new b", "c.txt": b"new c", "kept.txt": b"kept"}


def before(folder: Path) -> Path:
    for name, data in OLD.items():
        write_text(folder / name, data.decode())
    return folder


def replace(folder: Path) -> None:
    with staged(folder) as staging:
        for name, data in NEW.items():
            if data != OLD.get(name):
                write_text(staging.new / name, data.decode())
        staging.commit(remove=["gone.txt", "never was"])


def operations(folder: Path) -> int:
    before(folder)
    with Faults([folder], None, 0).active() as faults:
        replace(folder)
    return len(faults.operations)


def test_all_is_replaced(tmp_path: Path) -> None:
    replace(before(tmp_path))
    assert tree(tmp_path) == NEW
    assert not list(tmp_path.glob(".*"))


def test_what_is_not_committed_is_removed(tmp_path: Path) -> None:
    before(tmp_path)
    with pytest.raises(ZeroDivisionError), staged(tmp_path) as staging:
        write_text(staging.new / "a.txt", "new a")
        raise ZeroDivisionError
    assert tree(tmp_path) == OLD
    assert not list(tmp_path.glob(".*"))


def test_any_error_leaves_all_as_it_was(tmp_path: Path) -> None:
    for number in range(operations(tmp_path / "count")):
        folder = before(tmp_path / str(number))
        with Faults([folder], number, errno.ENOSPC).active():
            try:
                replace(folder)
            except Gan2HlsError as error:
                expected = OLD if "No space left on device" in str(error) else {}
            else:
                expected = NEW  # the old content could not be removed at once
        assert tree(folder) == expected
        assert not list(folder.glob(".*"))


def test_what_could_not_be_undone_is_undone_by_the_next_run_of_the_same_process(tmp_path: Path) -> None:
    before(tmp_path)
    rename, done = Path.rename, 0

    def fail(path: Path, to: Path) -> Path:
        nonlocal done
        done += 1
        if done > 2:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return rename(path, to)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "rename", fail)
        with pytest.raises(Gan2HlsError, match="Read-only file system"):
            replace(tmp_path)
    assert tree(tmp_path) != OLD
    recover(tmp_path)
    assert tree(tmp_path) == OLD
    assert not list(tmp_path.glob(".*"))


def test_a_kill_at_any_operation_loses_nothing(tmp_path: Path) -> None:
    """The next run finds the old content or the new one, whole."""
    found = []
    for number in range(operations(tmp_path / "count")):
        folder = before(tmp_path / str(number))
        child = os.fork()
        if not child:
            with Faults([folder], number, None).active():
                replace(folder)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        recover(folder)
        found.append(tree(folder))
        assert not list(folder.glob(".*"))
    assert all(state in (OLD, NEW) for state in found)
    assert found == sorted(found, key=lambda state: state == NEW), "from one operation on it is the new one"
    assert OLD in found
    assert NEW in found
