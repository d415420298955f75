// The multiply-accumulate machine under conv2d, conv_transpose2d and dense.
//
//     y[oy][ox][co] = sum over ky, kx, ci of x[iy][ix][ci] * w[ky][kx][ci][co]
//
// over the taps (ky, kx) that meet an existing input pixel (iy, ix), and no others: no zero is ever multiplied, neither
// inserted between pixels nor padded around them. How iy follows from oy and ky is the Walk; per axis it is a table of
// {number of taps, first kernel index, first input index}. Along the taps the input index rises by 1 and the kernel
// index by Walk::kernel_step.
//
// Input : pixels in raster order, channels innermost, Simd a word. Output: the same order, Pe channels a word.
// Cycles of a pixel: ceil(OutChannels / Pe) * max(1, taps(oy) * taps(ox) * ceil(InChannels / Simd)). A frame takes the
// sum over its pixels, plus waiting at its start for the words of the first window (mac_timing counts both).
//
// Inputs wait in a ring of RingWords words at their place in the frame modulo RingWords. In every cycle one word is
// taken in if there is room, and one step of PE * SIMD multiplications is done if the window's words are present.
#ifndef GAN2HLS_MAC_ENGINE_H
#define GAN2HLS_MAC_ENGINE_H

#include <hls_stream.h>

#include "integers.h"
#include "lanes.h"

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

/// What the loop has to know of each output row and column, in words and addresses, so that it only adds and compares.
template <int Rows, int Columns>
struct mac_tables {
    int row_taps[Rows];
    int row_weight[Rows];  // weight address of the first tap, relative to its channel group
    int row_ring[Rows];    // ring address of the first tap's input row
    int row_begin[Rows];   // first word of the rows that this output row needs
    int row_last[Rows];    // first word of the last input row that it needs
    int row_later[Rows];   // first word that any later output row needs

    int column_taps[Columns];
    int column_weight[Columns];
    int column_ring[Columns];
    int column_end[Columns];    // words from the start of an input row to the end of the last pixel needed
    int column_oldest[Columns]; // first word of an input row that this or any later output column needs
};

