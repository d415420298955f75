"""The command line: each command is a stage of the flow, or runs it whole.

Commands import what they need when they run, so that help and `doctor` do not wait for torch.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from typer.core import TyperGroup

from gan2hls import __version__, exits
from gan2hls.errors import Gan2HlsError, UserError, printable
from gan2hls.files import MARKER, can_be_file, check_output_directory, is_file, is_folder, write_json
from gan2hls.tools import DoctorRow, doctor_rows

if TYPE_CHECKING:
    from gan2hls.flow import Run
    from gan2hls.flow_config import Change, FlowConfig
    from gan2hls.report import RunReport


class _Commands(TyperGroup):
    def make_context(self, *arguments: Any, **keywords: Any) -> Any:
        with exits.readable_usage_errors():
            return super().make_context(*arguments, **keywords)

    def invoke(self, ctx: Any) -> Any:
        try:
            with exits.readable_usage_errors():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise exits.Interrupted(*map(str, error.args)) from None
        except BrokenPipeError:
            raise BrokenPipeError from None  # without a number, by which typer would know it and exit with 1


app = typer.Typer(
    name="gan2hls",
    cls=_Commands,
    help="From a trained GAN generator to bit-exact Vitis-HLS C++ and SystemVerilog.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = exits.Screen(highlight=False, width=None if sys.stdout.isatty() else 120)
errors = exits.Screen(stderr=True, highlight=False)

RUNS = Path("runs")
DEMO_BITS = (8, 4)

Model = Annotated[
    Path | None, typer.Argument(help="Weights, .safetensors or .pth. Default: the generator that ships with gan2hls.")
]
Architecture = Annotated[
    Path | None, typer.Option(help="The weights' architecture, TOML or JSON. Default: the card (.json) beside them.")
]
Config = Annotated[Path | None, typer.Option(help="TOML file with all settings; options go before it.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the run. Default: runs/<name of the weights>.")]
WeightBits = Annotated[int | None, typer.Option(help="Bits of a weight, 1 to 16. Default 8.")]
ActivationBits = Annotated[int | None, typer.Option(help="Bits of an activation, 2 to 16. Default 8.")]
InputBits = Annotated[
    int | None,
    typer.Option(help="Bits of the input, 2 to 16. Default 8, or as many as activations, if these have more."),
]
Method = Annotated[
    str | None, typer.Option(help="How ranges of activations are found: auto, minmax or percentile. Default auto.")
]
BiasCorrection = Annotated[
    bool | None,
    typer.Option("--bias-correction/--no-bias-correction", help="Add what layers lack on average to their offsets."),
]
Quantizer = Annotated[str | None, typer.Option(help="Of weights: least_error or symmetric. Default least_error.")]
Distribution = Annotated[
    str | None, typer.Option(help="Of the latents: normal, N(0, 1), or uniform, U(-1, 1). Default: as the card says.")
]
Multipliers = Annotated[int | None, typer.Option(help="Weight multipliers of all layers together. Default 64.")]
Dsps = Annotated[
    int | None, typer.Option(help="Instead: hardware multipliers of the target, those of requantization included.")
]
FramesPerSecond = Annotated[
    float | None, typer.Option(help="Instead: a rate to reach at the clock, with as few multipliers as it takes.")
]
Target = Annotated[
    str | None, typer.Option(help="Part or family, e.g. ecp5-85k, xcup; products share its multipliers where they fit.")
]
Clock = Annotated[float | None, typer.Option(help="Clock in MHz that time is counted with. Default 200.")]
Waves = Annotated[
    Path | None,
    typer.Option(help="Also write the waveform of one frame (VCD) to this file; 100,000 cycles are about 1 GB."),
]


def _version(value: bool) -> None:
    if value:
        console.print(f"gan2hls {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From a trained GAN generator to bit-exact Vitis-HLS C++ and SystemVerilog."""


