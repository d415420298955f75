"""Random torch modules of the accepted layers, and how far their hardware may be from them.

The bound is no tolerance but a sum of what each quantization can do, element by element: what the rounding of weights
changes on the values at hand, half a step for each rounding, what a format clips, the rounding of the requantizer's
numbers, and what the layers after it make of all that. No hardware that does as the numeric contract says is outside,
at any bits; at 16 bits a wrong tap, order or sign is.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import gan2hls
from gan2hls import passes
from gan2hls.config import from_mapping
from gan2hls.errors import UserError
from gan2hls.frontends import from_torch
from gan2hls.ir import Graph
from gan2hls.models.layer_types import Affine
from gan2hls.ops import Requantize
from gan2hls.quantization.blocks import Block, make_blocks
from gan2hls.quantization.config import QuantizeConfig
from gan2hls.quantization.ptq import quantize_float_model
from gan2hls.quantization.quantized_model import QuantizedBlock
from gan2hls.quantization.quantizers import Format
from tests.quantization.models import samples, settle

ROUNDING = 1e-9
"""What float64, in which model and bound are computed, may be wrong by, relative to the largest value: far too much."""


# -- modules ----------------------------------------------------------------------------------------------------------


class Skip(nn.Module):
    """What a row of layers gives, and what it skips: added, subtracted, or with its channels behind."""

    def __init__(self, inner: nn.Module, kind: str) -> None:
        super().__init__()
        self.inner, self.kind = inner, kind

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        if self.kind == "concat":
            return torch.cat([y, x], 1)
        return y + x if self.kind == "add" else y - x

    def extra_repr(self) -> str:
        return self.kind


class Swap(nn.Module):
    """The first channels behind the others."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, self.first :], x[:, : self.first]], 1)

    def extra_repr(self) -> str:
        return str(self.first)


