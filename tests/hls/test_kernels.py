"""Every kernel in C simulation against torch and NumPy, exactly, over random geometry, types and folds."""

from collections import deque
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from gan2hls.backends.hls import write_hls
from gan2hls.ir import Fold, IntType, Op, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Lookup, Requantize, Reshape, Upsample
from gan2hls.pipeline import Stage
from tests.hls.bench import (
    CASE_FRAMES,
    Case,
    build,
    check,
    compile_cpp,
    pipeline_of,
    random_integers,
    random_mac,
    random_type,
    random_weights,
)
from tests.ops.mac_cases import draw_fold


def axis_taps(stem: str, parameters: dict[str, int], axis: str) -> list[list[int]]:
    """Inputs that each output position of an axis needs, from the definition alone."""
    size, kernel = parameters[f"In{axis}"], parameters[f"Kernel{axis}"]
    stride, pad = parameters[f"Stride{axis}"], parameters[f"Pad{axis}"]
    found = []
    for o in range(parameters[f"Out{axis}"]):
        if stem == "conv2d":
            found.append([i for i in range(size) if 0 <= i - o * stride + pad < kernel])
        else:
            found.append([i for i in range(size) if 0 <= o + pad - i * stride < kernel])
    return found


def geometry(stage: Stage) -> tuple[list[list[int]], list[list[int]]]:
    """Input rows that each output row needs, and the same of columns."""
    if stage.module == "dense":
        return [[0]], [[0]]
    rows, columns = (axis_taps(stage.module, stage.parameters, axis) for axis in ("Height", "Width"))
    return rows, columns


def windows(stage: Stage) -> list[list[int]]:
    """Input pixels, counted in a frame, that each output pixel needs."""
    rows, columns = geometry(stage)
    width = stage.parameters.get("InWidth", 1)
    return [[iy * width + ix for iy in row for ix in column] for row in rows for column in columns]


