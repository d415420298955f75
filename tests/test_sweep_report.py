"""The report of a sweep: its files hold the points' numbers, its choices are right, its plots draw every point."""

import csv
import dataclasses
import html
import io
import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image

from gan2hls.errors import UserError
from gan2hls.report import choice
from gan2hls.report.curves import RESOURCE_TITLES, sweep_plots
from gan2hls.report.looks import CYCLES, MEASURED, MODEL, REACHED, time_kind, top_of
from gan2hls.report.points import SIMULATED, PointReport, Quality, SweepReport
from gan2hls.report.sweep import BADGES, write_sweep_report
from gan2hls.report.tables import comparisons, error_text, fronts_of, point_rows
from gan2hls.report.text import markdown
from gan2hls.synth.result import PLACED, Usage
from tests.sweeps import TARGETS, failed, layers, mixed, placed, point, sweep, usual

TOOLS = [("yosys", "0.50"), ("nextpnr <ecp5>", "0.8")]
PLOTS = {"psnr", "ssim", "fid", "dsps", "luts", "block_rams", "flip_flops", "pareto-multipliers", "pareto-frames"}
EVIL = '<script>alert("1")</script>&`|*_$x^2$'


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    write_sweep_report(folder, usual(), tools=TOOLS)
    return folder


def write(folder: Path, report: SweepReport) -> str:
    write_sweep_report(folder, report, tools=TOOLS)
    return (folder / "report.html").read_text(encoding="utf-8")


def count(svg: str, name: str) -> int:
    return len(re.findall(rf'class="{name}"', svg))


# -- points -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [point(), placed(3, "zu3eg"), failed(8, "gw2ar-18"), mixed("ecp5-85k")])
def test_a_point_survives_json(given: PointReport) -> None:
    values = json.loads(json.dumps(given.values(), allow_nan=False))
    assert PointReport.from_values(values) == given


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("label"),
        lambda values: values.update(quality={"psnr": 3}),
        lambda values: values.update(usage={"luts": 1, "unknown": 2}),
        lambda values: values.update(usage=7),
        lambda values: values.update(clock={"mhz": [1.0]}),
        lambda values: values.update(clock="fast"),
        lambda values: values.update(layers=None),
        lambda values: values.update(layers=[{"name": "a layer"}]),
        lambda values: values.update(problems=None),
    ],
)
def test_a_damaged_point_is_refused(change: Any) -> None:
    values = json.loads(json.dumps(placed(4, "ecp5-85k").values()))
    change(values)
    with pytest.raises(UserError, match="damaged point"):
        PointReport.from_values(values)


@pytest.mark.parametrize("values", [None, [], "text", {}])
def test_something_else_is_no_point(values: Any) -> None:
    with pytest.raises(UserError, match="damaged point"):
        PointReport.from_values(values)


# -- files ------------------------------------------------------------------------------------------------------------


def test_all_files_are_there_and_nothing_else(written: Path) -> None:
    assert sorted(path.name for path in written.iterdir()) == [
        "plots",
        "report.csv",
        "report.html",
        "report.json",
        "report.md",
    ]
    names = sorted(path.name for path in (written / "plots").iterdir())
    assert names == sorted(f"{name}.{ending}" for name in [*PLOTS, "latency"] for ending in ("png", "svg"))


def test_same_input_same_bytes_whatever_is_set_for_matplotlib(written: Path, tmp_path: Path) -> None:
    with matplotlib.rc_context(
        {"lines.linewidth": 9, "svg.hashsalt": None, "xtick.direction": "in", "savefig.dpi": 10}
    ):
        write(tmp_path, usual())
        assert matplotlib.rcParams["lines.linewidth"] == 9
    for path in sorted(written.rglob("*.*")):
        assert (tmp_path / path.relative_to(written)).read_bytes() == path.read_bytes(), path.name