template <class Config>
struct mac_shape {
    static constexpr int in_groups = ceil_div(Config::InChannels, Config::Simd);
    static constexpr int out_groups = ceil_div(Config::OutChannels, Config::Pe);
    static constexpr int row_words = Config::InWidth * in_groups;
    static constexpr int frame_words = Config::InHeight * row_words;
    static constexpr int weight_words = out_groups * Config::KernelHeight * Config::KernelWidth * in_groups;
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
        tables.column_weight[ox] = taps.first_kernel * shape::in_groups;
        tables.column_ring[ox] = taps.first_input * shape::in_groups % Config::RingWords;
        tables.column_end[ox] = (taps.first_input + taps.count) * shape::in_groups;
        tables.column_oldest[ox] = oldest;
    }
    int later = shape::frame_words;
    for (int oy = Config::OutHeight - 1; oy >= 0; --oy) {
        const tap_range taps =
            Walk::taps(oy, Config::InHeight, Config::KernelHeight, Config::StrideHeight, Config::PadHeight);
        tables.row_taps[oy] = taps.count;
        tables.row_weight[oy] = taps.first_kernel * Config::KernelWidth * shape::in_groups;
        tables.row_ring[oy] = int(long(taps.first_input) * shape::row_words % Config::RingWords);
        tables.row_begin[oy] = taps.count > 0 ? taps.first_input * shape::row_words : shape::frame_words;
        tables.row_last[oy] = (taps.first_input + taps.count - 1) * shape::row_words;
        tables.row_later[oy] = later;
        if (taps.count > 0) later = min_of(later, tables.row_begin[oy] + oldest);
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

struct mac_timing {
    long iterations;  // trip count of the loop for one frame
    int ring_words;   // the smallest ring that holds every window
};

/// The loop's schedule, pixel by pixel: it waits for the words of a window, computes, and takes in words all the while.
template <class Config, class Walk>
constexpr mac_timing time_mac() {
    using shape = mac_shape<Config>;
    const mac_tables<Config::OutHeight, Config::OutWidth> tables = make_mac_tables<Config, Walk>();
    mac_timing timing{0, 1};
    int loaded = 0;
    for (int oy = 0; oy < Config::OutHeight; ++oy) {
        for (int ox = 0; ox < Config::OutWidth; ++ox) {
            const int needed = words_needed(tables, oy, ox);
            const int released = words_released(tables, oy, ox);
            const int steps = tables.row_taps[oy] * tables.column_taps[ox] * shape::in_groups;
            const int cycles = shape::out_groups * max_of(1, steps);
            const int wait = max_of(0, needed - loaded);
            const int most = max_of(loaded, min_of(shape::frame_words, released + Config::RingWords));
            timing.ring_words = max_of(timing.ring_words, needed - released);
            timing.iterations += wait + cycles;
            loaded = min_of(most, loaded + wait + cycles);
        }
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

template <class Config, class Walk, class InPack, class OutPack, class Code, int Words, int Products, class Value,
          int Values>
void mac_engine(hls::stream<InPack>& in, hls::stream<OutPack>& out, const Code (&weights)[Words][Products],
                const Value (&codebook)[Values][1]) {
    using shape = mac_shape<Config>;
    static constexpr mac_tables<Config::OutHeight, Config::OutWidth> tables = make_mac_tables<Config, Walk>();
    static constexpr mac_timing timing = mac_timing_v<Config, Walk>;

    static_assert(Config::Pe >= 1 && Config::Simd >= 1, "Pe and Simd are 1 or more");
    static_assert(Config::Pe <= Config::OutChannels, "more PEs than output channels would never work");
    static_assert(Config::Simd <= Config::InChannels, "more SIMD lanes than input channels would never work");
    static_assert(int(InPack::size) == Config::Simd, "the input stream carries Simd lanes");
    static_assert(int(OutPack::size) == Config::Pe, "the output stream carries Pe lanes");
    static_assert(Words == shape::weight_words, "one weight word per output group, tap and input group");
    static_assert(Products == Config::Pe * Config::Simd, "a weight word holds Pe * Simd codes");
    static_assert(!Config::UseCodebook || Values == (1 << Config::CodeBits), "the codebook has a value for each code");
    static_assert(Config::UseCodebook || Config::CodeBits == Config::WeightBits,
                  "without a codebook a code is the weight");
    static_assert(Config::StrideHeight >= 1 && Config::StrideWidth >= 1, "strides are 1 or more");
    static_assert(Config::RingWords >= timing.ring_words, "the ring holds the words of every window at once");

    constexpr int x_bits = Config::InBits + (Config::InSigned ? 0 : 1);
    constexpr int w_bits = Config::WeightBits;
    constexpr int sum_bits = x_bits + w_bits + ceil_log2(Config::Simd);
    static_assert(sum_bits <= 64 && Config::OutBits <= 64, "C simulation holds sums in 64 bits");

    // The lanes of the last input word that hold channels; the others hold anything.
    constexpr int last_lanes = Config::InChannels - (shape::in_groups - 1) * Config::Simd;
    // Steps of the addresses: to the next tap of a row, to the next row of taps, to the next group.
    constexpr int tap_weight_step = (Walk::kernel_step(Config::StrideWidth) - 1) * shape::in_groups + 1;
    constexpr int row_weight_step = Walk::kernel_step(Config::StrideHeight) * Config::KernelWidth * shape::in_groups;
    constexpr int group_weight_step = Config::KernelHeight * Config::KernelWidth * shape::in_groups;
    constexpr int row_ring_step = shape::row_words % Config::RingWords;

    InPack ring[Config::RingWords];
    ap_int<Config::OutBits> sums[Config::Pe];
#pragma HLS AGGREGATE variable=ring compact=bit
    // whole words in one memory, instead of one memory a lane
#pragma HLS BIND_STORAGE variable=ring type=ram_s2p
    // one word is written and one is read in each cycle
#pragma HLS ARRAY_RESHAPE variable=weights complete dim=2
    // a step reads all codes of a word at once
#pragma HLS ARRAY_PARTITION variable=codebook complete dim=0
    // every multiplier looks up its own code in each cycle
#pragma HLS ARRAY_PARTITION variable=sums complete
    // all PEs add in each cycle

    int loaded = 0;      // words of the frame taken in
    int store = 0;       // loaded modulo RingWords
    int oy = 0, ox = 0;  // output pixel
    int group = 0;       // output channels [group * Pe, group * Pe + Pe)
    int ty = 0, tx = 0;  // tap, counted in the order of rising input index
    int channels = 0;    // input channels [channels * Simd, channels * Simd + Simd)
    int group_weight = 0;
    int row_weight = tables.row_weight[0];
    int weight = row_weight + tables.column_weight[0];
    int row_ring = tables.row_ring[0];
    int word = (row_ring + tables.column_ring[0]) % Config::RingWords;
    int needed = words_needed(tables, 0, 0);
    int released = words_released(tables, 0, 0);
    bool has_taps = pixel_has_taps(tables, 0, 0);
    bool done = false;

mac_loop:
    for (long iteration = 0; iteration < timing.iterations; ++iteration) {
#pragma HLS PIPELINE II=1
#pragma HLS DEPENDENCE variable=ring type=intra dependent=false
        // a step reads only words that were present before this iteration, and none of them is overwritten

        // Invariant: the ring holds the words [loaded - RingWords, loaded) of the frame; the current pixel and all
        // later ones need none before `released`; `weight` and `word` address the step (group, ty, tx, channels).
        const bool present = loaded >= needed && !done;
        if (loaded < shape::frame_words && loaded < released + Config::RingWords) {
            ring[store] = in.read();
            store = store == Config::RingWords - 1 ? 0 : store + 1;
            ++loaded;
        }
        if (present) {
            const bool first_step = ty == 0 && tx == 0 && channels == 0;
            const bool last_channels = channels == shape::in_groups - 1;
            const bool last_column = tx == tables.column_taps[ox] - 1;
            const bool last_row = ty == tables.row_taps[oy] - 1;
            const bool last_step = !has_taps || (last_channels && last_column && last_row);

            const InPack x_word = ring[word];
            signed_t<x_bits> x[Config::Simd];
            for (int lane = 0; lane < Config::Simd; ++lane) {
#pragma HLS UNROLL
                const bool exists = has_taps && (lane < last_lanes || !last_channels);
                x[lane] = exists ? get_lane<x_bits>(x_word, lane) : signed_t<x_bits>(0);
            }
            OutPack y;
            for (int pe = 0; pe < Config::Pe; ++pe) {
#pragma HLS UNROLL
                signed_t<sum_bits> sum = 0;
                for (int lane = 0; lane < Config::Simd; ++lane) {
#pragma HLS UNROLL
                    const Code code = weights[weight][pe * Config::Simd + lane];
                    const signed_t<w_bits> w = decode_weight<Config>(code, codebook);
                    sum += multiply<x_bits + w_bits>(x[lane], w);
                }
                const ap_int<Config::OutBits> before = first_step ? ap_int<Config::OutBits>(0) : sums[pe];
                sums[pe] = before + sum;
                set_lane(y, pe, sums[pe]);
            }
            if (last_step) out.write(y);

            if (!last_step && !last_channels) {
                ++channels;
                ++weight;
                word = word == Config::RingWords - 1 ? 0 : word + 1;
            } else if (!last_step && !last_column) {
                channels = 0;
                ++tx;
                weight += tap_weight_step;
                word = word == Config::RingWords - 1 ? 0 : word + 1;
            } else {
                channels = 0;
                tx = 0;
                if (!last_step) {
                    ++ty;
                    row_weight += row_weight_step;
                    row_ring += row_ring_step;
                    if (row_ring >= Config::RingWords) row_ring -= Config::RingWords;
                } else {
                    ty = 0;
                    if (group != shape::out_groups - 1) {
                        ++group;
                        group_weight += group_weight_step;
                    } else {
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
                    row_weight = group_weight + tables.row_weight[oy];
                    row_ring = tables.row_ring[oy];
                }
                weight = row_weight + tables.column_weight[ox];
                word = row_ring + tables.column_ring[ox];
                if (word >= Config::RingWords) word -= Config::RingWords;
            }
        }
    }
}

/// Stands in for the codebook of a layer that has none.
static const rom_t<2, true> no_codebook[1][1] = {{0}};

}  // namespace gan2hls

#endif
