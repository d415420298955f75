"""Which formats of activations there are to choose from: types, given scales, calibrated ranges, one for each group."""

import math
from collections.abc import Callable, Iterator, Sequence

from gan2hls.errors import raise_problems
from gan2hls.frontends.float_model import ConstantLayer
from gan2hls.ir import IntType
from gan2hls.quantization.activation import Activation
from gan2hls.quantization.blocks import Block, Steps
from gan2hls.quantization.config import LayerConfig, QuantizeConfig
from gan2hls.quantization.observe import Observer, result_of
from gan2hls.quantization.quantizers import Format, activation_format
from gan2hls.quantization.scale_groups import Groups, scale_groups

_NEARLY = 1.05
"""Errors this near to each other are equal: the wider format is the safer one for samples that were not seen."""


class Formats:
    """What a configuration and calibration say of the formats of some steps' values.

    Args:
        config: bits and methods.
        steps: the steps.
        observed: what each input and block was seen to give, see `observe.calibrate`.
    """

    def __init__(self, config: QuantizeConfig, steps: Steps, observed: dict[str, Observer]) -> None:
        self.config, self.steps, self.observed = config, steps, observed
        self.groups: Groups = scale_groups(steps)
        self.power_of_two = config.scales == "power_of_two"
        self._blocks = {block.name: block for block in steps.blocks}
        self._leaving = {source for name in steps.outputs for source in self._moved(name)}

    def _moved(self, name: str) -> Iterator[str]:
        """The inputs and blocks whose values a step's value is made of."""
        step = next((step for step in self.steps.steps if step.name == name), None)
        if step is None or isinstance(step, Block):
            yield name
            return
        for before in step.inputs:
            yield from self._moved(before)

    def _layer(self, source: str) -> LayerConfig:
        return self.config.layers.get(source, LayerConfig())

    def _bits(self, source: str) -> int:
        if source in self.steps.inputs:
            return self.config.first_bits
        bits = self._layer(source).activation_bits
        if bits is not None:
            return bits
        return self.config.output_bits if source in self._leaving else self.config.activation_bits

    def _signed(self, source: str) -> bool:
        if source in self.steps.inputs:
            return self.config.input_signed
        block, given = self._blocks[source], self._layer(source).signed
        if given is not None:
            return given
        if isinstance(block.wide, ConstantLayer):
            return bool((block.wide.value < 0).any())
        if block.only_adds or block.is_branch:
            return any(self._signed(before) for name in block.inputs for before in self._moved(name))
        return block.activation.signed

    def kind(self, sources: Sequence[str]) -> IntType:
        """The narrowest type that all sources of a group ask for."""
        return IntType(max(map(self._bits, sources)), any(map(self._signed, sources)))

    def given(self, sources: Sequence[str]) -> float | None:
        """The scale that the configuration gives to a group; None if it gives none."""
        scales = {}
        for source in sources:
            is_input = source in self.steps.inputs
            scale = self.config.input_scale if is_input else self._layer(source).activation_scale
            if scale is not None:
                scales[source] = scale
        if len(set(scales.values())) > 1:
            listed = ", ".join(f"{name}: {scale:g}" for name, scale in scales.items())
            raise_problems([f"{', '.join(scales)} meet and need one scale, but theirs are given as {listed}"])
        return next(iter(scales.values()), None)

    def observer(self, sources: Sequence[str]) -> Observer:
        """What all values of a group were seen to be."""
        return Observer.of_all(map(self._seen, sources))

    def sources_of(self, value: str) -> list[Observer]:
        """What the inputs and blocks were seen to give that a value is made of."""
        return [self._seen(source) for source in dict.fromkeys(self._moved(value))]

    def _seen(self, source: str) -> Observer:
        return self.observed.get(result_of(source), self.observed[source])

    def choose(self, sources: Sequence[str], error: Callable[[Format], float], few: bool = False) -> Format:
        """Give the format of a group: given, fixed by its functions, or with the least error.

        Args:
            sources: inputs and blocks of the group.
            error: of the network's output with a format.
            few: whether to try only a few, for a comparison.
        """
        kind, scale = self.kind(sources), self.given(sources)
        if scale is not None:
            return Format(kind, scale)
        activations = [self._blocks[name].activation for name in sources if name in self._blocks]
        if len(activations) == len(sources) and all(activation.fixed_range for activation in activations):
            return Format(kind, max(_fixed_scale(activation, kind, self.power_of_two) for activation in activations))
        return self.best(kind, self.observer(sources), math.inf, error, few)

    def best(
        self, kind: IntType, observer: Observer, limit: float, error: Callable[[Format], float], few: bool = False
    ) -> Format:
        """Give the format of this type with the least error, or a wider one that is nearly as good.

        `limit` bounds the magnitudes that it is made for.
        """
        magnitudes = [min(largest, limit) for largest in observer.magnitudes(self.config, kind, few)]
        formats = []
        for largest in magnitudes:
            samples = observer.samples if limit == math.inf else observer.samples.clamp(-largest, largest)
            formats.append(activation_format(samples, largest, kind, self.power_of_two))
        tried = sorted(set(formats), key=lambda choice: -choice.scale)
        if len(tried) == 1:
            return tried[0]
        errors = [error(choice) for choice in tried]
        return next(choice for choice, found in zip(tried, errors, strict=True) if found <= min(errors) * _NEARLY)


def _fixed_scale(activation: Activation, kind: IntType, power_of_two: bool) -> float:
    """Give the scale that holds the whole range of a table's results."""
    function = activation.function
    scale = max(function.high / kind.max, function.low / kind.min if kind.signed else 0.0)
    if scale <= 0:
        return 1.0  # all results are 0, as those of relu(tanh(x) - 1)
    if not power_of_two:
        return scale
    below = math.ldexp(1.0, math.frexp(scale)[1] - 1)
    # One step less than the whole range costs less than steps of twice the size: so do 127/128 for 1.
    return below if scale * kind.max - below * kind.max <= below else 2 * below
