"""Files that tools make and that are kept for the next time: found by what they are made from, used if undamaged."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gan2hls.errors import UserError
from gan2hls.files import disk_errors, read_bytes, scratch_folder, sha256

_DIGITS = 16


def kept_file(folder: Path, name: str, suffix: str, key: str, make: Callable[[Path], Path]) -> Path:
    """A file that is made if it is not there yet; it replaces the one of this name that was made from something else.

    Its name holds a digest of what it is made from and one of its content, so that a damaged one is never used, and a
    process that has loaded a library never loads another one by the same name.

    Args:
        folder: where it is kept.
        name, suffix: what it is called before and after the digests.
        key: digest of all that it is made from.
        make: makes it in an empty folder, and gives its path there.

    Raises:
        Gan2HlsError: the disk is full and the like. What `make` raises.
    """
    with disk_errors(folder):
        old = [path for path in sorted(folder.glob(f"{name}-*{suffix}")) if not path.is_dir()]
        for path in old:
            with suppress(UserError):  # another process has replaced it, or it is no file
                if path == _named(folder, name, suffix, key, path):
                    return path
        with scratch_folder(name, folder) as scratch:
            made = make(scratch)
            path = _named(folder, name, suffix, key, made)
            made.replace(path)
        for other in old:
            if other != path:
                other.unlink(missing_ok=True)
    return path


def _named(folder: Path, name: str, suffix: str, key: str, content: Path) -> Path:
    return folder / f"{name}-{key[:_DIGITS]}-{sha256(read_bytes(content))[:_DIGITS]}{suffix}"
