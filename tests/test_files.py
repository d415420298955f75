"""Nothing is ever left half written: not by an error, not by a full disk, not by a kill."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.files import (
    MARKER,
    check_output_directory,
    output_directory,
    read_json,
    sha256,
    write_bytes,
    write_json,
    write_text,
)
from gan2hls.resources import resource as shipped

ROOT = Path(__file__).resolve().parent.parent


def content(folder: Path) -> dict[str, str]:
    """All files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def make(directory: Path, text: str) -> None:
    with output_directory(directory) as temporary:
        write_json(temporary / MARKER, {})
        write_text(temporary / "a" / "file.txt", text)


# Files


def test_write_bytes_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert content(tmp_path) == {"a/b/file": "two"}


def test_write_bytes_obeys_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_bytes(tmp_path / "file", b"")
    finally:
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_write_text_is_utf_8(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "integer × scale\n")
    assert (tmp_path / "file").read_bytes() == "integer × scale\n".encode()


def test_an_interrupted_write_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(path, b"new")
    assert content(tmp_path) == {"file": "old"}


def limited(program: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run Python code in `folder` where no file may grow beyond 64 KiB: writes fail half way, as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))

    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=folder,
        capture_output=True,
        text=True,
        preexec_fn=limit,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_a_write_that_fails_half_way_leaves_the_old_content(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"old")
    done = limited(
        """
        from pathlib import Path
        from gan2hls.errors import Gan2HlsError
        from gan2hls.files import write_bytes
        try:
            write_bytes(Path("file"), bytes(1 << 20))
        except Gan2HlsError as error:
            print(error)
        """,
        tmp_path,
    )
    assert done.stdout == "can not write file: File too large\n", done.stderr
    assert content(tmp_path) == {"file": "old"}


