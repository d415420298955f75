"""The points of a sweep: grids, lists, names, and what is said of those that can not be."""

from pathlib import Path

import pytest

from gan2hls.budget import Budget
from gan2hls.errors import UserError
from gan2hls.flow_config import FlowConfig, read_flow_config
from gan2hls.quantization.quantizers import WEIGHT_QUANTIZERS
from gan2hls.sweep.points import expand


def config(folder: Path, text: str) -> FlowConfig:
    (folder / "c.toml").write_text(text)
    return read_flow_config(folder / "c.toml")


def labels(folder: Path, text: str) -> list[str]:
    return [point.label for point in expand(config(folder, text))]


def test_the_default_grid() -> None:
    points = expand(FlowConfig())
    assert len(points) == 18
    assert points[0].label == "W2A8 m64 ecp5-85k"
    assert {point.target for point in points} == {"ecp5-85k", "xc7a100t", "zu3eg"}
    assert sorted({point.quantize.weight_bits for point in points}) == [2, 3, 4, 5, 6, 8]


def test_a_grid_has_all_combinations(tmp_path: Path) -> None:
    found = labels(
        tmp_path,
        '[sweep]\nweight_bits = [3, 4]\nactivation_bits = [6, 8]\nmultipliers = [16, 32]\ntarget = ["xcup"]\n',
    )
    expected = [f"W{w}A{a} m{m} xcup" for a in (6, 8) for w in (3, 4) for m in (16, 32)]
    assert found == expected


def test_a_quantizer_is_named_where_it_is_not_the_common_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WEIGHT_QUANTIZERS, "another", WEIGHT_QUANTIZERS["symmetric"])
    text = '[sweep]\nweight_bits = [4]\nweight_quantizer = ["least_error", "another"]\ntarget = ["xcup"]\n'
    assert labels(tmp_path, text) == ["W4A8 m64 xcup", "W4A8 another m64 xcup"]


def test_lists_that_are_not_given_come_from_other_sections(tmp_path: Path) -> None:
    text = "[quantize]\nactivation_bits = 6\n[folding]\nframes_per_second = 1000\nslack = 0.2\n"
    text += '[sweep]\nweight_bits = [4]\ntarget = ["xcup"]\n'
    (point,) = expand(config(tmp_path, text))
    assert point.label == "W4A6 f1000 xcup"
    assert point.budget == Budget(frames_per_second=1000.0, target="xcup", slack=0.2)
    assert point.wish == {"frames_per_second": 1000.0}


LISTED = """
[quantize.layers.last]
weight_bits = 8
[sweep]
target = ["ecp5", "xcup"]
dsps = [20]
[[sweep.points]]
weight_bits = 4
target = "zu3eg"
[sweep.points.layers."net.0"]
weight_bits = 6
activation_bits = 7
[[sweep.points]]
name = "mine"
multipliers = 9
"""


def test_a_sweep_without_points_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the sweep has no points; give weight_bits, points, or neither"):
        labels(tmp_path, "[sweep]\nweight_bits = []")


def test_points_that_are_listed(tmp_path: Path) -> None:
    points = expand(config(tmp_path, LISTED))
    assert [point.label for point in points] == ["W4A8 net.0:W6A7 d20 zu3eg", "mine m9 ecp5", "mine m9 xcup"]
    assert points[0].quantize.layers["last"].weight_bits == 8
    assert points[0].quantize.layers["net.0"].weight_bits == 6
    assert points[1].quantize.layers.keys() == {"last"}


def test_a_grid_goes_beside_listed_points_where_it_is_given(tmp_path: Path) -> None:
    assert len(expand(config(tmp_path, LISTED.replace("dsps", "weight_bits = [3]\ndsps")))) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weight_bits = [17]", "sweep: weight_bits 17 is not supported; use 1 to 16"),
        ("weight_bits = [4, 4]", "sweep: weight_bits: a value is given twice"),
        ('target = ["ecp9"]', "sweep: unknown target 'ecp9'; use one of ecp5, "),
        ("target = []", "sweep: target has no values; give one or more"),
        ('weight_quantizer = ["best"]', "weight_quantizer 'best' is not known"),
        ("multipliers = [0]", "sweep: multipliers 0 is not supported"),
        ("multipliers = [8]\ndsps = [8]", "sweep: multipliers and dsps are given; use one of them"),
        ("images = 1", "sweep: images 1 is not supported; use 2 or more"),
        ("weigth_bits = [8]", "sweep: unknown key 'weigth_bits'; did you mean 'weight_bits'?"),
        ("seeds = 0", "sweep: seeds 0 is not supported; use 1 or more"),
        ("limit_s = 0.0", "sweep: limit_s 0.0 is not supported; use seconds above 0, 604800 at most"),
        ("clock_mhz = 0.0", "sweep: clock_mhz 0.0 is not supported"),
        ('[[sweep.points]]\ntarget = "ecp9"', r"sweep.points\[0\]: unknown target 'ecp9'"),
        ("[[sweep.points]]\n[sweep.points.layers.a]\nweight_bits = 0", "weight_bits 0 is not supported"),
        ("dsps = [29]\ntarget = ['ecp5-25k']", "target ecp5-25k: dsps 29 is not supported; ecp5-25k has 28"),
        (
            '[[sweep.points]]\nname = "a"\n[[sweep.points]]\nname = "a"\nweight_bits = 3',
            "are both called 'a m64 ecp5-85k'",
        ),
    ],
)
def test_what_can_not_be(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        expand(config(tmp_path, f"[sweep]\n{text}\n"))
