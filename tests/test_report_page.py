"""The files of a report of runs: the page, JSON, CSV, Markdown."""

import csv
import html
import io
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan2hls.errors import UserError
from gan2hls.ir import Node
from gan2hls.ops import Conv2d, Dense, Reshape, Upsample
from gan2hls.report import (
    RunReport,
    layer_rows,
    report_values,
    summary_figures,
    verdict,
    write_csv,
    write_json,
    write_markdown,
    write_report,
)
from tests.reports import RNG, S8, TOOLS, VOID, dcgan, pipeline_of, requantize, run_report, vector_net


class Page(HTMLParser):
    """Checks that tags nest and counts them; void tags may stay open."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str, **attributes: str) -> int:
        return sum(tag == name and attributes.items() <= found.items() for name, found in self.tags)


def page_of(folder: Path, *runs: RunReport, title: str = "A generator") -> tuple[Page, str]:
    path = folder / "report.html"
    write_report(path, title, runs, tools=TOOLS)
    text = path.read_text(encoding="utf-8")
    return Page(text), text


def test_page_is_well_formed_and_stands_alone(tmp_path: Path) -> None:
    page, text = page_of(tmp_path, run_report(dcgan()), run_report(dcgan(), label="W4A8"))
    assert text.startswith("<!DOCTYPE html>\n<html")
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", text)
    assert page.count("script") == page.count("link") == page.count("iframe") == 0
    for tag, attributes in page.tags:
        assert tag not in ("img",) or str(attributes["src"]).startswith("data:image/png;base64,")
        assert not any(name.startswith("on") or name == "srcset" for name in attributes)
        assert str(attributes.get("href", "#")).startswith("#")
    assert page.count("svg") == 2 * 2  # the network, and its cycles
    assert "prefers-color-scheme: dark" in text
    assert "pixelated" in text


def test_page_shows_verdict_pictures_and_numbers(tmp_path: Path) -> None:
    run = run_report(dcgan())
    page, _ = page_of(tmp_path, run)
    assert verdict(run) in page.text
    assert "46.02 dB" in page.text
    for name in ("float", "golden", "C++"):
        assert page.count("img", alt=f"{name}, latent 4") == 1
    assert page.count("img", alt="RTL, latent 2") == 1
    assert page.count("img", alt="RTL, latent 3") == 0
    for row in layer_rows(run.pipeline):
        assert row.name in page.text
        assert f"{row.cycles:,}" in page.text
    for figure in summary_figures(run.pipeline, 125.0, run):
        assert figure.text in page.text
        assert figure.source in page.text
    assert all(name in page.text and version in page.text for name, version in TOOLS)


def test_page_marks_what_differs(tmp_path: Path) -> None:
    run = run_report(dcgan())
    assert run.rtl is not None
    run.rtl[1] += 1 / 128
    page, _ = page_of(tmp_path, run)
    assert page.count("img", **{"class": "differs"}) == 1
    assert page.count("img", alt="RTL, latent 2: differs from golden") == 1
    assert "NOT EQUAL" in page.text


def test_names_of_users_can_not_become_markup(tmp_path: Path) -> None:
    evil = '<script>alert("1")</script>&'
    run = run_report(dcgan((evil, "second", "third")), label=evil)
    page, text = page_of(tmp_path, run, title=evil)
    assert "<script" not in text
    assert html.escape(evil, quote=False).split("(")[0] in text
    assert evil in page.text


def test_same_input_same_bytes(tmp_path: Path) -> None:
    pipeline = dcgan()
    for name in ("a", "b"):
        write_report(tmp_path / f"{name}.html", "T", [run_report(pipeline)], tools=TOOLS)
        write_json(tmp_path / f"{name}.json", "T", [run_report(pipeline)], tools=TOOLS)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.json", "b.html", "b.json"]


def test_a_vector_is_drawn_as_squares(tmp_path: Path) -> None:
    run = run_report(vector_net())
    page, _ = page_of(tmp_path, run)
    assert "The output is no image but 10 values" in page.text
    assert page.count("img", width="10", height="1") == 4 * 4 + 2


def test_two_channels_stand_side_by_side(tmp_path: Path) -> None:
    run = run_report(dcgan(channels=2))
    page, _ = page_of(tmp_path, run)
    assert "The output has 2 channels: they stand side by side in grey." in page.text
    assert page.count("img", width="16", height="8") == 4 * 4 + 2


def test_colour_upsampling_and_reshape(tmp_path: Path) -> None:
    weights = RNG.integers(-8, 8, (3, 3, 2, 3)), RNG.integers(-8, 8, (1, 1, 6, 8))
    pipeline = pipeline_of(
        Node("fc", Dense(weights[1], 4)),
        requantize("r1", 8),
        Node("shape", Reshape((2, 2, 2))),
        Node("up", Upsample((3, 2))),
        Node("conv", Conv2d(weights[0], 4, padding=(1, 1))),
        requantize("r2", 3),
    )
    page, _ = page_of(tmp_path, run_report(pipeline))
    assert page.count("img", width="4", height="6") == 4 * 4 + 2
    assert "×3×2" in page.text


def test_only_the_first_latents_are_shown(tmp_path: Path) -> None:
    images = np.zeros((20, 1, 8, 8))
    page, _ = page_of(tmp_path, run_report(dcgan(), real_images=images, golden=images, csim=images, rtl=images[:1]))
    assert "the first 8 of 20 are shown" in page.text
    assert page.count("img") == 8 * 4 + 1


def test_nothing_but_the_golden_model(tmp_path: Path) -> None:
    nothing: dict[str, Any] = {"csim": None, "rtl": None, "compared_values": {}}
    run = run_report(dcgan(), **nothing, latency_cycles=None, interval_cycles=None, psnr=math.inf)
    page, _ = page_of(tmp_path, run)
    assert "golden model only" in page.text
    assert "∞ dB (equal)" in page.text
    write_json(tmp_path / "report.json", "T", [run], tools=[])
    written = json.loads((tmp_path / "report.json").read_text())["runs"][0]
    assert written["psnr_db"] is None
    assert written["measured"] == {"latency_cycles": None, "interval_cycles": None}


def test_json_has_the_numbers_of_the_page(tmp_path: Path) -> None:
    run = run_report(dcgan())
    write_json(tmp_path / "report.json", "A title", [run], tools=TOOLS)
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert document["title"] == "A title"
    assert document["tools"][0] == {"name": "verilator", "version": "5.036"}
    (written,) = document["runs"]
    assert written["verdict"] == verdict(run)
    assert written["measured"]["latency_cycles"] == 4321
    assert written["computed"] == report_values(run.pipeline, 125.0, run)
    assert written["computed"]["layers"][0]["output_shape"] == [2, 2, 5]


def test_csv_has_a_row_for_each_layer_of_each_run(tmp_path: Path) -> None:
    runs = [run_report(dcgan()), run_report(vector_net(), label='W4, "A8"')]
    write_csv(tmp_path / "report.csv", runs)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "report.csv").read_text(encoding="utf-8"))))
    expected = [(run.label, row) for run in runs for row in layer_rows(run.pipeline)]
    assert [(row["run"], row["name"], int(row["cycles"])) for row in rows] == [
        (label, row.name, row.cycles) for label, row in expected
    ]
    assert rows[0]["output_shape"] == "2×2×5"
    assert rows[1]["utilization"] == ""


def test_markdown_has_verdict_figures_and_layers(tmp_path: Path) -> None:
    run = run_report(dcgan(("first|one", "second", "third")), label="<b>")
    write_markdown(tmp_path / "report.md", "A_title", [run], tools=TOOLS)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "# A\\_title" in text
    assert "## &lt;b&gt;" in text
    assert "| first\\|one | ConvTranspose2d |" in text
    assert verdict(run) in text
    assert "- **Latency:** 4,321 cycles, 34.6 µs (measured)" in text
    for row in layer_rows(run.pipeline):
        assert f"| {row.cycles:,} | {row.share:.0%} |" in text


def test_page_shows_the_busy_cycles_of_each_layer(tmp_path: Path) -> None:
    run = run_report(dcgan())
    _, text = page_of(tmp_path, run)
    assert text.count('class="bar"') == len(layer_rows(run.pipeline))


def test_a_report_needs_a_run(tmp_path: Path) -> None:
    for write in (write_report, write_json):
        with pytest.raises(UserError, match="at least one run"):
            write(tmp_path / "report", "T", [], tools=[])


def test_a_long_vector_is_folded_and_cut(tmp_path: Path) -> None:
    for size, shape, words in (
        (20, ("16", "2"), "after the last value are black"),
        (70, ("16", "4"), "first 64 of them"),
    ):
        pipeline = pipeline_of(Node("fc", Dense(RNG.integers(-8, 8, (1, 1, 6, size)), 4)), requantize("r", size, S8))
        page, _ = page_of(tmp_path, run_report(pipeline))
        assert page.count("img", width=shape[0], height=shape[1]) == 4 * 4 + 2
        assert words in page.text
