// What the loop of mac_engine knows before it begins: which taps each output row and column has, at which addresses, how
// many words of the frame a pixel needs and releases, and how many iterations a frame takes. All of it is constexpr.
#ifndef GAN2HLS_MAC_TABLES_H
#define GAN2HLS_MAC_TABLES_H

#include "integers.h"

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
    static constexpr int group_weights = taps * in_groups;  // weight words of a group of output channels
};

/// A pass over the taps of a pixel: its blocks, and what the addresses change by from one to the next.
struct mac_pass {
    int rows, columns;               // taps of a block
    int words;                       // words of a tap, of inputs and of weights: a step each
    int first_weight;                // where its weights begin among those of a group of output channels
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
    pass.first_weight = index == 0 ? 0 : shape::taps * shape::full;
    pass.ring_words = Config::RingPixels * pass.words;
    pass.column_weight = (Walk::kernel_step(Config::StrideWidth) * pass.columns - 1) * pass.words + 1;
    pass.column_ring = ((pass.columns - 1) * pass.words + 1) % pass.ring_words;
    pass.row_weight = Walk::kernel_step(Config::StrideHeight) * pass.rows * Config::KernelWidth * pass.words;
    pass.row_ring = pass.rows * Config::InWidth * pass.words % pass.ring_words;
    return pass;
}

/// What the loop has to know of each output row and column, in words and addresses, so that it only adds and compares.
template <int Rows, int Columns>
struct mac_tables {
    int row_taps[Rows];
    int row_weight[2][Rows];  // in each pass: weight address of the first tap, relative to its output channel group
    int row_ring[2][Rows];    // in each pass: ring address of the first tap's input row
    int row_begin[Rows];      // first word of the rows that this output row needs
    int row_last[Rows];       // first word of the last input row that it needs
    int row_later[Rows];      // first word that any later output row needs

    int column_taps[Columns];
    int column_weight[2][Columns];
    int column_ring[2][Columns];
    int column_end[Columns];     // words from the start of an input row to the end of the last pixel needed
    int column_oldest[Columns];  // first word of an input row that this or any later output column needs
};

template <class Config, class Walk>
constexpr mac_tables<Config::OutHeight, Config::OutWidth> make_mac_tables() {
    using shape = mac_shape<Config>;
    mac_tables<Config::OutHeight, Config::OutWidth> tables{};
    int oldest = shape::frame_words;  // where no column is left, the later rows decide
    for (int ox = Config::OutWidth - 1; ox >= 0; --ox) {
        const tap_range taps =
            Walk::taps(ox, Config::InWidth, Config::KernelWidth, Config::StrideWidth, Config::PadWidth);
        if (taps.count > 0) oldest = min_of(oldest, taps.first_input * shape::in_groups);
        tables.column_taps[ox] = taps.count;
        tables.column_end[ox] = (taps.first_input + taps.count) * shape::in_groups;
        tables.column_oldest[ox] = oldest;
        for (int pass = 0; pass < 2; ++pass) {
            const int words = make_mac_pass<Config, Walk>(pass).words;
            tables.column_weight[pass][ox] = taps.first_kernel * words;
            tables.column_ring[pass][ox] = taps.first_input % Config::RingPixels * words;
        }
    }
    int later = shape::frame_words;
    for (int oy = Config::OutHeight - 1; oy >= 0; --oy) {
        const tap_range taps =
            Walk::taps(oy, Config::InHeight, Config::KernelHeight, Config::StrideHeight, Config::PadHeight);
        tables.row_taps[oy] = taps.count;
        tables.row_begin[oy] = taps.count > 0 ? taps.first_input * shape::row_words : shape::frame_words;
        tables.row_last[oy] = (taps.first_input + taps.count - 1) * shape::row_words;
        tables.row_later[oy] = later;
        if (taps.count > 0) later = min_of(later, tables.row_begin[oy] + oldest);
        for (int pass = 0; pass < 2; ++pass) {
            const mac_pass blocks = make_mac_pass<Config, Walk>(pass);
            const int first_tap = taps.first_kernel * Config::KernelWidth;
            tables.row_weight[pass][oy] = blocks.first_weight + first_tap * blocks.words;
            tables.row_ring[pass][oy] = taps.first_input * Config::InWidth % Config::RingPixels * blocks.words;
        }
    }
    return tables;
}

template <int Rows, int Columns>
constexpr bool pixel_has_taps(const mac_tables<Rows, Columns>& tables, int oy, int ox) {
    return tables.row_taps[oy] > 0 && tables.column_taps[ox] > 0;
}

