"""Reports of Vivado and Vitis HLS, written by hand in the documented form: no vendor's program runs here."""

from pathlib import Path

import pytest

from gan2hls.errors import Gan2HlsError, MissingToolError, ToolError, UserError
from gan2hls.synth import ESTIMATE, PLACED, SYNTHESIZED, Clock, StageUsage, Usage, read_csynth, synthesize
from gan2hls.synth.vitis import target_of_part
from gan2hls.synth.vivado import read_hierarchy, read_slack, read_utilization
from tests.synth.networks import TOP, network, write

REPORTS = Path(__file__).parent / "reports"
USED = Usage(1234, 34, 2345, 9.0, 3.5)


@pytest.mark.parametrize("name", ["utilization.rpt", "utilization_ultrascale.rpt"])
def test_utilization(name: str) -> None:
    assert read_utilization((REPORTS / name).read_text()) == USED


def test_a_report_without_a_row_is_refused() -> None:
    text = (REPORTS / "utilization.rpt").read_text().replace("| DSPs ", "| PSDs ")
    with pytest.raises(Gan2HlsError, match="no row DSPs"):
        read_utilization(text)


def test_hierarchy() -> None:
    stages = read_hierarchy((REPORTS / "hierarchy.rpt").read_text(), TOP)
    assert stages == (
        StageUsage("", "", Usage(4, 0, 5, 0.0, 0.0)),
        StageUsage("u_op0", "conv_transpose2d", Usage(1000, 30, 2000, 8.0, 3.5)),
        StageUsage("u_op1", "requantize", Usage(230, 4, 340, 1.0, 0.0)),
    )
    with pytest.raises(Gan2HlsError, match="no instance other"):
        read_hierarchy((REPORTS / "hierarchy.rpt").read_text(), "other")


def test_slack() -> None:
    assert read_slack((REPORTS / "timing.rpt").read_text()) == -1.25
    with pytest.raises(Gan2HlsError, match="no worst slack"):
        read_slack("There are no user specified timing constraints.")


def stand_in(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell script named vivado, first on PATH."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "vivado").write_text(f"#!/bin/sh\n{body}\n")
    (programs / "vivado").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")


@pytest.mark.parametrize("tool", ["auto", "vivado"])
def test_vivado_runs_the_script(tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f'set -e\ntest "$*" = "-mode batch -nojournal -nolog -source vivado.tcl"\nls {" ".join(SOURCES)}'
    stand_in(tmp_path, f"{body}\ncp {REPORTS}/*.rpt .", monkeypatch)
    work = tmp_path / "work"
    result = synthesize(network(), write(tmp_path / "rtl"), TOP, "xc7a35t", tool=tool, clock_mhz=125, work=work)
    assert result.usage == USED and result.figures == PLACED
    assert result.clock == Clock(125, 125, (0,), (round(1000 / 9.25, 2),), PLACED)
    assert result.problems() == ["clock missed: 125 MHz wanted, 108.1 MHz reached"]
    script = (work / "vivado.tcl").read_text()
    lines = script.splitlines()
    assert [line for line in lines if line.startswith("read_verilog")][-1] == f"read_verilog -sv {{{TOP}.sv}}"
    assert f"synth_design -mode out_of_context -top {TOP} -part xc7a35tcsg324-1" in script
    assert script.index("readmem} -new_severity ERROR") < script.index("synth_design")
    assert lines.index("place_design") < lines.index("route_design")
    assert (work / "vivado.xdc").read_text() == "create_clock -period 8.000 -name clk [get_ports clk]\n"


SOURCES = (f"{TOP}.sv", "kernels/mac_engine.sv", f"{TOP}_u_op0_weights.mem", "vivado.xdc")


def test_vivado_without_placing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, f"! grep -q route_design vivado.tcl && cp {REPORTS}/*.rpt .", monkeypatch)
    result = synthesize(network(), None, TOP, "xc7a35t", tool="vivado", place=False)
    assert result.usage == USED and result.clock is None and result.figures == SYNTHESIZED


@pytest.mark.parametrize(("body", "error"), [("echo no licence; exit 1", ToolError), ("exit 0", Gan2HlsError)])
def test_vivado_fails(body: str, error: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, body, monkeypatch)
    with pytest.raises(error, match="no licence|without its report"):
        synthesize(network(), None, TOP, "zu3eg", tool="vivado", scratch=tmp_path / "scratch")


def test_vivado_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"vivado: not found(.|\n)*settings64"):
        synthesize(network(), None, TOP, "xc7a35t", tool="vivado")


def test_what_vivado_does_not_know() -> None:
    with pytest.raises(UserError, match=r"ecp5-25k: Vivado does not know ecp5"):
        synthesize(network(), None, TOP, "ecp5-25k", tool="vivado")


def test_csynth() -> None:
    result = read_csynth(REPORTS / "csynth.xml")
    assert (result.top, result.target, result.figures) == ("generator", "zu7ev", ESTIMATE)
    assert result.usage == Usage(8040, 0, 5210, 67.0, 70.5)
    assert result.stages == (StageUsage("u_layers_0", "u_layers_0", Usage(690, 0, 410, 3.0, 10.5)),)
    assert result.clock is not None and not result.clock.missed
    assert (result.clock.wanted_mhz, result.clock.reached_mhz, result.clock.figures) == (200.0, 273.97, ESTIMATE)
    assert result.tools == {"Vitis HLS": "2023.2"}


@pytest.mark.parametrize(
    ("text", "message"),
    [("<profile>", "no report of Vitis HLS"), ("<profile/>", "UserAssignments/Part is missing")],
)
def test_a_damaged_csynth(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "csynth.xml").write_text(text)
    with pytest.raises(UserError, match=message):
        read_csynth(tmp_path / "csynth.xml")
    with pytest.raises(UserError, match="No such file"):
        read_csynth(tmp_path / "none.xml")


def test_parts() -> None:
    assert target_of_part("xck26-sfvc784-2LV-c") == "xck26"
    assert target_of_part("xc7z045ffg900-2") == "xc7"
    assert target_of_part("xczu9eg-ffvb1156-2-e") == "xcup"
    with pytest.raises(UserError, match="neither a 7 series"):
        target_of_part("10CX220")