def _run(
    stage: str,
    model: Path | None,
    architecture: Path | None,
    config: Path | None,
    out: Path | None,
    quantization: Sequence[Any],
    folding: Sequence[Any] = (),
) -> "Run":
    from gan2hls.flow_config import read_flow_config

    changes: list[tuple[str, str, Any]] = [
        ("model", "source", None if model is None else str(model)),
        ("model", "architecture", None if architecture is None else str(architecture)),
        *_quantization(*quantization),
        *_folding(*folding),
    ]
    settings = read_flow_config(config, changes)
    source = settings.model.source
    directory = out or RUNS / (Path(source).stem if source else "digits32")
    return _until(stage, directory, settings)


def _quantization(
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    input_bits: int | None = None,
    quantizer: str | None = None,
    method: str | None = None,
    bias_correction: bool | None = None,
    distribution: str | None = None,
) -> "list[Change]":
    """What the options of quantization change in the configuration."""
    return [
        ("quantize", "weight_bits", weight_bits),
        ("quantize", "activation_bits", activation_bits),
        ("quantize", "input_bits", input_bits),
        ("quantize", "weight_quantizer", quantizer),
        ("quantize", "method", method),
        ("quantize", "bias_correction", bias_correction),
        ("calibration", "distribution", distribution),
    ]


def _folding(
    multipliers: int | None = None,
    dsps: int | None = None,
    frames_per_second: float | None = None,
    target: str | None = None,
    clock: float | None = None,
) -> "list[Change]":
    """What the options of folding change in the configuration."""
    return [
        ("folding", "multipliers", multipliers),
        ("folding", "dsps", dsps),
        ("folding", "frames_per_second", frames_per_second),
        ("folding", "target", target),
        ("hls", "clock_mhz", clock),
    ]


def _until(stage: str, directory: Path, settings: "FlowConfig", label: str = "") -> "Run":
    from gan2hls.flow import Run

    with _spinner() as spin:

        def say(stage: str, state: str) -> None:
            if state == "working":
                spin(f"{label}{stage}")
            else:
                console.print(f"[dim]{label}{stage:<9}{state:>9}[/dim]")

        return Run(directory, settings, say).until(stage)


@contextmanager
def _spinner() -> Iterator[Callable[[str], None]]:
    """On a terminal, a line that tells what is being done, and for how long."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=None)

        def spin(text: str) -> None:
            progress.reset(task, description=text)

        yield spin


def _print(text: str) -> None:
    """A line as it is: a path is never broken in two, nor taken for markup or a terminal's orders."""
    console.print(printable(text), markup=False, soft_wrap=True)


@app.command()
def quantize(
    model: Model = None,
    architecture: Architecture = None,
    config: Config = None,
    out: Out = None,
    weight_bits: WeightBits = None,
    activation_bits: ActivationBits = None,
    input_bits: InputBits = None,
    quantizer: Quantizer = None,
    method: Method = None,
    bias_correction: BiasCorrection = None,
    distribution: Distribution = None,
) -> None:
    """Quantize a generator: the integer graph, which is the golden model."""
    quantization = (weight_bits, activation_bits, input_bits, quantizer, method, bias_correction, distribution)
    run = _run("quantize", model, architecture, config, out, quantization)
    _print_psnr(run)
    _print(f"integer graph: {run.directory / 'quantize'}")


def _print_psnr(run: "Run") -> None:
    from gan2hls.report.run import psnr_text

    _print(f"PSNR of the golden model against float: {psnr_text(run.psnr)}")
    _print(f"latents: {run.summary('quantize')['latents']}")