class _Drawing:
    """Layers in a row, and the shape (channels, height, width) or (features,) after them."""

    def __init__(self, rng: np.random.Generator, elements: int) -> None:
        self.rng, self.elements = rng, elements
        self.layers: list[nn.Module] = []
        vector = bool(rng.integers(2))
        self.shape: tuple[int, ...] = (self.number(12),) if vector else (self.number(6), self.number(4), self.number(4))

    def number(self, most: int) -> int:
        return int(self.rng.integers(1, most + 1))

    def pair(self, most: int) -> tuple[int, int]:
        first = self.number(most)
        return first, first if self.rng.integers(2) else self.number(most)

    def add(self, layer: nn.Module) -> bool:
        """Append a layer that torch takes and that gives few elements."""
        try:
            with torch.no_grad():
                shape = tuple(layer.eval()(torch.zeros(1, *self.shape)).shape[1:])
        except (RuntimeError, ValueError):
            return False  # an output without pixels, or an output padding that torch does not have
        if not 0 < int(np.prod(shape)) <= self.elements:
            return False
        self.layers.append(layer)
        self.shape = shape
        return True

    def mac(self) -> bool:
        bias = bool(self.rng.integers(2))
        if len(self.shape) == 1:
            if self.rng.integers(2):
                return self.add(nn.Linear(self.shape[0], self.number(16), bias=bias))
            image = (self.number(6), self.number(4), self.number(4))
            added = self.add(nn.Linear(self.shape[0], int(np.prod(image)), bias=bias))
            return added and self.add(nn.Unflatten(1, image))
        outputs, kernel, stride = self.number(6), self.pair(5), self.pair(3)
        padding = tuple(int(self.rng.integers(0, side // 2 + 1)) for side in kernel)
        kind = self.rng.integers(5)
        if kind == 0:
            self.add(nn.Flatten())
            return self.add(nn.Linear(self.shape[0], self.number(16), bias=bias))
        if kind == 1:
            return self.add(nn.Conv2d(self.shape[0], outputs, kernel, stride, padding, bias=bias))
        extra = tuple(int(self.rng.integers(0, step)) for step in stride)
        return self.add(nn.ConvTranspose2d(self.shape[0], outputs, kernel, stride, padding, extra, bias=bias))

    def norm(self) -> None:
        affine = bool(self.rng.integers(4))
        kind = nn.BatchNorm1d if len(self.shape) == 1 else nn.BatchNorm2d
        self.add(kind(self.shape[0], affine=affine))

    def activation(self) -> None:
        slope = float(self.rng.choice([0.01, 0.2, 0.3]))
        plain = [nn.ReLU(), nn.LeakyReLU(slope), nn.Tanh(), nn.Sigmoid()]
        # None that falls here and rises there, as SiLU and GELU do: the bound is that of the ends of an interval.
        others = [nn.ReLU6(), nn.Hardtanh(-0.5, 0.75), nn.Hardsigmoid(), nn.ELU(0.7), nn.SELU(), nn.CELU(1.3)]
        others += [nn.Softplus(2.0), nn.LogSigmoid(), nn.Softsign(), nn.Tanhshrink()]
        drawn = plain if self.rng.integers(2) else others
        self.add(drawn[self.rng.integers(len(drawn))])
        if self.rng.integers(3) == 0:
            self.add(Affine(float(self.rng.choice([-1.5, 0.5, 1.0])), float(self.rng.choice([0.0, 0.5]))))

    def skip(self, depth: int = 2) -> None:
        """A row of layers and a way around it, which may itself have such inside."""
        kind = str(self.rng.choice(["add", "sub", "concat"]))
        channels = self.shape[0]
        outputs = self.number(6) if kind == "concat" else channels
        inner = copy.copy(self)
        inner.layers = []
        if self.rng.integers(2):
            inner.activation()
        side = int(self.rng.choice([1, 3]))
        image = len(self.shape) == 3
        inner.add(nn.Conv2d(channels, outputs, side, 1, side // 2) if image else nn.Linear(channels, outputs))
        for part in self.rng.permutation(2)[: self.rng.integers(3)]:
            (inner.norm, inner.activation)[part]()
        if depth > 1 and self.rng.integers(3) == 0 and kind == "concat":
            inner.skip(depth - 1)
        self.add(Skip(nn.Sequential(*inner.layers), kind))
        if self.rng.integers(4) == 0 and self.shape[0] > 1:
            self.add(Swap(int(self.rng.integers(1, self.shape[0]))))

    def other(self) -> None:
        if len(self.shape) == 3 and self.rng.integers(2):
            self.add(nn.Upsample(scale_factor=self.pair(3)))
        else:
            self.add([nn.Identity(), nn.Dropout(0.5)][self.rng.integers(2)])


def draw_module(
    rng: np.random.Generator, elements: int = 800, skips: bool = False
) -> tuple[nn.Module, tuple[int, ...]]:
    """A chain of layers, or of such and skips, with random weights in eval mode, and the shape of its input."""
    drawing = _Drawing(rng, elements)
    shape = drawing.shape
    wanted = drawing.number(4)
    while sum(isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) for layer in drawing.layers) < wanted:
        if not drawing.mac():
            continue
        for part in rng.permutation(3)[: rng.integers(4)]:
            (drawing.norm, drawing.activation, drawing.other)[part]()
        if skips and rng.integers(2):
            drawing.skip()
    return settle(nn.Sequential(*drawing.layers), int(rng.integers(1 << 31))).eval(), shape


def draw_options(rng: np.random.Generator) -> dict[str, Any]:
    """Arguments of `gan2hls.quantize`: all of 16 bits as often as any others."""
    options: dict[str, Any] = {
        "scales": str(rng.choice(["free", "power_of_two"])),
        "granularity": str(rng.choice(["channel", "tensor"])),
    }
    if rng.integers(2):
        return {**options, "weight_bits": 16, "activation_bits": 16, "output_bits": 16, "table_bits": 12}
    return {
        **options,
        "method": str(rng.choice(["auto", "minmax", "percentile"])),
        "weight_quantizer": str(rng.choice(["least_error", "symmetric"])),
        "bias_correction": bool(rng.integers(2)),
        "weight_bits": int(rng.integers(1, 17)),
        "activation_bits": int(rng.integers(2, 17)),
        "output_bits": int(rng.integers(2, 17)),
        "table_bits": int(rng.integers(2, 13)),
    }


# -- the bound --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Values:
    """What the float model has at some place, and how far the hardware may be from it, element by element."""

    exact: Tensor
    error: Tensor


def _clipped(kind: Format, values: Tensor) -> Tensor:
    return values.clamp(kind.int_type.min * kind.scale, kind.int_type.max * kind.scale)


def _absolute(block: QuantizedBlock, values: Sequence[Tensor]) -> Tensor:
    """|weights| · values, or their sum: what the layer makes of errors."""
    if block.mac is not None:
        return replace(block.mac, weight=block.mac.weight.abs()).forward(values[0])
    return torch.stack([*values]).sum(0)


def _rounding(values: Tensor, shift: int) -> Tensor:
    """What a requantizer's numbers lose when they are rounded to steps of 2^-shift."""
    steps = values * 2.0**shift
    return (torch.floor(steps + 0.5) - steps).abs() * 0.5**shift


def _through(float_block: Block, block: QuantizedBlock, shift: int, step: float, before: Sequence[_Values]) -> _Values:
    """What leaves a block; `step` is the real value of one input integer, `shift` that of its requantizer."""
    exact, errors = [values.exact for values in before], [values.error for values in before]
    wanted = float_block.before_activation(*exact)
    ones = (1,) * (wanted.ndim - 2)
    gain, offset = (values.view(-1, *ones) for values in (block.gain, block.offset))
    found = (exact[0] if block.wide is None else block.wide.forward(*exact)) * gain + offset
    scale = step * (torch.ones_like(block.gain) if block.weight is None else block.weight.scale)
    largest = [value.abs() + error for value, error in zip(exact, errors, strict=True)]
    accumulators = _absolute(block, largest) / scale.view(-1, *ones)
    entering = block.table or block.output
    slope = torch.tensor(block.activation.slopes or [1.0], dtype=torch.float64)
    slopes = [torch.ones_like(block.gain), slope.expand_as(block.gain)]
    factors = torch.stack([_rounding(one * scale * block.gain / entering.scale, shift) for one in slopes]).amax(0)
    offsets = torch.stack([_rounding(one * block.offset / entering.scale, shift) for one in slopes]).amax(0)
    numbers = (accumulators * factors.view(-1, *ones) + offsets.view(-1, *ones)) * entering.scale
    error = (found - wanted).abs() + _absolute(block, errors) * gain.abs() + numbers
    after = float_block.activate(wanted)
    if block.table is not None:
        # Every function that is drawn never falls, or never rises, so that the ends of an interval go furthest.
        ends = [wanted + sign * (error + block.table.scale / 2) for sign in (-1, 1)]
        error = torch.stack([(float_block.activate(_clipped(block.table, end)) - after).abs() for end in ends]).amax(0)
    elif block.activation.slopes:
        error = error * max(1.0, float(slope.max())) + numbers  # the sign is that of the rounded numbers
        wanted_slope = torch.tensor(float_block.activation.slopes, dtype=torch.float64)
        error = error + (slope - wanted_slope).abs().expand_as(block.gain).view(-1, *ones) * wanted.abs()
    return _Values(after, error + block.output.scale / 2 + (_clipped(block.output, after) - after).abs())


def _float_block(steps: Mapping[str, Any], block: QuantizedBlock) -> Block:
    """What a quantized block is made of; a requantization of a branch does nothing in float."""
    if block.name in steps:
        return steps[block.name]
    channels = torch.ones(block.in_shape[0], dtype=torch.float64)
    shape, zeros = block.in_shape, torch.zeros_like(channels)
    return Block(block.name, (block.name,), block.inputs, shape, shape, None, channels, zeros)


@dataclass(frozen=True, eq=False)
class Quantized:
    """A random module, what became of it, and samples (n, *input shape) to try it with."""

    module: nn.Module
    options: dict[str, Any]
    calibration: Tensor
    graph: Graph
    x: np.ndarray

    def problem(self, golden: np.ndarray) -> str:
        """What is wrong with real values that the golden model gave for `x`, "" if nothing."""
        exact, error = self.bound()
        outside = np.abs(golden - exact) > error + ROUNDING * np.abs(exact).max()
        if not outside.any():
            return ""
        first = tuple(int(i) for i in np.argwhere(outside)[0])
        return (
            f"{outside.sum()} of {golden.size} values are too far from the float model, first {first}: "
            f"{golden[first]} instead of {exact[first]} ± {error[first]}"
        )

    def bound(self) -> tuple[np.ndarray, np.ndarray]:
        """What the module gives for `x` in float64, and how far the golden model may be from that."""
        config = from_mapping(QuantizeConfig, {**self.options, "layers": {}}, "quantize")
        model = from_torch.trace(self.module, tuple(self.calibration.shape[1:]))
        quantized = quantize_float_model(model, self.calibration, config)
        floats = {step.name: step for step in make_blocks(model.to_double()).steps}
        x = torch.from_numpy(self.x)
        (start,) = quantized.inputs
        values = {start: _Values(x, (quantized.input.fake_quantize(x) - x).abs())}
        formats = quantized.formats
        shifts = {node.name: node.op.shift for node in self.graph.computed if isinstance(node.op, Requantize)}
        with torch.no_grad():
            for step in quantized.steps:
                before = [values[name] for name in step.inputs]
                if isinstance(step, QuantizedBlock):
                    shift = shifts.get(f"{step.name}.requantize", shifts.get(step.name))
                    assert shift is not None, step.name
                    scale = formats[step.inputs[0]].scale
                    values[step.name] = _through(_float_block(floats, step), step, shift, scale, before)
                else:
                    moved = (step.forward(*(getattr(v, what) for v in before)) for what in ("exact", "error"))
                    values[step.name] = _Values(*moved)
            exact = copy.deepcopy(self.module).double()(x)
        (end,) = quantized.outputs
        return exact.numpy(), values[end].error.numpy()


def draw_quantized(rng: np.random.Generator, frames: int, name: str = "generator", skips: bool = False) -> Quantized:
    """A module through `load` and `quantize`; samples that it was calibrated with, others, and some that saturate."""
    while True:
        module, shape = draw_module(rng, skips=skips)
        options = draw_options(rng)
        calibration = samples(shape, 32, int(rng.integers(1 << 31)))
        try:
            graph = gan2hls.quantize(gan2hls.load(module), calibration, **options)
        except UserError as error:
            if _refused(str(error)):
                continue
            raise
        others = samples(shape, frames, int(rng.integers(1 << 31))).double().numpy()
        others[: frames // 2] = calibration[: frames // 2].double().numpy()
        others[-1] *= 3
        return Quantized(module, options, calibration, passes.rename(graph, name), others)


def _refused(message: str) -> bool:
    """Whether a module is one of those that integers can not have, by a message that says so."""
    known = (
        "put a Linear layer",
        "a flattened image of several pixels",
        "are too small for the integers of a requantizer",
    )
    return any(words in message for words in known)
