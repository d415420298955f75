"""The report: rows and figures against the pipeline, the verdict's words, and a page that stands alone."""

import csv
import dataclasses
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
from rich.console import Console

from gan2hls.assembly import make_pipeline
from gan2hls.errors import UserError
from gan2hls.folding import choose_folding
from gan2hls.ir import Graph, IntType, Node, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense, Lookup, Requantize, Reshape, Upsample
from gan2hls.pipeline import Pipeline
from gan2hls.report import (
    RunReport,
    layer_rows,
    layer_table,
    report_values,
    summary_figures,
    summary_lines,
    verdict,
    write_csv,
    write_json,
    write_markdown,
    write_report,
)

RNG = np.random.default_rng(7)
S8, U8 = IntType(8, True), IntType(8, False)
TOOLS = [("verilator", "5.036"), ("g++ <C++17>", "12.2.0")]
VOID = {"meta", "img", "br", "link", "input", "hr"}


def requantize(name: str, channels: int, output: IntType = U8) -> Node:
    values = [RNG.integers(1000, 2000, channels), RNG.integers(-500, 500, channels)]
    return Node(name, Requantize(values[0], values[1], 20, output.min, output.max, output, 0.02))


def pipeline_of(*nodes: Node, shape: tuple[int, int, int] = (1, 1, 6), multipliers: int = 24) -> Pipeline:
    graph = Graph.chain(TensorType(shape, S8, 0.03), nodes, (shape[2], *shape[:2]), ())
    height, width, channels = graph.output.shape
    door = (channels, height, width) if height * width > 1 else (channels,)
    graph = dataclasses.replace(graph, ports={**graph.ports, graph.outputs[0]: door}).verify()
    return make_pipeline(graph, choose_folding(graph, multipliers=multipliers))


def dcgan(names: tuple[str, str, str] = ("first", "second", "third"), channels: int = 1) -> Pipeline:
    codes = [RNG.integers(-128, 128, shape) for shape in ((2, 2, 6, 5), (4, 4, 5, 4), (4, 4, 4, channels))]
    layers = [ConvTranspose2d(codes[0], 8)]
    layers += [ConvTranspose2d(c, 8, stride=(2, 2), padding=(1, 1)) for c in codes[1:]]
    table = np.arange(-128, 128)
    return pipeline_of(
        Node(names[0], layers[0]),
        requantize("r1", 5),
        Node(names[1], layers[1]),
        requantize("r2", 4),
        Node(names[2], layers[2]),
        requantize("r3", channels, S8),
        Node("tanh", Lookup(table, S8, 1 / 128, "tanh")),
    )


def vector_net() -> Pipeline:
    codebook = (-7, -1, 1, 7)
    dense = Dense(RNG.integers(0, 4, (1, 1, 6, 10)), 2, codebook)
    return pipeline_of(Node("fc", dense), requantize("r", 10, S8))


def run_report(pipeline: Pipeline, **changes: Any) -> RunReport:
    graph = pipeline.graph
    golden = graph.run(np.random.default_rng(3).normal(size=(4, *graph.input_shape)))
    values: dict[str, Any] = {
        "label": "W8A8",
        "pipeline": pipeline,
        "real_images": golden + 0.01,
        "golden": golden,
        "csim": golden.copy(),
        "rtl": golden[:2].astype(np.float32),
        "compared_values": {"C++": golden.size, "RTL": golden[:2].size},
        "differing_values": 0,
        "psnr": 46.0206,
        "latency_cycles": 4321,
        "interval_cycles": pipeline.interval_cycles,
        "clock_mhz": 125.0,
    }
    return RunReport(**{**values, **changes})


# -- rows and figures -------------------------------------------------------------------------------------------------


def test_rows_say_what_the_pipeline_says() -> None:
    pipeline = dcgan()
    rows = layer_rows(pipeline)
    graph = pipeline.graph
    assert [row.name for row in rows] == [node.name for node in graph.computed]
    assert [row.input_shape for row in rows] + [rows[-1].output_shape] == [
        tensor.shape for tensor in graph.types.values()
    ]
    assert sum(row.macs for row in rows) == graph.macs()
    assert sum(row.multipliers for row in rows) == pipeline.mac_multipliers + pipeline.other_multipliers
    assert [row.parameters for row in rows] == [120, 10, 320, 8, 64, 2, 256]
    first = rows[0]
    assert (first.type, first.detail, first.weight_type, str(first.input_type)) == (
        "ConvTranspose2d",
        "2×2, stride 1",
        "s8",
        "s8",
    )
    fold = pipeline.folding["second"]
    assert (rows[2].pe, rows[2].simd) == (fold.pe, fold.simd)
    assert rows[2].utilization == rows[2].macs / (rows[2].cycles * rows[2].multipliers)
    assert rows[2].fold.startswith(f"{fold.pe}×{fold.simd}")
    assert rows[1].utilization is None
    assert rows[1].weight_type == ""
    assert rows[6].detail == "tanh"


def test_limiting_rows_are_those_that_take_the_whole_interval() -> None:
    pipeline = dcgan()
    rows = layer_rows(pipeline)
    assert any(row.limiting for row in rows)
    for row in rows:
        assert row.limiting == (row.cycles == pipeline.interval_cycles)
        assert row.share == row.cycles / pipeline.interval_cycles <= 1


