"""No Python file grows beyond what is read in one go."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES = 400
FOLDERS = ("gan2hls", "tests", "benchmarks", "examples", "sim")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
LARGER: set[str] = set()
"""Files that are larger still; to be split, and then taken out of here."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_400_lines(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    if str(path.relative_to(ROOT)) in LARGER:
        assert lines > MOST_LINES, "short enough now: take it out of LARGER"
    else:
        assert lines <= MOST_LINES, f"{lines} lines; split it by subject"
