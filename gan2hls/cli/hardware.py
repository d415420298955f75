"""Commands that say what a design takes of a part: estimate, synth."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gan2hls.cli.app import app, console, frames, quiet, say, spinner
from gan2hls.cli.options import SEEDS, EstimateOptions, RequiredTarget, taking
from gan2hls.cli.stages import run_stage
from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.files import MARKER, is_file, is_folder


@app.command()
@taking
def estimate(
    target: RequiredTarget,
    clock: Annotated[
        float | None, typer.Option(help="Clock in MHz that frames/s are given for. Default: that of the project.")
    ] = None,
    *,
    options: EstimateOptions,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Say without synthesis what a design will take: LUTs, flip-flops, multipliers, block RAM, cycles, frames/s."""
    from gan2hls import targets

    targets.target(target)  # an unknown name is said before anything is loaded
    from gan2hls.estimate import estimate as estimate_of
    from gan2hls.estimate.table import estimate_lines, estimate_table
    from gan2hls.hls_depths import hls_prediction
    from gan2hls.project import Project

    if options.model is not None and is_folder(options.model):
        if options.given().keys() - {"model"}:
            raise UserError(
                f"{options.model}: a project is estimated as it is; only --target, --clock and --json go with it"
            )
        opened = Project.open(_project_folder(options.model))
        result = opened.estimate(target, clock_mhz=clock)
    else:
        with quiet(as_json):
            run = run_stage("quantize", options, [("folding", "target", target), ("hls", "clock_mhz", clock)])
            pipeline = run.pipeline()
        result = estimate_of(pipeline, target, run.config.hls.clock_mhz).with_hls(hls_prediction(pipeline))
    if as_json:
        typer.echo(json.dumps(result.values(), indent=2))
    else:
        console.print(estimate_table(result))
        say("\n".join(["", *estimate_lines(result), ""]))
    if problems := result.problems():
        raise Gan2HlsError("\n".join(problems))


def _project_folder(folder: Path) -> Path:
    """Of a project, where that of a run may be named too."""
    return folder / "project" if is_file(folder / "project" / MARKER) else folder


@app.command()
def synth(
    project: Annotated[Path, typer.Argument(help="Folder of a project, or of a run that holds one.")],
    target: RequiredTarget,
    clock: Annotated[float | None, typer.Option(help="Wanted clock in MHz; missing it is exit code 1.")] = None,
    seeds: Annotated[int, SEEDS] = 1,
    limit: Annotated[
        float | None, typer.Option(help="Seconds of each router for a seed, then the other, then none. Default 1200.")
    ] = None,
    tool: Annotated[str, typer.Option(help="auto, yosys or vivado.")] = "auto",
    place: Annotated[bool, typer.Option("--place/--no-place", help="Place and route, which tells the clock.")] = True,
    check: Annotated[
        bool, typer.Option("--check", help="Also simulate the netlist (ECP5) and compare it with the golden model.")
    ] = False,
) -> None:
    """Synthesize the SystemVerilog: LUTs, flip-flops, multipliers, block RAM, and the clock."""
    from gan2hls import targets

    targets.target(target)  # an unknown name is said before anything is loaded
    from gan2hls.project import Project
    from gan2hls.synth import LIMIT_S
    from gan2hls.synth.check import check_requirements
    from gan2hls.synth.seeds import check_limit
    from gan2hls.synth.table import result_lines, usage_table

    limit_s = LIMIT_S if limit is None else limit
    check_limit(limit_s)
    if check:
        check_requirements(target)
    opened = Project.open(_project_folder(project))
    with spinner() as spin:
        result = opened.synth(target, clock_mhz=clock, seeds=seeds, limit_s=limit_s, tool=tool, place=place, say=spin)
    console.print(usage_table(result))
    say("\n".join(["", *result_lines(result), ""]))
    say(f"result: {opened.directory / 'synth' / f'{target}.json'}")
    if check:
        with spinner() as spin:
            values = opened.check_netlist(target, say=spin)
        say(f"golden = netlist: equal, {values:,} values of {frames(2)}")
    if problems := result.problems():
        raise Gan2HlsError("\n".join(problems))
