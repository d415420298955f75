// A frame that is always the same, from a memory.
//
// Output: Beats words of Lanes elements, in raster order. Cycles of a frame: Beats.
#ifndef GAN2HLS_CONSTANT_H
#define GAN2HLS_CONSTANT_H

#include "lanes.h"

namespace gan2hls {

template <class Config>
constexpr long constant_trip_count = Config::Beats;

template <class Config, class Out, class Value, int Words, int Lanes>
void constant(Out& out, const Value (&values)[Words][Lanes]) {
    static_assert(lane_count<word_of<Out>> == Config::Lanes, "the stream carries Lanes lanes");
    static_assert(Words == Config::Beats && Lanes == Config::Lanes, "the memory holds a word for each beat");

    GAN2HLS_SPECIALIZE(values)
    GAN2HLS_WORDS(values, 2)
    // whole words in one memory

    GAN2HLS_LOOP(constant_loop)
    for (long beat = 0; beat < constant_trip_count<Config>; ++beat) {
        GAN2HLS_PIPELINE
        word_of<Out> word;
        for (int lane = 0; lane < Lanes; ++lane) {
            GAN2HLS_UNROLL
            set_lane(word, lane, from_rom<Config::Bits + 1>(values[beat][lane]));
        }
        out.write(word);
    }
}

}  // namespace gan2hls

#endif