def test_a_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(Gan2HlsError) as caught:
        write_bytes(tmp_path / "file", b"new")
    assert str(caught.value) == f"can not write {tmp_path / 'file'}: No space left on device"
    assert content(tmp_path) == {}


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    """Root could replace a device, such as /dev/null."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UserError, match=r"fifo: not a regular file, and is not replaced by one; name another"):
        write_bytes(tmp_path / "fifo", b"new")
    assert (tmp_path / "fifo").is_fifo()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(Gan2HlsError, match="can not write .*/a/file"):
        write_bytes(tmp_path / "a" / "file", b"")


# JSON


def test_json_round_trip_keeps_order(tmp_path: Path) -> None:
    value = {"b": 1, "a": [1.5, None, "×"]}
    write_json(tmp_path / "file.json", value)
    assert list(read_json(tmp_path / "file.json")) == ["b", "a"]
    assert read_json(tmp_path / "file.json") == value


@pytest.mark.parametrize(
    ("data", "message"), [(None, "no such file"), (b"{", "not readable"), (b"\xff", "not readable")]
)
def test_read_json_names_a_bad_file(tmp_path: Path, data: bytes | None, message: str) -> None:
    path = tmp_path / "file.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}: {message}")


# Folders


def test_output_directory_is_new_or_replaced_whole(tmp_path: Path) -> None:
    make(tmp_path / "deep" / "out", "one")
    write_text(tmp_path / "deep" / "out" / "stray", "")
    make(tmp_path / "deep" / "out", "two")
    assert content(tmp_path) == {f"deep/out/{MARKER}": "{}\n", "deep/out/a/file.txt": "two"}


def test_output_directory_takes_an_empty_folder(tmp_path: Path) -> None:
    make(tmp_path, "one")
    assert content(tmp_path) == {MARKER: "{}\n", "a/file.txt": "one"}


def test_output_directory_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    make(tmp_path / "link", "one")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a" / "file.txt").read_text() == "one"


def test_output_directory_refuses_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"thesis: the folder exists and was not made by gan2hls"):
        make(tmp_path / "thesis", "one")
    (tmp_path / "note").write_text("a note")
    with pytest.raises(UserError, match=r"note: a file is in the way"):
        make(tmp_path / "note", "one")
    assert content(tmp_path) == {"thesis/chapter.tex": "years of work", "note": "a note"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), output_directory(tmp_path / "out") as temporary:
        write_text(temporary / "file", "new")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_content(tmp_path: Path) -> None:
    make(tmp_path / "out", "old")
    before = content(tmp_path)
    with pytest.raises(RuntimeError), output_directory(tmp_path / "out") as temporary:
        write_text(temporary / "file", "new")
        raise RuntimeError
    assert content(tmp_path) == before


def test_a_failed_swap_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "out", "old")
    before = content(tmp_path)
    rename = Path.rename

    def rename_but_not_the_new_one(self: Path, target: Path) -> Path:
        if (self / "new").exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_but_not_the_new_one)
    with (
        pytest.raises(Gan2HlsError, match="can not write .*out: Input/output error"),
        output_directory(tmp_path / "out") as temporary,
    ):
        write_text(temporary / "new", "new")
    assert content(tmp_path) == before


def test_a_full_disk_leaves_the_old_content_and_says_so(tmp_path: Path) -> None:
    make(tmp_path / "out", "old")
    before = content(tmp_path)
    done = limited(
        """
        from pathlib import Path
        from gan2hls.errors import Gan2HlsError
        from gan2hls.files import output_directory
        try:
            with output_directory(Path("out")) as temporary:
                with open(temporary / "weights.mem", "wb") as stream:
                    stream.write(bytes(1 << 20))
        except Gan2HlsError as error:
            print(error)
        """,
        tmp_path,
    )
    assert done.stdout.startswith(f"can not write {tmp_path / 'out'}: File too large"), done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert content(tmp_path) == before


def kill_while_writing(directory: Path, before_kill: str = "pass") -> None:
    program = f"""
    import os, signal
    from pathlib import Path
    from gan2hls.files import output_directory, write_text
    with output_directory(Path({str(directory)!r})) as temporary:
        write_text(temporary / "half", "new")
        {before_kill}
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("name", ["out", "out[1]", "a.b"])
def test_a_killed_run_leaves_the_old_content_and_the_next_one_cleans_up(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    make(directory, "old")
    before = content(directory)
    kill_while_writing(directory)
    assert content(directory) == before
    assert len(list(tmp_path.iterdir())) == 2, "the killed run should have left its temporary folder"
    make(directory, "new")
    assert list(tmp_path.iterdir()) == [directory]
    assert (directory / "a" / "file.txt").read_text() == "new"


def test_a_run_killed_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "out"
    make(directory, "old")
    before = content(directory)
    kill_while_writing(
        directory,
        "Path.rename = lambda self, to, rename=Path.rename: "
        "rename(self, to) if to.name == 'old' else os.kill(os.getpid(), signal.SIGKILL)\n"
        "        from gan2hls.files.folders import _swap; _swap(temporary, Path(temporary).with_name('out'))",
    )
    assert not directory.exists()
    with pytest.raises(RuntimeError), output_directory(directory):
        raise RuntimeError
    assert content(tmp_path) == {f"out/{name}": text for name, text in before.items()}


def test_the_folder_of_a_running_process_is_left_alone(tmp_path: Path) -> None:
    alive = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        other = tmp_path / f".out.{alive.pid}.00000000.partial"
        other.mkdir()
        make(tmp_path / "out", "one")
        assert other.is_dir()
    finally:
        alive.communicate(b"\n")
    make(tmp_path / "out", "two")
    assert not other.exists()


def test_sha256_tells_lists_of_parts_apart() -> None:
    assert sha256("ab", "c") != sha256("a", "bc")
    assert sha256("ab") == sha256(b"ab")
    assert len(json.loads(f'"{sha256()}"')) == 64


def test_a_resource_that_is_missing_says_so() -> None:
    assert shipped("hw", "rtl").is_dir()
    with pytest.raises(FileNotFoundError, match=r"not installed completely: hw/no_such\.sv is missing; reinstall it"):
        shipped("hw", "no_such.sv")


def test_a_destination_that_can_not_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", deny)  # modes do not stop root
    with pytest.raises(UserError) as caught:
        check_output_directory(tmp_path)
    assert str(caught.value) == f"{tmp_path}: not readable: Permission denied"
