// What the loop of mac_engine knows before it begins: which taps each output row and column has, at which addresses,
// and how many words of the frame they need and free. It is constexpr, and grows with the sides of an image, never with
// its pixels: compilers stop after a million steps.
#ifndef GAN2HLS_MAC_TABLES_H
#define GAN2HLS_MAC_TABLES_H

#include "integers.h"
#include "pragmas.h"

namespace gan2hls {

/// The taps of one output index along one axis.
struct tap_range {
    int count;
    int first_kernel;
    int first_input;
};

constexpr tap_range make_tap_range(int first_input, int last_input, int first_kernel) {
    if (last_input < first_input) return tap_range{0, 0, 0};
    return tap_range{last_input - first_input + 1, first_kernel, first_input};
}

/// Convolution: input = output * stride - pad + kernel.
struct convolution_walk {
    static constexpr int kernel_step(int /*stride*/) { return 1; }

    static constexpr tap_range taps(int output, int inputs, int kernel, int stride, int pad) {
        const int origin = output * stride - pad;
        const int first = max_of(0, origin);
        return make_tap_range(first, min_of(inputs - 1, origin + kernel - 1), first - origin);
    }
};

/// Transposed convolution: input = (output + pad - kernel) / stride, where that divides.
struct transposed_walk {
    static constexpr int kernel_step(int stride) { return -stride; }

