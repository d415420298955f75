"""Where the files that ship beside the Python code lie, in a wheel and in a checkout alike."""

from functools import cache
from pathlib import Path

from gan2hls.files import sha256
from gan2hls.version import __version__

_PACKAGE = Path(__file__).resolve().parent


@cache
def resource(*parts: str) -> Path:
    """Path of a shipped file or folder, e.g. `resource("hw", "rtl", "dense.sv")`.

    In a wheel the folders `hw/`, `templates/` and `sim/` lie inside the package; in a checkout beside it.

    Raises:
        FileNotFoundError: the installation is damaged.
    """
    # Beside an installed package lie other people's packages, which may well have a `templates` folder.
    checkout = [_PACKAGE.parent] if (_PACKAGE.parent / "pyproject.toml").is_file() else []
    for root in (_PACKAGE, *checkout):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise FileNotFoundError(f"gan2hls is not installed completely: {Path(*parts)} is missing; reinstall it")


@cache
def program_digest() -> str:
    """Of gan2hls itself: another release, or an edited kernel, makes everything anew."""
    folders = [_PACKAGE, resource("hw"), resource("templates"), resource("sim")]
    files = {path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    return sha256(__version__, *sorted(sha256(path.name, path.read_bytes()) for path in files))