def test_codebook_weights_name_code_and_value() -> None:
    assert layer_rows(vector_net())[0].weight_type == "u2→s4"


def test_weights_stored_count_codes_and_codebook_without_padding() -> None:
    assert report_values(vector_net(), 100)["weight_bits"] == 6 * 10 * 2 + 4 * 4
    assert report_values(vector_net(), 100)["memory_bits"] >= 6 * 10 * 2 + 4 * 4


def text_of(table: Any) -> str:
    console = Console(width=100, file=io.StringIO(), color_system=None)
    console.print(table)
    stream = console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def test_table_fits_100_columns_and_shows_every_number() -> None:
    pipeline = dcgan()
    text = text_of(layer_table(pipeline))
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "…" not in text
    for row in layer_rows(pipeline):
        line = next(line for line in text.splitlines() if line.startswith(row.name))
        assert f"{row.cycles:,}" in line
        assert f"{row.pe}×{row.simd}" in line
        assert ("◀" in line) == row.limiting


def test_table_of_a_large_network_folds_names_only() -> None:
    weights = np.ones((4, 4, 512, 256), dtype=np.int64)
    node = Node("generator.[bold]main.block.12.conv", ConvTranspose2d(weights, 8, stride=(2, 2), padding=(1, 1)))
    text = text_of(layer_table(pipeline_of(node, shape=(16, 16, 512), multipliers=4096)))
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "…" not in text
    assert "".join(line.split()[0] for line in text.splitlines()[1:]) == node.name
    assert re.search(r"[\d.]+ M", text)
    assert "100% ◀" in text


def test_summary_tells_measured_from_computed() -> None:
    pipeline = dcgan()
    computed = "\n".join(summary_lines(pipeline, 100.0))
    assert "not measured" in computed
    assert f"{1e8 / pipeline.interval_cycles:,.0f} frames/s at 100 MHz" in computed
    assert f"{pipeline.utilization:.1%}" in computed
    measured = {f.name: f for f in summary_figures(pipeline, 125.0, run_report(pipeline))}
    assert measured["Latency"].text == "4,321 cycles, 34.6 µs"
    assert measured["Interval"].source == "measured; the cycle model says the same"
    off = run_report(pipeline, interval_cycles=pipeline.interval_cycles + 5)
    differs = {f.name: f for f in summary_figures(pipeline, 125.0, off)}
    assert differs["Interval"].text.startswith(f"{pipeline.interval_cycles + 5:,} cycles")
    assert differs["Interval"].source == f"measured; the cycle model says {pipeline.interval_cycles:,}"


def test_a_network_without_weights_has_no_utilization() -> None:
    pipeline = pipeline_of(Node("up", Upsample((2, 2))), shape=(3, 3, 1))
    assert report_values(pipeline, 100)["utilization"] == 0
    assert "Utilization" in "\n".join(summary_lines(pipeline))


# -- verdict ----------------------------------------------------------------------------------------------------------


def test_verdict_of_a_complete_run() -> None:
    run = run_report(dcgan(), compared_values={"C++": 65536, "RTL": 4096})
    assert verdict(run) == "golden = C++ = RTL: equal, 69,632 values"
    assert run.state == "equal"


@pytest.mark.parametrize(
    ("compared", "words"),
    [
        ({"C++": 65536}, "golden = C++: equal, 65,536 values; RTL was not run"),
        ({"RTL": 4096, "C++": 0}, "golden = RTL: equal, 4,096 values; C++ was not run"),
        ({}, "golden model only: nothing was compared; C++ and RTL were not run"),
    ],
)
def test_verdict_names_what_was_not_run(compared: dict[str, int], words: str) -> None:
    run = run_report(dcgan(), csim=None, rtl=None, compared_values=compared)
    assert verdict(run) == words
    assert run.state == ("partial" if compared else "open")


def test_verdict_counts_what_differs() -> None:
    run = run_report(dcgan(), compared_values={"C++": 1000, "RTL": 24}, differing_values=3)
    assert verdict(run) == "NOT EQUAL: 3 of 1,024 compared values differ from the golden model (C++, RTL)"
    assert run.state == "different"


def test_verdict_never_says_equal_when_the_images_differ() -> None:
    run = run_report(dcgan())
    assert run.rtl is not None
    run.rtl[1, 0, 2, 3] += 1 / 128
    assert verdict(run).startswith("NOT EQUAL: 1 of ")
    assert verdict(run).endswith("(RTL)")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"golden": np.zeros((4, 1, 2, 2))}, "golden has shape"),
        ({"rtl": np.zeros((1, 1, 2, 2))}, "RTL has shape"),
        ({"csim": np.zeros((9, 1, 8, 8))}, "C\\+\\+ has shape"),
        ({"psnr": math.nan}, "PSNR is not a number"),
        ({"clock_mhz": 0.0}, "clock of 0.0 MHz"),
    ],
)
def test_a_run_that_does_not_go_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run_report(dcgan(), **changes)


# -- the page ---------------------------------------------------------------------------------------------------------


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
