// Sum, or difference, of several streams: y = x[0] + x[1] + …; with Subtract y = x[0] - x[1] - …; exact in OutBits.
//
// Inputs and output: Beats words of Lanes elements, element by element. Cycles of a frame: Beats.
#ifndef GAN2HLS_ADD_H
#define GAN2HLS_ADD_H

#include <hls_stream.h>

#include "integers.h"
#include "lanes.h"

namespace gan2hls {

template <class Config>
constexpr long add_trip_count = Config::Beats;

/// Sums of the lanes; one bit more than the result, so that an unsigned one keeps its value.
template <class Config>
using add_sums = lanes<signed_t<Config::OutBits + 1>, Config::Lanes>;

/// The end of the row of streams: what came together leaves.
template <class Config, int Index, class OutPack>
void add_word(const add_sums<Config>& sums, hls::stream<OutPack>& out) {
#pragma HLS INLINE
    // inlined: it is a part of the loop's body
    static_assert(Index == Config::Inputs, "there are Inputs input streams");
    static_assert(int(OutPack::size) == Config::Lanes, "the output stream carries Lanes lanes");
    OutPack y;
    for (int lane = 0; lane < Config::Lanes; ++lane) {
#pragma HLS UNROLL
        set_lane(y, lane, sums[lane]);
    }
    out.write(y);
}

/// Adds a word of input Index, the first of `in`, and goes on with the rest of the streams.
template <class Config, int Index, class InPack, class... Rest>
void add_word(const add_sums<Config>& before, hls::stream<InPack>& in, Rest&... rest) {
#pragma HLS INLINE
    // inlined for the same reason
    static_assert(int(InPack::size) == Config::Lanes, "each input stream carries Lanes lanes");
    const InPack x_word = in.read();
    add_sums<Config> sums;
    for (int lane = 0; lane < Config::Lanes; ++lane) {
#pragma HLS UNROLL
        const signed_t<Config::InBits + 1> x = get_lane<Config::InBits + 1>(x_word, lane);
        if constexpr (Config::Subtract != 0 && Index > 0) {
            sums[lane] = before[lane] - x;
        } else {
            sums[lane] = before[lane] + x;
        }
    }
    add_word<Config, Index + 1>(sums, rest...);
}

/// `streams` is `hls::stream<InPack>&` for each input, then `hls::stream<OutPack>&` for the output.
template <class Config, class... Streams>
void add(Streams&... streams) {
add_loop:
    for (long beat = 0; beat < add_trip_count<Config>; ++beat) {
#pragma HLS PIPELINE II=1
        add_sums<Config> sums;
        for (int lane = 0; lane < Config::Lanes; ++lane) {
#pragma HLS UNROLL
            sums[lane] = 0;
        }
        add_word<Config, 0>(sums, streams...);
    }
}

}  // namespace gan2hls

#endif
