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
// from blocks of TapRows * TapCols neighbouring taps; the remainder pass, where Simd does not divide InChannels, takes
// the Rest channels that remain from blocks of RestRows * RestCols taps. Taps of a block that do not exist count as 0.
//
// Input : pixels in raster order, channels innermost, Simd a word. Output: the same order, Pe channels a word.
// Weights: for each group of Pe output channels the words of the main pass in the order (ky, kx, group of channels),
// then those of the remainder pass in the order (ky, kx). The word of a block's first tap holds the codes of all its
// taps.
// Cycles of a pixel: with blocks(n, m) = ceil(taps(oy) / n) * ceil(taps(ox) / m), Full = floor(InChannels / Simd),
//     ceil(OutChannels / Pe) * max(1, Full * blocks(TapRows, TapCols) + (Rest > 0 ? blocks(RestRows, RestCols) : 0)).
// A frame takes the sum over its pixels, plus waiting for the words of a window (mac_timing counts both).
//
// Inputs wait in a ring of RingPixels pixels at their place in the frame modulo RingPixels: full groups in one memory,
// remainders in another, each in a copy for every tap that a step reads. In every cycle one word is taken in if there is
// room, and one step of Pe * Simd * TapRows * TapCols multiplications is done if the window's words are present.
#ifndef GAN2HLS_MAC_ENGINE_H
#define GAN2HLS_MAC_ENGINE_H

#include <hls_stream.h>

#include "integers.h"
#include "lanes.h"
#include "mac_tables.h"
#include "packed_multiply.h"

namespace gan2hls {

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

    // A copy for each tap of a block, main pass and remainder pass.
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
    int store_word = 0, store_rest = 0;  // where the next word goes if its group is full, and if it is the remainder
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
