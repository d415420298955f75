"""The driver: what is shared, what is kept, what is made anew, what a failure leaves."""

import base64
import fcntl
import io
import json
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan2hls import resources
from gan2hls.errors import UserError
from gan2hls.files import MARKER, sha256
from gan2hls.limits import TEXT_BYTES
from gan2hls.report.points import PointReport
from gan2hls.sweep import Listener, Sweep, execution, runner, task, tasks
from gan2hls.sweep.options import run_sweep
from gan2hls.synth.result import ESTIMATE, SYNTHESIZED
from gan2hls.targets import FAMILIES, TARGETS, Target
from tests.doors import tree
from tests.sweep.deeds import CONFIG, Inline, Notes, run_inline, settings


def test_work_that_points_share_is_done_once(tmp_path: Path) -> None:
    done, report = run_inline(tmp_path, settings(tmp_path))
    assert sorted(done) == sorted(
        [
            *("quantize W2A8", "quantize W4A8"),
            *(f"estimate W{bits}A8 m8 {target}" for bits in (2, 4) for target in ("ecp5", "xcup")),
        ]
    )
    assert [point.label for point in report.points] == [f"W{b}A8 m8 {t}" for b in (2, 4) for t in ("ecp5", "xcup")]
    for point in report.points:
        assert point.error is None
        assert point.figures == ESTIMATE
        assert point.interval_cycles
        assert {layer.name for layer in point.layers} >= {"up", "draw"}
        assert {layer.weight_bits for layer in point.layers if layer.macs} == {point.weight_bits}
    low, high = report.points[0].quality, report.points[2].quality
    assert low.samples == high.samples == 32
    assert low.psnr < high.psnr
    assert low.ssim is None, "smaller than SSIM's window"
    assert low.fid > high.fid > 0


def test_results_are_written(tmp_path: Path) -> None:
    _, report = run_inline(tmp_path, settings(tmp_path))
    written = json.loads((tmp_path / "out/sweep.json").read_text())
    assert tuple(PointReport.from_values(values) for values in written["points"]) == report.points
    with np.load(tmp_path / "out/images.npz", allow_pickle=False) as images:
        assert set(images) == {"real", "W2A8", "W4A8"}
        assert images["real"].shape == images["W2A8"].shape == (16, 1, 4, 4)
        assert np.array_equal(images["W4A8"], report.images["W4A8"])


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    config = settings(tmp_path)
    run_inline(tmp_path, config)
    before = tree(tmp_path / "out")
    assert run_inline(tmp_path, config)[0] == []
    assert tree(tmp_path / "out") == before


