// Sum, or difference, of several streams: y = x[0] + x[1] + …; with Subtract y = x[0] - x[1] - …; exact in OutBits.
//
// Inputs and output: Beats words of Lanes elements, element by element. Cycles of a frame: Beats.
#ifndef GAN2HLS_ADD_H
#define GAN2HLS_ADD_H

#include "integers.h"
#include "lanes.h"

namespace gan2hls {

template <class Config>
constexpr long add_trip_count = Config::Beats;

/// The sum in a lane; one bit more than the result, so that an unsigned one keeps its value.
template <class Config>
using add_sum = signed_t<Config::OutBits + 1>;

/// The end of the row of streams: what came together leaves.
template <class Config, int Index, class Out>
void add_word(add_sum<Config> (&sums)[Config::Lanes], Out& out) {
    GAN2HLS_INLINE
    // a part of the loop's body
    static_assert(Index == Config::Inputs, "there are Inputs input streams");
    static_assert(lane_count<word_of<Out>> == Config::Lanes, "the output stream carries Lanes lanes");
    word_of<Out> y;
    for (int lane = 0; lane < Config::Lanes; ++lane) {
        GAN2HLS_UNROLL
        set_lane(y, lane, sums[lane]);
    }
    out.write(y);
}

/// Adds a word of input Index, the first of `in`, and goes on with the rest of the streams.
template <class Config, int Index, class In, class Next, class... Rest>
void add_word(add_sum<Config> (&sums)[Config::Lanes], In& in, Next& next, Rest&... rest) {
    GAN2HLS_INLINE
    // for the same reason
    static_assert(lane_count<word_of<In>> == Config::Lanes, "each input stream carries Lanes lanes");
    const word_of<In> x_word = in.read();
    for (int lane = 0; lane < Config::Lanes; ++lane) {
        GAN2HLS_UNROLL
        const signed_t<Config::InBits + 1> x = get_lane<Config::InBits + 1>(x_word, lane);
        if constexpr (Config::Subtract != 0 && Index > 0) {
            sums[lane] -= x;
        } else {
            sums[lane] += x;
        }
    }
    add_word<Config, Index + 1>(sums, next, rest...);
}

/// The inputs, then the output.
template <class Config, class... Streams>
void add(Streams&... streams) {
    GAN2HLS_LOOP(add_loop)
    for (long beat = 0; beat < add_trip_count<Config>; ++beat) {
        GAN2HLS_PIPELINE
        add_sum<Config> sums[Config::Lanes];
        GAN2HLS_REGISTERS(sums)
        for (int lane = 0; lane < Config::Lanes; ++lane) {
            GAN2HLS_UNROLL
            sums[lane] = 0;
        }
        add_word<Config, 0>(sums, streams...);
    }
}

}  // namespace gan2hls

#endif
