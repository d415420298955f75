"""What a synthesis tool is told: in one header, in its own words, and in those of another tool where they are given."""

import re
import subprocess
from pathlib import Path

from gan2hls.backends.hls import write_hls
from gan2hls.ir import Fold, IntType, TensorType
from gan2hls.ops import Upsample
from gan2hls.resources import resource
from gan2hls.tools import require_tool
from tests.hls.bench import HEADERS, pipeline_of

PRAGMAS = HEADERS / "pragmas.h"
_MACRO = re.compile(r"#define (GAN2HLS_\w+)(\([\w, ]*\))?")


def macros() -> dict[str, str]:
    """Name -> parameters of what the kernels may write."""
    found = dict(_MACRO.findall(PRAGMAS.read_text()))
    return {name: found[name] for name in found if name not in ("GAN2HLS_PRAGMAS_H", "GAN2HLS_DIRECTIVE")}


def preprocessed(source: Path, *flags: str) -> str:
    includes = ["-I", str(source.parents[1] / "kernels" / "sim"), "-isystem", str(require_tool("ap_types").path)]
    command = ["g++", "-std=c++17", "-E", *flags, *includes, str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def project(folder: Path) -> Path:
    tensor = TensorType((2, 2, 4), IntType(6, True), 1.0)
    write_hls(pipeline_of(tensor, [Upsample((2, 2))] * 2, [Fold(2, 2), Fold(4, 4)]), folder)
    return folder / "firmware" / "generator.cpp"


def test_no_other_file_has_a_pragma_of_a_vendor() -> None:
    files = [*HEADERS.rglob("*.h"), *resource("templates", "hls").glob("*")]
    having = {path.name for path in files if re.search(r"#\s*pragma\s+HLS|_Pragma", path.read_text())}
    assert having == {"pragmas.h"}


def test_a_project_says_what_vitis_shall_do(tmp_path: Path) -> None:
    text = preprocessed(project(tmp_path))
    pragmas = re.findall(r"#pragma HLS (.*)", text)
    assert {
        "PIPELINE II=1 rewind",
        "UNROLL",
        "INLINE",
        "DATAFLOW",
        "INTERFACE mode=axis port=s_axis register_mode=both register",
        "INTERFACE mode=ap_ctrl_none port=return",
        "STREAM variable=stream_0 depth=2",
        "AGGREGATE variable=kept compact=bit",
        "BIND_STORAGE variable=kept type=ram_s2p",
    } <= set(pragmas)
    for label in ("axis_to_lanes_loop", "upsample_loop", "deserialize_loop", "lanes_to_axis_loop"):
        assert re.search(rf"\b{label}:\s", text), label


def test_c_simulation_has_no_pragma(tmp_path: Path) -> None:
    assert "pragma HLS" not in preprocessed(project(tmp_path), "-DGAN2HLS_CSIM")


def test_another_tool_has_words_of_its_own(tmp_path: Path) -> None:
    """A header that defines the same macros is all that it takes."""
    others = tmp_path / "others.h"
    lines = [f"#define {name}{parameters}" for name, parameters in macros().items()]
    text = "\n".join(lines).replace("#define GAN2HLS_PIPELINE", '#define GAN2HLS_PIPELINE _Pragma("others pipeline")')
    others.write_text(text + "\n")
    made = preprocessed(project(tmp_path / "project"), f'-DGAN2HLS_PRAGMAS="{others}"')
    assert "pragma HLS" not in made
    assert made.count("#pragma others pipeline") >= 4
