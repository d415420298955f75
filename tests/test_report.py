"""What a report of runs says: rows, figures, the verdict."""

import io
import math
import re
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from gan2hls.errors import UserError
from gan2hls.ir import Node
from gan2hls.ops import ConvTranspose2d, Upsample
from gan2hls.report import (
    layer_rows,
    layer_table,
    report_values,
    summary_figures,
    summary_lines,
    verdict,
)
from tests.reports import dcgan, pipeline_of, run_report, vector_net

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
    assert measured["RTL interval"].source == "measured; the cycle model says the same"
    off = run_report(pipeline, interval_cycles=pipeline.interval_cycles + 5)
    differs = {f.name: f for f in summary_figures(pipeline, 125.0, off)}
    assert differs["RTL interval"].text.startswith(f"{pipeline.interval_cycles + 5:,} cycles")
    assert differs["RTL interval"].source == f"measured; the cycle model says {pipeline.interval_cycles:,}"


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
