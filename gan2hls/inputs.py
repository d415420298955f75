"""What a configuration names: the model, the samples it is calibrated and compared on, and their files' contents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gan2hls.arrays import read_npy
from gan2hls.errors import UserError, raise_problems
from gan2hls.files import check_path, is_file, read_bytes
from gan2hls.flow_config import CalibrationConfig, FlowConfig, ModelConfig
from gan2hls.frontends import from_torch
from gan2hls.frontends.float_model import FloatModel
from gan2hls.models import DISTRIBUTION_TEXTS, Distribution, latents, shipped_generator
from gan2hls.models.architecture import read_architecture


def model_files(model: ModelConfig) -> tuple[Path, Path | None]:
    """Weights and architecture; the architecture is None where neither a file of it nor a card is there.

    Raises:
        UserError: no path, or one in a folder that may not be searched.
    """
    if model.source is None:
        return shipped_generator()
    source = check_path(model.source)
    if not source.name:
        raise UserError(f"{source}: a folder; name a file of weights")
    card = source.with_suffix(".json")
    architecture = Path(model.architecture) if model.architecture else card if is_file(card) else None
    return source, architecture


def input_contents(config: FlowConfig) -> list[bytes]:
    """Contents of all files that the configuration names, for digests.

    Raises:
        UserError: one is missing or not readable.
    """
    source, architecture = model_files(config.model)
    contents = [read_bytes(source), read_bytes(architecture) if architecture else b""]
    if config.calibration.file:
        contents.append(read_bytes(Path(config.calibration.file)))
    for name, file in config.calibration.inputs.items():
        contents += [name.encode(), read_bytes(Path(file))]
    return contents


def load_float_model(model: ModelConfig) -> FloatModel:
    """The float model that a configuration names.

    Raises:
        UserError: files that are missing or damaged, or a network that is not supported.
    """
    source, architecture = model_files(model)
    return from_torch.trace(from_torch.load(source, architecture=model.architecture and architecture))


Samples = Mapping[str, np.ndarray]
"""(n, *shape) of each input, by name."""


@dataclass(frozen=True)
class LatentSource:
    """Where the latents come from on which float model and hardware are compared.

    Attributes:
        distribution: what they are drawn from.
        files: input and name of its calibration file, whose samples are taken in their place where it has enough of
            them; empty if there is none, or if somebody said what latents are drawn from. "" is the only input.
    """

    distribution: Distribution = "normal"
    files: tuple[tuple[str, str], ...] = ()

    def draw(
        self, count: int, shapes: Mapping[str, Sequence[int]], seed: int, calibration: Samples
    ) -> dict[str, np.ndarray]:
        """(count, *shape) latents of each input; `calibration` holds the samples of the files."""
        drawn = {}
        for index, (name, shape) in enumerate(shapes.items()):
            if self._takes_file(name, count, calibration):
                # Files of one length are shuffled alike, so that their samples stay together.
                picked = np.random.default_rng(seed).permutation(len(calibration[name]))[:count]
                drawn[name] = calibration[name][picked].astype(np.float32)
            else:
                drawn[name] = latents(count, shape, seed + index, self.distribution)
        return drawn

    def text(self, count: int, calibration: Samples) -> str:
        """What `draw` gives, for people."""
        texts = {name: self._text(name, count, calibration) for name in calibration}
        if len(set(texts.values())) == 1:
            return next(iter(texts.values()))
        return "; ".join(f"{name}: {text}" for name, text in texts.items())

    def _text(self, name: str, count: int, calibration: Samples) -> str:
        file = self._file(name)
        if self._takes_file(name, count, calibration):
            return f"samples of {file}"
        drawn = DISTRIBUTION_TEXTS[self.distribution]
        if file is None:
            return drawn
        return f"{drawn}, for {file} has {len(calibration[name])} samples, not {count}, and no distribution is given"

    def _file(self, name: str) -> str | None:
        files = dict(self.files)
        return files.get(name, files.get(""))

    def _takes_file(self, name: str, count: int, calibration: Samples) -> bool:
        return self._file(name) is not None and len(calibration[name]) >= count


def latent_source(config: FlowConfig) -> LatentSource:
    """What is drawn from: as the configuration says, else as the architecture or card does, else N(0, 1).

    Raises:
        UserError: the architecture is not readable.
    """
    told = config.calibration.distribution
    _, architecture = model_files(config.model)
    if told is None and architecture is not None:
        told = read_architecture(architecture).distribution
    if told is not None:
        return LatentSource(told)
    files = dict(config.calibration.inputs)
    if config.calibration.file is not None:
        files[""] = config.calibration.file
    return LatentSource(files=tuple((name, Path(file).name) for name, file in files.items()))


def calibration_inputs(
    config: CalibrationConfig, shapes: Mapping[str, Sequence[int]], distribution: Distribution
) -> dict[str, np.ndarray]:
    """The samples (n, *shape) of each input on which the ranges of activations are measured: a file's, or drawn ones.

    Raises:
        UserError: a file for no input, or one for several; one that is not readable, or holds something else.
    """
    files = {name: Path(file) for name, file in config.inputs.items()}
    names = ", ".join(shapes)
    raise_problems(f"input {name!r} is unknown; the model takes {names}" for name in files if name not in shapes)
    if config.file is not None:
        if len(shapes) > 1:
            raise UserError(f"{config.file}: one file of calibration samples, and inputs {names}; give one for each")
        files = dict.fromkeys(shapes, Path(config.file))
    lengths: dict[str, int] = {}
    samples = {}
    for name, shape in shapes.items():
        if name in files:
            samples[name] = _calibration_file(files[name], tuple(shape))
            lengths[str(files[name])] = len(samples[name])
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{file} has {length}" for file, length in lengths.items())
        raise UserError(f"the inputs have different numbers of calibration samples: {found}")
    count = next(iter(lengths.values()), config.samples)
    for index, (name, shape) in enumerate(shapes.items()):
        if name not in samples:
            samples[name] = latents(count, shape, config.seed + index, distribution)
    return {name: samples[name] for name in shapes}


def _calibration_file(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    samples = read_npy(file)
    if samples.shape[1:] != shape or not len(samples):
        wanted = ", ".join(map(str, shape))
        raise UserError(f"{file}: calibration samples have shape {samples.shape}; expected (n, {wanted})")
    with np.errstate(over="ignore"):
        finite = np.isfinite(samples.astype(np.float32)).all()
    if not finite:
        raise UserError(f"{file}: calibration samples contain NaN or infinite values, or are beyond float32")
    return samples
