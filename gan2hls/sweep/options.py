"""A sweep as the command line runs it, with the report at the end."""

from collections.abc import Callable
from pathlib import Path

from gan2hls.flow_config import FlowConfig
from gan2hls.report.points import SweepReport
from gan2hls.sweep.driver import Sweep
from gan2hls.sweep.listener import Listener
from gan2hls.sweep.workers import Workers
from gan2hls.tools import doctor_rows


def run_sweep(
    directory: Path, config: FlowConfig, workers: Callable[[], Workers], listener: Listener, *, local: bool
) -> SweepReport:
    """Run a sweep and write its report.

    Raises:
        as `Sweep` and `Sweep.run`.
    """
    return Sweep(directory, config, workers, listener, local=local).run(_write_report)


def _write_report(directory: Path, report: SweepReport) -> None:
    """The page and its plots."""
    from gan2hls.report.sweep import write_sweep_report  # draws: matplotlib takes a second to come

    tools = [(row.name, row.version) for row in doctor_rows() if row.found]
    write_sweep_report(directory, report, tools=tools)
