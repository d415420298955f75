"""Runs of place and route, one a seed: what each gave, kept so that a later command goes on where one ended."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan2hls.config import from_mapping
from gan2hls.errors import UserError
from gan2hls.files import read_json, sha256, write_json

ROUTERS = ("router1", "router2")
"""nextpnr's routers."""

LIMIT_S = 1200.0
"""Seconds that a run of place and route may take: some four times what those take that end."""

LONGEST_LIMIT_S = 604800.0
"""A week."""


def check_limit(limit_s: float) -> None:
    """Refuse a limit that is none.

    Raises:
        UserError: it is no number of seconds above 0, or longer than a week.
    """
    if not 0 < limit_s <= LONGEST_LIMIT_S:
        raise UserError(f"limit {limit_s!r} is not accepted; give seconds above 0, {LONGEST_LIMIT_S:g} at most")


@dataclass(frozen=True)
class SeedRun:
    """What place and route gave with a seed.

    Attributes:
        limit_s: seconds that each router had.
        router: which one the figures are of; "" if none ended in time, and there are no figures.
        mhz: the clock.
        critical_path: its slowest path, a line for each step.
        cells: cell type → (used, available).
    """

    seed: int
    limit_s: float
    router: str = ""
    mhz: float = 0.0
    critical_path: tuple[str, ...] = ()
    cells: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)

    @staticmethod
    def from_values(values: Any) -> "SeedRun":
        """Read what `dataclasses.asdict` and JSON gave.

        Raises:
            UserError: it is something else.
        """
        damaged = "a damaged run of place and route"
        try:
            known = {f.name: values[f.name] for f in dataclasses.fields(SeedRun)}
        except (KeyError, TypeError) as error:
            raise UserError(f"{damaged}: {error!r}") from None
        run = from_mapping(SeedRun, known, damaged)
        if run.router not in ("", *ROUTERS) or run.mhz < 0 or run.limit_s <= 0:
            raise UserError(f"{damaged}: router {run.router!r}, {run.mhz} MHz, {run.limit_s} s")
        return run


class SeedStore:
    """Runs in a folder, a file each, which appears when its run has ended.

    Args:
        folder: None keeps nothing.
        digest: of all that a run depends on beside its seed and its limit.
        warn: called with a line if an entry is damaged; it is then made anew.
    """

    def __init__(self, folder: Path | None, digest: str, warn: Callable[[str], None]) -> None:
        self._folder, self._digest, self._warn = folder, digest, warn

    def get(self, seed: int, limit_s: float) -> SeedRun | None:
        """The run of a seed; None if there was none, or if it did not end in less time than it may take now."""
        path = self._path(seed)
        if path is None or not path.exists():
            return None
        try:
            run = self._read(path, seed)
        except UserError as error:
            self._warn(f"{path}: damaged entry of the cache, made anew ({error})")
            return None
        return run if run.router or run.limit_s >= limit_s else None

    def put(self, run: SeedRun) -> None:
        """Keep a run."""
        if (path := self._path(run.seed)) is not None:
            values = json.loads(json.dumps(dataclasses.asdict(run)))
            write_json(path, {"sha256": sha256(json.dumps(values)), "digest": self._digest, "run": values})

    def _path(self, seed: int) -> Path | None:
        return None if self._folder is None else self._folder / f"{self._digest[:32]}-seed-{seed}.json"

    def _read(self, path: Path, seed: int) -> SeedRun:
        values = read_json(path)
        if not isinstance(values, dict) or values.keys() != {"sha256", "digest", "run"}:
            raise UserError("not an entry of the cache")
        if sha256(json.dumps(values["run"])) != values["sha256"]:
            raise UserError("its content has changed")
        run = SeedRun.from_values(values["run"])
        if values["digest"] != self._digest or run.seed != seed:
            raise UserError("it belongs to another run")
        return run


def seed_lines(runs: Sequence[SeedRun]) -> list[str]:
    """A line for each run: its clock and router, or that it has none."""
    return [
        f"seed {run.seed}: {run.mhz:.1f} MHz ({run.router})"
        if run.router
        else f"seed {run.seed}: no router ended within {run.limit_s:g} s"
        for run in runs
    ]
