"""A sweep on a terminal: what is being done, and a table at the end."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from gan2hls.errors import printable
from gan2hls.report.points import ASSUMED, SIMULATED, PointReport
from gan2hls.sweep.listener import Listener
from gan2hls.synth.result import ESTIMATE

SHOWN = 3
"""Tasks that are named while they run."""


class Screen(Listener):
    """A line of progress on a terminal, or else a line for each point.

    Args:
        console: for results.
        errors: for warnings.
    """

    def __init__(self, console: Console, errors: Console) -> None:
        self._console, self._errors = console, errors
        columns = (SpinnerColumn(), MofNCompleteColumn(), BarColumn(20), TimeElapsedColumn())
        text = TextColumn("{task.description}")
        self._progress = Progress(*columns, text, console=console, transient=True, disable=not console.is_terminal)
        self._line = self._progress.add_task("", total=None)
        self._running: list[str] = []
        self._done = self._total = 0

    def __enter__(self) -> "Screen":
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()

    def begin(self, points: int) -> None:
        self._total += points
        self._progress.update(self._line, total=self._total)

    def started(self, title: str) -> None:
        self._running.append(title)
        self._show()

    def ended(self, title: str) -> None:
        self._running.remove(title)
        self._show()

    def finished(self, point: PointReport, seconds: float) -> None:
        self._done += 1
        self._progress.update(self._line, completed=self._done)
        if not self._console.is_terminal:
            state = f"failed: {point.error}" if point.error else f"{seconds:.1f} s" if seconds else "as before"
            line = printable(f"{self._done}/{self._total} {point.label}: {state}")
            self._console.print(line, markup=False, soft_wrap=True)

    def searched(self, trials: int, wanted: int) -> None:
        if not self._console.is_terminal:
            self._console.print(f"search: {trials}/{wanted} trials", markup=False)

    def warn(self, line: str) -> None:
        self._errors.print(f"[yellow]warning:[/yellow] {escape(printable(line))}", soft_wrap=True)

    def _show(self) -> None:
        names = ", ".join(self._running[:SHOWN])
        more = f" and {len(self._running) - SHOWN} more" if len(self._running) > SHOWN else ""
        self._progress.update(self._line, description=escape(printable(names + more)))


def sweep_table(points: Sequence[PointReport]) -> Table:
    """A row for each point."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    for heading in ("bits", "target", "budget"):
        table.add_column(heading, no_wrap=heading != "bits")
    for heading in ("PSNR", "SSIM", "FID", "mult", "LUTs", "RAM", "MHz", "frames/s"):
        table.add_column(heading, no_wrap=True, justify="right")
    table.add_column("state", no_wrap=True)
    for point in points:
        style = "red" if point.error else "yellow" if point.problems else ""
        table.add_row(*(Text(printable(cell)) for cell in _cells(point)), style=style)
    return table


def _cells(point: PointReport) -> list[str]:
    quality, usage = point.quality, point.usage
    rate = point.frames_per_second
    clock = "" if point.clock_mhz is None else f"{point.clock_mhz:.4g}{'?' if point.clock_is == ASSUMED else ''}"
    return [
        point.bits,
        point.target,
        " ".join(f"{name[0]}{value:g}" for name, value in point.budget.items()),
        "" if quality is None else "equal" if quality.psnr is None else f"{quality.psnr:.1f}",
        "" if quality is None or quality.ssim is None else f"{quality.ssim:.3f}",
        "" if quality is None or quality.fid is None else f"{quality.fid:.3g}",
        *(("", "", "") if usage is None else (f"{usage.dsps:g}", f"{usage.luts:,}", f"{usage.block_rams:g}")),
        clock,
        "" if rate is None else f"{rate:,.0f}",
        _state(point),
    ]


def _state(point: PointReport) -> str:
    """How far a point was taken, or what is wrong with it."""
    if point.error:
        return "failed"
    words = [point.figures or ESTIMATE]
    if point.clock is not None:
        words.append("placed")
    if point.cycles_are == SIMULATED:
        words.append("simulated")
    if point.problems:
        words.append("does not fit" if "too small" in point.problems[0] else "clock missed")
    return ", ".join(words)


def notes(points: Sequence[PointReport]) -> list[str]:
    """What must be known beside the table."""
    qualities = [point.quality for point in points if point.quality is not None]
    features = next((quality.features for quality in qualities if quality.features), "")
    lines = ["MHz with ?: assumed, not a result of place and route. mult: hardware multipliers."] if points else []
    if features:
        lines.append(f"FID: {features}, against the float model's images.")
    drawn = next((quality.latents for quality in qualities if quality.latents), "")
    if drawn:
        lines.append(f"Quality is measured on latents of {drawn}.")
    reason = next((quality.no_fid for quality in qualities if quality.no_fid), "")
    return [*lines, *([f"no FID: {reason}"] if reason else [])]