@app.command()
def build(
    model: Model = None,
    architecture: Architecture = None,
    config: Config = None,
    out: Out = None,
    weight_bits: WeightBits = None,
    activation_bits: ActivationBits = None,
    input_bits: InputBits = None,
    quantizer: Quantizer = None,
    method: Method = None,
    bias_correction: BiasCorrection = None,
    distribution: Distribution = None,
    multipliers: Multipliers = None,
    dsps: Dsps = None,
    frames_per_second: FramesPerSecond = None,
    target: Target = None,
    clock: Clock = None,
    vitis: Annotated[bool, typer.Option("--vitis", help="Also run Vitis HLS, up to the exported IP.")] = False,
) -> None:
    """Write the Vitis-HLS project and the SystemVerilog design."""
    if vitis:
        from gan2hls.project import vitis_tool

        vitis_tool()  # now, before anything is built
    quantization = (weight_bits, activation_bits, input_bits, quantizer, method, bias_correction, distribution)
    folding = (multipliers, dsps, frames_per_second, target, clock)
    run = _run("build", model, architecture, config, out, quantization, folding)
    _show_project(run)
    _print(f"HLS project: {run.directory / 'project' / 'hls'}\nRTL design:  {run.directory / 'project' / 'rtl'}")
    if vitis:
        with console.status("Vitis HLS: simulation, synthesis, co-simulation, export"):
            archive = run.project.vitis()
        _print(f"IP:          {archive}")


def _show_project(run: "Run", result: "RunReport | None" = None) -> None:
    from gan2hls.report import layer_table, summary_lines

    pipeline = run.project.pipeline
    console.print(layer_table(pipeline))
    _print("\n".join(["", *summary_lines(pipeline, run.config.hls.clock_mhz, result), ""]))
    if run.project.target is not None:
        _print(f"products share multipliers as {run.project.target} allows")


@app.command()
def csim(
    model: Model = None,
    architecture: Architecture = None,
    config: Config = None,
    out: Out = None,
    weight_bits: WeightBits = None,
    activation_bits: ActivationBits = None,
    input_bits: InputBits = None,
    quantizer: Quantizer = None,
    method: Method = None,
    bias_correction: BiasCorrection = None,
    distribution: Distribution = None,
    multipliers: Multipliers = None,
    dsps: Dsps = None,
    frames_per_second: FramesPerSecond = None,
    target: Target = None,
    clock: Clock = None,
) -> None:
    """Run the generated C++ and compare it with the golden model."""
    quantization = (weight_bits, activation_bits, input_bits, quantizer, method, bias_correction, distribution)
    folding = (multipliers, dsps, frames_per_second, target, clock)
    run = _run("csim", model, architecture, config, out, quantization, folding)
    result = run.summary("csim")
    _print(f"golden = C++: equal, {result['values']:,} values of {_frames(result['images'])}")


@app.command()
def cosim(
    model: Model = None,
    architecture: Architecture = None,
    config: Config = None,
    out: Out = None,
    weight_bits: WeightBits = None,
    activation_bits: ActivationBits = None,
    input_bits: InputBits = None,
    quantizer: Quantizer = None,
    method: Method = None,
    bias_correction: BiasCorrection = None,
    distribution: Distribution = None,
    multipliers: Multipliers = None,
    dsps: Dsps = None,
    frames_per_second: FramesPerSecond = None,
    target: Target = None,
    clock: Clock = None,
    waves: Waves = None,
) -> None:
    """Simulate the generated SystemVerilog and compare it with the golden model, its cycles with the cycle model."""
    if waves is not None and (not is_folder(waves.absolute().parent) or not can_be_file(waves)):
        raise UserError(f"--waves {waves}: name a file in a folder that exists")
    quantization = (weight_bits, activation_bits, input_bits, quantizer, method, bias_correction, distribution)
    folding = (multipliers, dsps, frames_per_second, target, clock)
    run = _run("cosim", model, architecture, config, out, quantization, folding)
    result = run.summary("cosim")
    _print(f"golden = RTL: equal, {result['values']:,} values of {_frames(result['images'])}")
    interval = result["interval_cycles"]
    every = f"a frame every {interval:,} cycles" if interval is not None else "interval not measured with one frame"
    _print(f"measured: latency {result['latency_cycles']:,} cycles, {every}; {_rhythm(result)}")
    if waves is not None:
        with _spinner() as spin:
            spin("waveform of one frame")
            run.waves(waves)
        _print(f"waveform: {waves}")


