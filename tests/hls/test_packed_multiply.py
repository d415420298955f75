"""Packed products against plain ones, in the native integers of C simulation and in the exact widths of synthesis."""

import ctypes

import numpy as np
import pytest

from gan2hls.ir import IntType
from gan2hls.simulate import CSIM_FLAGS
from tests.hls.bench import HEADERS, compile_cpp, random_integers

CASES = [
    (in_bits, in_signed, weight_bits, symmetric, lanes)
    for in_bits, weight_bits, lanes in [(4, 4, 2), (4, 4, 3), (8, 8, 2), (8, 8, 3), (8, 4, 4), (1, 1, 5), (3, 18, 2)]
    for in_signed in (False, True)
    for symmetric in (False, True)
    if not (symmetric and weight_bits == 1)
]
"""(InBits, InSigned, WeightBits, Symmetric, Lanes)"""

FUNCTION = """
extern "C" void {name}(const std::int64_t* x, const std::int64_t* w, std::int64_t* products, int count) {{
    for (int n = 0; n < count; ++n, w += {lanes}, products += {lanes}) {{
        gan2hls::signed_t<{weight_bits}> factors[{lanes}];
        gan2hls::signed_t<{pitch}> found[{lanes}];
        for (int lane = 0; lane < {lanes}; ++lane) factors[lane] = w[lane];
        gan2hls::packed_multiply<{in_bits}, {in_signed}, {weight_bits}, {symmetric}>(x[n], factors, found);
        for (int lane = 0; lane < {lanes}; ++lane) products[lane] = long(found[lane]);
    }}
}}
"""


@pytest.fixture(scope="module", params=["native", "exact widths"])
def functions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("packed")
    synthesis = "#define __SYNTHESIS__\n" if request.param == "exact widths" else ""
    text = f'#include <ap_int.h>\n{synthesis}#include "packed_multiply.h"\n'
    for index, (in_bits, in_signed, weight_bits, symmetric, lanes) in enumerate(CASES):
        text += FUNCTION.format(
            name=f"case_{index}",
            in_bits=in_bits,
            in_signed=int(in_signed),
            weight_bits=weight_bits,
            symmetric=int(symmetric),
            lanes=lanes,
            pitch=in_bits + weight_bits,
        )
    source = folder / "packed.cpp"
    source.write_text(text)
    made = compile_cpp([source], folder / "packed.so", "-O1", *CSIM_FLAGS, "-I", HEADERS)
    assert made.returncode == 0, made.stderr
    return ctypes.CDLL(str(folder / "packed.so"))


def operands(
    rng: np.random.Generator, x_type: IntType, low: int, high: int, lanes: int
) -> tuple[np.ndarray, np.ndarray]:
    """All (x, weights) if they are few, else all corners and many others."""
    choices = [range(x_type.min, x_type.max + 1), *[range(low, high + 1)] * lanes]
    if np.prod([len(values) for values in choices]) > 1 << 18:
        choices = [sorted({v for v in (r[0], r[0] + 1, -1, 0, 1, r[-1] - 1, r[-1]) if v in r}) for r in choices]
    grid = np.stack(np.meshgrid(*choices, indexing="ij"), axis=-1).reshape(-1, lanes + 1)
    x = np.append(grid[:, 0], random_integers(rng, x_type, (20_000,)))
    return x, np.append(grid[:, 1:], rng.integers(low, high + 1, (20_000, lanes)), axis=0)


@pytest.mark.parametrize("index", range(len(CASES)), ids=map(str, CASES))
def test_packed_products_are_the_plain_ones(functions: ctypes.CDLL, index: int, rng: np.random.Generator) -> None:
    in_bits, in_signed, weight_bits, symmetric, lanes = CASES[index]
    kind = IntType(weight_bits, True)
    x, w = operands(rng, IntType(in_bits, in_signed), kind.min + symmetric, kind.max, lanes)
    x, w = (np.ascontiguousarray(values, dtype=np.int64) for values in (x, w))
    products = np.zeros_like(w)
    functions[f"case_{index}"](*(ctypes.c_void_p(v.ctypes.data) for v in (x, w, products)), ctypes.c_int(len(x)))
    assert np.array_equal(products, x[:, None] * w)
