"""Every option that more than one command has, declared once: its help, and the setting that it changes.

A command takes a class of options as one parameter, and `taking` gives it an option for each field:

    @app.command()
    @taking
    def build(options: BuildOptions, vitis: ...) -> None: ...

An option for all of these commands is a field of `ModelOptions`; `Setting` says where its value goes in the
configuration, and an option without one is for the command itself.
"""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gan2hls.cli.app import RUNS
from gan2hls.errors import UserError

if TYPE_CHECKING:
    from gan2hls.flow_config import Change


@dataclass(frozen=True)
class Setting:
    """Key of the configuration that an option changes.

    With `each` it is a list of these with commas between them; with `named` a table, to which each use of the option
    adds NAME=VALUE.
    """

    section: str
    key: str
    each: type | None = None
    named: bool = False


Model = Annotated[
    Path | None,
    typer.Argument(help="Weights, .safetensors or .pth. Default: the generator that ships with gan2hls."),
    Setting("model", "source"),
]
Architecture = Annotated[
    Path | None,
    typer.Option(help="The weights' architecture, TOML or JSON. Default: the card (.json) beside them."),
    Setting("model", "architecture"),
]
Config = Annotated[Path | None, typer.Option(help="TOML file with all settings; options go before it.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the run. Default: runs/<name of the weights>.")]

WeightBits = Annotated[
    int | None, typer.Option(help="Bits of a weight, 1 to 16. Default 8."), Setting("quantize", "weight_bits")
]
ActivationBits = Annotated[
    int | None, typer.Option(help="Bits of an activation, 2 to 16. Default 8."), Setting("quantize", "activation_bits")
]
InputBits = Annotated[
    int | None,
    typer.Option(help="Bits of the input, 2 to 16. Default 8, or as many as activations, if these have more."),
    Setting("quantize", "input_bits"),
]
Quantizer = Annotated[
    str | None,
    typer.Option(help="Of weights: least_error or symmetric. Default least_error."),
    Setting("quantize", "weight_quantizer"),
]
Method = Annotated[
    str | None,
    typer.Option(help="How ranges of activations are found: auto, minmax or percentile. Default auto."),
    Setting("quantize", "method"),
]
BiasCorrection = Annotated[
    bool | None,
    typer.Option("--bias-correction/--no-bias-correction", help="Add what layers lack on average to their offsets."),
    Setting("quantize", "bias_correction"),
]
Distribution = Annotated[
    str | None,
    typer.Option(help="Of the latents: normal, N(0, 1), or uniform, U(-1, 1). Default: as the card says."),
    Setting("calibration", "distribution"),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input", metavar="NAME=FILE", help="Samples of an input, .npy, to calibrate and compare on; once for each."
    ),
    Setting("calibration", "inputs", named=True),
]

Multipliers = Annotated[
    int | None,
    typer.Option(help="Weight multipliers of all layers together. Default 64."),
    Setting("folding", "multipliers"),
]
Dsps = Annotated[
    int | None,
    typer.Option(help="Instead: hardware multipliers of the target, those of requantization included."),
    Setting("folding", "dsps"),
]
FramesPerSecond = Annotated[
    float | None,
    typer.Option(help="Instead: a rate to reach at the clock, with as few multipliers as it takes."),
    Setting("folding", "frames_per_second"),
]
Target = Annotated[
    str | None,
    typer.Option(help="Part or family, e.g. ecp5-85k, xcup; products share its multipliers where they fit."),
    Setting("folding", "target"),
]
Clock = Annotated[
    float | None,
    typer.Option(help="Clock in MHz that time is counted with. Default 200."),
    Setting("hls", "clock_mhz"),
]

SEEDS = typer.Option(help="Runs of place and route; the median counts.")
RequiredTarget = Annotated[str, typer.Option(help="Part or family, e.g. ecp5-85k, gw2ar-18, xc7a100t, xcup.")]