def _rhythm(result: dict[str, Any]) -> str:
    """How many frames the interval was measured over, and whether they follow each other as they always will."""
    frames, steady = _frames(result["free_frames"]), result["steady_frames"]
    if result["edited"]:
        return f"over {frames}; the RTL was edited, so that the cycle model does not apply"
    if steady is None:
        return f"over {frames}, as the cycle model says; not steady yet"
    if result["free_frames"] < steady:
        return f"over {frames}, as the cycle model says; steady after {steady}"
    return f"steady, over {frames}, as the cycle model says"


def _frames(count: int) -> str:
    return f"{count} frames" if count != 1 else "1 frame"


@app.command()
def report(
    model: Model = None,
    architecture: Architecture = None,
    config: Config = None,
    out: Out = None,
    weight_bits: WeightBits = None,
    activation_bits: ActivationBits = None,
    input_bits: InputBits = None,
    quantizer: Quantizer = None,
    method: Method = None,
    bias_correction: BiasCorrection = None,
    distribution: Distribution = None,
    multipliers: Multipliers = None,
    dsps: Dsps = None,
    frames_per_second: FramesPerSecond = None,
    target: Target = None,
    clock: Clock = None,
) -> None:
    """Run all stages and write report.html."""
    quantization = (weight_bits, activation_bits, input_bits, quantizer, method, bias_correction, distribution)
    folding = (multipliers, dsps, frames_per_second, target, clock)
    run = _run("report", model, architecture, config, out, quantization, folding)
    from gan2hls.report import verdict

    result = run.run_report()
    _show_project(run, result)
    _print_psnr(run)
    console.print(f"[bold]{verdict(result)}[/bold]")
    _print(f"report: {run.directory / 'report.html'}")


