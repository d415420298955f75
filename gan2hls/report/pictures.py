"""The grid of pictures: float, golden, C++ and RTL one above the other, as PNGs inside the page."""

import base64
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gan2hls.data import image_grid
from gan2hls.report.run import RunReport, unequal

MAX_COLUMNS = 8
"""Latents that are shown: more are hardly looked at and make the page heavy."""

DIFFERENCE_GAIN = 8
"""How much the row of errors brightens the distance between golden and float; one 8-bit step alone is invisible."""

VECTOR_SHOWN = 64
"""Values of a vector output that are drawn, `VECTOR_COLUMNS` in a row."""

VECTOR_COLUMNS = 16


@dataclass(frozen=True)
class Picture:
    """An image as a data URI, and whether it differs from the golden model's."""

    source: str
    differs: bool
    width: int
    height: int


@dataclass(frozen=True)
class PictureRow:
    """One world's pictures, one per latent; None where it did not compute that latent; `note` explains the label."""

    label: str
    pictures: list[Picture | None]
    note: str = ""

    @property
    def is_empty(self) -> bool:
        return not any(self.pictures)


@dataclass(frozen=True)
class Gallery:
    """Rows of pictures, and the sentences that say how to read them."""

    rows: list[PictureRow]
    columns: int
    notes: list[str]


def make_gallery(run: RunReport) -> Gallery:
    """Pictures of a run's first latents; an output that is no image is drawn as squares of grey."""
    columns = min(len(run.golden), MAX_COLUMNS)
    low, _ = value_range = _value_range(run.real_images, run.pipeline.graph.types[run.output_name].int_type.signed)

    def row(label: str, images: np.ndarray | None, compare: bool) -> PictureRow:
        return _row(label, images, columns, value_range, run.golden if compare else None)

    distance = np.abs(np.asarray(run.golden, np.float64) - run.real_images) * DIFFERENCE_GAIN
    rows = [row("float", run.real_images, False), row("golden", run.golden, False)]
    rows += [row(name, images, True) for name, images in run.simulated.items()]
    rows.append(row(f"error ×{DIFFERENCE_GAIN}", low + distance, False))
    notes = [*_notes(run.golden.shape, columns, value_range)]
    notes.append(f"The last row is |golden − float| × {DIFFERENCE_GAIN}: black means no error of quantization.")
    if any(images is not None and len(images) < columns for images in run.simulated.values()):
        notes.append("An empty place was not simulated.")
    return Gallery(rows, columns, notes)


def make_grid(real: np.ndarray, images: Mapping[str, np.ndarray], about: Mapping[str, str]) -> Gallery:
    """The float model's pictures, and below them those of each bit width, from the same latents.

    Args:
        real: (n, channels, height, width), or (n, …) where the output is no image.
        images: name of the bit width → the same shape; fewer images leave places empty.
        about: name of the bit width → a note beside its name.
    """
    columns = min(len(real), MAX_COLUMNS)
    value_range = _value_range(real, bool(real.size and real.min() < 0))
    rows = [_row("float", real, columns, value_range)]
    for name, given in images.items():
        row = _row(name, given, columns, value_range)
        rows.append(PictureRow(name, row.pictures, about.get(name, "")))
    return Gallery(rows, columns, list(_notes(real.shape, columns, value_range)))


def _row(
    label: str,
    images: np.ndarray | None,
    columns: int,
    value_range: tuple[float, float],
    golden: np.ndarray | None = None,
) -> PictureRow:
    """The first `columns` images; those that are not what `golden` says are marked."""
    if images is None:
        return PictureRow(label, [None] * columns)
    low, high = value_range
    shown = images[:columns]
    bad = [False] * len(shown)
    if golden is not None:
        bad = unequal(shown, golden[: len(shown)]).reshape(len(shown), -1).any(axis=1).tolist()
    tiles = (_tiles(shown, low).astype(np.float64) - low) / (high - low) * 2 - 1
    pictures: list[Picture | None] = [_picture(*pair) for pair in zip(tiles, bad, strict=True)]
    return PictureRow(label, pictures + [None] * (columns - len(pictures)))


def _value_range(real: np.ndarray, signed: bool) -> tuple[float, float]:
    """Values drawn black and white: [-1, 1], for an unsigned output [0, 1], wider where the float model goes beyond."""
    most = max(1.0, float(np.abs(real).max(initial=0)))
    return (-most if signed else 0.0), most


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[1] * shape[2] > 1


def _tiles(images: np.ndarray, low: float) -> np.ndarray:
    """Anything (n, …) as pictures (n, 1 or 3, h, w): channels that are no colours side by side, vectors folded, the end
    of their last row filled with `low`."""
    if _is_picture(images.shape[1:]):
        count, channels, height, width = images.shape
        if channels in (1, 3):
            return images
        return images[:, :4].transpose(0, 2, 1, 3).reshape(count, 1, height, min(channels, 4) * width)
    values = images.reshape(len(images), -1)[:, :VECTOR_SHOWN]
    width = min(VECTOR_COLUMNS, values.shape[1])
    rest = -values.shape[1] % width
    return np.pad(values, ((0, 0), (0, rest)), constant_values=low).reshape(len(values), 1, -1, width)


def _picture(tile: np.ndarray, differs: bool) -> Picture:
    image = image_grid(tile[None])
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(source, differs, image.width, image.height)


def _notes(shape: tuple[int, ...], columns: int, value_range: tuple[float, float]) -> Iterator[str]:
    """How to read the pictures of outputs of a shape (n, …)."""
    (count, *size), (low, high) = shape, value_range
    yield "Each column is one latent" + (f"; the first {columns} of {count} are shown." if count > columns else ".")
    if not _is_picture(shape[1:]):
        values = math.prod(size)
        cut = f", the first {VECTOR_SHOWN} of them drawn" if values > VECTOR_SHOWN else ""
        yield f"The output is no image but {values:,} values{cut}: one square a value, row by row."
        if values > VECTOR_COLUMNS and min(values, VECTOR_SHOWN) % VECTOR_COLUMNS:
            yield "Squares after the last value are black."
    elif size[0] not in (1, 3):
        cut = ", the first 4 drawn" if size[0] > 4 else ""
        yield f"The output has {size[0]} channels{cut}: they stand side by side in grey."
    if (low, high) != (-1.0, 1.0) or not _is_picture(shape[1:]):
        yield f"Black is {low:.4g}, white is {high:.4g}."
