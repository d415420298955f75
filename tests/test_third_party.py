"""Generators that others trained go through build, C simulation and RTL simulation, exactly."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np

import gan2hls
from gan2hls import passes
from gan2hls.models import latents
from gan2hls.schedule import predict

ROOT = Path(__file__).resolve().parent.parent


def example(name: str) -> ModuleType:
    """Import a script of `examples/`."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_all_equal(project: gan2hls.Project, x: np.ndarray, csim_frames: int, cosim_frames: int) -> np.ndarray:
    """Golden model, C++ and RTL agree in every value; gives the golden output."""
    golden = project.graph.run_integers(x)
    np.testing.assert_array_equal(project.csim(x[:csim_frames]), golden[:csim_frames])
    result = project.cosim(x[:cosim_frames])
    np.testing.assert_array_equal(result.outputs, golden[:cosim_frames])
    assert result.interval_cycles == project.pipeline.interval_cycles
    assert result.latency_cycles == predict(project.pipeline).latency_cycles
    return golden


def test_digit_dcgan(shared: Path, tmp_path: Path) -> None:
    """A .pth state dict with kernels 3 and 4, strides 1 and 2, no padding, biases, and one layer of other bits."""
    source = shared / "models" / "digit-dcgan" / "generator.pth"
    model = gan2hls.load(source, architecture=ROOT / "examples" / "digit-dcgan-architecture.toml")
    graph = gan2hls.quantize(model, latents(128, (64, 1, 1), 0), overrides={"gen.3.0": {"weight_bits": 6}})
    project = gan2hls.build(graph, tmp_path / "out", multipliers=96)
    x = graph.quantize_input(latents(8, (64, 1, 1), 1))
    golden = assert_all_equal(project, x, 8, 2)
    assert golden.shape == (8, 1, 28, 28)


def test_qdcgan_mnist_before_tanh(shared: Path, tmp_path: Path) -> None:
    """The published 4-bit generator: golden model, C++ and RTL give the reference's integers before tanh."""
    folder = shared / "models" / "qdcgan-mnist"
    script = example("qdcgan_mnist")
    with np.load(folder / "ref_mnist.npz", allow_pickle=False) as reference:
        x, expected = reference["x_int"].astype(np.int64), reference["pre_tanh_x128"]
    whole = script.quantize_as_published(script.read_generator(folder / "MNIST-W4A4.npz"))
    graph = passes.truncate(whole, "6")
    np.testing.assert_array_equal(graph.run_integers(x), expected)
    project = gan2hls.build(graph, tmp_path / "before_tanh", multipliers=96)
    np.testing.assert_array_equal(assert_all_equal(project, x, 16, 2), expected)


def test_qdcgan_mnist_with_tanh(shared: Path, tmp_path: Path) -> None:
    """At 1,000 frames/s and its own bits it takes fewer LUTs than its publication says, 32,792."""
    folder = shared / "models" / "qdcgan-mnist"
    script = example("qdcgan_mnist")
    graph = script.quantize_as_published(script.read_generator(folder / "MNIST-W4A4.npz"))
    project = script.build(graph, tmp_path / "out")
    x = graph.quantize_input(latents(4, (32, 1, 1), 1))
    assert_all_equal(project, x, 4, 2)
    assert project.clock_mhz * 1e6 / project.pipeline.interval_cycles >= 1000, "equal to Verilator's interval, above"
    usage = project.synth(script.TARGET, place=False).usage
    assert usage.luts < 32_792
    assert usage.dsps <= 16