def test_plots_are_whole_pictures(written: Path) -> None:
    for path in (written / "plots").glob("*.png"):
        with Image.open(path) as image:
            image.load()
            assert image.width > 600
            assert len(image.convert("RGB").getcolors(1 << 20) or []) > 10, f"{path.name} is empty"
    for path in (written / "plots").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert "<dc:date>" not in text
        ids = re.findall(r'\bid="([^"]*)"', text)
        assert len(ids) == len(set(ids)), path.name


def test_json_holds_the_points(written: Path) -> None:
    document = json.loads((written / "report.json").read_text(encoding="utf-8"))
    report = usual()
    assert document["title"] == "A sweep"
    assert tuple(map(PointReport.from_values, document["points"])) == report.points
    assert document["fronts"] == fronts_of(report.points)
    assert document["summary"]["failed"] == ["W8A8 m64 gw2ar-18"]
    assert document["tools"] == [{"name": name, "version": version} for name, version in TOOLS]


def test_csv_holds_the_points(written: Path) -> None:
    points = usual().points
    rows = list(csv.DictReader(io.StringIO((written / "report.csv").read_text(encoding="utf-8"))))
    assert [row["label"] for row in rows] == [given.label for given in points]
    for row, given in zip(rows, points, strict=True):
        assert float(row["psnr_db"]) == choice.psnr(given)
        assert row["error"] == (given.error or "")
        assert row["luts"] == ("" if given.usage is None else str(given.usage.luts))
        assert row["estimate_luts"] == ("" if given.estimate is None else str(given.estimate.luts))
        assert row["frames_per_second"] == ("" if given.usage is None else str(given.frames_per_second))
        assert row["budget_multipliers"] == "64"
        assert row["problems"] == "; ".join(given.problems)
    assert float(rows[3]["reached_mhz"]) == 81.5
    assert float(rows[0]["share_luts"]) == 1800 / 83640


def test_markdown_holds_the_points(written: Path) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    for row in point_rows(usual().points):
        cells = next(line for line in text.splitlines() if line.startswith(f"| {markdown(row.label)} |")).split(" | ")
        assert [cell.split(" (")[0].rstrip(" |") for cell in cells[1:]] == [cell.text for cell in row.cells]
    assert "yosys failed: &lt;no&gt; module &amp; so on" in text
    for name in PLOTS:
        assert f"](plots/{name}.png)" in text


def test_page_holds_the_points(written: Path) -> None:
    text = html.unescape((written / "report.html").read_text(encoding="utf-8"))
    for row in point_rows(usual().points):
        assert row.label in text
        assert row.message in text
        assert all(cell.text in text for cell in row.cells)
    for given in usual().points:
        assert all(layer.name in text for layer in given.layers)


def test_every_figure_has_a_badge_that_says_where_it_comes_from() -> None:
    rows = {row.label: row for row in point_rows(usual().points)}
    for row in rows.values():
        assert all((cell.source in BADGES) == (cell.text != "–") for cell in row.cells[3:]), row.label
    sources = [cell.source for cell in rows["W4A8 m64 ecp5-85k"].cells[3:]]
    assert sources == [PLACED] * 4 + [PLACED, SIMULATED, MEASURED, MEASURED]
    assert rows["W2A8 m64 zu3eg"].cells[-1].source == MODEL


@pytest.mark.parametrize(("cycles", "clock"), [(a, b) for a in ("cycle model", SIMULATED) for b in ("assumed", PLACED)])
def test_time_names_both_of_its_sources(cycles: str, clock: str) -> None:
    expected = {(0, 0): MODEL, (0, 1): REACHED, (1, 0): CYCLES, (1, 1): MEASURED}
    assert time_kind(point(cycles_are=cycles, clock_is=clock)) == expected[cycles == SIMULATED, clock == PLACED]


def test_estimates_stand_beside_what_was_counted() -> None:
    found = {entry.label: entry for entry in comparisons(usual().points)}
    assert list(found) == ["W4A8 m64 ecp5-85k", "W8A8 m64 zu3eg"]
    assert found["W4A8 m64 ecp5-85k"].cells[1] == ("3,240", "3,600", "−10.0%")
    assert found["W8A8 m64 zu3eg"].cells[0][2] == "exact"
    assert error_text(3, 0) == "–"
    assert error_text(0, 0) == "exact"
    assert error_text(110, 100) == "+10.0%"


