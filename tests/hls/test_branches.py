"""The C++ kernels with several ports, or none, against plain Python integers; in C simulation and in plain C++."""

import ctypes
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gan2hls.simulate import CSIM_FLAGS
from gan2hls.tools import require_tool
from tests.branch_cases import BRANCH_CASES, FRAMES, BranchCase, Side, add_case, concat_case, fork_case, slice_case
from tests.hls.bench import HEADERS

MODULES = sorted({name.split("-")[0].replace("sub", "add") for name in BRANCH_CASES})

# A source for each input and a sink for each output, as processes of their own.
_PRELUDE = """
#include <ap_int.h>
#include <hls_stream.h>
#include <cstdint>
#include <cstdio>
#include <exception>
#include "process.h"
template <class Word>
void send(hls::stream<Word>& stream, const std::int64_t* values, int beats) {
    for (int beat = 0; beat < beats; ++beat) {
        Word word;
        for (unsigned lane = 0; lane < Word::size; ++lane) word[lane] = values[beat * int(Word::size) + int(lane)];
        stream.write(word);
    }
}

template <class Word>
void receive(hls::stream<Word>& stream, std::int64_t* values, int beats) {
    for (int beat = 0; beat < beats; ++beat) {
        const Word word = stream.read();
        for (unsigned lane = 0; lane < Word::size; ++lane)
            values[beat * int(Word::size) + int(lane)] = std::int64_t(word[lane]);
    }
}
"""


def _word(side: Side, signed: bool) -> str:
    return f"gan2hls::lanes<{'ap_int' if signed else 'ap_uint'}<{side.bits}>, {side.lanes}>"


def _constant(name: str, value: int | tuple[int, ...]) -> str:
    if isinstance(value, tuple):
        return f"static constexpr int {name}[] = {{{', '.join(map(str, value))}}};"
    return f"static constexpr int {name} = {value};"