/// Words of the frame that must be present before pixel (oy, ox) can be computed.
template <int Rows, int Columns>
constexpr int words_needed(const mac_tables<Rows, Columns>& tables, int oy, int ox) {
    return pixel_has_taps(tables, oy, ox) ? tables.row_last[oy] + tables.column_end[ox] : 0;
}

/// Words of the frame that neither pixel (oy, ox) nor any later one needs.
template <int Rows, int Columns>
constexpr int words_released(const mac_tables<Rows, Columns>& tables, int oy, int ox) {
    return min_of(tables.row_begin[oy] + tables.column_oldest[ox], tables.row_later[oy]);
}

/// Cycles of pixel (oy, ox) for one group of output channels.
template <class Config, int Rows, int Columns>
constexpr int pixel_steps(const mac_tables<Rows, Columns>& tables, int oy, int ox) {
    const int rows = tables.row_taps[oy], columns = tables.column_taps[ox];
    const int main_blocks = ceil_div(rows, Config::TapRows) * ceil_div(columns, Config::TapCols);
    const int rest_blocks = ceil_div(rows, Config::RestRows) * ceil_div(columns, Config::RestCols);
    return max_of(1, mac_shape<Config>::full * main_blocks + (mac_shape<Config>::rest > 0 ? rest_blocks : 0));
}

struct mac_timing {
    long iterations;  // trip count of the loop for one frame
    int ring_pixels;  // the smallest ring that holds every window
};

/// An output row in the loop's schedule.
struct row_timing {
    int loaded;  // words that were taken in before it
    long cycles;
};

/// The schedule of a row, pixel by pixel: it waits for the words of a window, computes, and takes in words all the while.
/// `loaded` becomes the words taken in after it.
template <class Config, int Rows, int Columns>
constexpr long time_row(const mac_tables<Rows, Columns>& tables, int oy, int& loaded, int& ring_pixels) {
    using shape = mac_shape<Config>;
    long row_cycles = 0;
    for (int ox = 0; ox < Columns; ++ox) {
        const int needed = words_needed(tables, oy, ox);
        const int released = words_released(tables, oy, ox);
        const int cycles = shape::out_groups * pixel_steps<Config>(tables, oy, ox);
        const int wait = max_of(0, needed - loaded);
        const int room = released + Config::RingPixels * shape::in_groups;
        const int most = max_of(loaded, min_of(shape::frame_words, room));
        ring_pixels = max_of(ring_pixels, (needed - released) / shape::in_groups);
        row_cycles += wait + cycles;
        loaded = min_of(most, loaded + wait + cycles);
    }
    return row_cycles;
}

/// Whether output row `oy` needs, a number of words later, what `before` needed, and the frame's end stops neither.
template <class Config, int Rows, int Columns>
constexpr bool rows_alike(const mac_tables<Rows, Columns>& tables, int before, int oy) {
    const int later = tables.row_begin[oy] - tables.row_begin[before];
    return tables.row_taps[before] > 0 && tables.row_taps[oy] == tables.row_taps[before] &&
           tables.row_last[oy] - tables.row_last[before] == later &&
           tables.row_later[oy] - tables.row_later[before] == later &&
           tables.row_later[oy] + Config::RingPixels * mac_shape<Config>::in_groups <= mac_shape<Config>::frame_words;
}

/// The loop's schedule, row by row. The rows inside an image repeat themselves every StrideHeight rows of a transposed
/// convolution, every row of another one; those are not gone through again, as compilers stop after a million steps.
template <class Config, class Walk>
constexpr mac_timing time_mac() {
    using shape = mac_shape<Config>;
    const mac_tables<Config::OutHeight, Config::OutWidth> tables = make_mac_tables<Config, Walk>();
    const int period = max_of(1, -Walk::kernel_step(Config::StrideHeight));
    row_timing rows[Config::OutHeight + 1] = {};
    mac_timing timing{0, 1};
    int loaded = 0;
    for (int oy = 0; oy < Config::OutHeight; ++oy) {
        const int before = max_of(0, oy - period);
        rows[oy].loaded = loaded;
        const bool alike = oy >= period && rows_alike<Config>(tables, before, oy) &&
                           loaded - rows[before].loaded == tables.row_begin[oy] - tables.row_begin[before];
        if (alike) {
            rows[oy].cycles = rows[before].cycles;
            loaded += rows[before + 1].loaded - rows[before].loaded;
        } else {
            rows[oy].cycles = time_row<Config>(tables, oy, loaded, timing.ring_pixels);
        }
        timing.iterations += rows[oy].cycles;
    }
    timing.iterations += shape::frame_words - loaded;  // words that no window needs are taken in all the same
    return timing;
}

template <class Config, class Walk>
constexpr mac_timing mac_timing_v = time_mac<Config, Walk>();

}  // namespace gan2hls

#endif
