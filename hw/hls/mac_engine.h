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
// A frame takes the sum over its pixels, plus waiting for the words of a window: Config::Iterations.
//
// Inputs wait in a ring of RingPixels pixels at their place in the frame modulo RingPixels: full groups in one memory,
// remainders in another, each in a copy for every tap that a step reads. In an iteration one step of Pe * Simd *
// TapRows * TapCols multiplications is done if the window's words were read before, and one word is read if this pixel
// or the next one needs it and the ring has room; after the last pixel, the rest of the frame. So the loop never waits
// for a word that it could do without: what comes earlier waits in the stream before it.
//
// All addresses are registers that an earlier iteration has set (mac_walk.h).
#ifndef GAN2HLS_MAC_ENGINE_H
#define GAN2HLS_MAC_ENGINE_H

#include "integers.h"
#include "lanes.h"
#include "mac_tables.h"
#include "mac_walk.h"
#include "packed_multiply.h"
#include "pragmas.h"

namespace gan2hls {

/// The weight that a code stands for: without a codebook the code itself.
template <int Bits, class Code>
signed_t<Bits> decode_weight(const Code& code) {
    GAN2HLS_INLINE
    return signed_t<Bits>(code);
}

/// With one, its value there; inlined, so that each multiplier has its own small table beside it.
template <int Bits, class Code, class Value, int Values>
signed_t<Bits> decode_weight(const Code& code, const Value (&codebook)[Values][1]) {
    GAN2HLS_INLINE
    return signed_t<Bits>(codebook[unsigned(code)][0]);
}

/// Put a word into all copies of a ring.
template <class Pack, int Copies, int Words, class InPack>
void ring_write(Pack (&ring)[Copies][Words], int place, const InPack& word) {
    GAN2HLS_INLINE
    Pack kept;
    for (unsigned lane = 0; lane < Pack::size; ++lane) {
        GAN2HLS_UNROLL
        kept[lane] = word[lane];
    }
    for (int copy = 0; copy < Copies; ++copy) {
        GAN2HLS_UNROLL
        ring[copy][place] = kept;
    }
}

/// Read a block of taps, the first of them at `place`: x[tap * lanes of a word + lane]. Of those from the first one on
/// only `rows` * `columns` exist; x of others stays as it is.
template <int Bits, int Columns, int RowWords, int ColumnWords, class Pack, int Copies, int Words, int Lanes>
void ring_read(const Pack (&ring)[Copies][Words], int place, int rows, int columns, signed_t<Bits> (&x)[Lanes]) {
    GAN2HLS_INLINE
    for (int tap = 0; tap < Copies; ++tap) {
        GAN2HLS_UNROLL
        const int row = tap / Columns, column = tap % Columns;
        int word = place + (row * RowWords + column * ColumnWords) % Words;
        if (word >= Words) word -= Words;
        const Pack pixel = ring[tap][word];
        for (unsigned lane = 0; lane < Pack::size; ++lane) {
            GAN2HLS_UNROLL
            if (row < rows && column < columns) x[tap * Pack::size + lane] = get_lane<Bits>(pixel, lane);
        }
    }
}

/// What a combination of parameters must be.
template <class Config, class Walk, class InPack, class OutPack>
constexpr bool check_mac() {
    using shape = mac_shape<Config>;
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
    static_assert(lane_count<InPack> == Config::Simd, "the input stream carries Simd lanes");
    static_assert(lane_count<OutPack> == Config::Pe, "the output stream carries Pe lanes");
    static_assert(Config::StrideHeight >= 1 && Config::StrideWidth >= 1, "strides are 1 or more");
    static_assert(Config::RingPixels >= smallest_ring<Config, Walk>(),
                  "the ring holds the pixels of every window at once");
    return true;
}

/// The loop. `codebook` is one array or nothing.
template <class Config, class Walk, class In, class Out, class Code, int Words, int Banks, int Values,
          class... Codebook>
void mac_loop(In& in, Out& out, const Code (&weights)[Words][Banks][Values],
              const Codebook&... codebook) {
    GAN2HLS_INLINE
    using shape = mac_shape<Config>;
    using InPack = word_of<In>;
    using OutPack = word_of<Out>;
    using value_type = lane_of<InPack>;
    using frame_index = index_t<shape::frame_words + 1>;
    static_assert(check_mac<Config, Walk, InPack, OutPack>());
    static_assert(Words == shape::out_groups * shape::group_weights,
                  "one weight word per output group, tap and input group");
    static_assert(Banks * Values >= Config::Pe * shape::lanes && (Banks - 1) * Values < Config::Pe * shape::lanes,
                  "a weight word holds Pe * Simd * TapRows * TapCols codes");

    constexpr int x_bits = Config::InBits + (Config::InSigned ? 0 : 1);
    constexpr int product_bits = Config::InBits + Config::WeightBits;
    constexpr int sum_bits = product_bits + ceil_log2(shape::lanes);
    static_assert(sum_bits <= 64 && Config::OutBits <= 64, "C simulation holds sums in 64 bits");

    // A copy for each tap of a block, main pass and remainder pass: each a memory of whole words, of which an iteration
    // writes one and reads one. A step reads only words that were there before, and none of them is overwritten.
    lanes<value_type, Config::Simd> ring[Config::TapRows * Config::TapCols][shape::main_ring];
    GAN2HLS_PACKED(ring)
    GAN2HLS_PARTITION(ring, 1)
    GAN2HLS_RAM_S2P(ring)
    lanes<value_type, max_of(1, shape::rest)> rest_ring[Config::RestRows * Config::RestCols][shape::ring_pixels];
    GAN2HLS_PACKED(rest_ring)
    GAN2HLS_PARTITION(rest_ring, 1)
    GAN2HLS_RAM_S2P(rest_ring)
    using sum_type = exact_t<Config::OutBits, true>;
    sum_type sums[Config::Pe];
    GAN2HLS_REGISTERS(sums)

    GAN2HLS_STATE pixel_queue<Config, Walk> pixels;
    GAN2HLS_STATE mac_walk<Config, Walk> walk(pixels.current);
    GAN2HLS_STATE frame_index loaded = 0;                      // words of the frame that were read
    GAN2HLS_STATE index_t<shape::in_groups> store_group = 0;   // group of input channels of the next word
    GAN2HLS_STATE index_t<shape::main_ring> store_word = 0;    // where it goes if its group is full,
    GAN2HLS_STATE index_t<shape::ring_pixels> store_rest = 0;  // and if it is the remainder
    GAN2HLS_STATE bool first_step = true;
    GAN2HLS_STATE bool done = false;  // all pixels of the frame are computed

    GAN2HLS_LOOP(mac_loop)
    for (long iteration = 0; iteration < Config::Iterations; ++iteration) {
        GAN2HLS_PIPELINE
        GAN2HLS_INDEPENDENT_INTRA(ring)
        GAN2HLS_INDEPENDENT_INTRA(rest_ring)
        // Invariant: the ring holds the words [loaded - ring_words, loaded) of the frame.
        const bool step = !done && loaded >= pixels.current.needs;
        const bool load = loaded < (done ? frame_index(shape::frame_words) : pixels.wanted);
        if (load) {
            const InPack in_word = in.read();
            if (shape::rest == 0 || store_group < shape::full) {
                ring_write(ring, int(store_word), in_word);
                store_word = next_index<shape::main_ring>(store_word);
            } else {
                ring_write(rest_ring, int(store_rest), in_word);
                store_rest = next_index<shape::ring_pixels>(store_rest);
            }
            store_group = next_index<shape::in_groups>(store_group);
            ++loaded;
        }
        if (step) {
            signed_t<x_bits> x[shape::lanes];
            GAN2HLS_REGISTERS(x)
            for (int lane = 0; lane < shape::lanes; ++lane) {
                GAN2HLS_UNROLL
                x[lane] = 0;
            }
            if (walk.in_rest) {
                ring_read<x_bits, Config::RestCols, Config::InWidth, 1>(rest_ring, int(walk.word), int(walk.rows),
                                                                        int(walk.columns), x);
            } else {
                ring_read<x_bits, Config::TapCols, Config::InWidth * shape::full, shape::full>(
                    ring, int(walk.word), int(walk.rows), int(walk.columns), x);
            }
            OutPack y;
            for (int pe = 0; pe < Config::Pe; pe += Config::Packing) {
                GAN2HLS_UNROLL
                signed_t<sum_bits> sum[Config::Packing];
                GAN2HLS_REGISTERS(sum)
                for (int l = 0; l < Config::Packing; ++l) {
                    GAN2HLS_UNROLL
                    sum[l] = 0;
                }
                for (int lane = 0; lane < shape::lanes; ++lane) {
                    GAN2HLS_UNROLL
                    signed_t<Config::WeightBits> w[Config::Packing];
                    signed_t<product_bits> product[Config::Packing];
                    GAN2HLS_REGISTERS(w)
                    GAN2HLS_REGISTERS(product)
                    for (int l = 0; l < Config::Packing; ++l) {
                        GAN2HLS_UNROLL
                        w[l] = 0;
                        const int value = (pe + l) * shape::lanes + lane;
                        if (pe + l < Config::Pe)
                            w[l] = decode_weight<Config::WeightBits>(
                                weights[int(walk.weight)][value / Values][value % Values], codebook...);
                    }
                    packed_multiply<Config::InBits, Config::InSigned, Config::WeightBits, Config::Symmetric>(
                        x[lane], w, product);
                    for (int l = 0; l < Config::Packing; ++l) {
                        GAN2HLS_UNROLL
                        sum[l] += product[l];
                    }
                }
                for (int l = 0; l < Config::Packing; ++l) {
                    GAN2HLS_UNROLL
                    if (pe + l < Config::Pe) {
                        const sum_type before = first_step ? sum_type(0) : sums[pe + l];
                        sums[pe + l] = before + sum[l];
                        set_lane(y, unsigned(pe + l), sums[pe + l]);
                    }
                }
            }
            const bool last_step = walk.last_step();
            if (last_step) out.write(y);
            first_step = last_step;
            const bool pixel_done = last_step && walk.last_group();
            walk.advance(pixels.current, pixels.next);
            if (pixel_done) {
                done = pixels.current.last;
                pixels.advance();
            }
        }
        if (iteration == Config::Iterations - 1) {
            // The next frame begins as this one did; the other registers are there already.
            done = false;
            loaded = 0;
            store_word = 0;
            store_rest = 0;
        }
    }
}

/// The engine of a layer whose codes are its weights.
template <class Config, class Walk, class In, class Out, class Code, int Words, int Banks, int Values>
void mac_engine(In& in, Out& out, const Code (&weights)[Words][Banks][Values]) {
    GAN2HLS_INLINE
    GAN2HLS_SPECIALIZE(weights)
    GAN2HLS_PARTITION(weights, 2)
    GAN2HLS_WORDS(weights, 3)
    GAN2HLS_ROM(weights)
    // a step reads all codes of a word at once, from as many memories as it has banks; none is wider than a tool takes
    static_assert(!Config::UseCodebook, "a layer with a codebook takes it as last argument");
    static_assert(Config::CodeBits == Config::WeightBits, "without a codebook a code is the weight");
    mac_loop<Config, Walk>(in, out, weights);
}

/// The engine of a layer with a codebook.
template <class Config, class Walk, class In, class Out, class Code, int Words, int Banks, int Values,
          class Value, int Entries>
void mac_engine(In& in, Out& out, const Code (&weights)[Words][Banks][Values],
                const Value (&codebook)[Entries][1]) {
    GAN2HLS_INLINE
    GAN2HLS_SPECIALIZE(weights)
    GAN2HLS_PARTITION(weights, 2)
    GAN2HLS_WORDS(weights, 3)
    GAN2HLS_ROM(weights)
    // as above
    GAN2HLS_REGISTERS(codebook)
    // every multiplier looks up its own code in each cycle
    static_assert(Config::UseCodebook, "a layer without a codebook takes none");
    static_assert(Entries == (1 << Config::CodeBits), "the codebook has a value for each code");
    mac_loop<Config, Walk>(in, out, weights, codebook);
}

}  // namespace gan2hls

#endif
