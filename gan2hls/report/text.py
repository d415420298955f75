"""Rows as CSV, and text of users as Markdown that stays text."""

import csv
import io
from collections.abc import Sequence
from typing import Any


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with the same columns as CSV, the names first; None is empty, infinite "inf"."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def markdown(value: str) -> str:
    """Text of users for a cell of a table: no markup, no line break."""
    text = " ".join(value.split())
    for character in "\\`*_[]<>|#":
        text = text.replace(character, "\\" + character)
    return text.replace("&", "&amp;").replace("\\<", "&lt;").replace("\\>", "&gt;")


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; the first column is text, all others are numbers."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def markdown_line(question: str, answer: str, note: str = "") -> str:
    """An item of a list; all three are plain text."""
    return f"- **{markdown(question)}:** {markdown(answer)}" + (f" ({markdown(note)})" if note else "") + "\n"
