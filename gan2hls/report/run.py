"""What a run of one bit width gave, and the verdict on it."""

import math
from dataclasses import dataclass

import numpy as np

from gan2hls.errors import UserError
from gan2hls.pipeline import Pipeline

COMPARED = ("C++", "RTL")
"""The worlds that a complete run compares with the golden model."""


@dataclass(frozen=True, eq=False)
class RunReport:
    """What one run of one bit width gave.

    Attributes:
        label: e.g. "W8A8".
        pipeline: the folded network.
        real_images: (n, channels, height, width) of the float model, or (n, …) where the output is no image.
        golden: the same shape, of the integer golden model, as real values.
        csim, rtl: of C simulation and RTL simulation for the first images, as real values, or None where not run.
        compared_values: name of a world ("C++", "RTL") → values that were compared with the golden model.
        differing_values: how many of them differ; 0 is the only good number.
        psnr: golden against float in dB; infinite where they are equal.
        latents: what the compared latents are drawn from, for people, e.g. "N(0, 1)"; "" where it is not known.
        latency_cycles, interval_cycles: measured in RTL simulation, or None.
        clock_mhz: assumed clock.

    Raises:
        UserError: shapes that do not go together, a PSNR that is NaN, or a clock that is not positive.
    """

    label: str
    pipeline: Pipeline
    real_images: np.ndarray
    golden: np.ndarray
    csim: np.ndarray | None
    rtl: np.ndarray | None
    compared_values: dict[str, int]
    differing_values: int
    psnr: float
    latency_cycles: int | None
    interval_cycles: int | None
    clock_mhz: float
    latents: str = ""
    output: str = ""

    def __post_init__(self) -> None:
        shape = self.real_images.shape
        where = f"report of {self.label}"
        if self.golden.shape != shape or len(shape) < 2 or 0 in shape:
            raise UserError(f"{where}: golden has shape {self.golden.shape}, the float images have {shape}")
        for name, images in self.simulated.items():
            if images is not None and (images.shape[1:] != shape[1:] or len(images) > shape[0]):
                raise UserError(f"{where}: {name} has shape {images.shape}; expected at most {shape}")
        if math.isnan(self.psnr):
            raise UserError(f"{where}: the PSNR is not a number")
        if not 0 < self.clock_mhz < math.inf:
            raise UserError(f"{where}: a clock of {self.clock_mhz} MHz is not supported; use more than 0")

    @property
    def output_name(self) -> str:
        """The output that the images are of."""
        return self.output or self.pipeline.graph.outputs[0]

    @property
    def simulated(self) -> dict[str, np.ndarray | None]:
        """Images by world, in the order of `COMPARED`."""
        return dict(zip(COMPARED, (self.csim, self.rtl), strict=True))

    @property
    def total_compared(self) -> int:
        return sum(self.compared_values.values())

    @property
    def total_differing(self) -> int:
        """As counted by the comparison, but never less than what the images at hand show."""
        return max(self.differing_values, sum(_differing(self, name) for name in COMPARED))

    @property
    def state(self) -> str:
        """ "different", "equal" (both worlds compared), "partial" (one was not) or "open" (nothing was compared)."""
        if self.total_differing:
            return "different"
        if not self.total_compared:
            return "open"
        return "equal" if all(self.compared_values.get(name) for name in COMPARED) else "partial"


def _differing(run: RunReport, name: str) -> int:
    """Values of the images at hand in which a world differs from the golden model."""
    images = run.simulated[name]
    return 0 if images is None else int(unequal(images, run.golden[: len(images)]).sum())


def unequal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Real values of the same integer may have been stored as float32 or float64; neighbours stay apart in both."""
    return np.asarray(first, np.float32) != np.asarray(second, np.float32)


def verdict(run: RunReport) -> str:
    """One sentence: what equals the golden model in how many values, what differs, what was not run."""
    names = [name for name, count in run.compared_values.items() if count]
    missing = [name for name in COMPARED if name not in names]
    tail = f"; {' and '.join(missing)} {'was' if len(missing) == 1 else 'were'} not run" if missing else ""
    if run.total_differing:
        guilty = [name for name in COMPARED if _differing(run, name)]
        who = ", ".join(guilty or names or ["images"])
        total, wrong = run.total_compared, run.total_differing
        of = f" of {total:,}" if total >= wrong else ""
        return f"NOT EQUAL: {wrong:,}{of} compared values differ from the golden model ({who}){tail}"
    if not names:
        return "golden model only: nothing was compared" + tail
    return f"{' = '.join(['golden', *names])}: equal, {run.total_compared:,} values{tail}"


def psnr_source(run: RunReport) -> str:
    """What the PSNR compares."""
    which = f" at output {run.output}" if len(run.pipeline.graph.outputs) > 1 else ""
    return f"golden model against the float model{which}" + (f", on latents of {run.latents}" if run.latents else "")


def psnr_text(psnr: float) -> str:
    """A PSNR in dB for people; infinite is said in words."""
    return f"{psnr:.2f} dB" if math.isfinite(psnr) else "∞ dB (equal)" if psnr > 0 else "−∞ dB"
