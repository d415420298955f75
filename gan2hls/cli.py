"""The command line: each command is a stage of the flow, or runs it whole.

Commands import what they need when they run, so that help and `doctor` do not wait for torch.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gan2hls import __version__
from gan2hls.errors import Gan2HlsError
from gan2hls.files import MARKER, check_output_directory, write_json
from gan2hls.tools import doctor_rows

if TYPE_CHECKING:
    from gan2hls.flow import FlowConfig, Run

app = typer.Typer(
    name="gan2hls",
    help="From a trained GAN generator to bit-exact Vitis-HLS C++ and SystemVerilog.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
errors = Console(stderr=True, highlight=False)

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
Multipliers = Annotated[int | None, typer.Option(help="Weight multipliers of all layers together. Default 64.")]
Waves = Annotated[Path | None, typer.Option(help="Also write the waveform of one frame to this file (VCD).")]


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
    weight_bits: int | None,
    activation_bits: int | None,
    multipliers: int | None,
) -> "Run":
    from gan2hls.flow import read_flow_config

    changes: list[tuple[str, str, Any]] = [
        ("model", "source", None if model is None else str(model)),
        ("model", "architecture", None if architecture is None else str(architecture)),
        ("quantize", "weight_bits", weight_bits),
        ("quantize", "activation_bits", activation_bits),
        ("folding", "multipliers", multipliers),
    ]
    settings = read_flow_config(config, changes)
    source = settings.model.source
    directory = out or RUNS / (Path(source).stem if source else "digits32")
    return _until(stage, directory, settings)


def _until(stage: str, directory: Path, settings: "FlowConfig", label: str = "") -> "Run":
    from gan2hls.flow import Run

    with console.status("starting") as status:

        def say(line: str) -> None:
            status.update(f"{label}{line}")
            if not line.endswith("working"):
                console.print(f"[dim]{label}{line}[/dim]")

        return Run(directory, settings, say).until(stage)


@app.command()
def quantize(
    model: Model = None,
    architecture: Architecture = None,
    config: Config = None,
    out: Out = None,
    weight_bits: WeightBits = None,
    activation_bits: ActivationBits = None,
) -> None:
    """Quantize a generator: the integer graph, which is the golden model."""
    run = _run("quantize", model, architecture, config, out, weight_bits, activation_bits, None)
    console.print(f"PSNR of the golden model against float: {run.psnr:.2f} dB")
    console.print(f"integer graph: {run.directory / 'quantize'}")


@app.command()
def build(
    model: Model = None,
    architecture: Architecture = None,
    config: Config = None,
    out: Out = None,
    weight_bits: WeightBits = None,
    activation_bits: ActivationBits = None,
    multipliers: Multipliers = None,
) -> None:
    """Write the Vitis-HLS project and the SystemVerilog design."""
    run = _run("build", model, architecture, config, out, weight_bits, activation_bits, multipliers)
    _show_project(run)
    console.print(f"HLS project: {run.project.directory / 'hls'}\nRTL design:  {run.project.directory / 'rtl'}")


def _show_project(run: "Run") -> None:
    from gan2hls.report import layer_table, summary_lines

    pipeline = run.project.pipeline
    console.print(layer_table(pipeline))
    for line in summary_lines(pipeline, run.config.hls.clock_mhz):
        console.print(line)


@app.command()
def csim(
    model: Model = None,
    architecture: Architecture = None,
    config: Config = None,
    out: Out = None,
    weight_bits: WeightBits = None,
    activation_bits: ActivationBits = None,
    multipliers: Multipliers = None,
) -> None:
    """Run the generated C++ and compare it with the golden model."""
    run = _run("csim", model, architecture, config, out, weight_bits, activation_bits, multipliers)
    result = run.summary("csim")
    console.print(f"golden = C++: equal, {result['values']:,} values of {result['images']} frames")


@app.command()
def cosim(
    model: Model = None,
    architecture: Architecture = None,
    config: Config = None,
    out: Out = None,
    weight_bits: WeightBits = None,
    activation_bits: ActivationBits = None,
    multipliers: Multipliers = None,
    waves: Waves = None,
) -> None:
    """Simulate the generated SystemVerilog and compare it with the golden model."""
    run = _run("cosim", model, architecture, config, out, weight_bits, activation_bits, multipliers)
    result = run.summary("cosim")
    console.print(f"golden = RTL: equal, {result['values']:,} values of {result['images']} frames")
    console.print(f"latency {result['latency_cycles']:,} cycles, a frame every {_cycles(result['interval_cycles'])}")
    if waves is not None:
        run.waves(waves)
        console.print(f"waveform: {waves}")


def _cycles(interval: int | None) -> str:
    return f"{interval:,} cycles" if interval is not None else "? cycles (one frame only)"


@app.command()
def report(
    model: Model = None,
    architecture: Architecture = None,
    config: Config = None,
    out: Out = None,
    weight_bits: WeightBits = None,
    activation_bits: ActivationBits = None,
    multipliers: Multipliers = None,
) -> None:
    """Run all stages and write report.html."""
    run = _run("report", model, architecture, config, out, weight_bits, activation_bits, multipliers)
    _show_project(run)
    console.print(f"report: {run.directory / 'report.html'}")


@app.command()
def demo(out: Annotated[Path, typer.Option(help="Folder of the demo's runs.")] = RUNS / "demo") -> None:
    """Run the shipped generator at W8A8 and W4A4 through everything, and write one report."""
    from gan2hls.flow import read_flow_config, write_reports
    from gan2hls.report import layer_table, summary_lines, verdict

    check_output_directory(out)
    write_json(out / MARKER, {"kind": "demo"})
    reports = []
    for bits in DEMO_BITS:
        label = f"W{bits}A{bits}"
        settings = read_flow_config(None, [("quantize", "weight_bits", bits), ("quantize", "activation_bits", bits)])
        run = _until("cosim", out / label.lower(), settings, f"{label} ")
        result = run.run_report(label)
        reports.append(result)
        console.print(layer_table(run.project.pipeline))
        for line in summary_lines(run.project.pipeline, settings.hls.clock_mhz, result):
            console.print(line)
        console.print(f"[bold]{label}: {verdict(result)}[/bold]\n")
    write_reports(out, "gan2hls demo: 32×32 digits", reports)
    console.print(f"report: {out / 'report.html'}")


@app.command()
def train(
    config: Annotated[Path | None, typer.Option(help="TOML file. Default: 5,000 digits, about five minutes.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the training run.")] = RUNS / "train",
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in the folder, if there is one.")] = True,
) -> None:
    """Train a DCGAN on images; interrupted, it goes on where it stopped."""
    from gan2hls.models import training

    command = f"gan2hls train --config {config}" if config else "gan2hls train"
    settings = training.read_train_config(config)
    weights = training.train(settings, out, resume=resume, progress=sys.stderr.isatty(), command=command)
    console.print(f"generator: {weights}")


@app.command()
def doctor() -> None:
    """Say which tools are found, their versions, and what each missing one costs."""
    table = Table("tool", "version", "for", "while it is missing; how to get it", box=None, padding=(0, 1))
    for row in doctor_rows():
        version = escape(row.version) or "found" if row.found else f"[red]{escape(row.problem)}[/red]"
        hint = "" if row.found else f"{row.without}; {row.install}"
        table.add_row(row.name, version, escape(row.purpose), escape(hint))
    console.print(table)


def _guarded(action: Callable[[], Any]) -> int:
    try:
        action()
    except Gan2HlsError as error:
        errors.print(f"[red]error:[/red] {escape(str(error))}")
        return error.exit_code
    except KeyboardInterrupt:
        errors.print("interrupted; the same command goes on where it stopped")
        return 130
    return 0


def main() -> None:
    """Entry point of the `gan2hls` command."""
    sys.exit(_guarded(lambda: app(prog_name="gan2hls")))


if __name__ == "__main__":
    main()