def busy_steps(stage: Stage) -> list[int]:
    """Steps that each output pixel takes for all output channels, block by block as the architecture describes it."""
    p = stage.parameters
    full, rest = divmod(p["InChannels"], p["Simd"])

    def blocks(row: list[int], column: list[int], what: str) -> int:
        height, width = p.get(f"{what}Rows", 1), p.get(f"{what}Cols", 1)
        return len({(i // height, j // width) for i in range(len(row)) for j in range(len(column))})

    rows, columns = geometry(stage)
    steps = [
        full * blocks(row, column, "Tap") + min(rest, 1) * blocks(row, column, "Rest")
        for row in rows
        for column in columns
    ]
    return [-(-p["OutChannels"] // p["Pe"]) * max(1, count) for count in steps]


def oldest_needed(needs: list[list[int]], inputs: int) -> list[int]:
    """First of so many inputs that each output or any later one needs."""
    result: deque[int] = deque()
    oldest = inputs
    for window in reversed(needs):
        oldest = min([oldest, *window])
        result.appendleft(oldest)
    return list(result)


def freed(stage: Stage) -> list[int]:
    """Input pixels before the first that an output pixel or any later one needs.

    An input row goes pixel by pixel with the last output row that needs it. Inputs that no output needs at all go with
    the first ones that some output needs.
    """
    rows, columns = geometry(stage)
    height, width = stage.parameters.get("InHeight", 1), stage.parameters.get("InWidth", 1)
    first_row = [0, *oldest_needed(rows, height)[1:], height]
    first_column = [0, *oldest_needed(columns, width)[1:]]
    found = [row * width + column * (later > row) for row, later in pairwise(first_row) for column in first_column]
    exact = oldest_needed(windows(stage), height * width)
    assert all(held <= oldest for held, oldest in zip(found, exact, strict=True)), "a pixel is freed too early"
    return found


def iterations(stage: Stage) -> int:
    """Iterations of a MAC kernel for a frame, by its rules, one by one: when it takes a step, and when it reads."""
    p = stage.parameters
    groups = -(-p["InChannels"] // p["Simd"])
    words = groups * p.get("InHeight", 1) * p.get("InWidth", 1)
    needs = [groups * (max(window, default=-1) + 1) for window in windows(stage)] + [words]
    frees = [groups * pixels for pixels in freed(stage)] + [words]
    count = pixel = loaded = done = 0
    steps = busy_steps(stage)
    while pixel < len(steps) or loaded < words:
        count += 1
        step = pixel < len(steps) and loaded >= needs[pixel]
        wanted = max(needs[pixel], needs[min(pixel + 1, len(steps))])
        loaded += loaded < wanted and loaded < frees[pixel] + groups * p["RingPixels"]
        done += step
        if step and done == steps[pixel]:
            pixel, done = pixel + 1, 0
    return count


def smallest_ring(stage: Stage) -> int:
    """Pixels that the largest window holds."""
    held = zip(windows(stage), freed(stage), strict=True)
    return max([1, *(window[-1] + 1 - start for window, start in held if window)])


def in_cpp(stage: Stage) -> Stage:
    """The stage with the ring that its C++ has."""
    return replace(stage, kernel=stage.kernel.in_cpp())


@pytest.mark.parametrize(("stem", "count"), [("conv_transpose2d", 14), ("conv2d", 12), ("dense", 6)])
def test_mac_kernels_are_exact(stem: str, count: int, rng: np.random.Generator, tmp_path) -> None:
    """Results, and iterations; and busy steps, which are the model's cycles unless loading takes longer."""
    cases = [random_mac(rng, f"case_{index}", stem) for index in range(count)]
    library = build(cases, tmp_path)
    for case in cases:
        check(library, case)
        stage = case.pipeline.stages[0]
        assert library.iterations(case) == [iterations(in_cpp(stage))], stage.parameters
        assert stage.cycles == max(sum(busy_steps(stage)), case.pipeline.input.beats)


def tall(rng: np.random.Generator, name: str) -> Case:
    """A convolution of either kind whose rows repeat themselves."""
    height, width = int(rng.integers(12, 40)), int(rng.integers(1, 4))
    channels, outputs = (int(v) for v in rng.integers(1, 4, 2))
    kernel, stride = rng.integers(1, 5, 2).tolist(), rng.integers(1, 4, 2).tolist()
    padding = [int(rng.integers(0, (k + 1) // 2)) for k in kernel]
    make = ConvTranspose2d if rng.integers(2) else Conv2d
    if make is Conv2d:
        width += max(0, kernel[1] - 2 * padding[1])
    weights, _ = random_weights(rng, (*kernel, channels, outputs))
    op = make(**weights, stride=tuple(stride), padding=tuple(padding))
    tensor = TensorType((height, width, channels), IntType(4, True), 1.0)
    if list(op.verify(tensor)):
        return tall(rng, name)
    x = random_integers(rng, tensor.int_type, (2, *tensor.shape))
    pipeline = pipeline_of(tensor, [op], [draw_fold(rng, op, tensor)])
    return Case(name, pipeline, x, pipeline.graph.run_stream(x).astype(np.int64))


def test_rows_that_repeat_themselves(rng: np.random.Generator, tmp_path: Path) -> None:
    """The trip count of a tall image."""
    cases = [tall(rng, f"case_{index}") for index in range(16)]
    library = build(cases, tmp_path)
    for case in cases:
        check(library, case)
        stage = case.pipeline.stages[0]
        assert library.iterations(case) == [iterations(in_cpp(stage))], stage.parameters


@pytest.mark.parametrize("make", [Conv2d, ConvTranspose2d])
def test_large_images_take_few_constexpr_steps(make: type[Conv2d | ConvTranspose2d], tmp_path: Path) -> None:
    """They grow with the sides, not with the pixels: clang, and with it Vitis HLS, stops at 1,048,576."""
    size = 512 if make is Conv2d else 256
    op = make(np.ones((4, 4, 2, 2), int), 2, stride=(1, 1) if make is Conv2d else (2, 2), padding=(1, 1))
    tensor = TensorType((size, size, 2), IntType(8, True), 1.0)
    write_hls(pipeline_of(tensor, [op], [Fold(2, 2)]), tmp_path)
    flags = ("-fsyntax-only", "-fconstexpr-ops-limit=2000000", "-I", tmp_path / "kernels" / "sim")
    made = compile_cpp([tmp_path / "firmware" / "generator.cpp"], tmp_path / "none", *flags)
    assert made.returncode == 0, made.stderr[-2000:]


def test_the_transposed_reference_is_torch(rng: np.random.Generator) -> None:
    """The tests' own reference, where torch takes the geometry."""
    compared = 0
    while compared < 20:
        case = random_mac(rng, "case", "conv_transpose2d")
        op = case.pipeline.graph.computed[0].op
        tensors = [torch.from_numpy(np.ascontiguousarray(v, dtype=np.float64)) for v in (case.x, op.weights)]
        x, w = tensors[0].permute(0, 3, 1, 2), tensors[1].permute(2, 3, 0, 1)
        y = torch.nn.functional.conv_transpose2d(
            x, w, stride=op.stride, padding=op.padding, output_padding=op.output_padding
        )
        assert np.array_equal(y.permute(0, 2, 3, 1).numpy(), case.golden)
        compared += 1


def random_requantize(rng: np.random.Generator, kind: IntType, channels: int) -> tuple[Op, object]:
    shift = int(rng.integers(0, 16)) if rng.random() < 0.8 else 0
    output = random_type(rng)
    m = rng.integers(-(1 << 17), 1 << 17, channels) >> int(rng.integers(0, 17))
    if rng.random() < 0.4:
        m = 1 << rng.integers(0, 10, channels)
    spread = max(1, kind.magnitude * int(np.abs(m).max()))
    b = rng.integers(-spread, spread + 1, channels)
    low, high = sorted(random_integers(rng, output, (2,)).tolist())
    negative: dict[str, np.ndarray] = {}
    if rng.random() < 0.5:
        negative["negative_multiplier"] = rng.integers(-(1 << 17), 1 << 17, channels) >> int(rng.integers(0, 17))
        negative["negative_bias"] = rng.integers(-spread, spread + 1, channels)
    op = Requantize(m, b, shift, low, high, output, 1.0, **negative)

    def reference(x: np.ndarray) -> np.ndarray:
        exact = x.astype(object)
        t = exact * m + b
        if negative:
            t = np.where(t < 0, exact * negative["negative_multiplier"] + negative["negative_bias"], t)
        rounded = (2 * t + (1 << shift)) // (2 << shift) if shift else t  # floor(t / 2^s + 1/2)
        return np.clip(rounded, low, high).astype(np.int64)

    return op, reference


def random_elementwise(rng: np.random.Generator, name: str, stem: str) -> Case:
    height, width, channels = (int(v) for v in rng.integers(1, 7, 3))
    kind = random_type(rng, 24 if stem == "requantize" else 12)
    lanes = int(rng.integers(1, channels + 1))
    fold = Fold(lanes, lanes)
    tensor = TensorType((height, width, channels), kind, 1.0)
    op: Op
    if stem == "requantize":
        op, reference = random_requantize(rng, kind, channels)
    elif stem == "lookup":
        output = random_type(rng)
        table = random_integers(rng, output, (1 << kind.bits,))
        op, reference = Lookup(table, output, 1.0), lambda x: table[x - kind.min]
    elif stem == "upsample":
        factor = tuple(int(v) for v in rng.integers(1, 4, 2))
        op, reference = Upsample(factor), lambda x: np.kron(x, np.ones((1, *factor, 1), dtype=np.int64))
    else:
        divisors = [c for c in range(1, tensor.elements + 1) if tensor.elements % c == 0]
        out_channels = int(rng.choice(divisors))
        op = Reshape((1, tensor.elements // out_channels, out_channels))
        fold = Fold(int(rng.integers(1, out_channels + 1)), lanes)
        reference = lambda x: x.reshape(len(x), 1, -1, out_channels)  # noqa: E731
    x = random_integers(rng, kind, (CASE_FRAMES, *tensor.shape))
    return Case(name, pipeline_of(tensor, [op], [fold]), x, reference(x))


def word_sizes(elements: int, channels: int, lanes: int) -> list[int]:
    """Elements of each word of a frame."""
    pixel = [min(lanes, channels - first) for first in range(0, channels, lanes)]
    return pixel * (elements // channels)


def repack_iterations(stage: Stage) -> int:
    """Iterations of a reshape or lane converter, from its rule: one reads if the next output word is not there yet, and
    writes if it then is."""
    p = stage.parameters
    elements = p.get("Elements") or p["Pixels"] * p["Channels"]
    sides = [(p.get(f"{side}Channels") or p["Channels"], p[f"{side}Lanes"]) for side in ("In", "Out")]
    comes, wants = (deque(word_sizes(elements, *side)) for side in sides)
    held = count = 0
    while wants:
        if held < wants[0]:
            held += comes.popleft()
        if held >= wants[0]:
            held -= wants.popleft()
        count += 1
    assert not comes and held == 0
    return count


@pytest.mark.parametrize("stem", ["requantize", "lookup", "upsample", "reshape"])
def test_other_kernels_are_exact(stem: str, rng: np.random.Generator, tmp_path) -> None:
    cases = [random_elementwise(rng, f"case_{index}", stem) for index in range(16 if stem == "requantize" else 10)]
    library = build(cases, tmp_path)
    for case in cases:
        check(library, case)
        for stage, found in zip(case.pipeline.stages, library.iterations(case), strict=True):
            assert found == (repack_iterations(stage) if stem == "reshape" else stage.cycles), stage.parameters


def test_the_widths_of_synthesis_are_enough(rng: np.random.Generator, tmp_path) -> None:
    stems = ["conv2d", "conv_transpose2d", "dense"] * 4
    others = ["requantize", "requantize", "lookup", "upsample", "reshape"] * 4
    cases = []
    for index, stem in enumerate(stems + others):
        draw = random_mac if index < len(stems) else random_elementwise
        cases.append(draw(rng, f"case_{index}", stem))
    library = build(cases, tmp_path, exact_widths=True)
    for case in cases:
        check(library, case)


def test_lane_conversion_keeps_every_element_and_ignores_padding(rng: np.random.Generator, tmp_path) -> None:
    cases = []
    for index in range(16):
        channels = int(rng.integers(1, 13))
        kind = random_type(rng)
        tensor = TensorType((int(rng.integers(1, 4)), 2, channels), kind, 1.0)
        lanes = [int(v) for v in rng.integers(1, channels + 1, 4)]
        # Lane converters come between ops that do nothing.
        pipeline = pipeline_of(tensor, [Upsample((1, 1))] * 4, [Fold(n, n) for n in lanes])
        x = random_integers(rng, kind, (CASE_FRAMES, *tensor.shape))
        cases.append(Case(f"case_{index}", pipeline, x, x))
    library = build(cases, tmp_path)
    converters = 0
    for case in cases:
        check(library, case)
        for stage, found in zip(case.pipeline.stages, library.iterations(case), strict=True):
            if stage.module != "width_converter":
                continue
            converters += 1
            p = stage.parameters
            beats = [p["Pixels"] * -(-p["Channels"] // p[lanes]) for lanes in ("InLanes", "OutLanes")]
            assert found == repack_iterations(stage)
            if p["InLanes"] % p["OutLanes"] == 0 or p["OutLanes"] % p["InLanes"] == 0:
                assert found == max(beats)
    assert converters


def test_whole_networks_are_exact(rng: np.random.Generator, tmp_path) -> None:
    """Layer after layer with converters between, each fed with what the one before leaves in unused lanes."""
    cases = []
    for index in range(4):
        kind = IntType(6, bool(rng.integers(2)))
        first = random_mac(rng, f"case_{index}", "dense")
        dense = first.pipeline.graph.computed[0].op
        tensor = TensorType((1, 1, dense.codes.shape[2]), kind, 1.0)
        x = random_integers(rng, kind, (CASE_FRAMES, *tensor.shape))
        ops: list[Op] = [dense]
        golden = x @ dense.weights[0, 0]
        types = [dense.output_type(tensor)]
        requantize, reference = random_requantize(rng, types[-1].int_type, types[-1].channels)
        ops.append(requantize)
        golden = reference(golden)
        types.append(requantize.output_type(types[-1]))
        ops.append(Upsample((2, 2)))
        golden = golden.repeat(2, axis=1).repeat(2, axis=2)
        types.append(ops[-1].output_type(types[-1]))
        table = random_integers(rng, IntType(4, True), (1 << types[-1].int_type.bits,))
        ops.append(Lookup(table, IntType(4, True), 1.0))
        golden = table[golden - types[-1].int_type.min]
        types.append(ops[-1].output_type(types[-1]))
        channels = [kind_.channels for kind_ in types]
        folds = [Fold(channels[0], 1)]
        folds += [Fold(lanes, lanes) for lanes in (int(rng.integers(1, c + 1)) for c in channels[1:])]
        cases.append(Case(first.name, pipeline_of(tensor, ops, folds), x, golden))
    library = build(cases, tmp_path)
    for case in cases:
        check(library, case)
