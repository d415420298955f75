"""The kernels on streams and words of others: hls4ml's headers, `ap_fixed` and `ac_fixed`, values as the golden model.

Whole projects are built, with the types of their words replaced. A fixed-point lane's integer is its bit pattern, so
that where the binary point stands changes no value.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gan2hls.backends.hls import write_hls
from gan2hls.ir import Fold, IntType, Op, TensorType
from gan2hls.ops import ConvTranspose2d, Lookup, Requantize, Reshape, Upsample
from gan2hls.simulate import CSIM_FLAGS, run_csim
from gan2hls.tools import require_tool
from tests.hls.bench import HEADERS, compile_cpp, pipeline_of, random_integers

KIND = IntType(6, True)
Network = tuple[list[Op], list[Fold], TensorType]
_WORD = re.compile(r"gan2hls::lanes<gan2hls::exact_t<(\d+), (true|false)>, (\d+)>")

# ac_channel with the constructor and the name of hls::stream.
_AC_CHANNEL = """
#pragma once
#include <ac_channel.h>
#include <string>
namespace hls {
template <class T>
struct stream : ac_channel<T> {
    explicit stream(const std::string&) {}
};
}
"""


def templates() -> Path:
    """hls4ml's folder of C++."""
    return require_tool("ap_types").path.parents[1]


@dataclass(frozen=True)
class Types:
    """Whose headers are used.

    Attributes:
        backend: hls4ml's folder of nnet_types.h.
        fixed: lanes are of fixed point, not integers.
        csim: our streams and coroutines; otherwise theirs, and one process after the other.
    """

    backend: str
    fixed: bool
    csim: bool

    def __str__(self) -> str:
        lanes = "fixed" if self.fixed else "integers"
        return f"{self.backend}-{lanes}-{'ours' if self.csim else 'theirs'}"

    @property
    def flags(self) -> list[str]:
        ac_types = ["-DGAN2HLS_AC_TYPES", "-isystem", str(templates() / "catapult" / "ac_types" / "include")]
        return ["-isystem", str(templates() / self.backend / "nnet_utils"), *(ac_types if self.ac else [])]

    @property
    def ac(self) -> bool:
        return self.backend == "catapult"

    def word(self, bits: int, signed: bool, lanes: int, rng: np.random.Generator) -> str:
        """nnet::array, its binary point anywhere."""
        point = int(rng.integers(-2, bits + 3))
        if not self.fixed:
            lane = f"gan2hls::exact_t<{bits}, {str(signed).lower()}>"
        elif self.ac:
            lane = f"ac_fixed<{bits}, {point}, {str(signed).lower()}>"
        else:
            lane = f"{'ap_fixed' if signed else 'ap_ufixed'}<{bits}, {point}>"
        return f"nnet::array<{lane}, {lanes}>"


VIVADO = [Types("vivado", fixed, csim) for fixed in (True, False) for csim in (True, False)]
CATAPULT = [Types("catapult", fixed, csim) for fixed in (True, False) for csim in (True, False)]


def retype(folder: Path, types: Types, rng: np.random.Generator) -> None:
    """Give the words of a project other types."""
    config = folder / "firmware" / "config.h"
    text = config.read_text()
    assert len(_WORD.findall(text)) > 2
    points: dict[str, str] = {}  # words of equal lanes stay of one type: kernels pass them on

    def word(found: re.Match[str]) -> str:
        bits, signed, lanes = found.groups()
        known = points.setdefault(f"{bits} {signed}", types.word(int(bits), signed == "true", 0, rng))
        return known.removesuffix("0>") + f"{lanes}>"

    text = _WORD.sub(word, text).replace('#include "../kernels/axis.h"', _includes(types), 1)
    config.write_text(text)


def _includes(types: Types) -> str:
    fixed = '#include "../kernels/fixed_lanes.h"\n' if types.fixed else '#include "../kernels/integers.h"\n'
    also = "#include <ac_fixed.h>\n" if types.ac else "#include <ap_fixed.h>\n"
    return f'{fixed}{also}#include "nnet_types.h"\n#include "../kernels/axis.h"'


