"""What the points of a sweep gave: quality, resources and time for bit widths, a budget and a target."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gan2hls.errors import UserError
from gan2hls.synth.result import Clock, Usage

CYCLE_MODEL, SIMULATED = "cycle model", "RTL simulation"
ASSUMED = "assumed"
HELPERS = ("width_converter", "fifo", "stream_fork")
"""Types of a `LayerPoint` that are no layers of the network."""


@dataclass(frozen=True)
class Quality:
    """How near the golden model's images are to the float model's, on the same latent vectors.

    Attributes:
        samples: images.
        psnr: in dB; None where they are equal (infinite).
        ssim: mean structural similarity, at most 1; None where the output is no image, or too small for one.
        fid: Fréchet distance of features, at least 0; None where no features fit the images.
        features: what the distance is taken of, "" without one.
        no_fid: why there is none, "" where there is one.
        latents: what the latent vectors are drawn from, for people.
    """

    samples: int
    psnr: float | None
    ssim: float | None
    fid: float | None
    features: str
    no_fid: str = ""
    latents: str = ""


@dataclass(frozen=True)
class LayerPoint:
    """A stage of a point's pipeline.

    Attributes:
        name: node of the graph, or the instance of a lane converter or FIFO, which is no layer.
        type: class of the op, or the module.
        shape: (height, width, channels) of the output.
        weight_bits: bits of a stored weight, None without weights. output_bits: of an activation at the output.
        macs: useful multiply-accumulates a frame. cycles: busy cycles a frame.
        fold: PE × SIMD and what goes with it, as text.
        usage: resources, None where not known by stage.
        stage: its instance in the top module.
        inputs: names of the nodes, or of the network's inputs, whose results it takes; None: of the one before.
    """

    name: str
    type: str
    shape: tuple[int, int, int]
    weight_bits: int | None
    output_bits: int
    macs: int
    cycles: int
    fold: str
    usage: Usage | None = None
    stage: str = ""
    inputs: tuple[str, ...] | None = None


@dataclass(frozen=True)
class PointReport:
    """One point of a sweep.

    Attributes:
        label: unique in the sweep, e.g. "W4A8 m64 ecp5-85k".
        bits: name of the bit widths (and quantizer) alone, e.g. "W4A8"; points of one name share quality and images.
        weight_bits, activation_bits: of the whole network; layers may differ, see `layers`.
        quantizer: of the weights.
        budget: what the folding was given, e.g. {"multipliers": 64}.
        target: part or family.
        error: why there are no figures, or None. What is known before a failure is kept.
        figures: what `usage` is: `synth.result.ESTIMATE`, `SYNTHESIZED` or `PLACED`.
        clock_mhz: the clock that times are given for.
        clock_is: `ASSUMED`, or `synth.result.PLACED` where place and route reached it.
        cycles_are: `CYCLE_MODEL` or `SIMULATED` (Verilator; outputs then equal the golden model's).
        estimate: what the estimate said, where `usage` is better than that.
        problems: part too small, clock missed: a line each.
    """

    label: str
    bits: str
    weight_bits: int
    activation_bits: int
    quantizer: str
    budget: dict[str, float]
    target: str
    error: str | None = None
    quality: Quality | None = None
    figures: str = ""
    usage: Usage | None = None
    estimate: Usage | None = None
    clock: Clock | None = None
    clock_mhz: float | None = None
    clock_is: str = ASSUMED
    latency_cycles: int | None = None
    interval_cycles: int | None = None
    cycles_are: str = CYCLE_MODEL
    mac_multipliers: int | None = None
    layers: tuple[LayerPoint, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def frames_per_second(self) -> float | None:
        if self.clock_mhz is None or self.interval_cycles is None:
            return None
        return self.clock_mhz * 1e6 / self.interval_cycles

    @property
    def latency_us(self) -> float | None:
        return None if self.clock_mhz is None or self.latency_cycles is None else self.latency_cycles / self.clock_mhz

    def values(self) -> dict[str, Any]:
        """JSON values; `from_values` reads them."""
        return {
            **dataclasses.asdict(self),
            "frames_per_second": self.frames_per_second,
            "latency_us": self.latency_us,
        }

    @staticmethod
    def from_values(values: Any) -> "PointReport":
        """Read what `values` gave.

        Raises:
            UserError: it is something else.
        """
        try:
            known = {f.name: values[f.name] for f in dataclasses.fields(PointReport)}
            known["quality"] = None if known["quality"] is None else Quality(**known["quality"])
            for name in ("usage", "estimate"):
                known[name] = _usage(known[name])
            clock = known["clock"]
            if clock is not None:
                lists = {name: tuple(value) for name, value in clock.items() if isinstance(value, list)}
                known["clock"] = Clock(**{**clock, **lists})
            known["layers"] = tuple(
                LayerPoint(
                    **{
                        **layer,
                        "shape": tuple(layer["shape"]),
                        "usage": _usage(layer["usage"]),
                        "inputs": None if layer.get("inputs") is None else tuple(layer["inputs"]),
                    }
                )
                for layer in known["layers"]
            )
            known["problems"] = tuple(known["problems"])
            return PointReport(**known)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"a damaged point of a sweep: {error!r}") from None


def _usage(values: Any) -> Usage | None:
    return None if values is None else Usage(**values)


@dataclass(frozen=True, eq=False)
class SweepReport:
    """All points of a sweep, in the order of its configuration.

    Attributes:
        title: e.g. the model's name.
        points: failed ones too.
        real_images: (n, channels, height, width) of the float model in [-1, 1], or (n, …) where its output is no image.
        images: `PointReport.bits` → the same of the golden model, from the same latent vectors.
    """

    title: str
    points: tuple[PointReport, ...]
    real_images: np.ndarray
    images: dict[str, np.ndarray] = field(default_factory=dict)
