"""Commands that take a generator through stages of the flow: quantize, build, csim, cosim, report."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gan2hls.cli.app import RUNS, app, console, frames, say, spinner
from gan2hls.cli.options import BuildOptions, ModelOptions, changes, taking
from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.files import can_be_file, is_folder

if TYPE_CHECKING:
    from gan2hls.flow import Run
    from gan2hls.flow_config import Change, FlowConfig
    from gan2hls.project import Project
    from gan2hls.report import RunReport


def run_stage(stage: str, options: ModelOptions, more: "Sequence[Change]" = ()) -> "Run":
    """The run that options and more changes of the configuration tell, with all done up to a stage."""
    from gan2hls.flow_config import read_flow_config

    settings = read_flow_config(options.config, [*changes(options), *more])
    source = settings.model.source
    directory = options.out or RUNS / (Path(source).stem if source else "digits32")
    return until(stage, directory, settings)


def until(stage: str, directory: Path, settings: "FlowConfig", label: str = "") -> "Run":
    """The run in a folder, with all done up to a stage; each one is said, the label before it."""
    from gan2hls.flow import Run

    with spinner() as spin:

        def tell(stage: str, state: str) -> None:
            if state == "working":
                spin(f"{label}{stage}")
            else:
                console.print(f"[dim]{label}{stage:<9}{state:>9}[/dim]")

        return Run(directory, settings, tell).until(stage)


@app.command()
@taking
def quantize(options: ModelOptions) -> None:
    """Quantize a generator: the integer graph, which is the golden model."""
    run = run_stage("quantize", options)
    say_psnr(run)
    say(f"integer graph: {run.directory / 'quantize'}")


def say_psnr(run: "Run") -> None:
    """Quality, and on what it was measured."""
    from gan2hls.report.run import psnr_text

    say(f"PSNR of the golden model against float: {psnr_text(run.psnr)}")
    say(f"latents: {run.summary('quantize')['latents']}")


@app.command()
@taking
def build(
    options: BuildOptions,
    vitis: Annotated[bool, typer.Option("--vitis", help="Also run Vitis HLS, up to the exported IP.")] = False,
) -> None:
    """Write the Vitis-HLS project and the SystemVerilog design."""
    if vitis:
        from gan2hls.synth.vitis_run import vitis_tools

        vitis_tools()  # now, before anything is built
    run = run_stage("build", options)
    show_project(run)
    say(f"HLS project: {run.directory / 'project' / 'hls'}\nRTL design:  {run.directory / 'project' / 'rtl'}")
    if vitis:
        run_vitis(run.project)


def run_vitis(project: "Project") -> None:
    """Vitis HLS up to the exported IP, and what it estimates: each loop, each stage, the clock."""
    from gan2hls.synth.table import loop_table, result_lines, usage_table

    with spinner() as spin:
        archive = project.vitis(say=spin)
    say(f"IP:          {archive}")
    result = project.vitis_estimate()
    console.print(loop_table(result), usage_table(result))
    say("\n".join(["", *result_lines(result), ""]))
    if problems := result.problems():
        raise Gan2HlsError("\n".join(problems))


def show_project(run: "Run", result: "RunReport | None" = None) -> None:
    """Layers, and what they come to."""
    from gan2hls.report import layer_table, summary_lines

    pipeline = run.project.pipeline
    console.print(layer_table(pipeline))
    say("\n".join(["", *summary_lines(pipeline, run.config.hls.clock_mhz, result), ""]))
    if run.project.target is not None:
        say(f"products share multipliers as {run.project.target} allows")


@app.command()
@taking
def csim(options: BuildOptions) -> None:
    """Run the generated C++ and compare it with the golden model."""
    result = run_stage("csim", options).summary("csim")
    say(f"golden = C++: equal, {result['values']:,} values of {frames(result['images'])}")


@app.command()
@taking
def cosim(
    options: BuildOptions,
    waves: Annotated[
        Path | None,
        typer.Option(help="Also write the waveform of one frame (VCD) to this file; 100,000 cycles are about 1 GB."),
    ] = None,
) -> None:
    """Simulate the generated SystemVerilog and compare it with the golden model, its cycles with the cycle model."""
    if waves is not None and (not is_folder(waves.absolute().parent) or not can_be_file(waves)):
        raise UserError(f"--waves {waves}: name a file in a folder that exists")
    run = run_stage("cosim", options)
    result = run.summary("cosim")
    say(f"golden = RTL: equal, {result['values']:,} values of {frames(result['images'])}")
    interval = result["interval_cycles"]
    every = f"a frame every {interval:,} cycles" if interval is not None else "interval not measured with one frame"
    say(f"measured: latency {result['latency_cycles']:,} cycles, {every}; {_rhythm(result)}")
    if waves is not None:
        with spinner() as spin:
            spin("waveform of one frame")
            run.waves(waves)
        say(f"waveform: {waves}")


def _rhythm(result: dict[str, Any]) -> str:
    """How many frames the interval was measured over, and whether they follow each other as they always will."""
    measured, steady = frames(result["free_frames"]), result["steady_frames"]
    if result["edited"]:
        return f"over {measured}; the RTL was edited, so that the cycle model does not apply"
    if steady is None:
        return f"over {measured}, as the cycle model says; not steady yet"
    if result["free_frames"] < steady:
        return f"over {measured}, as the cycle model says; steady after {steady}"
    return f"steady, over {measured}, as the cycle model says"


@app.command()
@taking
def report(options: BuildOptions) -> None:
    """Run all stages and write report.html."""
    run = run_stage("report", options)
    from gan2hls.report import verdict

    result = run.run_report()
    show_project(run, result)
    say_psnr(run)
    console.print(f"[bold]{verdict(result)}[/bold]")
    say(f"report: {run.directory / 'report.html'}")