def driver(case: BranchCase, index: int) -> str:
    """A function `run_<index>` that sends one frame through the kernel."""
    lines = [f"struct config_{index} {{", *(f"    {_constant(*item)}" for item in case.parameters.items()), "};"]
    arguments = []
    body = []
    for what, sides in (("in", case.ins), ("out", case.outs)):
        for i, side in enumerate(sides):
            signed = case.signed or (what == "out" and bool(case.parameters.get("Subtract")))
            lines.append(f"using {what}_{index}_{i} = {_word(side, signed)};")
            body.append(f"GAN2HLS_STREAM({what}_{index}_{i}, {what}{i}, {1 + (i + index) % 2})")
            arguments.append(f"{what}{i}")
    for name, words in case.memories.items():
        rows = ", ".join("{" + ", ".join(map(str, row)) + "}" for row in words.tolist())
        lines.append(f"static const int {name}_{index}[{words.shape[0]}][{words.shape[1]}] = {{{rows}}};")
        arguments.append(f"{name}_{index}")
    for i, side in enumerate(case.ins):
        body.append(f"GAN2HLS_PROCESS(source{i}, send(in{i}, in[{i}], {len(side.frames[0])}));")
    body.append(f"GAN2HLS_PROCESS(kernel, gan2hls::{case.module}<config_{index}>({', '.join(arguments)}));")
    for i, side in enumerate(case.outs):
        body.append(f"GAN2HLS_PROCESS(sink{i}, receive(out{i}, out[{i}], {len(side.frames[0])}));")
    lines += [
        f'extern "C" long cycles_{index}() {{ return gan2hls::{case.module}_trip_count<config_{index}>; }}',
        f'extern "C" int run_{index}(const std::int64_t** in, std::int64_t** out, char* message, int size) {{',
        "    (void)in;",
        "    try {",
        *(f"        {line}" for line in body),
        "        GAN2HLS_RUN();",
        "        return 0;",
        "    } catch (const std::exception& error) {",
        '        std::snprintf(message, size, "%s", error.what());',
        "        return 1;",
        "    }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def build(sources: Sequence[str], folder: Path, csim: bool, *flags: str) -> ctypes.CDLL:
    source, library = folder / "branches.cpp", folder / "branches.so"
    source.write_text("".join(sources))
    given = [flag for flag in CSIM_FLAGS if csim or flag != "-DGAN2HLS_CSIM"]
    include = ["-I", HEADERS / "sim"] if csim else []
    warnings = ["-Wall", "-Wextra", "-Wconversion", *([] if csim else ["-Wno-unknown-pragmas"])]
    command = ["g++", *given, "-O0", *warnings, *flags, *include, "-I", HEADERS]  # compiling takes longer than running
    command += ["-isystem", require_tool("ap_types").path, source, "-o", library]
    made = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[:6000]
    ours = [line for line in made.stderr.splitlines() if "hw/hls" in line and "warning" in line]
    assert not ours, "\n".join(ours)
    return ctypes.CDLL(str(library))


def problem(library: ctypes.CDLL, case: BranchCase, index: int) -> str:
    """What is wrong with the kernel in this case, "" for nothing."""
    for frame in range(FRAMES):
        ins = [np.ascontiguousarray(side.frames[frame], dtype=np.int64) for side in case.ins]
        outs = [np.full(side.frames[frame].shape, -1, dtype=np.int64) for side in case.outs]
        pointers = [(ctypes.c_void_p * max(1, len(a)))(*(x.ctypes.data for x in a)) for a in (ins, outs)]
        message = ctypes.create_string_buffer(2000)
        if library[f"run_{index}"](*pointers, message, len(message)):
            return f"{case}: {message.value.decode()}"
        for port, (side, got) in enumerate(zip(case.outs, outs, strict=True)):
            wrong = (got & ((1 << side.bits) - 1)) != side.frames[frame]
            if (wrong if side.used is None else wrong & side.used).any():
                return f"{case}: frame {frame} of output {port}: {got} instead of {side.frames[frame]}"
    return ""


@pytest.mark.parametrize("how", ["csim", "plain", "exact"])
def test_branches(how: str, rng: np.random.Generator, tmp_path: Path) -> None:
    cases = [make(rng) for _ in range(2) for make in BRANCH_CASES.values()]
    for bits in range(1, 17):
        cases += [add_case(rng, 2, bits, signed, subtract=bool(rng.integers(2))) for signed in (False, True)]
    includes = "".join(f'#include "{module}.h"\n' for module in MODULES)
    prelude = _PRELUDE + "#define __SYNTHESIS__\n" * (how == "exact")  # intermediate results have their bits only
    library = build([prelude, includes, *map(driver, cases, range(len(cases)))], tmp_path, how != "plain")
    assert not [line for index, case in enumerate(cases) if (line := problem(library, case, index))]
    for index, case in enumerate(cases):
        library[f"cycles_{index}"].restype = ctypes.c_long
        assert library[f"cycles_{index}"]() == case.interval, case


@dataclass(frozen=True)
class Bug:
    """`right` becomes `wrong` in the kernel of a case; `right` must stand there exactly once."""

    case: str
    right: str
    wrong: str


BUGS = [
    Bug("stream_fork", "(out.write(word), ...);", "(out.write(beat == 1 ? word_of<In>() : word), ...);"),
    Bug("stream_fork", "const word_of<In> word = in.read();", "word_of<In> word = in.read(); word[0] = 0;"),
    Bug("stream_fork", "beat < stream_fork_trip_count", "beat + 1 < stream_fork_trip_count"),
    Bug("add", "sums[lane] += x;", "sums[lane] = x;"),
    Bug("add", "sums[lane] += x;", "sums[lane] -= x;"),
    Bug("add", "get_lane<Config::InBits + 1>(x_word, lane);", "get_lane<Config::InBits + 1>(x_word, 0);"),
    Bug("sub", "Config::Subtract != 0 && Index > 0", "Config::Subtract != 0"),
    Bug("sub", "Config::Subtract != 0 && Index > 0", "false"),
    Bug("concat", "beats += Config::PixelBeats[i];", "beats += Config::PixelBeats[0];"),
    Bug("concat", "beat = next_index<concat_pixel_beats<Config>>(beat);", ""),
    Bug("concat", "if (beat >= first && beat < end) word", "if (beat >= first) word"),
    Bug("concat", "Word word = before;", "Word word = Word();"),
    Bug("slice", "beat >= first && ", ""),
    Bug("slice", " && beat <= last", " && beat < last"),
    Bug("slice", "beat = next_index<beats>(beat);", "beat = next_index<last + 1>(beat);"),
    Bug("constant", "values[beat][lane]", "values[beat][0]"),
    Bug("constant", "values[beat][lane]", "values[beat == 1 ? 0 : beat][lane]"),
]


def _bug_case(name: str) -> BranchCase:
    """A case that shows the bugs: three inputs, more than one beat and lane, padding."""
    rng = np.random.default_rng(1)
    if name == "stream_fork":
        return fork_case(rng, 3)
    if name in ("add", "sub"):
        return next(
            case for _ in range(100)
            if (case := add_case(rng, 3, 7, True, name == "sub")).parameters["Lanes"] != 1 and case.interval > 2
        )  # fmt: skip
    if name == "concat":
        return next(case for _ in range(100) if min((case := concat_case(rng, 3)).parameters["PixelBeats"]) > 1)
    if name == "slice":
        return next(case for _ in range(100) if (case := slice_case(rng, 2, 5, 9, 2)).parameters["Pixels"] > 1)
    return next(case for _ in range(100) if (case := BRANCH_CASES["constant-any"](rng)).parameters["Lanes"] != 1)


def survives(library: ctypes.CDLL, case: BranchCase, index: int) -> bool:
    """Whether a bug shows nowhere; it runs in a process of its own, whose memory it may destroy."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = int(bool(problem(library, case, index)))
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_seeded_bugs_are_found(tmp_path: Path) -> None:
    sound = [(None, name) for name in dict.fromkeys(bug.case for bug in BUGS)]
    cases = [(bug, _bug_case(name)) for bug, name in [*sound, *((bug, bug.case) for bug in BUGS)]]
    sources = [_PRELUDE, '#include "integers.h"\n#include "lanes.h"\n']
    for index, (bug, case) in enumerate(cases):
        text = (HEADERS / f"{case.module}.h").read_text()
        if bug is not None:
            assert text.count(bug.right) == 1, f"{case.module}.h holds {bug.right!r} {text.count(bug.right)} times"
            text = text.replace(bug.right, bug.wrong)
        # Each has the kernel in a namespace of its own.
        text = text.replace("namespace gan2hls {", f"namespace bug_{index} {{ using namespace gan2hls;")
        call = driver(case, index).replace(f"gan2hls::{case.module}", f"bug_{index}::{case.module}")
        sources += [f"#undef GAN2HLS_{case.module.upper()}_H\n", text, call]
    library = build(sources, tmp_path, True, "-w")
    assert not [line for index in range(len(sound)) if (line := problem(library, cases[index][1], index))]
    mutants = range(len(sound), len(cases))
    assert not [cases[index][0] for index in mutants if survives(library, cases[index][1], index)]
