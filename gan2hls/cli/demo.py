"""The command demo."""

from pathlib import Path
from typing import Annotated

import typer

from gan2hls.cli.app import RUNS, app, console, say
from gan2hls.cli.stages import say_psnr, show_project, until
from gan2hls.files import MARKER, check_output_directory, write_json

BITS = (8, 4)


@app.command()
def demo(out: Annotated[Path, typer.Option(help="Folder of the demo's runs.")] = RUNS / "demo") -> None:
    """Run the shipped generator at W8A8 and W4A4 through everything, and write one report."""
    from gan2hls.flow import write_reports
    from gan2hls.flow_config import read_flow_config
    from gan2hls.report import verdict

    check_output_directory(out, "demo")
    write_json(out / MARKER, {"kind": "demo"})
    reports = []
    for bits in BITS:
        settings = read_flow_config(None, [("quantize", "weight_bits", bits), ("quantize", "activation_bits", bits)])
        run = until("cosim", out / settings.label.lower(), settings, f"{settings.label} ")
        result = run.run_report()
        reports.append(result)
        show_project(run, result)
        say_psnr(run)
        console.print(f"[bold]{result.label}: {verdict(result)}[/bold]\n")
    write_reports(out, "gan2hls demo: 32×32 digits", reports)
    say(f"report: {out / 'report.html'}")
