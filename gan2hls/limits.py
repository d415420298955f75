"""Limits that no sane input reaches. Each can be raised by an environment variable, which the message names.

They are compared before anything is read or allocated, so that a wrong number ends in a sentence and not in a machine
without memory.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from gan2hls.errors import UserError


@dataclass(frozen=True)
class Limit:
    """The most of something.

    Attributes:
        variable: environment variable with another limit.
        default: the limit without it.
        unit: of both.
    """

    variable: str
    default: int
    unit: str

    @property
    def most(self) -> int:
        """The limit that holds now.

        Raises:
            UserError: the variable holds no whole number above 0.
        """
        text = os.environ.get(self.variable)
        if text is None:
            return self.default
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) > 0):
            raise UserError(f"environment variable {self.variable}: {text!r} is not accepted; use {self.unit}, above 0")
        return int(text)

    def check(self, amount: int, what: str) -> None:
        """Refuse more than the limit.

        Raises:
            UserError: names `what`, the amount, the limit and the variable.
        """
        if amount > self.most:
            raise UserError(
                f"{what}: {amount:,} {self.unit} are too many; use at most {self.most:,}, "
                f"or raise the limit {self.variable}"
            )


FILE_BYTES = Limit("GAN2HLS_MAX_FILE_BYTES", 4 << 30, "bytes")
"""Of a file that is read, and of what it unpacks to: a billion weights of 4 bytes."""

TEXT_BYTES = Limit("GAN2HLS_MAX_TEXT_BYTES", 16 << 20, "bytes")
"""Of a TOML or JSON file that people write, which parsers turn into a hundred times as much."""

ARRAY_BYTES = Limit("GAN2HLS_MAX_ARRAY_BYTES", 4 << 30, "bytes")
"""Of an array that settings ask for: samples, images, a layer's values."""

FRAMES = Limit("GAN2HLS_MAX_FRAMES", 1_000_000, "frames")
"""Samples or images of one measurement: a million digits take a day in Verilator."""

PIXELS = Limit("GAN2HLS_MAX_PIXELS", 1 << 26, "pixels")
"""Of one image file: 67 million."""

CLOCKS_MHZ = (1e-3, 1e5)
"""Clocks that are no slip of the finger."""

FRAME_RATES = (1e-6, 1e12)
"""Frames a second, likewise."""

SCALES = (1e-12, 1e12)
"""Real values of one step of an integer, likewise: products of a few of them stay numbers."""

RUNS = Limit("GAN2HLS_MAX_RUNS", 10_000, "runs")
"""Seeds of place and route, processes, and trials of a search."""

COSIM_SECONDS = Limit("GAN2HLS_MAX_COSIM_SECONDS", 7200, "seconds")
"""How long Vitis HLS may simulate the RTL that it made: a deadlock that it does not notice would never end."""


def number_problems(name: str, value: float, between: tuple[float, float]) -> Iterator[str]:
    """What is wrong with a number above 0 that has to lie between two others, themselves included."""
    low, high = between
    if not low <= value <= high:
        yield f"{name} {value} is not supported; use a number above 0, {low:g} to {high:g}"
