"""A sweep as the command line runs it: lists from options, and the report at the end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gan2hls.errors import UserError
from gan2hls.flow_config import Change, FlowConfig
from gan2hls.report.points import SweepReport
from gan2hls.sweep.driver import Sweep
from gan2hls.sweep.listener import Listener
from gan2hls.sweep.workers import Workers
from gan2hls.tools import doctor_rows

_LISTS: dict[str, Callable[[str], Any]] = {
    "weight_bits": int,
    "activation_bits": int,
    "weight_quantizer": str,
    "multipliers": int,
    "dsps": int,
    "frames_per_second": float,
    "target": str,
}
"""Lists of section [sweep], in the order in which the command line has them, and of what."""

_OPTIONS = {"weight_quantizer": "quantizer"}
_KINDS = {int: "integers", float: "numbers", str: "names"}


def changes(*given: str | None) -> list[Change]:
    """What lists change in the configuration.

    Args:
        given: for each of `_LISTS`, values with commas between them, or None.

    Raises:
        UserError: a value is missing, or of another kind.
    """
    pairs = zip(_LISTS.items(), given, strict=True)
    return [("sweep", name, _parse(name, kind, text)) for (name, kind), text in pairs if text is not None]


def _parse(name: str, kind: Callable[[str], Any], text: str) -> list[Any]:
    parts = [part.strip() for part in text.split(",")]
    try:
        if not all(parts):
            raise ValueError
        return [kind(part) for part in parts]
    except ValueError:
        option = _OPTIONS.get(name, name).replace("_", "-")
        kinds = _KINDS[kind]  # type: ignore[index]
        raise UserError(f"--{option} {text!r} is not accepted; give {kinds} with commas between them") from None


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