@dataclass(frozen=True)
class ModelOptions:
    """A generator and how it is quantized."""

    model: Model = None
    architecture: Architecture = None
    config: Config = None
    out: Out = None
    weight_bits: WeightBits = None
    activation_bits: ActivationBits = None
    input_bits: InputBits = None
    quantizer: Quantizer = None
    method: Method = None
    bias_correction: BiasCorrection = None
    distribution: Distribution = None
    inputs: Inputs = None

    def given(self) -> dict[str, Any]:
        """Values of the options that were given, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class BudgetOptions(ModelOptions):
    """And what the hardware may take."""

    multipliers: Multipliers = None
    dsps: Dsps = None
    frames_per_second: FramesPerSecond = None


@dataclass(frozen=True)
class BuildOptions(BudgetOptions):
    """And what it is built for."""

    target: Target = None
    clock: Clock = None


@dataclass(frozen=True)
class EstimateOptions(BudgetOptions):
    """As `BudgetOptions`; a folder is taken too."""

    model: Annotated[
        Path | None,
        typer.Argument(help="Folder of a project or run, or weights. Default: the shipped generator."),
        Setting("model", "source"),
    ] = None


@dataclass(frozen=True)
class SweepOptions:
    """Lists where the other commands take one value."""

    model: Model = None
    architecture: Architecture = None
    config: Config = None
    out: Annotated[Path, typer.Option(help="Folder of the sweep.")] = RUNS / "sweep"
    weight_bits: Annotated[
        str | None,
        typer.Option(help="List, e.g. 2,3,4,8. Default 2,3,4,5,6,8."),
        Setting("sweep", "weight_bits", each=int),
    ] = None
    activation_bits: Annotated[
        str | None, typer.Option(help="List. Default 8."), Setting("sweep", "activation_bits", each=int)
    ] = None
    input_bits: InputBits = None
    quantizer: Annotated[
        str | None,
        typer.Option(help="List of weight quantizers. Default least_error."),
        Setting("sweep", "weight_quantizer", each=str),
    ] = None
    method: Method = None
    bias_correction: BiasCorrection = None
    distribution: Distribution = None
    multipliers: Annotated[
        str | None,
        typer.Option(help="List of budgets, e.g. 32,64. Default 64."),
        Setting("sweep", "multipliers", each=int),
    ] = None
    dsps: Annotated[
        str | None,
        typer.Option(help="Instead: list of hardware multipliers in all."),
        Setting("sweep", "dsps", each=int),
    ] = None
    frames_per_second: Annotated[
        str | None,
        typer.Option(help="Instead: list of rates to reach."),
        Setting("sweep", "frames_per_second", each=float),
    ] = None
    target: Annotated[
        str | None,
        typer.Option(help="List of parts or families. Default ecp5-85k,xc7a100t,zu3eg."),
        Setting("sweep", "target", each=str),
    ] = None
    synth: Annotated[
        bool | None,
        typer.Option("--synth/--no-synth", help="Synthesize; else estimate."),
        Setting("sweep", "synth"),
    ] = None
    place: Annotated[
        bool | None, typer.Option("--place/--no-place", help="Also place and route."), Setting("sweep", "place")
    ] = None
    cosim: Annotated[
        bool | None, typer.Option("--cosim/--no-cosim", help="Also simulate the RTL."), Setting("sweep", "cosim")
    ] = None
    seeds: Annotated[int | None, SEEDS, Setting("sweep", "seeds")] = None
    limit: Annotated[
        float | None,
        typer.Option(help="Seconds of each router for a seed. Default 1200."),
        Setting("sweep", "limit_s"),
    ] = None
    clock: Annotated[
        float | None,
        typer.Option(help="Wanted clock in MHz, and what time is counted with."),
        Setting("sweep", "clock_mhz"),
    ] = None
    search: Annotated[
        int | None,
        typer.Option(help="Trials of an optuna search for bits layer by layer."),
        Setting("sweep", "search"),
    ] = None


def changes(options: Any) -> "list[Change]":
    """What options change in the configuration.

    Args:
        options: an object of one of the classes above.

    Raises:
        UserError: a list with a value that is missing or of another kind.
    """
    found: list[Change] = []
    for name, hint in typing.get_type_hints(type(options), include_extras=True).items():
        setting = next((entry for entry in typing.get_args(hint)[1:] if isinstance(entry, Setting)), None)
        value = getattr(options, name)
        if setting is None or value is None:
            continue
        if setting.each is not None:
            value = _read_list(name, setting.each, value)
        if setting.named:
            value = _read_table(name.removesuffix("s"), value)
            if not value:
                continue
        found.append((setting.section, setting.key, str(value) if isinstance(value, Path) else value))
    return found


_KINDS = {int: "integers", float: "numbers", str: "names"}


def _read_list(name: str, kind: type, text: str) -> list[Any]:
    parts = [part.strip() for part in text.split(",")]
    try:
        if not all(parts):
            raise ValueError
        return [kind(part) for part in parts]
    except ValueError:
        option = name.replace("_", "-")
        raise UserError(f"--{option} {text!r} is not accepted; give {_KINDS[kind]} with commas between them") from None


def _read_table(name: str, texts: list[str]) -> dict[str, str]:
    table: dict[str, str] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not (key and sign and value):
            raise UserError(f"--{name} {text!r} is not accepted; give NAME=FILE")
        if key in table:
            raise UserError(f"--{name} {key} is given twice")
        table[key] = value
    return table


def taking(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each field of its parameter that is a class of options, in the same place."""
    hints = typing.get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
    parameters = list(_parameters(inspect.signature(command), hints, groups))

    @functools.wraps(command)
    def called(**values: Any) -> None:
        for name, group in groups.items():
            taken = {field.name: values.pop(field.name) for field in dataclasses.fields(group)}
            values[name] = typing.cast(Callable[..., Any], group)(**taken)
        command(**values)

    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


def _parameters(
    signature: inspect.Signature, hints: Mapping[str, Any], groups: Mapping[str, Any]
) -> Iterator[inspect.Parameter]:
    for name, parameter in signature.parameters.items():
        if name not in groups:
            yield parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
            continue
        inner = typing.get_type_hints(groups[name], include_extras=True)
        for field in dataclasses.fields(groups[name]):
            kind = inspect.Parameter.KEYWORD_ONLY
            yield inspect.Parameter(field.name, kind, default=field.default, annotation=inner[field.name])