@app.command()
def estimate(
    target: Annotated[str, typer.Option(help="Part or family, e.g. ecp5-85k, gw2ar-18, xc7a100t, xcup.")],
    model: Annotated[
        Path | None, typer.Argument(help="Folder of a project or run, or weights. Default: the shipped generator.")
    ] = None,
    clock: Annotated[
        float | None, typer.Option(help="Clock in MHz that frames/s are given for. Default: that of the project.")
    ] = None,
    architecture: Architecture = None,
    config: Config = None,
    out: Out = None,
    weight_bits: WeightBits = None,
    activation_bits: ActivationBits = None,
    input_bits: InputBits = None,
    quantizer: Quantizer = None,
    method: Method = None,
    bias_correction: BiasCorrection = None,
    distribution: Distribution = None,
    multipliers: Multipliers = None,
    dsps: Dsps = None,
    frames_per_second: FramesPerSecond = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Say without synthesis what a design will take: LUTs, flip-flops, multipliers, block RAM, cycles, frames/s."""
    from gan2hls import targets

    targets.target(target)  # an unknown name is said before anything is loaded
    from gan2hls.estimate import estimate as estimate_of
    from gan2hls.estimate.table import estimate_lines, estimate_table
    from gan2hls.project import Project

    if model is not None and is_folder(model):
        quantization = (weight_bits, activation_bits, input_bits, quantizer, method, bias_correction, distribution)
        changes = (architecture, config, out, *quantization, multipliers, dsps, frames_per_second)
        if any(change is not None for change in changes):
            raise UserError(f"{model}: a project is estimated as it is; only --target, --clock and --json go with it")
        opened = Project.open(_project_folder(model))
        result = opened.estimate(target, clock_mhz=clock)
    else:
        quantization = (weight_bits, activation_bits, input_bits, quantizer, method, bias_correction, distribution)
        folding = (multipliers, dsps, frames_per_second, target, clock)
        with _quiet(as_json):
            run = _run("quantize", model, architecture, config, out, quantization, folding)
            pipeline = run.pipeline()
        result = estimate_of(pipeline, target, run.config.hls.clock_mhz)
    if as_json:
        typer.echo(json.dumps(result.values(), indent=2))
    else:
        console.print(estimate_table(result))
        _print("\n".join(["", *estimate_lines(result), ""]))
    if problems := result.problems():
        raise Gan2HlsError("\n".join(problems))


def _project_folder(folder: Path) -> Path:
    """Of a project, where that of a run may be named too."""
    return folder / "project" if is_file(folder / "project" / MARKER) else folder


@contextmanager
def _quiet(wanted: bool) -> Iterator[None]:
    """Say nothing of what is being done."""
    before, console.quiet = console.quiet, wanted
    try:
        yield
    finally:
        console.quiet = before


@app.command()
def synth(
    project: Annotated[Path, typer.Argument(help="Folder of a project, or of a run that holds one.")],
    target: Annotated[str, typer.Option(help="Part or family, e.g. ecp5-85k, gw2ar-18, xc7a100t, xcup.")],
    clock: Annotated[float | None, typer.Option(help="Wanted clock in MHz; missing it is exit code 1.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of place and route; the median counts.")] = 1,
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
    with _spinner() as spin:
        result = opened.synth(target, clock_mhz=clock, seeds=seeds, limit_s=limit_s, tool=tool, place=place, say=spin)
    console.print(usage_table(result))
    _print("\n".join(["", *result_lines(result), ""]))
    _print(f"result: {opened.directory / 'synth' / f'{target}.json'}")
    if check:
        with _spinner() as spin:
            values = opened.check_netlist(target, say=spin)
        _print(f"golden = netlist: equal, {values:,} values of {_frames(2)}")
    if problems := result.problems():
        raise Gan2HlsError("\n".join(problems))


@app.command()
def demo(out: Annotated[Path, typer.Option(help="Folder of the demo's runs.")] = RUNS / "demo") -> None:
    """Run the shipped generator at W8A8 and W4A4 through everything, and write one report."""
    from gan2hls.flow import write_reports
    from gan2hls.flow_config import read_flow_config
    from gan2hls.report import verdict

    check_output_directory(out, "demo")
    write_json(out / MARKER, {"kind": "demo"})
    reports = []
    for bits in DEMO_BITS:
        settings = read_flow_config(None, [("quantize", "weight_bits", bits), ("quantize", "activation_bits", bits)])
        run = _until("cosim", out / settings.label.lower(), settings, f"{settings.label} ")
        result = run.run_report()
        reports.append(result)
        _show_project(run, result)
        _print_psnr(run)
        console.print(f"[bold]{result.label}: {verdict(result)}[/bold]\n")
    write_reports(out, "gan2hls demo: 32×32 digits", reports)
    _print(f"report: {out / 'report.html'}")


@app.command()
def sweep(
    model: Model = None,
    architecture: Architecture = None,
    config: Config = None,
    out: Annotated[Path, typer.Option(help="Folder of the sweep.")] = RUNS / "sweep",
    weight_bits: Annotated[str | None, typer.Option(help="List, e.g. 2,3,4,8. Default 2,3,4,5,6,8.")] = None,
    activation_bits: Annotated[str | None, typer.Option(help="List. Default 8.")] = None,
    input_bits: InputBits = None,
    quantizer: Annotated[str | None, typer.Option(help="List of weight quantizers. Default least_error.")] = None,
    method: Method = None,
    bias_correction: BiasCorrection = None,
    distribution: Distribution = None,
    multipliers: Annotated[str | None, typer.Option(help="List of budgets, e.g. 32,64. Default 64.")] = None,
    dsps: Annotated[str | None, typer.Option(help="Instead: list of hardware multipliers in all.")] = None,
    frames_per_second: Annotated[str | None, typer.Option(help="Instead: list of rates to reach.")] = None,
    target: Annotated[
        str | None, typer.Option(help="List of parts or families. Default ecp5-85k,xc7a100t,zu3eg.")
    ] = None,
    synth: Annotated[bool | None, typer.Option("--synth/--no-synth", help="Synthesize; else estimate.")] = None,
    place: Annotated[bool | None, typer.Option("--place/--no-place", help="Also place and route.")] = None,
    cosim: Annotated[bool | None, typer.Option("--cosim/--no-cosim", help="Also simulate the RTL.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of place and route; the median counts.")] = None,
    limit: Annotated[float | None, typer.Option(help="Seconds of each router for a seed. Default 1200.")] = None,
    clock: Annotated[float | None, typer.Option(help="Wanted clock in MHz, and what time is counted with.")] = None,
    search: Annotated[int | None, typer.Option(help="Trials of an optuna search for bits layer by layer.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes of this machine. Default: one for each core.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Instead: a Dask scheduler, tcp://host:port.")] = None,
) -> None:
    """Many bit widths, budgets and targets: quality, resources and speed of each, in one report."""
    from gan2hls.flow_config import read_flow_config
    from gan2hls.sweep import options, workers
    from gan2hls.sweep.screen import Screen, notes, sweep_table

    lists = (weight_bits, activation_bits, quantizer, multipliers, dsps, frames_per_second, target)
    changes: list[tuple[str, str, Any]] = [
        ("model", "source", None if model is None else str(model)),
        ("model", "architecture", None if architecture is None else str(architecture)),
        *_quantization(None, None, input_bits, None, method, bias_correction, distribution),
        *options.changes(*lists),
        *(("sweep", name, value) for name, value in (("synth", synth), ("place", place), ("cosim", cosim))),
        *(("sweep", name, value) for name, value in (("seeds", seeds), ("limit_s", limit), ("clock_mhz", clock))),
        ("sweep", "search", search),
    ]
    settings = read_flow_config(config, changes)
    make = workers.chosen(jobs, scheduler)
    with Screen(console, errors) as screen:
        report = options.run_sweep(out, settings, make, screen, local=scheduler is None)
    console.print(sweep_table(report.points))
    _print("\n".join(["", *notes(report.points)]))
    _print(f"report: {out / 'report.html'}")
    failed = [point for point in report.points if point.error]
    if failed:
        heading = f"{len(failed)} of {len(report.points)} points failed; the same command tries them again:"
        raise Gan2HlsError("\n".join([heading, *(f"  {point.label}: {point.error}" for point in failed)]))


@app.command()
def train(
    config: Annotated[Path | None, typer.Option(help="TOML file. Default: 5,000 digits, about ten minutes.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the training run.")] = RUNS / "train",
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in the folder, if there is one.")] = True,
) -> None:
    """Train a DCGAN on images; interrupted, it goes on where it stopped."""
    from gan2hls.models import training

    command = f"gan2hls train --config {config}" if config else "gan2hls train"
    settings = training.read_train_config(config)
    weights = training.train(settings, out, resume=resume, progress=sys.stderr.isatty(), command=command)
    _print(f"generator: {weights}")


@app.command()
def doctor() -> None:
    """Say which tools are found, their versions, and what each missing one costs."""
    rows = doctor_rows()
    found, missing = [row for row in rows if row.found], [row for row in rows if not row.found]
    table = Table.grid(padding=(0, 2, 0, 0))
    for row in found:
        table.add_row(row.name, row.version or "found", escape(row.purpose))
    console.print("[bold green]found[/bold green]")
    console.print(Padding(table, (0, 0, 0, 2)))
    if missing:
        console.print("\n[bold yellow]missing[/bold yellow]")
    for row in missing:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_row("for", escape(row.purpose))
        table.add_row("without it", escape(row.without))
        table.add_row("to get it", escape(row.install))
        console.print(f"  {row.name}: [yellow]{escape(row.problem)}[/yellow]")
        console.print(Padding(table, (0, 0, 0, 4)))
    console.print()
    for line in _abilities(rows):
        _print(line)


def _abilities(rows: list[DoctorRow]) -> Iterator[str]:
    """What can be done here, as far as it depends on tools."""
    from gan2hls.simulate import COSIM_TOOLS, CSIM_TOOLS

    lacking = {row.name for row in rows if not row.found}
    for command, tools in (("csim", CSIM_TOOLS), ("cosim, report, demo", (*CSIM_TOOLS, *COSIM_TOOLS))):
        needed = [name for name in dict.fromkeys(tools) if name in lacking]
        yield f"gan2hls {command}: " + (f"can not run here without {', '.join(needed)}" if needed else "can run here")


def main() -> None:
    """Entry point of the `gan2hls` command."""
    sys.exit(exits.run(lambda: app(prog_name="gan2hls")))


if __name__ == "__main__":
    main()