def test_plots_that_are_no_longer_true_are_removed(tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "fid.png").write_bytes(b"old")
    (tmp_path / "plots" / "mine.png").write_bytes(b"kept")
    write(tmp_path, sweep([failed(4, "zu3eg")]))
    kept = {f"{name}.{ending}" for name in ("psnr", "ssim", "fid") for ending in ("png", "svg")} | {"mine.png"}
    assert {path.name for path in (tmp_path / "plots").iterdir()} == kept
    assert (tmp_path / "plots" / "fid.png").read_bytes() != b"old"
    write(tmp_path, sweep([dataclasses.replace(failed(4, "zu3eg"), quality=None)]))
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["mine.png"]


# -- plots ------------------------------------------------------------------------------------------------------------


def test_each_point_is_one_mark_in_each_plot(written: Path) -> None:
    points = usual().points
    known = [given for given in points if given.usage is not None]
    for resource in RESOURCE_TITLES:
        svg = (written / "plots" / f"{resource}.svg").read_text(encoding="utf-8")
        over = [given for given in known if (choice.shares(given)[resource] or 0) > 1]
        assert count(svg, "dot") == len(known)
        assert count(svg, "ring") == len(over)
        assert count(svg, "cross") == 1
        assert len(re.findall(r'id="line-\d+"', svg)) == len(TARGETS)
    fronts = fronts_of(points)
    for name, figure in (("multipliers", "multipliers"), ("frames", "frames/s")):
        svg = (written / "plots" / f"pareto-{name}.svg").read_text(encoding="utf-8")
        best = sum(figure in found for found in fronts.values())
        assert (count(svg, "dot"), count(svg, "pale")) == (best, len(known) - best)
    svg = (written / "plots" / "psnr.svg").read_text(encoding="utf-8")
    assert len(re.findall("<use ", svg.split('id="marks-0"')[1].split("</g>")[0])) == 5  # 2, 4, 6, 8 bits and mixed
    shown = choice.representative(points)
    assert shown is not None
    bars = (written / "plots" / "latency.svg").read_text(encoding="utf-8")
    assert count(bars, "bar") == sum(layer.type != "width_converter" for layer in shown.layers)


def test_an_infinite_psnr_is_drawn_above_all_others() -> None:
    assert top_of([10.0, 20.0, math.inf]) > 20
    assert math.isfinite(top_of([math.inf]))
    assert top_of([3.0]) == math.inf
    equal = Quality(4, None, None, None, "")
    points = [
        dataclasses.replace(point(bits), usage=None, layers=(), quality=given)
        for bits, given in ((8, equal), (4, Quality(4, 30.0, None, None, "")))
    ]
    (plot,) = sweep_plots(sweep(points))
    marks = re.findall(r'<use [^>]*y="([\d.]+)"', plot.svg.decode().split('id="marks-0"')[1].split("</g>")[0])
    low, high = map(float, marks)  # 4 bits, then 8; y grows downwards
    assert high < low
    assert "inf" in plot.alt


