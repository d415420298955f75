"""What a choice costs, measured on calibration samples: float model and quantized blocks run side by side.

Blocks are quantized in order. What enters a block is then known twice: as the float model has it, and as the quantized
blocks before it give it. Weights and offsets are chosen by the error of the block's own result, channel by channel;
formats of activations by the error of the network's output, with the layers behind them in float.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gan2hls.frontends.float_model import ConvTranspose2dLayer
from gan2hls.quantization.blocks import Block, MacLayer, Step, affine
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


class Measurement:
    """Float and quantized values that enter the next step, of a part of the calibration samples.

    Args:
        steps: all steps of the model.
        samples: (n, *input shape); as many of them are taken, evenly spread, as the limits above allow.
    """

    def __init__(self, steps: Sequence[Step], samples: Tensor) -> None:
        count = min(len(samples), _affordable(steps, samples[0].numel()))
        kept = torch.linspace(0, len(samples) - 1, count, dtype=torch.float64).round().long()
        self.real = self.quantized = samples[kept]
        self._following = list(steps)
        self._real_before: Tensor | None = None
        self._wanted = _run(steps, self.real)

    def take_input(self, format_: Format) -> None:
        """Quantize the network's input."""
        self.quantized = format_.fake_quantize(self.quantized)

    def take(self, made: QuantizedStep) -> None:
        """Go over the next step, of which `made` is the quantized one."""
        step = self._following.pop(0)
        self._real_before = None
        self.real = _run([step], self.real)
        self.quantized = made.forward(self.quantized)

    def output_error(self, values: Tensor, activate: Activate, format_: Format) -> float:
        """Mean squared error of the network's output if `values`, in this format and activated, leave the next step."""
        return self._error(_run(self._following[1:], activate(format_.fake_quantize(values))))

    def block_error(self, made: QuantizedBlock) -> float:
        """Mean squared error of the network's output with the next step quantized like this."""
        return self._error(_run(self._following[1:], made.forward(self.quantized)))

    def input_error(self, format_: Format) -> float:
        """Mean squared error of the network's output with its input in this format."""
        return self._error(_run(self._following, format_.fake_quantize(self.real)))

    def _error(self, output: Tensor) -> float:
        return float(torch.square(output - self._wanted).mean(dtype=torch.float64))

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

        every = -(-len(self.real) // WEIGHT_SAMPLES)

        def error(weight: QuantizedWeight) -> Tensor:
            before = self._before_activation(block)[::every]
            wanted = block.activate(before)
            got = affine(real_mac(mac, weight), gain, offset, self.quantized[::every])
            if not corrected:
                return _means(torch.square(block.activate(got) - wanted))
            return _fit(block.activate, wanted, got, [_means(before) - _means(got)], 1)[1]

        return error

    def shift(self, block: Block, mac: MacLayer | None, gain: Tensor, offset: Tensor) -> Tensor:
        """What is to be added to a quantized block's offset (channels,), so that its result is nearest to float's.

        Without an activation this is the mean of what its channels lack. Behind one, only values count that the
        activation lets pass.
        """
        before = self._before_activation(block)
        got = affine(mac, gain, offset, self.quantized)
        start = _means(before) - _means(got)
        return _fit(block.activate, block.activate(before), got, [torch.zeros_like(start), start], SHIFT_STEPS)[0]

    def _before_activation(self, block: Block) -> Tensor:
        """Float values that enter the activation of the next step."""
        if self._real_before is None:
            self._real_before = block.before_activation(self.real)
        return self._real_before


def _run(steps: Sequence[Step], x: Tensor) -> Tensor:
    for step in steps:
        x = step.activate(step.before_activation(x)) if isinstance(step, Block) else step.forward(x)
    return x


def _affordable(steps: Sequence[Step], input_values: int) -> int:
    """Samples whose run stays within all limits; one at least."""
    macs, largest = 1, input_values
    for step in steps:
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