def test_entries_of_large_networks_are_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold weights and images, which are larger than what people write."""
    config = settings(tmp_path, weight_bits=[2], target=["ecp5"])
    run_inline(tmp_path, config)
    (entry,) = (tmp_path / "out/cache").glob("quantize-*.json")
    monkeypatch.setenv(TEXT_BYTES.variable, str(entry.stat().st_size - 1))
    assert run_inline(tmp_path, config)[0] == []


@pytest.mark.parametrize("stop", [0, 1, 3, 5])
def test_an_interrupted_run_goes_on(tmp_path: Path, stop: int) -> None:
    config = settings(tmp_path)
    workers = Inline(stop)
    with pytest.raises(KeyboardInterrupt):
        Sweep(tmp_path / "out", config, lambda: workers, local=False).run()
    done, report = run_inline(tmp_path, config)
    assert len(workers.titles) == stop
    assert len(done) == 6 - stop
    assert not set(done) & set(workers.titles)
    assert len(report.points) == 4


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"images": 16}, {"quantize"}),
        ({"target": ["ecp5"]}, set()),
        ({"multipliers": [4]}, {"estimate"}),
        ({"clock_mhz": 50.0}, {"estimate"}),
    ],
)
def test_what_a_setting_makes_anew(tmp_path: Path, change: dict[str, Any], again: set[str]) -> None:
    run_inline(tmp_path, settings(tmp_path))
    done, _ = run_inline(tmp_path, settings(tmp_path, **change))
    assert {title.split()[0] for title in done} == again


def test_other_weights_or_another_gan2hls_make_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(tmp_path)
    run_inline(tmp_path, config)
    data = (tmp_path / "tiny.json").read_text()
    (tmp_path / "tiny.json").write_text(data.replace('"kernel_size": 2', '"kernel_size":  2'))
    assert len(run_inline(tmp_path, config)[0]) == 2, "the same graph is not estimated again"
    for module in (runner, execution, resources):
        monkeypatch.setattr(module, "program_digest", lambda: "another")
    monkeypatch.setattr("gan2hls.sweep.cache.program_digest", lambda: "another")
    assert len(run_inline(tmp_path, config)[0]) == 6


@pytest.mark.parametrize("damage", ["truncated", "changed", "another", "empty"])
def test_a_damaged_entry_is_named_and_made_anew(tmp_path: Path, damage: str) -> None:
    config = settings(tmp_path)
    run_inline(tmp_path, config)
    entries = sorted((tmp_path / "out/cache").glob("estimate-*.json"))
    good = entries[0].read_text()
    bad = {
        "truncated": good[: len(good) // 2],
        "changed": good.replace('"latency_cycles": ', '"latency_cycles": 1'),
        "another": entries[1].read_text(),
        "empty": "",
    }
    entries[0].write_text(bad[damage])
    notes, workers = Notes(), Inline()
    Sweep(tmp_path / "out", config, lambda: workers, notes, local=False).run()
    assert len(workers.titles) == 1
    (line,) = notes.warnings
    assert str(entries[0]) in line
    assert "damaged" in line
    assert entries[0].read_text() == good


def _set(*path: str | int, to: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = to

    return change


def claiming(dtype: Any, shape: tuple[int, ...]) -> str:
    """An archive in base 64 whose arrays hold less than their headers say."""
    header = io.BytesIO()
    fields = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        for name in ("real.npy", "golden.npy"):
            written.writestr(name, header.getvalue())
    return base64.b64encode(archive.getvalue()).decode()


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("estimate", _set("values", "interval_cycles", to=0)),
        ("estimate", _set("values", "interval_cycles", to="fast")),
        ("estimate", _set("values", "usage", "luts", to=None)),
        ("estimate", _set("values", "usage", "dsps", to=math.nan)),
        ("estimate", _set("values", "folding", "up", to={"pe": "x"})),
        ("estimate", _set("values", "layers", 0, to=[])),
        ("estimate", _set("values", to=[])),
        ("estimate", _set("files", to=None)),
        ("quantize", _set("values", "quality", "psnr", to="good")),
        ("quantize", _set("values", "quality", to={})),
        ("quantize", _set("files", "graph.json", to="e30=")),
        ("quantize", _set("files", "graph.json", to="no base 64!")),
        ("quantize", _set("files", "weights.safetensors", to="")),
        ("quantize", _set("files", "images.npz", to="e30=")),
        ("quantize", _set("files", "images.npz", to=claiming(np.float32, (1 << 40,)))),
        ("quantize", _set("files", to={})),
    ],
)
def test_an_entry_of_wrong_content_is_not_believed(tmp_path: Path, kind: str, change: Callable[[Any], None]) -> None:
    """Whoever edits an entry can make its checksum right."""
    config = settings(tmp_path, weight_bits=[2], target=["ecp5"])
    _, report = run_inline(tmp_path, config)
    (entry,) = (tmp_path / "out/cache").glob(f"{kind}-*.json")
    good = entry.read_text()
    content = json.loads(good)["outcome"]
    change(content)
    entry.write_text(json.dumps({"sha256": sha256(json.dumps(content)), "outcome": content}))
    notes, workers = Notes(), Inline()
    again = Sweep(tmp_path / "out", config, lambda: workers, notes, local=False).run()
    assert again.points == report.points
    assert len(workers.titles) == 1
    (line,) = notes.warnings
    assert f"{entry}: damaged entry of the cache, made anew (" in line
    assert len(line.splitlines()) == 1
    assert entry.read_text() == good


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """The report and the cache too, whether all was done now or before."""
    config = settings(tmp_path)
    for name in ("one", "two", "two"):
        run_sweep(tmp_path / name, config, Inline, Listener(), local=False)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert "seconds" not in (tmp_path / "one/sweep.json").read_text() + (tmp_path / "one/report.csv").read_text()


def test_a_sweep_whose_points_all_fail_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a report, and none of the old one is left."""
    config = settings(tmp_path, weight_bits=[2], target=["ecp5"])
    run_sweep(tmp_path / "out", config, Inline, Listener(), local=False)
    assert (tmp_path / "out/plots").is_dir()

    def broken(self: tasks.QuantizeTask, payload: Any) -> task.Outcome:
        raise UserError("no such thing")

    monkeypatch.setattr(tasks.QuantizeTask, "run", broken)
    config = settings(tmp_path, weight_bits=[3], target=["ecp5"])
    report = run_sweep(tmp_path / "out", config, Inline, Listener(), local=False)
    assert [point.error for point in report.points] == ["no such thing"]
    assert "no such thing" in (tmp_path / "out/report.html").read_text()
    assert json.loads((tmp_path / "out/report.json").read_text())["points"][0]["error"] == "no such thing"