    static constexpr tap_range taps(int output, int inputs, int kernel, int stride, int pad) {
        const int origin = output + pad;
        const int first = max_of(0, ceil_div(origin - kernel + 1, stride));
        return make_tap_range(first, min_of(inputs - 1, floor_div(origin, stride)), origin - first * stride);
    }
};

template <class Config>
struct mac_shape {
    static constexpr int full = Config::InChannels / Config::Simd;  // groups of input channels that fill all lanes
    static constexpr int rest = Config::InChannels % Config::Simd;  // channels that remain, the remainder
    static constexpr int in_groups = full + (rest > 0);
    static constexpr int out_groups = ceil_div(Config::OutChannels, Config::Pe);
    static constexpr int lanes = Config::Simd * Config::TapRows * Config::TapCols;
    static constexpr int row_words = Config::InWidth * in_groups;
    static constexpr int frame_words = Config::InHeight * row_words;
    static constexpr int taps = Config::KernelHeight * Config::KernelWidth;
    static constexpr int ring_pixels = max_of(1, Config::RingPixels);  // 0 is refused with a sentence
    static constexpr int main_ring = ring_pixels * full;  // words of the main pass' ring
    static constexpr int ring_words = ring_pixels * in_groups;
    static constexpr int group_weights = taps * in_groups;  // weight words of a group of output channels
};

/// A pass over the taps of a pixel: its blocks, and what the addresses change by from one to the next.
struct mac_pass {
    int rows, columns;               // taps of a block
    int words;                       // words of a tap, of inputs and of weights: a step each
    int column_weight, column_ring;  // from the last word of a block to the first of the next in the row
    int row_weight, row_ring;        // from the first word of a row of blocks to that of the next row
    int ring_words;                  // size of its ring memory
};

/// The main pass (0) or the remainder pass (1).
template <class Config, class Walk>
constexpr mac_pass make_mac_pass(int index) {
    using shape = mac_shape<Config>;
    mac_pass pass{};
    pass.rows = index == 0 ? Config::TapRows : Config::RestRows;
    pass.columns = index == 0 ? Config::TapCols : Config::RestCols;
    pass.words = index == 0 ? shape::full : 1;
    pass.ring_words = shape::ring_pixels * pass.words;
    pass.column_weight = (Walk::kernel_step(Config::StrideWidth) * pass.columns - 1) * pass.words + 1;
    pass.column_ring = ((pass.columns - 1) * pass.words + 1) % pass.ring_words;
    pass.row_weight = Walk::kernel_step(Config::StrideHeight) * pass.rows * Config::KernelWidth * pass.words;
    pass.row_ring = pass.rows * Config::InWidth * pass.words % pass.ring_words;
    return pass;
}

/// Rows as an axis.
template <class Config>
struct row_axis {
    static constexpr int outputs = Config::OutHeight, inputs = Config::InHeight;
    static constexpr int kernel = Config::KernelHeight, stride = Config::StrideHeight, pad = Config::PadHeight;
    static constexpr int pixels = Config::InWidth;           // from an input to the next one
    static constexpr int kernel_taps = Config::KernelWidth;  // from a kernel index to the next one
    static constexpr int first_rest = mac_shape<Config>::taps * mac_shape<Config>::full;  // the rest pass' first weight
    static constexpr int last_words = 0;  // what a pixel needs of its last input row, the column says
};

/// Columns as an axis.
template <class Config>
struct column_axis {
    static constexpr int outputs = Config::OutWidth, inputs = Config::InWidth;
    static constexpr int kernel = Config::KernelWidth, stride = Config::StrideWidth, pad = Config::PadWidth;
    static constexpr int pixels = 1, kernel_taps = 1, first_rest = 0;
    static constexpr int last_words = mac_shape<Config>::in_groups;
};

/// What the loop has to know of each output index of an axis, in words and addresses, so that it only adds and
/// compares. A pixel's figures are sums of its row's and its column's.
template <int Outputs>
struct axis_table {
    int taps[Outputs];
    int weight[Outputs];       // weight address of the first tap, relative to its output channel group
    int rest_weight[Outputs];  // the same in the remainder pass
    int word[Outputs];         // ring address of the first tap
    int rest_word[Outputs];    // the same in the remainder pass
    int needs[Outputs];        // words of the frame to the end of the last input that it needs; 0 without taps
    int frees[Outputs];        // words of the frame before the first input that it or any later output needs
};

template <class Config, class Walk, class Axis>
constexpr axis_table<Axis::outputs> make_axis_table() {
    using shape = mac_shape<Config>;
    constexpr int words = Axis::pixels * shape::in_groups;  // from an input to the next one
    axis_table<Axis::outputs> table{};
    int later = Axis::inputs;
    for (int output = Axis::outputs - 1; output >= 0; --output) {
        const tap_range taps = Walk::taps(output, Axis::inputs, Axis::kernel, Axis::stride, Axis::pad);
        const int tap = taps.first_kernel * Axis::kernel_taps;
        const int place = taps.first_input * Axis::pixels % shape::ring_pixels;
        table.taps[output] = taps.count;
        table.weight[output] = tap * shape::full;
        table.rest_weight[output] = Axis::first_rest + tap;
        table.word[output] = place * shape::full;
        table.rest_word[output] = place;
        const int last = taps.first_input + taps.count - 1;
        table.needs[output] = taps.count > 0 ? last * words + Axis::last_words : 0;
        // Inputs that no output needs are free with the first one that some output needs.
        const int first = output == 0 ? 0 : taps.count > 0 ? min_of(later, taps.first_input) : later;
        table.frees[output] = first * words;
        later = first;
    }
    return table;
}

/// Pixels of the smallest ring that holds every window.
template <class Config, class Walk>
constexpr int smallest_ring() {
    constexpr axis_table<Config::OutHeight> rows = make_axis_table<Config, Walk, row_axis<Config>>();
    constexpr axis_table<Config::OutWidth> columns = make_axis_table<Config, Walk, column_axis<Config>>();
    int within = 0, whole = 0;  // most words that a pixel needs of its last input row, what it frees of that taken off
    for (int ox = 0; ox < Config::OutWidth; ++ox) {
        if (columns.taps[ox] == 0) continue;
        within = max_of(within, columns.needs[ox] - columns.frees[ox]);
        whole = max_of(whole, columns.needs[ox]);
    }
    int words = 1;
    for (int oy = 0; oy < Config::OutHeight && whole > 0; ++oy) {
        if (rows.taps[oy] == 0) continue;
        // An input row is freed pixel by pixel if no later output row needs it.
        const bool leaves = oy == Config::OutHeight - 1 || rows.frees[oy + 1] > rows.frees[oy];
        words = max_of(words, rows.needs[oy] - rows.frees[oy] + (leaves ? within : whole));
    }
    return ceil_div(words, mac_shape<Config>::in_groups);
}

/// Registers: what an axis' table says of one output.
template <class Config, class Axis>
struct axis_entry {
    using shape = mac_shape<Config>;
    index_t<Axis::kernel + 1> taps;
    index_t<shape::group_weights> weight, rest_weight;
    index_t<shape::main_ring> word;
    index_t<shape::ring_pixels> rest_word;
    index_t<Axis::inputs * Axis::pixels * shape::in_groups + 1> needs, frees;
};

/// One look into the table of an axis.
template <class Config, class Axis>
axis_entry<Config, Axis> read_entry(const axis_table<Axis::outputs>& table, const index_t<Axis::outputs>& output) {
    GAN2HLS_INLINE
    return {table.taps[output],      table.weight[output], table.rest_weight[output], table.word[output],
            table.rest_word[output], table.needs[output],  table.frees[output]};
}

/// Registers: an output pixel.
template <class Config>
struct mac_pixel {
    using shape = mac_shape<Config>;
    index_t<Config::KernelHeight + 1> rows;  // of taps
    index_t<Config::KernelWidth + 1> columns;
    index_t<shape::group_weights> weight, rest_weight;  // addresses of the first tap in either pass
    index_t<shape::main_ring> word;
    index_t<shape::ring_pixels> rest_word;
    index_t<shape::frame_words + 1> needs;                     // words of the frame that must have been read before it
    index_t<shape::frame_words + shape::row_words + shape::ring_words + 1> room;  // words for which the ring has room
    bool has_taps;
    bool last;  // of the frame
};

/// An address in a memory of Words words from one that is less than Words too high.
template <int Words>
index_t<Words> wrap(const index_t<2 * Words>& address) {
    GAN2HLS_INLINE
    if (address >= Words) return index_t<Words>(address - Words);
    return index_t<Words>(address);
}

template <class Config>
mac_pixel<Config> make_pixel(const axis_entry<Config, row_axis<Config>>& row,
                             const axis_entry<Config, column_axis<Config>>& column, bool last) {
    GAN2HLS_INLINE
    using shape = mac_shape<Config>;
    mac_pixel<Config> pixel;
    pixel.has_taps = row.taps != 0 && column.taps != 0;
    pixel.rows = row.taps;
    pixel.columns = column.taps;
    pixel.weight = row.weight + column.weight;
    pixel.rest_weight = row.rest_weight + column.rest_weight;
    pixel.word = wrap<shape::main_ring>(row.word + column.word);
    pixel.rest_word = wrap<shape::ring_pixels>(row.rest_word + column.rest_word);
    pixel.needs = 0;
    if (pixel.has_taps) pixel.needs = row.needs + column.needs;
    // Right where the next output row does not need the same first input row any more. Where it does, nothing before
    // that row's end is free, but neither the pixel nor the next one needs a word for which that would make room.
    pixel.room = row.frees + column.frees + shape::ring_words;
    pixel.last = last;
    return pixel;
}

}  // namespace gan2hls

#endif
