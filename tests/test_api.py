"""The Python API on small networks of several kinds: load, quantize, build, csim, cosim, report."""

import json
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gan2hls
from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.ir import Fold
from tests.doors import ARCHITECTURE, IMAGE, LATENT, state_dict, tree, write_generator
from tests.quantization.models import samples, settle


class MlpGan(nn.Module):
    """Linear layers and a view, as in the first GANs."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 7), nn.LeakyReLU(0.2), nn.Linear(7, 12), nn.Tanh())

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.layers(z).view(z.size(0), 3, 2, 2)


def upsample_gan() -> nn.Module:
    return nn.Sequential(
        nn.Linear(4, 8),
        nn.Unflatten(1, (2, 2, 2)),
        nn.BatchNorm2d(2),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(2, 3, 3, padding=1),
        nn.Sigmoid(),
    )


def dcgan() -> nn.Module:
    return gan2hls.load(
        settle(nn.Sequential(nn.ConvTranspose2d(4, 3, 2), nn.ReLU(), nn.ConvTranspose2d(3, 2, 4, 2, 1)))
    )


NETWORKS: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...]]] = {
    "mlp": (MlpGan, (4,), (3, 2, 2)),
    "upsample": (upsample_gan, (4,), (3, 4, 4)),
    "dcgan": (dcgan, (4, 1, 1), (2, 4, 4)),
}


def tiny(seed: int = 0, **options: Any) -> gan2hls.Graph:
    module = gan2hls.quantize(settle(dcgan(), seed), samples(LATENT, 16), **options)
    assert isinstance(module, gan2hls.Graph)
    return module


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> gan2hls.Project:
    return gan2hls.build(tiny(), tmp_path_factory.mktemp("projet d'été") / "ein Ordner", multipliers=8)


@pytest.mark.parametrize("name", NETWORKS)
def test_from_a_module_to_cpp(tmp_path: Path, name: str) -> None:
    make, input_shape, output_shape = NETWORKS[name]
    model = gan2hls.load(settle(make()))
    graph = gan2hls.quantize(model, samples(input_shape, 32).numpy())
    z = samples(input_shape, 3, seed=7).numpy()
    golden = graph.run(z)
    with torch.no_grad():
        real = model(torch.from_numpy(z)).numpy()
    assert golden.shape == real.shape == (3, *output_shape)
    assert np.abs(golden - real).max() < 0.1 * np.abs(real).max()
    project = gan2hls.build(graph, tmp_path / "out", multipliers=16)
    outputs = project.csim(z)
    assert outputs.dtype == np.float64
    assert (outputs == golden).all()
    assert set(project.report()) >= {"interval_cycles", "macs", "layers"}


def test_cosim(project: gan2hls.Project) -> None:
    z = samples(LATENT, 3).numpy()
    result = project.cosim(z, stalls=True, seed=3)
    assert isinstance(result, gan2hls.CosimResult)
    assert (result.outputs == project.graph.run(z)).all()
    assert result.outputs.shape == (3, 2, 4, 4)
    assert isinstance(result.latency_cycles, int)
    assert result.interval_cycles == project.report()["interval_cycles"]
    assert result.latency_cycles >= result.interval_cycles


def test_integers_in_integers_out(project: gan2hls.Project) -> None:
    graph = project.graph
    kind = graph.input.int_type
    x = np.random.default_rng(0).integers(kind.min, kind.max + 1, (4, *LATENT))
    for dtype in (np.int64, np.int8):
        y = project.csim(x.astype(dtype))
        assert np.issubdtype(y.dtype, np.integer)
        assert (y == graph.run_integers(x)).all()
    assert (graph.to_real(y) == graph.run(x * graph.input.scale)).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_real_types(project: gan2hls.Project, dtype: type) -> None:
    z = samples(LATENT, 2).numpy().astype(dtype)
    assert (project.csim(z) == project.graph.run(z)).all()


def test_a_tensor_and_no_frames(project: gan2hls.Project) -> None:
    z = samples(LATENT, 2)
    assert (project.csim(z) == project.graph.run(z)).all()  # type: ignore[arg-type]
    assert project.csim(np.zeros((0, *LATENT))).shape == (0, 2, 4, 4)
    with pytest.raises(UserError, match="at least one frame"):
        project.cosim(np.zeros((0, *LATENT)))


@pytest.mark.filterwarnings("error")
def test_huge_values_saturate(project: gan2hls.Project) -> None:
    graph, kind = project.graph, project.graph.input.int_type
    z = np.array([1e300, -1e300, 1e-300, 0.0]).reshape(1, *LATENT)
    assert graph.quantize_input(z).ravel().tolist() == [kind.max, kind.min, 0, 0]
    assert (project.csim(z) == graph.run(z)).all()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 4)), r"the input has shape \(2, 4\); expected \(n, 4, 1, 1\)"),
        (np.zeros(LATENT), r"expected \(n, 4, 1, 1\)"),
        (np.zeros((2, 1, 1, 4), np.int64), r"expected \(n, 4, 1, 1\)"),
        (np.full((1, *LATENT), np.nan), "NaN or infinite"),
        (np.full((1, *LATENT), np.inf), "NaN or infinite"),
        (np.full((1, *LATENT), 1000), r"integers from 1000 to 1000 do not fit s8: -128 to 127"),
        (np.full((1, *LATENT), "1"), "real numbers"),
        (np.full((1, *LATENT), 1j), "real numbers"),
        (np.full((1, *LATENT), None), "real numbers"),
    ],
    ids=["flat", "no-batch", "other-order", "NaN", "inf", "large-integers", "text", "complex", "objects"],
)
def test_inputs_that_are_not_accepted(project: gan2hls.Project, x: np.ndarray, message: str) -> None:
    for call in (project.csim, project.cosim):
        with pytest.raises(UserError, match=message):
            call(x)


def test_run_and_run_integers_are_not_mixed_up(project: gan2hls.Project) -> None:
    with pytest.raises(UserError, match="run_integers takes integers, not float64; use run"):
        project.graph.run_integers(np.zeros((1, *LATENT)))


# Building


@pytest.mark.parametrize("fold", [(2, 3), Fold(2, 3), {"pe": 2, "simd": 3}], ids=["tuple", "Fold", "dict"])
def test_a_given_folding(tmp_path: Path, fold: Any) -> None:
    graph = tiny()
    name = graph.computed[0].name
    project = gan2hls.build(graph, tmp_path / "p", folding={name: fold})
    assert project.pipeline.folding[name] == Fold(2, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folding": {"nope": (1, 1)}}, "nope"),
        ({"folding": {"0": (4, 1)}}, "pe 4 is not supported; use 1 to 3, its output channels"),
        ({"folding": {"0": (1, 5)}}, "simd 5 is not supported; use 1 to 4, its input channels"),
        ({"folding": {"0": (1,)}}, r"expected \(pe, simd\), two integers, got \(1,\)"),
        ({"folding": {"0": {"pe": 1}}}, r"expected \(pe, simd\), two integers, got {'pe': 1}"),
        ({"folding": {"0": (1, "2")}}, "folding of .*: simd: expected an integer, got '2'"),
        (
            {"folding": {"0": {"pe": 1, "simd": 1, "lanes": 2}}},
            r"unknown field 'lanes' \(accepted: pe, simd, ",
        ),
        ({"folding": {"0": {"pe": 1, "simd": 1, "packing": 1.0}}}, ".*packing: expected an integer, got 1.0"),
        ({"folding": {"0": {"pe": 1, "simd": 1, "tap_rows": 9}}}, "tap_rows 9 is not supported; use 1 to "),
        ({"multipliers": 1}, "1 multipliers are too few"),
        ({"multipliers": 8, "dsps": 8, "target": "xcup"}, "multipliers and dsps are given; use one of them"),
        ({"dsps": 8}, "dsps needs a target"),
        ({"target": "xc"}, "unknown target 'xc'; use one of ecp5, gowin"),
        ({"frames_per_second": 1e9}, "can not be reached: .* takes at least .* cycles a frame; use at most"),
    ],
)
def test_foldings_that_are_not_accepted(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    graph = tiny()
    first = graph.computed[0].name
    if "folding" in options:
        options = {"folding": {first if key == "0" else key: fold for key, fold in options["folding"].items()}}
    with pytest.raises(UserError, match=message):
        gan2hls.build(graph, tmp_path / "p", **options)
    assert not list(tmp_path.iterdir())


def test_a_project_is_replaced_and_its_old_library_with_it(tmp_path: Path) -> None:
    """Within one process: a library that was loaded under some name is never loaded again from there."""
    z = samples(LATENT, 2).numpy()
    first = gan2hls.build(tiny(0), tmp_path / "p")
    assert (first.csim(z) == first.graph.run(z)).all()
    second = gan2hls.build(tiny(1), tmp_path / "p")
    assert (second.graph.run(z) != first.graph.run(z)).any()
    assert (second.csim(z) == second.graph.run(z)).all()


def test_relative_folder_and_another_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    z = samples(LATENT, 1).numpy()
    monkeypatch.chdir(tmp_path)
    project = gan2hls.build(tiny(), "p")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert (project.csim(z) == project.graph.run(z)).all()
    opened = gan2hls.Project.open("../p")
    assert (opened.csim(z) == project.graph.run(z)).all()
    assert not list(elsewhere.iterdir())


def test_open(project: gan2hls.Project) -> None:
    opened = gan2hls.Project.open(project.directory)
    assert opened.pipeline.folding == project.pipeline.folding
    assert opened.report() == project.report()
    assert (opened.part, opened.clock_mhz) == (project.part, project.clock_mhz)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "p: not a project made by gan2hls build"),
        (lambda folder: (folder / "gan2hls.json").write_text('{"kind": "run"}'), "not a project made by gan2hls"),
        (lambda folder: (folder / "gan2hls.json").write_text("{"), "gan2hls.json: not readable as JSON"),
        (lambda folder: (folder / "gan2hls.json").write_text('{"kind": "project"}'), "gan2hls.json: damaged"),
        (lambda folder: (folder / "graph/graph.json").write_text('{"version"'), "graph.json: not readable as JSON"),
        (lambda folder: (folder / "graph/weights.safetensors").write_bytes(b"1"), "weights.safetensors: not readable"),
    ],
)
def test_open_says_what_is_damaged(project: gan2hls.Project, tmp_path: Path, damage: Any, message: str) -> None:
    shutil.copytree(project.directory, tmp_path / "p")
    damage(tmp_path / "p")
    with pytest.raises(UserError, match=message):
        gan2hls.Project.open(tmp_path / "p")


def test_build_replaces_projects_only(tmp_path: Path) -> None:
    graph = tiny()
    graph.save(tmp_path / "graph")
    before = tree(tmp_path)
    with pytest.raises(UserError, match="holds a graph made by gan2hls, not a project"):
        gan2hls.build(graph, tmp_path / "graph")
    assert tree(tmp_path) == before
    assert (gan2hls.Graph.load(tmp_path / "graph").run(np.ones((1, *LATENT))) == graph.run(np.ones((1, *LATENT)))).all()


def test_a_place_that_can_not_be_written(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        place = Path("/proc/gan2hls")  # nothing else is refused to root
        if not place.parent.is_dir():
            pytest.skip("root may write anywhere, and there is no /proc")
    else:
        (tmp_path / "closed").mkdir(mode=0o500)
        place = tmp_path / "closed" / "p"
    with pytest.raises(Gan2HlsError, match=f"can not write {place}") as error:
        gan2hls.build(tiny(), place)
    assert error.value.exit_code == 1


def test_two_builds_are_equal(project: gan2hls.Project, tmp_path: Path) -> None:
    other = gan2hls.build(tiny(), tmp_path / "somewhere", multipliers=8)
    written = {name: data for name, data in tree(project.directory).items() if not name.startswith(".run")}
    assert tree(other.directory) == written


def _csim(directory: str, z: np.ndarray) -> np.ndarray:
    return gan2hls.Project.open(directory).csim(z)


def test_several_processes(tmp_path: Path) -> None:
    project = gan2hls.build(tiny(), tmp_path / "p", multipliers=8)
    z = samples(LATENT, 2).numpy()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for outputs in pool.starmap(_csim, [(str(project.directory), z)] * 2):
            assert (outputs == project.graph.run(z)).all()
    assert len(list(project.directory.glob(".run/*"))) == 1


# Loading and quantizing


def test_files(tmp_path: Path) -> None:
    path = write_generator(tmp_path)
    z = samples(LATENT, 2)
    by_card = gan2hls.load(path)
    torch.save(state_dict(), tmp_path / "other.pth")
    (tmp_path / "a.json").write_text(json.dumps(ARCHITECTURE))
    for architecture in (ARCHITECTURE, tmp_path / "a.json", str(tmp_path / "a.json")):
        assert torch.equal(gan2hls.load(str(tmp_path / "other.pth"), architecture=architecture)(z), by_card(z))
    graph = gan2hls.quantize(by_card, z)  # the architecture knows the input's shape
    assert graph.run(z.numpy()).shape == (2, *IMAGE)


def test_a_channel_of_zeros(tmp_path: Path) -> None:
    weight = state_dict()["draw.weight"].clone()
    weight[:, 0] = 0
    up = state_dict()["up.weight"].clone()
    up[:, 1] = 0
    path = write_generator(tmp_path, draw__weight=weight, up__weight=up)
    graph = gan2hls.quantize(gan2hls.load(path), samples(LATENT, 16), weight_bits=4)
    z = samples(LATENT, 2).numpy()
    project = gan2hls.build(graph, tmp_path / "p")
    assert np.isfinite(graph.run(z)).all()
    assert (project.csim(z) == graph.run(z)).all()


@pytest.mark.parametrize(
    ("calibration", "options", "message"),
    [
        (np.zeros((8, 4, 1, 1)), {"weight_bits": 0}, "weight_bits 0 is not supported; use 1 to 16"),
        (np.zeros((8, 4, 1, 1)), {"activation_bits": 17}, "activation_bits 17 is not supported; use 2 to 16"),
        (np.zeros((8, 4, 1, 1)), {"weight_bits": 8.0}, "weight_bits: expected an integer, got 8.0"),
        (
            np.zeros((8, 4, 1, 1)),
            {"method": "maxmin"},
            "'maxmin' is not accepted; use one of 'auto', 'minmax', 'percentile'",
        ),
        (np.zeros((8, 4, 1, 1)), {"weight_bit": 4}, "unknown key 'weight_bit'; did you mean 'weight_bits'"),
        (np.zeros((8, 4, 1, 1)), {"overrides": {"9": {"weight_bits": 4}}}, "no layer '9'"),
        (np.zeros((8, 4, 1, 1)), {"overrides": {"0": {"bits": 4}}}, "unknown key 'bits'"),
        (np.zeros((8, 5, 1, 1)), {}, "5"),
        (
            np.zeros(4),
            {},
            r"calibration samples have shape \(4,\); expected \(n, features\) or \(n, channels, height, width\)",
        ),
        (np.zeros((0, 4, 1, 1)), {}, "calibration"),
        (np.full((8, 4, 1, 1), np.inf), {}, "NaN or infinite"),
        (np.full((8, 4, 1, 1), "a"), {}, "quantize: calibration: the input must be real numbers"),
        ("samples.npy", {}, "quantize: calibration: the input must be real numbers"),
    ],
)
def test_quantize_says_what_is_not_accepted(calibration: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        gan2hls.quantize(dcgan(), calibration, **options)


def test_overrides() -> None:
    graph = tiny(overrides={"0": {"weight_bits": 3}})
    assert graph.computed[0].op.weight_bits == 3  # type: ignore[attr-defined]


def test_the_public_names() -> None:
    assert all(getattr(gan2hls, name) is not None for name in gan2hls.__all__)
    with pytest.raises(AttributeError, match="no attribute 'bild'"):
        _ = gan2hls.bild  # type: ignore[attr-defined]