def test_a_plot_in_the_page_has_the_pages_colours_and_its_own_ids(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    inline = re.findall(r'<figure class="plot".*?</figure>', text, re.DOTALL)
    assert len(inline) == len(PLOTS) + 1
    for figure in inline:
        assert not re.search(r"#[0-9a-f]{6}\b", re.sub(r'href="[^"]*"|url\([^)]*\)|id="[^"]*"', "", figure))
        assert 'role="img" aria-label="' in figure
        assert "<style" not in figure
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', text):
        assert (target[0] or target[1]) in ids


# -- edges ------------------------------------------------------------------------------------------------------------


def test_names_of_users_can_not_become_markup(tmp_path: Path) -> None:
    quality = Quality(4, 30.0, 0.9, 1.0, EVIL)
    first = point(4, label=EVIL, quantizer=EVIL, quality=quality, layers=layers(4, EVIL), problems=(EVIL,))
    second = point(6, EVIL, label=EVIL + "2", bits="W6A8" + EVIL, budget={EVIL: 3}, usage=Usage(1, 1, 1, 1, 1))
    text = write(tmp_path, sweep([first, second, failed(3, "zu3eg", EVIL)], title=EVIL))
    assert "<script" not in text
    assert html.escape(EVIL, quote=False).split("(")[0] in text
    assert "<script" not in (tmp_path / "report.md").read_text(encoding="utf-8")
    for path in (tmp_path / "plots").glob("*.svg"):
        assert "<script" not in path.read_text(encoding="utf-8")


def test_one_point_alone(tmp_path: Path) -> None:
    text = write(tmp_path, sweep([point(4)]))
    assert len(re.findall('<figure class="plot"', text)) == len(PLOTS) + 1
    assert text.count("<img") == 2 * 8
    assert 'id="problems"' not in text and 'id="estimates"' not in text


def test_all_points_failed(tmp_path: Path) -> None:
    points = [dataclasses.replace(failed(bits, "zu3eg"), quality=None) for bits in (2, 4)]
    text = write(tmp_path, dataclasses.replace(sweep(points), images={}))
    assert '<figure class="plot"' not in text
    assert "0 of 2 worked" in text
    assert 'id="problems"' in text
    for absent in ("quality", "resources", "pareto", "network", "layers"):
        assert f'<section id="{absent}"' not in text


def test_an_output_that_is_no_image_has_no_ssim(tmp_path: Path) -> None:
    points = [point(bits, quality=Quality(4, 6.0 * bits, None, None, "")) for bits in (2, 4)]
    text = write(tmp_path, sweep(points, shape=(4, 20)))
    assert "The output is no image but 20 values" in text
    assert not (tmp_path / "plots" / "ssim.svg").exists()
    assert "<b>FID</b>" not in text


def test_figures_without_a_quality(tmp_path: Path) -> None:
    text = write(tmp_path, dataclasses.replace(sweep([point(2, quality=None), point(4, quality=None)]), images={}))
    assert '<section id="resources"' in text
    assert '<section id="quality"' not in text and '<section id="pareto"' not in text
    assert "Cheapest</span>" in text


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (SweepReport("t", (), np.zeros((2, 4))), "at least one point"),
        (sweep([point(4), point(4)]), "the same label: W4A8 m64 ecp5-85k"),
        (SweepReport("t", (point(),), np.zeros((0, 4))), "float images have shape"),
        (SweepReport("t", (point(),), np.zeros((2, 4)), {"W4A8": np.zeros((2, 5))}), "W4A8 has images"),
        (SweepReport("t", (point(),), np.zeros((2, 4)), {"W4A8": np.zeros((3, 4))}), "W4A8 has images"),
    ],
)
def test_a_sweep_that_does_not_go_together_is_refused(report: SweepReport, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        write(tmp_path, report)
    assert not list(tmp_path.iterdir())


def test_of_very_many_bit_widths_the_best_are_shown(tmp_path: Path) -> None:
    points = [point(4)] + [
        point(4, label=f"mixed {index}", bits=f"mixed {index}", quality=Quality(4, 20.0 - index, None, None, ""))
        for index in range(20)
    ]
    text = write(tmp_path, sweep(points, shape=(8, 1, 4, 4)))
    assert text.count("<img") == 2 * 8  # float, W4A8
    assert "20 choices of bits that are on no front are not shown" in text


def test_why_there_is_no_fid_is_said(tmp_path: Path) -> None:
    text = write(tmp_path, sweep([point(4, quality=Quality(4, 30.0, 0.9, None, "", "<3> samples are too few"))]))
    assert "No FID: &lt;3&gt; samples are too few." in text
    assert not (tmp_path / "plots" / "fid.svg").exists()