def test_a_failed_point_does_not_stop_the_rest(tmp_path: Path) -> None:
    config = settings(tmp_path, multipliers=[1, 8])
    done, report = run_inline(tmp_path, config)
    states = {point.label: point.error for point in report.points}
    assert all((error is not None) == ("m1 " in label) for label, error in states.items())
    failed = next(point for point in report.points if point.error)
    assert "multiplier" in (failed.error or "")
    assert failed.quality is not None, "what is known before a failure is kept"
    assert failed.interval_cycles is None
    again, _ = run_inline(tmp_path, config)
    assert len(done) == 10
    assert len(again) == 4, "only what failed is tried again"


def test_a_failed_quantization_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: tasks.QuantizeTask, payload: Any) -> task.Outcome:
        raise ZeroDivisionError("oh\nno")

    monkeypatch.setattr(tasks.QuantizeTask, "run", broken)
    _, report = run_inline(tmp_path, settings(tmp_path))
    assert {point.error for point in report.points} == {"ZeroDivisionError: oh; no"}


def test_a_part_that_is_too_small_is_a_problem_and_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Target("small", FAMILIES["ecp5"], 100, 100, 1, 1)
    monkeypatch.setitem(TARGETS, "small", small)
    _, report = run_inline(tmp_path, settings(tmp_path, target=["small"]))
    assert all(point.error is None for point in report.points)
    assert all("small is too small: " in point.problems[0] for point in report.points)


def test_one_sweep_in_a_folder(tmp_path: Path) -> None:
    config = settings(tmp_path)
    run_inline(tmp_path, config)
    descriptor = os.open(tmp_path / "out", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with pytest.raises(UserError, match="another gan2hls works in this folder"):
            run_inline(tmp_path, config)
    finally:
        os.close(descriptor)


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    config = settings(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious").touch()
    with pytest.raises(UserError, match="was not made by gan2hls"):
        run_inline(tmp_path, config)
    (tmp_path / "out" / MARKER).write_text('{"kind": "run"}')
    with pytest.raises(UserError, match="holds a run made by gan2hls, not a sweep"):
        run_inline(tmp_path, config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CONFIG + "[[sweep.points]]\n[sweep.points.layers.dorw]\nweight_bits = 3\n", "did you mean 'draw'?"),
        (CONFIG.replace("tiny.safe", "missing.safe"), "missing.safetensors: no such file"),
    ],
)
def test_wrong_input_is_said_before_anything_is_made(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        run_inline(tmp_path, settings(tmp_path, text))
    assert not (tmp_path / "out").exists()


def test_synthesis_and_simulation(tmp_path: Path) -> None:
    """With the real tools; two targets share a design, which is simulated once."""
    done, report = run_inline(
        tmp_path, settings(tmp_path, weight_bits=[2], target=["ecp5", "gowin"], synth=True, cosim=True)
    )
    assert sum(title.startswith("synthesize") for title in done) == 2
    assert sum(title.startswith("simulate") for title in done) == 1
    for point in report.points:
        assert point.error is None
        assert point.figures == SYNTHESIZED
        assert point.cycles_are == "RTL simulation"
        assert point.estimate is not None
        assert point.usage is not None
        assert point.usage.dsps == point.estimate.dsps
        assert point.usage != point.estimate
        known = [layer.usage for layer in point.layers if layer.usage is not None]
        assert sum(usage.flip_flops for usage in known) == pytest.approx(point.usage.flip_flops, rel=0.1)
    assert run_inline(tmp_path, settings(tmp_path, weight_bits=[2], target=["ecp5"], synth=True))[0] == []


def test_a_failed_tool_leaves_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan2hls.simulate.bench_text", lambda designs: "module broken")
    _, report = run_inline(tmp_path, settings(tmp_path, weight_bits=[2], target=["ecp5"], cosim=True))
    (point,) = report.points
    assert point.error is not None
    assert point.error.startswith("building the RTL simulation failed: ")
    assert "log: logs/simulate-W2A8-m8-ecp5.log" in point.error
    assert "broken" in (tmp_path / "out/logs/simulate-W2A8-m8-ecp5.log").read_text()
    assert point.usage is not None


def test_a_worker_with_another_gan2hls_or_other_tools_is_refused() -> None:
    cosim = tasks.CosimTask("simulate", "graph", {}, 1, False, 0, "normal")
    assert execution.execute(cosim, {}, "another", {}).error == "the worker has another gan2hls installed than this one"
    wanted = {**cosim.tools(), "verilator": "4.0"}
    error = execution.execute(cosim, {}, resources.program_digest(), wanted).error
    assert error.startswith("the worker has verilator ")
    assert error.endswith(" and not 4.0")
