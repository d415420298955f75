// The multiply-accumulate machine under conv2d, conv_transpose2d and dense.
//
//     y[oy][ox][co] = sum over ky, kx, ci of x[iy][ix][ci] * w[ky][kx][ci][co]
//
// over the taps (ky, kx) that meet an existing input pixel (iy, ix), and no others: no zero is ever multiplied, neither
// inserted between pixels nor padded around them. How iy follows from oy and ky is the Walk; per axis it is a table of
// {number of taps, first kernel index, first input index}. Along the taps the input index rises by 1 and the kernel
// index by Walk::kernel_step.
//
// A pixel's taps are walked in passes. The main pass takes the full groups of Simd input channels, one after the other,
// from blocks of TapRows * TapCols neighbouring taps; the rest pass, where Simd does not divide InChannels, takes the
// Rest channels that remain from blocks of RestRows * RestCols taps. Taps of a block that do not exist count as 0.
//
// Input : pixels in raster order, channels innermost, Simd a word. Output: the same order, Pe channels a word.
// Weights: for each group of Pe output channels the words of the main pass in the order (ky, kx, group of channels),
// then those of the rest pass in the order (ky, kx). The word of a block's first tap holds the codes of all its taps.
// Cycles of a pixel: with blocks(n, m) = ceil(taps(oy) / n) * ceil(taps(ox) / m), Full = floor(InChannels / Simd),
//     ceil(OutChannels / Pe) * max(1, Full * blocks(TapRows, TapCols) + (Rest > 0 ? blocks(RestRows, RestCols) : 0)).
// A frame takes the sum over its pixels, plus waiting for the words of a window (mac_timing counts both).
//
// Inputs wait in a ring of RingPixels pixels at their place in the frame modulo RingPixels: full groups in one memory,
// rests in another, each in a copy for every tap that a step reads. In every cycle one word is taken in if there is
// room, and one step of Pe * Simd * TapRows * TapCols multiplications is done if the window's words are present.
#ifndef GAN2HLS_MAC_ENGINE_H
#define GAN2HLS_MAC_ENGINE_H

#include <hls_stream.h>

#include "integers.h"
#include "lanes.h"
#include "packed_multiply.h"

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
    static constexpr int rest = Config::InChannels % Config::Simd;  // channels that remain
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

/// The main pass (0) or the rest pass (1).
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

/// The weight that a code stands for: its value in the codebook, or without one the code itself.
template <class Config, class Code, class Value, int Values>
signed_t<Config::WeightBits> decode_weight(const Code& code, const Value (&codebook)[Values][1]) {
#pragma HLS INLINE
    // inlined, so that each multiplier has its own small table beside it
    if constexpr (Config::UseCodebook) {
        return codebook[unsigned(code)][0];
    } else {
        return code;
    }
}

/// Put a word into all copies of a ring; gives the place of the next one.
template <class Pack, int Copies, int Words, class InPack>
int ring_write(Pack (&ring)[Copies][Words], int place, const InPack& word) {
#pragma HLS INLINE
    // inlined, as the ring's memories belong to the loop
    Pack kept;
    for (unsigned lane = 0; lane < Pack::size; ++lane) {
#pragma HLS UNROLL
        kept[lane] = word[lane];
    }
    for (int copy = 0; copy < Copies; ++copy) {
#pragma HLS UNROLL
        ring[copy][place] = kept;
    }
    return place == Words - 1 ? 0 : place + 1;
}

/// Read a block of taps, the first of them at `place`: x[tap * lanes of a word + lane]. Of those from the first one on
/// only `rows` * `columns` exist; x of others stays as it is.
template <int Bits, int Columns, int RowWords, int ColumnWords, class Pack, int Copies, int Words, int Lanes>
void ring_read(const Pack (&ring)[Copies][Words], int place, int rows, int columns, signed_t<Bits> (&x)[Lanes]) {
#pragma HLS INLINE
    // inlined for the same reason
    for (int tap = 0; tap < Copies; ++tap) {
#pragma HLS UNROLL
        const int row = tap / Columns, column = tap % Columns;
        int word = place + (row * RowWords + column * ColumnWords) % Words;
        if (word >= Words) word -= Words;
        const Pack pixel = ring[tap][word];
        for (unsigned lane = 0; lane < Pack::size; ++lane) {
#pragma HLS UNROLL
            if (row < rows && column < columns) x[tap * Pack::size + lane] = get_lane<Bits>(pixel, lane);
        }
    }
}

template <class Config, class Walk, class InPack, class OutPack, class Code, int Words, int Products, class Value,
          int Values>
