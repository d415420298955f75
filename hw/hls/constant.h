// A frame that is always the same, from a memory.
//
// Output: Beats words of Lanes elements, in raster order. Cycles of a frame: Beats.
#ifndef GAN2HLS_CONSTANT_H
#define GAN2HLS_CONSTANT_H

#include <hls_stream.h>

#include "lanes.h"

namespace gan2hls {

template <class Config>
constexpr long constant_trip_count = Config::Beats;

template <class Config, class Pack, class Value, int Words, int Lanes>
void constant(hls::stream<Pack>& out, const Value (&values)[Words][Lanes]) {
    static_assert(int(Pack::size) == Config::Lanes, "the stream carries Lanes lanes");
    static_assert(Words == Config::Beats && Lanes == Config::Lanes, "the memory holds a word for each beat");

#pragma HLS ARRAY_RESHAPE variable=values complete dim=2
    // whole words in one memory

constant_loop:
    for (long beat = 0; beat < constant_trip_count<Config>; ++beat) {
#pragma HLS PIPELINE II=1
        Pack word;
        for (int lane = 0; lane < Config::Lanes; ++lane) {
#pragma HLS UNROLL
            set_lane(word, lane, values[beat][lane]);
        }
        out.write(word);
    }
}

}  // namespace gan2hls

#endif
