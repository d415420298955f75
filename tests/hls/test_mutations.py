"""Seeded bugs: a kernel with any one of these must fail the comparison, or the comparison proves nothing."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan2hls.ir import Fold, IntType, TensorType
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense, Lookup, Requantize, Reshape, Upsample
from tests.hls.bench import Case, Library, build, check, pipeline_of, random_integers, with_ring
from tests.hls.test_kernels import smallest_ring

SIGNED, UNSIGNED = IntType(5, True), IntType(6, False)

# kernel whose pipeline shows it: (header, text, its replacement)
MUTATIONS: dict[str, list[tuple[str, str, str]]] = {
    "conv_transpose2d": [
        ("conv_transpose2d.h", "transposed_walk>(in, out, memories...)", "convolution_walk>(in, out, memories...)"),
        ("mac_engine.h", "sum[l] += product[l];", "sum[l] -= product[l];"),
        ("mac_engine.h", "first_step = last_step;", "first_step = last_step && walk.last_group();"),
        ("mac_tables.h", "floor_div(origin, stride)", "floor_div(origin - 1, stride)"),
        ("mac_tables.h", "origin - first * stride", "origin - first * stride - 1"),
        ("mac_tables.h", "Axis::first_rest + tap;", "tap;"),
        ("mac_tables.h", "index == 0 ? shape::full : 1;", "shape::full;"),
        ("mac_tables.h", "last * words + Axis::last_words", "last * words"),
        ("mac_tables.h", "return index_t<Words>(address - Words);", "return 0;"),
        ("mac_walk.h", "last_block() && (shape::rest == 0 || in_rest || !has_taps)", "last_block()"),
        ("mac_walk.h", "rest ? word_index(pixel.rest_word) : pixel.word;", "pixel.word;"),
        ("mac_walk.h", "(rest ? pixel.rest_weight : pixel.weight)", "pixel.weight"),
        ("mac_walk.h", "done ? next_group_weight : group_weight, !done", "group_weight, !done"),
        ("mac_walk.h", "pixel_done ? next : current", "current"),
        ("mac_walk.h", "row_word = further(row_word, ", "row_word = further(word, "),
        ("mac_walk.h", "row_weight += in_rest", "row_weight = weight + in_rest"),
        ("mac_walk.h", "weight += in_rest ? rest_pass.column_weight : main_pass.column_weight;", "++weight;"),
        ("mac_walk.h", "return word_index(place - ring_words);", "return 0;"),
        ("mac_walk.h", "weight_index(next_group_weight + shape::group_weights);", "next_group_weight;"),
        ("mac_walk.h", "column = read_entry<Config, columns>(column_table, ox);", ""),
        ("mac_walk.h", "row = read_entry<Config, rows>(row_table, oy);", ""),
        ("mac_engine.h", "ring_write(rest_ring, int(store_rest), in_word);", ""),
        ("mac_engine.h", "store_group < shape::full", "store_group <= shape::full"),
        ("mac_engine.h", "[unsigned(code)]", "[unsigned(code) ^ 1U]"),
        ("mac_engine.h", "if (last_step) out.write(y);", "if (last_step && !pixels.current.last) out.write(y);"),
        ("packed_multiply.h", "(products[lane] < 0 ? 1 : 0)", "0"),
        ("mac_engine.h", "= (pe + l) * shape::lanes + lane;", "= pe * shape::lanes + lane;"),
        ("axis.h", "beat == Beats - 1", "beat == Beats"),
        ("axis.h", "get_lane<bits + 1>(word, lane)", "get_lane<bits + 1>(word, lane_count<Word> - 1 - lane)"),
        ("lanes.h", "word[unsigned(lane)] = lane_integer", "word[unsigned(lane) ^ 1U] = lane_integer"),
    ],
    "conv2d": [
        ("conv2d.h", "convolution_walk>(in, out, memories...)", "transposed_walk>(in, out, memories...)"),
        ("mac_tables.h", "origin = output * stride - pad;", "origin = output * stride - pad + 1;"),
        ("mac_engine.h", "row < rows && column < columns", "column < columns"),
        ("mac_engine.h", "row < rows && column < columns", "row < rows"),
        ("mac_engine.h", "ring[copy][place] = kept;", "ring[0][place] = kept;"),
        ("mac_engine.h", "(row * RowWords + column * ColumnWords) % Words", "column * ColumnWords % Words"),
        ("mac_engine.h", "(row * RowWords + column * ColumnWords) % Words", "row * RowWords % Words"),
        ("mac_engine.h", "if (word >= Words) word -= Words;", "if (word >= Words) word = 0;"),
        ("mac_walk.h", "rows -= in_rest ? rest_pass.rows : main_pass.rows;", "--rows;"),
        ("mac_walk.h", "columns -= in_rest ? rest_pass.columns : main_pass.columns;", "--columns;"),
        ("mac_walk.h", "columns = pixel_columns;", "columns = 1;"),
        ("mac_walk.h", "word = further(word, in_rest ? rest_pass.column_ring : main_pass.column_ring);", "++word;"),
        ("mac_walk.h", "return !has_taps || ", "return "),
        ("mac_tables.h", "row.taps != 0 && column.taps != 0", "row.taps != 0"),
    ],
    "window": [
        ("mac_engine.h", "!done && loaded >= pixels.current.needs", "!done"),
        ("mac_walk.h", "make_pixel<Config>(row, column, last);", "make_pixel<Config>(row, column, false);"),
        ("mac_walk.h", "last = last_row && last_column;", "last = last_column;"),
        ("mac_walk.h", "if (pixel.last) words = mac_shape<Config>::frame_words;", ""),
        ("mac_walk.h", "if (words < pixel.needs) words = pixel.needs;", ""),
        ("mac_tables.h", "row.frees + column.frees + shape", "row.frees + shape"),
        ("mac_tables.h", "row.frees + column.frees + shape", "column.frees + shape"),
        ("mac_engine.h", "            done = false;\n", ""),
        ("mac_engine.h", "            loaded = 0;\n", ""),
        ("mac_engine.h", "            store_word = 0;\n", ""),
    ],
    "unread": [
        ("mac_walk.h", "if (words > pixel.room) words = pixel.room;", ""),
        ("mac_tables.h", "column.frees + shape::ring_words;", "column.frees + shape::ring_words + 1;"),
    ],
    "dense": [
        ("dense.h", "OutWidth = 1", "OutWidth = 2"),
        ("dense.h", "PadWidth = 0", "PadWidth = 1"),
        ("mac_engine.h", "= before + sum[l];", "= ap_int<Config::OutBits - 1>(before + sum[l]);"),
    ],
    "requantize": [
        ("requantize.h", "(t + half) >> Config::Shift", "t >> Config::Shift"),
        ("requantize.h", "if (shifted > Config::High) return Config::High;", ""),
        ("requantize.h", "if (shifted < Config::Low) return Config::Low;", ""),
        ("requantize.h", "below = x < ", "below = x <= "),
        ("requantize.h", "below != (flip[group][lane] != 0)", "below"),
        ("requantize.h", "t += b;", "t -= b;"),
        ("requantize.h", "if (negative) b = ", "if (below) b = "),
        ("requantize.h", "if (negative) m = negative_m;", ""),
    ],
    "circle": [
        ("integers.h", "if (index == Count - 1) return 0;", "if (Count == 1) return 0;"),
        ("integers.h", "return index_t<Count>(index + 1);", "return index;"),
    ],
    "shift": [
        ("requantize.h", "int(from_rom<m_bits>(m))", "1 + int(from_rom<m_bits>(m))"),
        ("requantize.h", "Config::Shift == 0 ? signed_t<Bits>(0)", "Config::Shift == 0 ? signed_t<Bits>(1)"),
    ],
    "lookup": [
        ("lookup.h", "table[unsigned(address)]", "table[unsigned(address) ^ 1U]"),
        ("lookup.h", "address = x;", "address = x < 0 ? -x : x;"),
    ],
    "upsample": [
        ("upsample.h", "copy_x == 0 && copy_y == 0", "copy_x == 0"),
        (
            "upsample.h",
            "last_copy = copy_x == Config::FactorWidth - 1",
            "last_copy = copy_x == Config::FactorWidth - 2",
        ),
        ("upsample.h", "kept[place] = word;", "if (place < groups) kept[place] = word;"),
        ("upsample.h", "if (column == Config::InWidth - 1) copy_y", "copy_y"),
        ("upsample.h", "place - (groups - 1)", "place - 1"),
    ],
    "reshape": [
        ("reshape.h", "Config::OutChannels>(in, out)", "Config::InChannels>(in, out)"),
        ("repack.h", "(in_last ? in_words::last : in_lanes) / unit", "in_lanes / unit"),
        ("repack.h", "(out_last ? out_words::last : out_lanes) / unit", "out_lanes / unit"),
        ("repack.h", "out_last ? elements[last_from] : elements[full_from]", "elements[full_from]"),
        ("repack.h", "out_last ? elements[last_from] : elements[full_from]", "elements[place]"),
        ("repack.h", "if (moves) moved[place]", "moved[place]"),
        ("repack.h", "if (place / unit >= int(held)) elements", "elements"),
        ("repack.h", "present -= want;", "present -= want - 1;"),
    ],
    "width_converter": [
        ("width_converter.h", "Config::Channels, Config::Channels>(in, out)", "Config::Channels, 1>(in, out)"),
    ],
    "narrower": [
        ("repack.h", "copy_lanes<in_lanes - out_lanes>(rest, 0, rest, out_lanes);", ""),
        ("repack.h", "if (part == 0) {", "if (part == 0 && iteration != 3) {"),
        (
            "repack.h",
            "(last_word && part == last_parts - 1);\n        if (last_part) {\n            part",
            "false;\n        if (last_part) {\n            part",
        ),
    ],
    "wider": [
        ("repack.h", "copy_lanes<in_lanes>(kept, place * in_lanes, x, 0)", "copy_lanes<in_lanes>(kept, 0, x, 0)"),
        (
            "repack.h",
            "(last_word && part == last_parts - 1);\n        if (last_part) {\n            word_of",
            "false;\n        if (last_part) {\n            word_of",
        ),
    ],
}


def healthy_case(stem: str) -> Case:
    """A pipeline that shows the bugs of a kernel: no number divides another, and the ring is the smallest."""
    rng = np.random.default_rng(1)
    tensor = TensorType((3, 2, 5), SIGNED, 1.0)
    folds = [Fold(2, 2)]
    if stem == "conv_transpose2d":  # rows of taps in the main pass, columns in the rest pass
        tensor, folds = TensorType((5, 4, 5), SIGNED, 1.0), [Fold(2, 2, 2, 1, 2, 2, 1)]
        codes = rng.integers(0, 4, (3, 4, 5, 3))
        ops = [ConvTranspose2d(codes, 2, codebook=(-3, 1, 7, 2), stride=(2, 2), padding=(1, 1))]
    elif stem == "conv2d":  # its corners have no taps, and its blocks are often not whole
        tensor, folds = TensorType((6, 4, 5), SIGNED, 1.0), [Fold(2, 2, 1, 2, 2, 1, 2)]
        ops = [Conv2d(random_integers(rng, SIGNED, (4, 4, 5, 3)), 5, stride=(1, 1), padding=(4, 4))]
    elif stem == "window":  # computed faster than its rows come in
        tensor, folds = TensorType((4, 8, 1), SIGNED, 1.0), [Fold(1, 1, 1, 3)]  # no output needs its last column
        ops = [Conv2d(random_integers(rng, SIGNED, (3, 1, 1, 1)), 5, stride=(1, 2), padding=(1, 0))]
    elif stem == "unread":  # more rows follow the last that is needed than the ring holds
        tensor, folds = TensorType((11, 4, 3), SIGNED, 1.0), [Fold(1, 1)]
        ops = [Conv2d(random_integers(rng, SIGNED, (2, 2, 3, 3)), 5, stride=(10, 1))]
    elif stem == "dense":
        tensor = TensorType((1, 1, 5), SIGNED, 1.0)
        ops = [Dense(random_integers(rng, SIGNED, (1, 1, 5, 3)), 5)]
    elif stem in ("requantize", "circle"):
        m, mn = np.array([50, -70, 9, -110, 3]), np.array([5, 3, -8, 7, 90])
        b, bn = np.array([0, 100, -9, 1, 6]), np.array([9, -5, 3, 700, 33])
        ops = [Requantize(m, b, 5, -9, 11, SIGNED, 1.0, mn, bn)]
    elif stem == "shift":
        ops = [Requantize(np.array([1, 2, 4, 1, 2]), np.array([0, 1, -2, 3, 4]), 0, -16, 15, SIGNED, 1.0)]
    elif stem == "lookup":
        ops = [Lookup(rng.permutation(np.arange(-16, 16)), SIGNED, 1.0)]
    elif stem == "upsample":
        ops = [Upsample((3, 2))]
    elif stem == "reshape":
        ops, folds = [Reshape((1, 5, 6))], [Fold(4, 2)]
    else:
        tensor = TensorType((3, 2, 10), SIGNED, 1.0) if stem in ("narrower", "wider") else tensor
        folds = {"narrower": [Fold(6, 6), Fold(2, 2)], "wider": [Fold(2, 2), Fold(6, 6)]}.get(
            stem, [Fold(2, 2), Fold(3, 3)]
        )
        ops = [Upsample((1, 1)), Upsample((1, 1))]
    pipeline = pipeline_of(tensor, ops, folds)
    if "RingPixels" in pipeline.stages[0].parameters:
        pipeline = with_ring(pipeline, 0, smallest_ring(pipeline.stages[0]))
    x = random_integers(rng, SIGNED, (2, *tensor.shape))
    if stem == "dense":  # the largest sums that can be
        channel = np.abs(ops[0].weights[0, 0]).sum(0).argmax()
        x[1] = np.where(ops[0].weights[0, 0, :, channel] > 0, SIGNED.min, SIGNED.max)
    return Case(stem, pipeline, x, pipeline.graph.run_stream(x).astype(np.int64))


MAC = ("conv_transpose2d", "conv2d", "window", "unread", "dense")


def survives(library: Library, mutant: Case) -> bool:
    """Whether a bug shows nowhere; it runs in a process of its own, whose memory it may destroy."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            y, message = library.run(mutant)
            status = int(bool(message) or not np.array_equal(y, mutant.golden))
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("stems", [MAC, tuple(sorted(set(MUTATIONS) - set(MAC)))], ids=["mac", "other"])
def test_seeded_bugs_are_found(stems: tuple[str, ...], tmp_path: Path) -> None:
    healthy = [healthy_case(stem) for stem in stems]
    mutants = [
        replace(case, name=f"{case.name}_{index}", edit=edit)
        for case in healthy
        for index, edit in enumerate(MUTATIONS[case.name])
    ]
    library = build([*healthy, *mutants], tmp_path, "-w", "-DGAN2HLS_STATE=static")
    for case in healthy:
        check(library, case)
    assert not [mutant.edit for mutant in mutants if survives(library, mutant)]
