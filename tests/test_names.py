"""Names: any layer's name becomes an identifier that works everywhere; a design's name works as it is or is refused."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import gan2hls
from gan2hls import tools
from gan2hls.assembly import make_pipeline
from gan2hls.backends.hls import write_hls
from gan2hls.backends.rtl import write_rtl
from gan2hls.errors import UserError
from gan2hls.folding import choose_folding
from gan2hls.ir import Fold, Graph, IntType, Node, TensorType
from gan2hls.names import MOST_LETTERS, identifier, top_problem, unique_identifier
from gan2hls.ops import Dense, Requantize, Upsample
from gan2hls.passes import rename

S8 = IntType(8, True)
ODD = (
    "ünï",
    "模型",
    "l" * 250,
    "l" * 249 + "m",
    "a/b",
    "a b",
    "Größe\n\x1b[1m",
    "\u202e",
    "module",
    "stream_1_fifo",
    "_",
)


def chain(names: tuple[str, ...]) -> Graph:
    """A dense layer between upsamplings that change nothing, as many ops as there are names."""
    ops = [Dense(np.arange(-8, 8).reshape(1, 1, 4, 4), 4), *[Upsample((1, 1))] * (len(names) - 1)]
    nodes = tuple(Node(name, op) for name, op in zip(names, ops, strict=True))
    return Graph.chain(TensorType((1, 1, 4), S8, 1.0), nodes, (4, 1, 1), (4, 1, 1)).verify()


# -- layers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [("up.1", "up_1"), ("ünï", "uni"), ("Größe", "Groxdfe"), ("模型", "x6a21x578b"), ("a b/c", "a_b_c"), ("", "")],
)
def test_an_identifier_can_be_read(name: str, expected: str) -> None:
    assert identifier(name) == expected


def test_identifiers_are_unique_and_short() -> None:
    taken: set[str] = set()
    names = [unique_identifier(name, taken, ["weights"]) for name in (*ODD, *ODD, "A.B", "a_b_weights")]
    assert len({name.lower() for name in names}) == len(names)
    assert all(re.fullmatch(r"u_[A-Za-z0-9_]*", name) and len(name) < MOST_LETTERS + 8 for name in names)
    assert "u_a_b_weights" not in names  # the weights of a/b are called so


def test_the_memories_of_two_layers_are_never_one(tmp_path: Path) -> None:
    """`a` has a memory `negative_bias`, and `a.negative` a memory `bias`."""
    biases = np.arange(4)
    leaky = Requantize(biases + 1, biases, 2, -128, 127, S8, 1.0, biases + 9, biases)
    plain = Requantize(biases + 1, biases + 50, 2, -128, 127, S8, 1.0)
    nodes = (Node("a", leaky), Node("a.negative", plain))
    graph = Graph.chain(TensorType((1, 1, 4), S8, 1.0), nodes, (4, 1, 1), (4, 1, 1)).verify()
    pipeline = make_pipeline(graph, {"a": Fold(1, 1), "a.negative": Fold(1, 1)})
    write_rtl(pipeline, tmp_path)
    assert len(list(tmp_path.glob("*.mem"))) == sum(len(stage.memories) for stage in pipeline.stages) == 8
    assert [stage.node for stage in pipeline.stages] == ["a", "a.negative"]


def test_no_layer_is_called_like_a_fifo() -> None:
    pipeline = make_pipeline(chain(ODD), choose_folding(chain(ODD), multipliers=4))
    assert not {stage.name for stage in pipeline.stages} & {f"u_{name}_fifo" for name in pipeline.streams}


def test_a_layer_without_a_name_is_refused() -> None:
    with pytest.raises(UserError, match="^node 2 has no name$"):
        chain(("fc", ""))


@pytest.mark.skipif(
    not all(tools.find_tool(name) for name in ("verilator", "cocotb", "cocotbext-axi", "g++", "make", "ap_types")),
    reason="needs Verilator, cocotb, cocotbext-axi and ap_types",
)
def test_layers_of_any_name_work_in_both_languages(rng: np.random.Generator, tmp_path: Path) -> None:
    graph = chain(ODD)
    project = gan2hls.build(graph, tmp_path / "out")
    assert max(len(path.name.encode()) for path in (tmp_path / "out").rglob("*")) < 200
    assert [stage.node for stage in project.pipeline.stages if stage.node] == list(ODD)
    z = rng.integers(-128, 128, (2, 4, 1, 1))
    golden = graph.run_integers(z)
    np.testing.assert_array_equal(project.csim(z), golden)
    np.testing.assert_array_equal(project.cosim(z, stalls=False).outputs, golden)


# -- designs ----------------------------------------------------------------------------------------------------------

SAYS = {
    "has a meaning in SystemVerilog already": ("module", "input", "assert", "table", "small", "logic"),
    "has a meaning in C.. already": ("class", "int", "short", "main", "std", "hls", "csim", "errno"),
    "has a meaning in the code that gan2hls writes": ("clk", "frames", "dense", "fifo", "bench"),
    "is written like a port of the design": ("s_axis", "m_axis_image"),
    "is written like a macro of C..; use a name with small letters": ("EOF", "NULL", "INT_MAX", "M_PIf"),
    "is written like an instance or a stream of the design": ("u_op0", "stream_0"),
    "use letters, digits and single _ between": ("", "9x", "a-b", "ünï", "_x", "x_", "a__b", "a b", "a\n"),
    "of 65 letters is not accepted; use 64 at most": ("x" * 65,),
}
REFUSED = {name: reason for reason, names in SAYS.items() for name in names}


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_means_something_else_is_refused_early(name: str, tmp_path: Path) -> None:
    graph = chain(("fc",))
    message = f"name .*{REFUSED[name]}"
    pipeline = make_pipeline(graph, {"fc": Fold(1, 1)})
    for use in (
        lambda: rename(graph, name),
        lambda: write_rtl(pipeline, tmp_path / "rtl", name=name),
        lambda: write_hls(pipeline, tmp_path / "hls", name=name),
    ):
        with pytest.raises(UserError, match=message) as error:
            use()
        assert "\n" not in str(error.value) and len(str(error.value)) < 200
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["generator", "digits32", "dcgan_64x64", "x1" * 32])
def test_other_names_are_accepted(name: str) -> None:
    assert rename(chain(("fc",)), name).name == name


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose sources include all that any project includes."""
    folder = tmp_path_factory.mktemp("headers")
    write_hls(make_pipeline(chain(("fc",)), {"fc": Fold(1, 1)}), folder, name="zzz")
    return folder