def check(network: Network, types: Types, folder: Path, rng: np.random.Generator, exact_widths: bool = False) -> None:
    """Build and run; with `exact_widths` intermediate results have the bits that they have in synthesis."""
    ops, folds, tensor = network
    pipeline = pipeline_of(tensor, ops, folds)
    x = random_integers(rng, tensor.int_type, (3, *tensor.shape))
    write_hls(pipeline, folder / "hls")
    (folder / "hls" / "kernels" / "fixed_lanes.h").write_text((HEADERS / "fixed_lanes.h").read_text())
    retype(folder / "hls", types, rng)
    stand_ins = folder / "hls" / "kernels" / "sim"
    if not types.csim:
        (stand_ins / "hls_stream.h").unlink()
    if not types.csim and types.ac:
        (stand_ins / "hls_stream.h").write_text(_AC_CHANNEL)
    source = folder / "hls" / "bridge_and_top.cpp"
    lines = [f"#include <{'ac' if types.ac else 'ap'}_fixed.h>", "#define __SYNTHESIS__"] if exact_widths else []
    lines += ['#include "bridge.cpp"', '#include "firmware/generator.cpp"']
    source.write_text("\n".join(lines) + "\n")
    library = folder / "library.so"
    mode = [*CSIM_FLAGS, "-O0", "-w", *([] if types.csim else ["-UGAN2HLS_CSIM"])]
    made = compile_cpp([source], library, *mode, "-I", stand_ins, *types.flags)
    assert made.returncode == 0, made.stderr[:6000]
    np.testing.assert_array_equal(run_csim(library, pipeline, x), pipeline.graph.run_stream(x))


def element_wise(rng: np.random.Generator) -> Network:
    """Every kernel between the MAC layers, converters of all kinds between them."""
    leaky = [rng.integers(-40, 40, 6) for _ in range(4)]
    ops: list[Op] = [
        Lookup(random_integers(rng, KIND, (64,)), KIND, 1.0),
        Upsample((2, 3)),
        Requantize(leaky[0], leaky[1], 4, -20, 29, KIND, 1.0, leaky[2], leaky[3]),
        Requantize(1 << rng.integers(0, 4, 6), leaky[1], 2, -32, 31, KIND, 1.0),
        Requantize(leaky[2], leaky[3], 4, 0, 63, IntType(6, False), 1.0),
        Reshape((2, 12, 6)),
        Reshape((1, 24, 6)),
    ]
    folds = [Fold(n, n) for n in (2, 3, 6, 2, 4)] + [Fold(5, 4), Fold(6, 3)]
    return ops, folds, TensorType((2, 2, 6), KIND, 1.0)


def generator(rng: np.random.Generator) -> Network:
    """MAC layers, one with a codebook and shared multipliers."""
    codes = rng.integers(0, 4, (3, 3, 6, 5))
    ops: list[Op] = [
        ConvTranspose2d(codes, 2, codebook=(-3, 1, 7, 2)),
        Requantize(np.array([9, 7, 5, 3, 1]), np.arange(5), 7, 0, 31, KIND, 1.0),
        ConvTranspose2d(random_integers(rng, KIND, (4, 4, 5, 2)), 6, stride=(2, 2), padding=(1, 1)),
    ]
    return ops, [Fold(2, 3), Fold(2, 2), Fold(2, 4, 2)], TensorType((1, 1, 6), KIND, 1.0)


@pytest.mark.parametrize("types", VIVADO + CATAPULT, ids=str)
def test_kernels_without_multipliers(types: Types, rng: np.random.Generator, tmp_path: Path) -> None:
    check(element_wise(rng), types, tmp_path, rng)


@pytest.mark.parametrize("types", [VIVADO[0], CATAPULT[0]], ids=str)
def test_the_widths_of_synthesis_are_enough(types: Types, rng: np.random.Generator, tmp_path: Path) -> None:
    check(element_wise(rng), types, tmp_path, rng, exact_widths=True)


@pytest.mark.parametrize("types", VIVADO + CATAPULT, ids=str)
def test_mac_kernels(types: Types, rng: np.random.Generator, tmp_path: Path) -> None:
    check(generator(rng), types, tmp_path, rng)


def test_fixed_point_lanes_without_their_header_stop_compilation(tmp_path: Path) -> None:
    source = tmp_path / "lanes.cpp"
    source.write_text(
        '#include <ap_fixed.h>\n#include "lanes.h"\nusing word = gan2hls::lanes<ap_fixed<8, 3>, 2>;\n'
        "int lane(const word& x) { return gan2hls::get_lane<8>(x, 0); }\n"
    )
    made = compile_cpp([source], tmp_path / "none", "-fsyntax-only", "-I", HEADERS)
    assert made.returncode != 0
    assert "include fixed_lanes.h for words of ap_fixed or ac_fixed" in made.stderr
