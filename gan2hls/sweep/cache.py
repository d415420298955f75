"""What tasks gave, kept in a folder by what they depend on."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gan2hls.errors import UserError
from gan2hls.files import read_json, sha256, write_json
from gan2hls.limits import FILE_BYTES
from gan2hls.resources import program_digest
from gan2hls.sweep.kept import check_outcome
from gan2hls.sweep.task import Outcome, Task


class Cache:
    """Outcomes by digest; failures are not kept, so that they are tried again.

    Args:
        folder: of the entries, a file each, which appears when it is complete.
        warn: called with a line if an entry is damaged; it is then made anew.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._warn = warn

    def digest(self, task: Task) -> str:
        """Of all that a task's outcome depends on."""
        return sha256(program_digest(), task.kind, json.dumps([task.key(), task.tools()], sort_keys=True))

    def get(self, task: Task, digest: str) -> Outcome | None:
        """What the task gave, or None."""
        entry = self._entry(task, digest)
        if not entry.exists():
            return None
        try:
            return _read(entry, task.kind, digest)
        except UserError as error:
            reason = "; ".join(str(error).splitlines())
            self._warn(f"{entry}: damaged entry of the cache, made anew ({reason})")
            return None

    def put(self, task: Task, digest: str, outcome: Outcome) -> None:
        """Keep an outcome."""
        files = {name: base64.b64encode(data).decode() for name, data in outcome.files.items()}
        content = {"digest": digest, "values": outcome.values, "files": files}
        write_json(self._entry(task, digest), {"sha256": _checksum(content), "title": task.title, "outcome": content})

    def _entry(self, task: Task, digest: str) -> Path:
        return self.folder / f"{task.kind}-{digest[:32]}.json"


def _checksum(content: Any) -> str:
    return sha256(json.dumps(content))


def _read(entry: Path, kind: str, digest: str) -> Outcome:
    entry_values = read_json(entry, FILE_BYTES)  # it holds weights and images
    if not isinstance(entry_values, dict) or not {"sha256", "outcome"} <= entry_values.keys():
        raise UserError("not an entry of the cache")
    content = entry_values["outcome"]
    if _checksum(content) != entry_values["sha256"]:
        raise UserError("its content has changed")
    if not isinstance(content, dict) or content.keys() != {"digest", "values", "files"}:
        raise UserError("not an entry of the cache")
    if content["digest"] != digest:
        raise UserError("it belongs to another task")
    try:
        files = {name: base64.b64decode(data, validate=True) for name, data in content["files"].items()}
    except (AttributeError, TypeError, ValueError):
        raise UserError("its files are damaged") from None
    check_outcome(kind, content["values"], files)
    return Outcome(content["values"], files)