void mac_engine(hls::stream<InPack>& in, hls::stream<OutPack>& out, const Code (&weights)[Words][Products],
                const Value (&codebook)[Values][1]) {
    using shape = mac_shape<Config>;
    static constexpr mac_tables<Config::OutHeight, Config::OutWidth> tables = make_mac_tables<Config, Walk>();
    static constexpr mac_timing timing = mac_timing_v<Config, Walk>;
    static constexpr mac_pass passes[2] = {make_mac_pass<Config, Walk>(0), make_mac_pass<Config, Walk>(1)};

    static_assert(Config::Pe >= 1 && Config::Simd >= 1, "Pe and Simd are 1 or more");
    static_assert(Config::Pe <= Config::OutChannels, "more PEs than output channels would never work");
    static_assert(Config::Simd <= Config::InChannels, "more SIMD lanes than input channels would never work");
    static_assert(Config::Packing >= 1 && Config::Packing <= Config::Pe, "Packing is 1 to Pe");
    static_assert(Config::TapRows >= 1 && Config::TapCols >= 1, "a block has 1 tap or more");
    static_assert(Config::RestRows >= 1 && Config::RestCols >= 1, "a block of the rest pass has 1 tap or more");
    static_assert(Config::TapRows <= Config::KernelHeight && Config::TapCols <= Config::KernelWidth,
                  "a block is no larger than the kernel");
    static_assert(Config::RestRows * Config::RestCols * shape::rest <= shape::lanes,
                  "the rest pass fits into the lanes of the main pass");
    static_assert(shape::rest > 0 || Config::RestRows * Config::RestCols == 1,
                  "the rest pass has blocks of one tap where no channels remain");
    static_assert(int(InPack::size) == Config::Simd, "the input stream carries Simd lanes");
    static_assert(int(OutPack::size) == Config::Pe, "the output stream carries Pe lanes");
    static_assert(Words == shape::out_groups * shape::group_weights,
                  "one weight word per output group, tap and input group");
    static_assert(Products == Config::Pe * shape::lanes, "a weight word holds Pe * Simd * TapRows * TapCols codes");
    static_assert(!Config::UseCodebook || Values == (1 << Config::CodeBits), "the codebook has a value for each code");
    static_assert(Config::UseCodebook || Config::CodeBits == Config::WeightBits,
                  "without a codebook a code is the weight");
    static_assert(Config::StrideHeight >= 1 && Config::StrideWidth >= 1, "strides are 1 or more");
    static_assert(Config::RingPixels >= timing.ring_pixels, "the ring holds the pixels of every window at once");

    constexpr int x_bits = Config::InBits + (Config::InSigned ? 0 : 1);
    constexpr int product_bits = Config::InBits + Config::WeightBits;
    constexpr int sum_bits = product_bits + ceil_log2(shape::lanes);
    static_assert(sum_bits <= 64 && Config::OutBits <= 64, "C simulation holds sums in 64 bits");

    constexpr int ring_words = Config::RingPixels * shape::in_groups;
    constexpr int last_pass = shape::rest > 0 ? 1 : 0;

    // A copy for each tap of a block, main pass and rest pass.
    using value_type = typename InPack::value_type;
    lanes<value_type, Config::Simd> ring[Config::TapRows * Config::TapCols][passes[0].ring_words];
    lanes<value_type, max_of(1, shape::rest)> rest_ring[Config::RestRows * Config::RestCols][passes[1].ring_words];
    ap_int<Config::OutBits> sums[Config::Pe];
#pragma HLS AGGREGATE variable=ring compact=bit
#pragma HLS AGGREGATE variable=rest_ring compact=bit
    // whole words in one memory, instead of one memory a lane
#pragma HLS ARRAY_PARTITION variable=ring complete dim=1
#pragma HLS ARRAY_PARTITION variable=rest_ring complete dim=1
    // each copy is a memory of its own
#pragma HLS BIND_STORAGE variable=ring type=ram_s2p
#pragma HLS BIND_STORAGE variable=rest_ring type=ram_s2p
    // one word is written and one is read in each cycle
#pragma HLS ARRAY_RESHAPE variable=weights complete dim=2
    // a step reads all codes of a word at once
#pragma HLS ARRAY_PARTITION variable=codebook complete dim=0
    // every multiplier looks up its own code in each cycle
#pragma HLS ARRAY_PARTITION variable=sums complete
    // all PEs add in each cycle

    int loaded = 0;                      // words of the frame taken in
    int store_group = 0;                 // group of input channels of the next word
    int store_word = 0, store_rest = 0;  // where the next word goes if its group is full, and if it is the rest
    int oy = 0, ox = 0;                  // output pixel
    int group = 0;                       // output channels [group * Pe, group * Pe + Pe)
    int pass = 0;
    int rows = tables.row_taps[0], columns = tables.column_taps[0];  // taps from the first of the block on
    int channels = 0;                    // in the main pass, input channels [channels * Simd, channels * Simd + Simd)
    int group_weight = 0;
    int row_weight = tables.row_weight[0][0];
    int weight = row_weight + tables.column_weight[0][0];
    int row_ring = tables.row_ring[0][0];
    int word = (row_ring + tables.column_ring[0][0]) % passes[0].ring_words;
    int needed = words_needed(tables, 0, 0);
    int released = words_released(tables, 0, 0);
    bool has_taps = pixel_has_taps(tables, 0, 0);
    bool first_step = true;
    bool done = false;

mac_loop:
    for (long iteration = 0; iteration < timing.iterations; ++iteration) {
#pragma HLS PIPELINE II=1
#pragma HLS DEPENDENCE variable=ring type=intra dependent=false
#pragma HLS DEPENDENCE variable=rest_ring type=intra dependent=false
        // a step reads only words that were present before this iteration, and none of them is overwritten

        // Invariant: the ring holds the words [loaded - ring_words, loaded) of the frame; the current pixel and all
        // later ones need none before `released`; `weight` and `word` address the first tap of the step's block, of
        // which `rows` * `columns` taps are left to walk.
        const bool present = loaded >= needed && !done;
        if (loaded < shape::frame_words && loaded < released + ring_words) {
            const InPack in_word = in.read();
            if (shape::rest == 0 || store_group < shape::full) {
                store_word = ring_write(ring, store_word, in_word);
            } else {
                store_rest = ring_write(rest_ring, store_rest, in_word);
            }
            store_group = store_group == shape::in_groups - 1 ? 0 : store_group + 1;
            ++loaded;
        }
        if (present) {
            const mac_pass blocks = passes[pass];
            const bool last_channels = channels == blocks.words - 1;
            const bool last_column = columns <= blocks.columns;
            const bool last_block = !has_taps || (last_channels && last_column && rows <= blocks.rows);
            const bool last_step = last_block && (pass == last_pass || !has_taps);

            signed_t<x_bits> x[shape::lanes];
            for (int lane = 0; lane < shape::lanes; ++lane) {
#pragma HLS UNROLL
                x[lane] = 0;
            }
            if (pass == 0) {
                ring_read<x_bits, Config::TapCols, Config::InWidth * shape::full, shape::full>(ring, word, rows,
                                                                                               columns, x);
            } else {
                ring_read<x_bits, Config::RestCols, Config::InWidth, 1>(rest_ring, word, rows, columns, x);
            }
            OutPack y;
            for (int pe = 0; pe < Config::Pe; pe += Config::Packing) {
#pragma HLS UNROLL
                signed_t<sum_bits> sum[Config::Packing];
                for (int l = 0; l < Config::Packing; ++l) {
#pragma HLS UNROLL
                    sum[l] = 0;
                }
                for (int lane = 0; lane < shape::lanes; ++lane) {
#pragma HLS UNROLL
                    signed_t<Config::WeightBits> w[Config::Packing];
                    signed_t<product_bits> product[Config::Packing];
                    for (int l = 0; l < Config::Packing; ++l) {
#pragma HLS UNROLL
                        w[l] = 0;
                        if (pe + l < Config::Pe)
                            w[l] = decode_weight<Config>(weights[weight][(pe + l) * shape::lanes + lane], codebook);
                    }
                    packed_multiply<Config::InBits, Config::InSigned, Config::WeightBits, Config::Symmetric>(
                        x[lane], w, product);
                    for (int l = 0; l < Config::Packing; ++l) {
#pragma HLS UNROLL
                        sum[l] += product[l];
                    }
                }
                for (int l = 0; l < Config::Packing; ++l) {
#pragma HLS UNROLL
                    if (pe + l < Config::Pe) {
                        const ap_int<Config::OutBits> before = first_step ? ap_int<Config::OutBits>(0) : sums[pe + l];
                        sums[pe + l] = before + sum[l];
                        set_lane(y, pe + l, sums[pe + l]);
                    }
                }
            }
            if (last_step) out.write(y);
            first_step = last_step;

            if (!last_block && !last_channels) {
                ++channels;
                ++weight;
                ++word;  // a pixel's words lie together
            } else if (!last_block && !last_column) {
                channels = 0;
                columns -= blocks.columns;
                weight += blocks.column_weight;
                word += blocks.column_ring;
                if (word >= blocks.ring_words) word -= blocks.ring_words;
            } else {
                channels = 0;
                if (!last_block) {
                    rows -= blocks.rows;
                    row_weight += blocks.row_weight;
                    row_ring += blocks.row_ring;
                    if (row_ring >= blocks.ring_words) row_ring -= blocks.ring_words;
                } else {
                    pass = last_step ? 0 : last_pass;
                    if (last_step && group != shape::out_groups - 1) {
                        ++group;
                        group_weight += shape::group_weights;
                    } else if (last_step) {
                        group = 0;
                        group_weight = 0;
                        if (ox != Config::OutWidth - 1) {
                            ++ox;
                        } else {
                            ox = 0;
                            done = oy == Config::OutHeight - 1;
                            if (!done) ++oy;
                        }
                        has_taps = pixel_has_taps(tables, oy, ox);
                        needed = words_needed(tables, oy, ox);
                        released = done ? shape::frame_words : words_released(tables, oy, ox);
                    }
                    rows = tables.row_taps[oy];
                    row_weight = group_weight + tables.row_weight[pass][oy];
                    row_ring = tables.row_ring[pass][oy];
                }
                columns = tables.column_taps[ox];
                weight = row_weight + tables.column_weight[pass][ox];
                word = row_ring + tables.column_ring[pass][ox];
                if (word >= passes[pass].ring_words) word -= passes[pass].ring_words;
            }
        }
    }
}

/// Stands in for the codebook of a layer that has none.
static const rom_t<2, true> no_codebook[1][1] = {{0}};

}  // namespace gan2hls

#endif
