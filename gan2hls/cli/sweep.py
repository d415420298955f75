"""The command sweep."""

from typing import Annotated

import typer

from gan2hls.cli.app import app, console, errors, say
from gan2hls.cli.options import SweepOptions, changes, taking
from gan2hls.errors import Gan2HlsError


@app.command()
@taking
def sweep(
    options: SweepOptions,
    jobs: Annotated[int | None, typer.Option(help="Processes of this machine. Default: one for each core.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Instead: a Dask scheduler, tcp://host:port.")] = None,
) -> None:
    """Many bit widths, budgets and targets: quality, resources and speed of each, in one report."""
    from gan2hls.flow_config import read_flow_config
    from gan2hls.sweep import workers
    from gan2hls.sweep.options import run_sweep
    from gan2hls.sweep.screen import Screen, notes, sweep_table

    settings = read_flow_config(options.config, changes(options))
    make = workers.chosen(jobs, scheduler)
    with Screen(console, errors) as screen:
        report = run_sweep(options.out, settings, make, screen, local=scheduler is None)
    console.print(sweep_table(report.points))
    say("\n".join(["", *notes(report.points)]))
    say(f"report: {options.out / 'report.html'}")
    failed = [point for point in report.points if point.error]
    if failed:
        heading = f"{len(failed)} of {len(report.points)} points failed; the same command tries them again:"
        raise Gan2HlsError("\n".join([heading, *(f"  {point.label}: {point.error}" for point in failed)]))
