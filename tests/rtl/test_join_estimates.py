"""Forks and joins alone: as yosys counts them, and as they are estimated."""

from pathlib import Path

import pytest

from gan2hls.backends.rtl import kernel_sources, list_literal
from gan2hls.estimate.features import count
from gan2hls.estimate.model import shipped_model
from gan2hls.resources import resource
from tests.rtl.test_yosys import yosys

CASES = {
    "stream_fork": {"Outputs": 2, "Beats": 64, "Bits": 32},
    "add": {"Inputs": 3, "Beats": 64, "Lanes": 4, "InBits": 8, "InSigned": 1, "OutBits": 10, "Subtract": 0},
    "concat": {"Inputs": 2, "Pixels": 64, "Lanes": 4, "Bits": 8},
    "slice": {"Pixels": 64, "Channels": 64, "Start": 16, "Stop": 32, "Lanes": 4, "Bits": 8},
}
COMMANDS = {"ecp5": "synth_ecp5", "xcup": "synth_xilinx -flatten -family xcup"}
OFF = {"luts": 0.5, "flip_flops": 0.1}
"""Most that an estimate may be off, as a share of what yosys counts."""


@pytest.mark.parametrize("family", COMMANDS)
@pytest.mark.parametrize("module", CASES)
def test_a_join_as_yosys_finds_it(module: str, family: str, tmp_path: Path) -> None:
    # A list of several integers is one wide parameter, which yosys sets from the text of a constant.
    (tmp_path / "dut.sv").write_text(_instance(module))
    sources = " ".join(str(resource("hw", "rtl", f"{name}.sv")) for name in kernel_sources([module]))
    script = [f"read_verilog -sv -DSYNTHESIS {sources} dut.sv", f"{COMMANDS[family]} -top dut"]
    cells = yosys(script, tmp_path)
    found = {
        "luts": sum(n for cell, n in cells.items() if cell.startswith("LUT")) + 2 * cells.get("CCU2C", 0),
        "flip_flops": sum(n for cell, n in cells.items() if cell.startswith(("TRELLIS_FF", "FD"))),
    }
    counted, model = count(module, CASES[module], (), family), shipped_model()
    for what, most in OFF.items():
        estimated = model.resources(family, what, counted.machine, getattr(counted, what))
        assert abs(estimated - found[what]) <= most * found[what], f"{estimated} {what}, yosys counts {found[what]}"


def _instance(module: str) -> str:
    """The module as a top of its own, its ports the same."""
    values = CASES[module]
    ins, outs = values.get("Inputs", 1), values.get("Outputs", 1)
    width = values.get("Lanes", 1) * values.get("Bits", values.get("InBits", 0))  # of one port
    in_bits, out_bits = ins * width, outs * values.get("Lanes", 1) * values.get("OutBits", values.get("Bits", 0))
    parameters = {name: str(value) for name, value in values.items()}
    if module == "concat":
        parameters["PixelBeats"] = list_literal([16, 8])
    settings = ", ".join(f".{name}({value})" for name, value in parameters.items())
    return f"""module dut (
  input logic clk, rst_n, input logic [{in_bits - 1}:0] s_axis_tdata, input logic [{ins - 1}:0] s_axis_tvalid,
  output logic [{ins - 1}:0] s_axis_tready, input logic [{ins - 1}:0] s_axis_tlast,
  output logic [{out_bits - 1}:0] m_axis_tdata, output logic [{outs - 1}:0] m_axis_tvalid,
  input logic [{outs - 1}:0] m_axis_tready, output logic [{outs - 1}:0] m_axis_tlast
);
  {module} #({settings}) u_dut (
    .clk, .rst_n, .s_axis_tdata, .s_axis_tvalid, .s_axis_tready, .s_axis_tlast,
    .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
  );
endmodule
"""
