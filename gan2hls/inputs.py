"""What a configuration names: the model, the samples it is calibrated and compared on, and their files' contents."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gan2hls.arrays import read_npy
from gan2hls.errors import UserError
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
    return contents


def load_float_model(model: ModelConfig) -> FloatModel:
    """The float model that a configuration names.

    Raises:
        UserError: files that are missing or damaged, or a network that is not supported.
    """
    source, architecture = model_files(model)
    return from_torch.trace(from_torch.load(source, architecture=model.architecture and architecture))


@dataclass(frozen=True)
class LatentSource:
    """Where the latents come from on which float model and hardware are compared.

    Attributes:
        distribution: what they are drawn from.
        file: name of the calibration file, whose samples are taken in their place where it has enough of them; None
            if there is none, or if somebody said what latents are drawn from.
    """

    distribution: Distribution = "normal"
    file: str | None = None

    def draw(self, count: int, shape: Sequence[int], seed: int, calibration: np.ndarray) -> np.ndarray:
        """(count, *shape) latents; `calibration` holds the samples of the file."""
        if self._takes_file(count, calibration):
            return calibration[np.random.default_rng(seed).permutation(len(calibration))[:count]].astype(np.float32)
        return latents(count, shape, seed, self.distribution)

    def text(self, count: int, calibration: np.ndarray) -> str:
        """What `draw` gives, for people."""
        if self._takes_file(count, calibration):
            return f"samples of {self.file}"
        drawn = DISTRIBUTION_TEXTS[self.distribution]
        if self.file is None:
            return drawn
        return f"{drawn}, for {self.file} has {len(calibration)} samples, not {count}, and no distribution is given"

    def _takes_file(self, count: int, calibration: np.ndarray) -> bool:
        return self.file is not None and len(calibration) >= count


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
    return LatentSource(file=None if config.calibration.file is None else Path(config.calibration.file).name)


def calibration_inputs(
    config: CalibrationConfig, input_shape: tuple[int, ...], distribution: Distribution
) -> np.ndarray:
    """The samples (n, *input_shape) on which the ranges of activations are measured: the file's, or drawn ones.

    Raises:
        UserError: the file is not readable, or holds something else.
    """
    if config.file is None:
        return latents(config.samples, input_shape, config.seed, distribution)
    samples = read_npy(config.file)
    if samples.shape[1:] != input_shape or not len(samples):
        wanted = ", ".join(map(str, input_shape))
        raise UserError(f"{config.file}: calibration samples have shape {samples.shape}; expected (n, {wanted})")
    with np.errstate(over="ignore"):
        finite = np.isfinite(samples.astype(np.float32)).all()
    if not finite:
        raise UserError(f"{config.file}: calibration samples contain NaN or infinite values, or are beyond float32")
    return samples
