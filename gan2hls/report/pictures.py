"""The grid of pictures: float, golden, C++ and RTL one above the other, as PNGs inside the page."""

import base64
import io
import math
from collections.abc import Iterator
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
    """One world's pictures, one per latent; None where the world did not compute that latent."""

    label: str
    pictures: list[Picture | None]

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
    low, high = _value_range(run)

    def row(label: str, images: np.ndarray | None, compare: bool) -> PictureRow:
        if images is None:
            return PictureRow(label, [None] * columns)
        shown = images[:columns]
        bad = unequal(shown, run.golden[: len(shown)]).reshape(len(shown), -1).any(axis=1) & compare
        tiles = (_tiles(shown, low).astype(np.float64) - low) / (high - low) * 2 - 1
        pictures: list[Picture | None] = [_picture(*pair) for pair in zip(tiles, bad.tolist(), strict=True)]
        return PictureRow(label, pictures + [None] * (columns - len(pictures)))

    distance = np.abs(np.asarray(run.golden, np.float64) - run.real_images) * DIFFERENCE_GAIN
    rows = [row("float", run.real_images, False), row("golden", run.golden, False)]
    rows += [row(name, images, True) for name, images in run.simulated.items()]
    rows.append(row(f"error ×{DIFFERENCE_GAIN}", low + distance, False))
    return Gallery(rows, columns, list(_notes(run, columns, low, high)))


def _value_range(run: RunReport) -> tuple[float, float]:
    """Values drawn black and white: [-1, 1], for an unsigned output [0, 1], wider where the float model goes beyond."""
    most = max(1.0, float(np.abs(run.real_images).max()))
    return (-most if run.pipeline.graph.output.int_type.signed else 0.0), most


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


def _notes(run: RunReport, columns: int, low: float, high: float) -> Iterator[str]:
    shape = run.golden.shape[1:]
    count = len(run.golden)
    yield "Each column is one latent" + (f"; the first {columns} of {count} are shown." if count > columns else ".")
    if not _is_picture(shape):
        size = math.prod(shape)
        cut = f", the first {VECTOR_SHOWN} of them drawn" if size > VECTOR_SHOWN else ""
        yield f"The output is no image but {size:,} values{cut}: one square a value, row by row."
        if size > VECTOR_COLUMNS and min(size, VECTOR_SHOWN) % VECTOR_COLUMNS:
            yield "Squares after the last value are black."
    elif shape[0] not in (1, 3):
        cut = ", the first 4 drawn" if shape[0] > 4 else ""
        yield f"The output has {shape[0]} channels{cut}: they stand side by side in grey."
    if (low, high) != (-1.0, 1.0) or not _is_picture(shape):
        yield f"Black is {low:g}, white is {high:.4g}."
    yield f"The last row is |golden − float| × {DIFFERENCE_GAIN}: black means no error of quantization."
    if any(images is not None and len(images) < columns for images in run.simulated.values()):
        yield "An empty place was not simulated."
