"""The loops in reports of Vitis HLS, written by hand in the documented form: no vendor's program runs here."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from gan2hls.errors import Gan2HlsError, UserError
from gan2hls.synth import LoopTiming, SynthResult, read_csynth
from gan2hls.synth.table import loop_table
from gan2hls.synth.vitis import read_loops
from gan2hls.synth.vitis_run import check_loops

REPORTS = Path(__file__).parent / "reports"
FAST = LoopTiming("u_layers_0", "mac_loop", 1, (35_616, 35_616), (35_623, 35_623))
SLOW = (
    LoopTiming("conv2d_u_conv_s", "mac_loop", 3, (4096, 4096), (12_291, 12_291)),
    LoopTiming("axis_to_lanes_s", "axis_to_lanes_loop", 1, (1, 512), (2, 513)),
    LoopTiming("repack_s", "repack_loop", 1, None, None),
    LoopTiming("repack_s", "tail_loop", 2, (7, 7), (3, 17)),
    LoopTiming("upsample_u_up_s", "rows", None, (8, 8), (160, 160)),
    LoopTiming("upsample_u_up_s", "rows/columns", 1, (16, 16), (18, 18)),
)
PROBLEMS = [
    "loop mac_loop of conv2d_u_conv_s: II = 3; II = 1 is needed",
    "loop tail_loop of repack_s: II = 2; II = 1 is needed",
    "loop rows of upsample_u_up_s: it is not pipelined; II = 1 is needed",
]


def edited(old: str, new: str, folder: Path) -> Path:
    """The report of the fast design with another text in it."""
    text = (REPORTS / "csynth.xml").read_text()
    assert text.count(old) == 1
    path = folder / "csynth.xml"
    path.write_text(text.replace(old, new))
    return path


def test_loops_are_read_in_every_documented_form() -> None:
    assert read_csynth(REPORTS / "csynth.xml").loops == (FAST,)
    assert read_csynth(REPORTS / "csynth_slow.xml").loops == SLOW


def test_a_loop_that_is_slower_is_a_problem_that_names_it() -> None:
    assert read_csynth(REPORTS / "csynth_slow.xml").problems() == PROBLEMS
    with pytest.raises(Gan2HlsError) as caught:
        check_loops(REPORTS / "csynth_slow.xml")
    assert str(caught.value).splitlines()[1:] == PROBLEMS
    check_loops(REPORTS / "csynth.xml")


def test_a_report_without_loops_proves_nothing(tmp_path: Path) -> None:
    text = (REPORTS / "csynth.xml").read_text()
    text = re.sub(r"<SummaryOfLoopLatency>.*?</SummaryOfLoopLatency>", "", text, flags=re.DOTALL)
    (tmp_path / "csynth.xml").write_text(text)
    assert read_csynth(tmp_path / "csynth.xml").loops == ()
    with pytest.raises(Gan2HlsError, match="names no loop"):
        check_loops(tmp_path / "csynth.xml")


def test_loops_of_the_top_function_are_also_at_the_top(tmp_path: Path) -> None:
    """As in a module's own report, where they have no Name; what is in both places is read once."""
    summary = (
        "<SummaryOfLoopLatency><send><TripCount>3</TripCount><Latency>5</Latency><PipelineII>1</PipelineII></send>"
    )
    summary += "</SummaryOfLoopLatency>"
    path = edited(
        "    <SummaryOfTimingAnalysis>\n      <unit>", f"{summary}<SummaryOfTimingAnalysis>\n<unit>", tmp_path
    )
    assert read_loops(path) == (FAST, LoopTiming("generator", "send", 1, (3, 3), (5, 5)))
    text = path.read_text()
    again = summary.replace("<send>", "<send><Name>send</Name>")
    at = text.rindex("</PerformanceEstimates>")
    path.write_text(text[:at] + again + text[at:])
    assert read_loops(path) == (FAST, LoopTiming("generator", "send", 1, (3, 3), (5, 5)))


@pytest.mark.parametrize(
    ("new", "interval"), [("-", None), ("undef", None), (" 1 ", 1), ("", None), ("16", 16), ("N/A", None)]
)
def test_forms_of_an_interval(new: str, interval: int | None, tmp_path: Path) -> None:
    path = edited("<PipelineII>1<", f"<PipelineII>{new}<", tmp_path)
    assert [loop.interval for loop in read_loops(path)] == [interval]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<PipelineII>1<", "<PipelineII>one<", "PipelineII is 'one'"),
        ("<PipelineII>1<", "<PipelineII>1 ~ 2<", "loop mac_loop of u_layers_0: PipelineII is a range"),
        ("<TripCount>35616<", "<TripCount>1.5<", "TripCount is '1.5'"),
        ("<Latency>35623<", "<Latency>1 ~ 2 ~ 3<", "Latency is '1 ~ 2 ~ 3'"),
    ],
)
def test_what_is_no_number_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = edited(old, new, tmp_path)
    for read in (read_loops, read_csynth):
        with pytest.raises(UserError, match=f"no report of Vitis HLS as expected: {message}"):
            read(path)


def test_loops_of_a_part_that_we_have_no_target_for(tmp_path: Path) -> None:
    path = edited("xczu7ev-ffvc1156-2-e", "xcvc1902-vsva2197-2MP-e-S", tmp_path)
    assert read_loops(path) == (FAST,)
    with pytest.raises(UserError, match="neither a 7 series nor an UltraScale"):
        read_csynth(path)


def test_json_and_table_have_the_loops() -> None:
    result = read_csynth(REPORTS / "csynth_slow.xml")
    assert SynthResult.from_values(json.loads(json.dumps(result.values()))) == result
    shown = io.StringIO()
    Console(width=120, file=shown).print(loop_table(result))
    lines = [line.split() for line in shown.getvalue().replace("│", " ").splitlines()]
    for cells in (
        ["conv2d_u_conv_s", "mac_loop", "3", "4,096", "12,291"],
        ["axis_to_lanes_s", "axis_to_lanes_loop", "1", "1", "to", "512", "2", "to", "513"],
        ["repack_s", "repack_loop", "1", "?", "?"],
        ["upsample_u_up_s", "rows", "none", "8", "160"],
        ["upsample_u_up_s", "rows/columns", "1", "16", "18"],
    ):
        assert cells in lines
