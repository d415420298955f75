"""What a reader of torch calls gives: a layer whose name and shapes are not known yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from gan2hls.frontends.float_model import (
    ActivationLayer,
    AffineLayer,
    FloatLayer,
    PReluLayer,
    Shape,
    SliceLayer,
    join_problems,
)


class UnsupportedError(Exception):
    """A layer that can not be read; `args` are the reasons, one a string."""


@dataclass(frozen=True)
class Traced:
    """Stands for an argument that depends on the module's input, the value of a `source`."""

    source: Any = None


TRACED = Traced()


@dataclass(frozen=True)
class Draft:
    """A layer without its name and shapes.

    Args:
        layer: its class; None if it changes nothing and vanishes.
        fields: tensors and attributes of the layer.
        rank: number of dimensions of its input, without the batch; None if any.
        channels: features or channels of its input; None if any.
        complete: (fields, in_shape, out_shape) -> fields, for what only the shapes say.
        joins: the values that are joined, in order, constants too; none for a layer of one input.
        by_pixel: what it is, of an input of this shape, if its constant differs from pixel to pixel.
    """

    layer: type[FloatLayer] | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    rank: int | None = None
    channels: int | None = None
    complete: Callable[[Mapping[str, Any], Shape, Shape], Mapping[str, Any]] | None = None
    joins: tuple[Traced | torch.Tensor, ...] = ()
    by_pixel: Callable[[Shape], "Draft | None"] | None = None

    def check_inputs(self, shapes: Sequence[Shape]) -> None:
        """Raise `UnsupportedError` if inputs of these shapes are not accepted."""
        for shape in shapes:
            self._check_input(shape)
        if self.joins and self.layer is not None:
            problems = list(join_problems(self.layer, shapes))
            if problems:
                raise UnsupportedError(*problems)

    def _check_input(self, shape: Shape) -> None:
        rank_is_wrong = self.rank is not None and len(shape) != self.rank
        channels_are_wrong = self.channels is not None and shape[:1] != (self.channels,)
        if rank_is_wrong or channels_are_wrong:
            channels = "features" if self.channels is None else self.channels
            wanted = f"({channels},)" if self.rank == 1 else f"({channels}, height, width)"
            if self.rank is None:
                wanted = f"({channels},) or ({channels}, height, width)"
            raise UnsupportedError(f"its input has the shape {shape} without the batch; {wanted} is needed")

    def finish(self, name: str, inputs: tuple[str, ...], in_shape: Shape, out_shape: Shape) -> FloatLayer | None:
        """Make the layer; None if it vanishes."""
        if self.layer is None:
            return None
        for_channels = issubclass(self.layer, ActivationLayer | AffineLayer | PReluLayer | SliceLayer) or bool(
            self.joins
        )
        if for_channels and len(in_shape) not in (1, 3):
            raise UnsupportedError(f"its input has the shape {in_shape}: neither a vector nor an image")
        fields = self.fields if self.complete is None else self.complete(self.fields, in_shape, out_shape)
        if issubclass(self.layer, SliceLayer) and (fields["start"], fields["stop"]) == (0, in_shape[0]):
            return None
        layer = self.layer(name=name, inputs=inputs, in_shape=in_shape, out_shape=out_shape, **fields)
        damaged = [key for key, value in layer.tensors().items() if not bool(torch.isfinite(value).all())]
        if damaged:
            raise UnsupportedError(f"{' and '.join(damaged)} not finite (NaN or infinite)")
        return layer
