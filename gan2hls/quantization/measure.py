"""What a choice costs, measured on calibration samples: float model and quantized blocks run side by side.

Blocks are quantized in order. What enters a block is then known twice: as the float model has it, and as the quantized
blocks before it give it. Weights and offsets are chosen by the error of the block's own result, channel by channel;
formats of activations by the error of the network's output, with the layers behind them in float.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gan2hls.frontends.float_model import ConvTranspose2dLayer
from gan2hls.frontends.running import run_steps
from gan2hls.quantization.blocks import Block, MacLayer, Step, Steps, WideLayer, affine
from gan2hls.quantization.quantized_model import QuantizedBlock, QuantizedStep, real_mac
from gan2hls.quantization.quantizers import Format, QuantizedWeight

MEASURED_SAMPLES = 256
"""Samples that choices are measured on; with 8 bits, what is seldom clipped needs that many to be seen."""
WEIGHT_SAMPLES = 64
"""Those of them that a layer's weights are chosen on, by errors that are means over pixels."""
MEASURED_MACS = 1 << 32
"""Multiplications of one run of the float model over them; a choice takes some runs."""
MEASURED_VALUES = 1 << 25
"""Values of the largest tensor in such a run: 128 MB."""
SHIFT_STEPS = 4
"""Gauss-Newton steps of an offset's correction; one while weights are chosen, which is run for each choice."""

Activate = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Rounded:
    """A step in float whose result is stored in a format."""

    step: Step
    format: Format

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.step.inputs

    def forward(self, *xs: Tensor) -> Tensor:
        return self.format.fake_quantize(self.step.forward(*xs))