def cpp(folder: Path, *options: str, more: str = "") -> subprocess.CompletedProcess[str]:
    compiler, types = (str(tools.require_tool(name).path) for name in ("g++", "ap_types"))
    flags = ["-std=c++17", "-DGAN2HLS_CSIM", "-I", str(folder / "kernels" / "sim"), "-isystem", types]
    text = f'#include "{folder}/bridge.cpp"\n#include "{folder}/testbench/testbench.cpp"\n{more}'
    return subprocess.run([compiler, *flags, *options, "-x", "c++", "-"], input=text, capture_output=True, text=True)


@pytest.mark.skipif(not tools.find_tool("ap_types"), reason="needs ap_types")
def test_what_is_accepted_works_beside_all_headers(headers: Path, tmp_path: Path) -> None:
    """Macros are refused; of the headers' other words those that are accepted do as a function and as a module."""
    macros = set(re.findall(r"^#define (\w+)", cpp(headers, "-dM", "-E").stdout, re.MULTILINE))
    assert "EOF" in macros
    assert not [name for name in macros if not top_problem(name) and "zzz" not in name.lower()]
    text = re.sub(r'"[^"\n]*"', "", cpp(headers, "-E", "-P").stdout)
    words = {word for word in re.findall(r"\w+", text) if not top_problem(word) and "zzz" not in word}
    assert len(words) > 500
    kinds = "namespace zzz_kinds { struct a; struct b; }\n"
    functions = "".join(f"void {word}(zzz_kinds::a&, zzz_kinds::b&);\n" for word in words)
    made = cpp(headers, "-fsyntax-only", more=kinds + functions)
    assert made.returncode == 0, made.stderr[:2000]
    if tools.find_tool("verilator"):
        body = "(input logic zzz_in, output logic zzz_out);\nassign zzz_out = zzz_in;\nendmodule\n"
        (tmp_path / "all.sv").write_text("".join(f"module {word} {body}" for word in sorted(words)))
        verilator = tools.require_tool("verilator").path
        command = [verilator, "--lint-only", "-Wall", "-Wno-DECLFILENAME", "-Wno-MULTITOP", "all.sv"]
        linted = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert linted.returncode == 0, linted.stderr[:2000]
