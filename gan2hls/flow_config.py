"""The configuration of a flow, read from TOML and options."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gan2hls.budget import WISHES, Budget
from gan2hls.config import from_mapping, read_toml
from gan2hls.errors import UserError, raise_problems
from gan2hls.folding import SLACK
from gan2hls.ir import Fold
from gan2hls.limits import FRAMES
from gan2hls.models import Distribution
from gan2hls.project_files import CLOCK_MHZ, PART, ProjectSettings
from gan2hls.quantization.config import QuantizeConfig
from gan2hls.sweep_config import SweepConfig

Change = tuple[str, str, Any]
"""(section, key, value) that goes before what a file says; None as value changes nothing."""


def _below(config: Any, **least: int) -> Iterator[str]:
    for name, minimum in least.items():
        if getattr(config, name) < minimum:
            yield f"{name} {getattr(config, name)} is not supported; use {minimum} or more"


@dataclass(frozen=True)
class ModelConfig:
    """Section `[model]`: what to build; by default the generator that ships with gan2hls."""

    source: str | None = None  # weights: .safetensors or .pth; relative to the file that names it
    architecture: str | None = None  # TOML or JSON; by default the card beside the weights


@dataclass(frozen=True)
class CalibrationConfig:
    """Section `[calibration]`: inputs on which activation ranges are measured."""

    samples: int = 256  # ranges hardly change with more
    seed: int = 0  # of the latents
    distribution: Distribution | None = None  # of all latents, compared ones too; none: as the architecture says
    file: str | None = None  # .npy of (n, *input shape) to calibrate on instead
    inputs: dict[str, str] = field(default_factory=dict)  # the same for several inputs: name → .npy

    def __post_init__(self) -> None:
        raise_problems(_below(self, samples=1, seed=0))
        if self.file is not None and self.inputs:
            raise UserError("file and inputs are given; use inputs alone where there are several")
        FRAMES.check(self.samples, "samples")


@dataclass(frozen=True)
class FoldConfig(Fold):
    """Section `[folding.layers."<node>"]`: a given fold, whose `pe` and `simd` have to be said."""

    pe: int = field()
    simd: int = field()

    def __post_init__(self) -> None:
        raise_problems(_below(self, **dict.fromkeys(vars(self), 1)))


@dataclass(frozen=True)
class FoldingConfig:
    """Section `[folding]`: what `Budget` takes, and folds that are given."""

    multipliers: int | None = None  # weight multipliers of all layers together; 64 if no other wish is given
    dsps: int | None = None  # hardware multipliers, requantization included; needs a target
    frames_per_second: float | None = None  # at clock_mhz
    target: str | None = None  # a part or family, for which multipliers are shared
    slack: float = SLACK  # how much slower than the fastest a more efficient folding may be
    layers: dict[str, FoldConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.budget

    @property
    def budget(self) -> Budget:
        return Budget(self.multipliers, self.dsps, self.frames_per_second, self.target, self.slack)


@dataclass(frozen=True)
class HlsConfig:
    """Section `[hls]`: target of the Vitis HLS script."""

    part: str = PART
    clock_mhz: float = CLOCK_MHZ  # also what the report counts time with

    def __post_init__(self) -> None:
        ProjectSettings(self.part, self.clock_mhz, None)


@dataclass(frozen=True)
class SimulationConfig:
    """Section `[simulation]`: how much is compared with the golden model."""

    csim_images: int = 64  # a second's work
    cosim_images: int = 4  # enough to see frames follow each other
    stalls: bool = True  # random idle cycles and back-pressure
    seed: int = 1  # of the latents that are compared and of the stalls

    def __post_init__(self) -> None:
        raise_problems(_below(self, csim_images=1, cosim_images=1, seed=0))
        for name in ("csim_images", "cosim_images"):
            FRAMES.check(getattr(self, name), name)


@dataclass(frozen=True)
class FlowConfig:
    """The whole configuration; every key has a default."""

    model: ModelConfig = field(default_factory=ModelConfig)
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    quantize: QuantizeConfig = field(default_factory=QuantizeConfig)
    folding: FoldingConfig = field(default_factory=FoldingConfig)
    hls: HlsConfig = field(default_factory=HlsConfig)
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)

    @property
    def label(self) -> str:
        """Short name of the bit widths, e.g. W8A8."""
        return f"W{self.quantize.weight_bits}A{self.quantize.activation_bits}"


_PATHS = (("model", "source"), ("model", "architecture"), ("calibration", "file"))


def read_flow_config(path: Path | None, changes: Sequence[Change] = ()) -> FlowConfig:
    """Read a configuration from TOML (None: the defaults), with single values changed.

    Args:
        path: the file; paths inside it are relative to its folder.
        changes: single values that go before what the file says.

    Raises:
        UserError: unreadable, or unknown keys or values that are not accepted, all listed with the file's name.
    """
    given: dict[str, dict[str, Any]] = {}
    for section, key, value in changes:
        if value is not None:
            given.setdefault(section, {})[key] = value
    _convert(given, "options")  # alone, so that the file is not blamed for them
    values = read_toml(path) if path is not None else {}
    where = str(path) if path is not None else "options"
    for section, key in _PATHS:
        table = values.get(section)
        if path is not None and isinstance(table, dict) and isinstance(table.get(key), str):
            table[key] = str(path.parent / table[key])
    calibration = values.get("calibration")
    if path is not None and isinstance(calibration, dict) and isinstance(calibration.get("inputs"), dict):
        files = calibration["inputs"]
        calibration["inputs"] = {
            name: str(path.parent / file) if isinstance(file, str) else file for name, file in files.items()
        }
    for section, entries in given.items():
        table = values.setdefault(section, {})
        if isinstance(table, dict):  # else `_convert` says so
            if section in ("folding", "sweep") and not entries.keys().isdisjoint(WISHES):
                for wish in WISHES:  # one goes before another
                    table.pop(wish, None)
            table.update(entries)
    config = _convert(values, where)
    if config.model.architecture is not None and config.model.source is None:
        raise UserError(
            f"{where}: an architecture ({config.model.architecture}) without weights; "
            "name their file on the command line, or as source in section [model]"
        )
    return config


def _convert(values: Mapping[str, Any], where: str) -> FlowConfig:
    try:
        return from_mapping(FlowConfig, values, "")
    except UserError as error:
        lines = [f"{where}: {line.lstrip('.: ')}" for line in str(error).splitlines()]
        raise UserError("\n".join(lines)) from None