class Measurement:
    """Float and quantized values that are still needed, of a part of the calibration samples.

    Args:
        steps: all steps of the model.
        samples: (n, *shape) of each input by name; as many of them are taken, evenly spread, as the limits above allow.
    """

    def __init__(self, steps: Steps, samples: Mapping[str, Tensor]) -> None:
        total = len(next(iter(samples.values())))
        self.count = min(total, _affordable(steps))
        kept = torch.linspace(0, total - 1, self.count, dtype=torch.float64).round().long()
        self._samples = {name: values[kept] for name, values in samples.items()}
        self._wanted = run_steps(steps.steps, self._samples, steps.outputs)
        self.start(steps)

    def start(self, steps: Steps) -> None:
        """Begin before the first step, also of others that compute the same."""
        self._outputs = steps.outputs
        self.real, self.quantized = dict(self._samples), dict(self._samples)
        self._following = list(steps.steps)
        self._left = steps.users
        self._real_before: Tensor | None = None

    def take_input(self, name: str, format_: Format) -> None:
        """Quantize an input of the network."""
        self.quantized[name] = format_.fake_quantize(self.quantized[name])

    def take(self, made: QuantizedStep) -> None:
        """Go over the next step, of which `made` is the quantized one."""
        step = self._following.pop(0)
        self._real_before = None
        self.real[step.name] = step.forward(*(self.real[name] for name in step.inputs))
        self.quantized[step.name] = made.forward(*self.entering(step))
        self._left.subtract(step.inputs)
        for name in step.inputs:
            if self._left[name] <= 0:
                self.real.pop(name, None)
                self.quantized.pop(name, None)

    def entering(self, step: Step) -> tuple[Tensor, ...]:
        """The quantized values that a step reads."""
        return tuple(self.quantized[name] for name in step.inputs)

    def output_error(self, values: Tensor, activate: Activate, format_: Format, also: Sequence[str] = ()) -> float:
        """Mean squared error of the network's output if `values`, in this format and activated, leave the next step.

        The results of the steps `also` have this format, too.
        """
        return self._behind(activate(format_.fake_quantize(values)), dict.fromkeys(also, format_))

    def block_error(self, made: QuantizedBlock) -> float:
        """Mean squared error of the network's output with the next step quantized like this."""
        return self._behind(made.forward(*self.entering(self._following[0])), {})

    def input_error(self, name: str, format_: Format, also: Sequence[str] = ()) -> float:
        """Mean squared error of the network's output with an input, and what the steps `also` give, in a format."""
        rounded = (name, *(other for other in also if other in self.real))
        values = {**self.quantized, **{other: format_.fake_quantize(self.real[other]) for other in rounded}}
        return self._run(self._following, values, dict.fromkeys(also, format_))

    def formats_error(self, steps: Steps, formats: Mapping[str, Format]) -> float:
        """Mean squared error of the network's output in float, but for the inputs and steps that have a format."""
        values = {
            name: formats[name].fake_quantize(values) if name in formats else values
            for name, values in self._samples.items()
        }
        return self._run(steps.steps, values, formats)

    def _behind(self, result: Tensor, formats: Mapping[str, Format]) -> float:
        step, *following = self._following
        return self._run(following, {**self.quantized, step.name: result}, formats)

    def _run(self, steps: Sequence[Step], values: Mapping[str, Tensor], formats: Mapping[str, Format]) -> float:
        rounded = [_Rounded(step, formats[step.name]) if step.name in formats else step for step in steps]
        found = run_steps(rounded, values, self._outputs)
        if len(found) == 1:
            (name,) = found
            return _mean_square(found[name] - self._wanted[name])
        # Each output counts alike, whatever its values are.
        powers = {name: _mean_square(wanted) or 1.0 for name, wanted in self._wanted.items()}
        return sum(_mean_square(found[name] - self._wanted[name]) / powers[name] for name in found) / len(found)

    def weight_error(
        self, block: Block, gain: Tensor, offset: Tensor, corrected: bool
    ) -> Callable[[QuantizedWeight], Tensor]:
        """Give the function that says the mean squared error of each channel of a block's result with given weights.

        Args:
            block: the next step, with a layer.
            gain, offset: (channels,) that go with the weights.
            corrected: whether the offset will be corrected.
        """
        assert block.mac is not None
        mac: MacLayer = block.mac

        every = -(-self.count // WEIGHT_SAMPLES)
        (entering,) = self.entering(block)

        def error(weight: QuantizedWeight) -> Tensor:
            before = self._before_activation(block)[::every]
            wanted = block.activate(before)
            got = affine(real_mac(mac, weight), gain, offset, entering[::every])
            if not corrected:
                return _means(torch.square(block.activate(got) - wanted))
            return _fit(block.activate, wanted, got, [_means(before) - _means(got)], 1)[1]

        return error

    def shift(self, block: Block, wide: WideLayer | None, gain: Tensor, offset: Tensor) -> Tensor:
        """What is to be added to a quantized block's offset (channels,), so that its result is nearest to float's.

        Without an activation this is the mean of what its channels lack. Behind one, only values count that the
        activation lets pass.
        """
        before = self._before_activation(block)
        got = affine(wide, gain, offset, *self.entering(block))
        start = _means(before) - _means(got)
        return _fit(block.activate, block.activate(before), got, [torch.zeros_like(start), start], SHIFT_STEPS)[0]

    def _before_activation(self, block: Block) -> Tensor:
        """Float values that enter the activation of the next step."""
        if self._real_before is None:
            self._real_before = block.before_activation(*(self.real[name] for name in block.inputs))
        return self._real_before


def _mean_square(x: Tensor) -> float:
    return float(torch.square(x).mean(dtype=torch.float64))


def _affordable(steps: Steps) -> int:
    """Samples whose run stays within all limits; one at least."""
    macs, largest = 1, max(math.prod(shape) for shape in steps.inputs.values())
    for step in steps.steps:
        largest = max(largest, math.prod(step.out_shape))
        if isinstance(step, Block) and step.mac is not None:
            places = step.in_shape if isinstance(step.mac, ConvTranspose2dLayer) else step.out_shape
            macs += step.mac.weight.numel() * math.prod(places[1:])
    return max(1, min(MEASURED_SAMPLES, MEASURED_MACS // macs, MEASURED_VALUES // largest))


def _pixels(x: Tensor) -> tuple[int, ...]:
    """All dimensions but the channels."""
    return (0, *range(2, x.ndim))


def _means(x: Tensor) -> Tensor:
    """(channels,) means in float64."""
    return x.mean(_pixels(x), dtype=torch.float64)


def _fit(
    activate: Activate, wanted: Tensor, before: Tensor, starts: Sequence[Tensor], steps: int
) -> tuple[Tensor, Tensor]:
    """Find for each channel the shift with which `activate(before + shift)` is nearest to `wanted`.

    Shifts are tried, then improved by Gauss-Newton steps from the last one on; what is best counts, so more steps never
    do harm.

    Returns:
        (channels,) shifts, and (channels,) mean squared errors with them.
    """
    best, least = starts[0], torch.full_like(starts[0], math.inf)
    shift = starts[0]
    for trial in range(len(starts) + steps):
        if trial < len(starts):
            shift = starts[trial]
        moved = before + shift.to(before.dtype).view(-1, *(1,) * (before.ndim - 2))
        with torch.enable_grad():
            moved.requires_grad_()
            got = activate(moved)
            (slope,) = torch.autograd.grad(got.sum(), moved)
        lack = wanted - got.detach()
        error = _means(torch.square(lack))
        best, least = torch.where(error < least, shift, best), torch.minimum(error, least)
        curvature = _means(torch.square(slope))
        step = _means(lack * slope) / torch.where(curvature > 0, curvature, 1.0)
        shift = shift + step
    return best, least
