"""What a reader of torch calls gives: a layer whose name and shapes are not known yet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from gan2hls.frontends.float_model import ActivationLayer, AffineLayer, FloatLayer, Shape


class UnsupportedError(Exception):
    """A layer that can not be read; `args` are the reasons, one a string."""


class Traced:
    """Stands for an argument that depends on the module's input."""


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
    """

    layer: type[FloatLayer] | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    rank: int | None = None
    channels: int | None = None
    complete: Callable[[Mapping[str, Any], Shape, Shape], Mapping[str, Any]] | None = None

    def check_input(self, shape: Shape) -> None:
        """Raise `UnsupportedError` if an input of this shape is not accepted."""
        rank_is_wrong = self.rank is not None and len(shape) != self.rank
        channels_are_wrong = self.channels is not None and shape[:1] != (self.channels,)
        if rank_is_wrong or channels_are_wrong:
            channels = "features" if self.channels is None else self.channels
            wanted = f"({channels},)" if self.rank == 1 else f"({channels}, height, width)"
            if self.rank is None:
                wanted = f"({channels},) or ({channels}, height, width)"
            raise UnsupportedError(f"its input has the shape {shape} without the batch; {wanted} is needed")

    def finish(self, name: str, in_shape: Shape, out_shape: Shape) -> FloatLayer | None:
        """Make the layer; None if it vanishes."""
        if self.layer is None:
            return None
        if issubclass(self.layer, ActivationLayer | AffineLayer) and len(in_shape) not in (1, 3):
            raise UnsupportedError(f"its input has the shape {in_shape}: neither a vector nor an image")
        fields = self.fields if self.complete is None else self.complete(self.fields, in_shape, out_shape)
        layer = self.layer(name=name, in_shape=in_shape, out_shape=out_shape, **fields)
        damaged = [key for key, value in layer.tensors().items() if not bool(torch.isfinite(value).all())]
        if damaged:
            raise UnsupportedError(f"{' and '.join(damaged)} not finite (NaN or infinite)")
        return layer
