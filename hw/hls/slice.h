// Some of the channels of each pixel: Start to Stop - 1, the others dropped.
//
// Input : Pixels pixels of ceil(Channels / Lanes) words. Output: Pixels pixels of ceil((Stop - Start) / Lanes) words.
// Lanes divides Start, so that words pass as they are or not at all; in the last one the lanes beyond Stop are padding.
// Cycles of a frame: the words of the input.
#ifndef GAN2HLS_SLICE_H
#define GAN2HLS_SLICE_H

#include "integers.h"
#include "lanes.h"

namespace gan2hls {

template <class Config>
constexpr long slice_trip_count = long(Config::Pixels) * ceil_div(Config::Channels, Config::Lanes);

template <class Config, class In, class Out>
void slice(In& in, Out& out) {
    static_assert(lane_count<word_of<In>> == Config::Lanes, "both streams carry Lanes lanes");
    static_assert(std::is_same_v<word_of<In>, word_of<Out>>, "words pass as they are");
    static_assert(Config::Start < Config::Stop && Config::Stop <= Config::Channels, "there are such channels");
    static_assert(Config::Start % Config::Lanes == 0, "Lanes divides Start");

    constexpr int beats = ceil_div(Config::Channels, Config::Lanes);
    constexpr int first = Config::Start / Config::Lanes;
    constexpr int last = ceil_div(Config::Stop, Config::Lanes) - 1;

    index_t<beats> beat = 0;  // word of the pixel

    GAN2HLS_LOOP(slice_loop)
    for (long count = 0; count < slice_trip_count<Config>; ++count) {
        GAN2HLS_PIPELINE
        const word_of<In> word = in.read();
        if (beat >= first && beat <= last) out.write(word);
        beat = next_index<beats>(beat);
    }
}

}  // namespace gan2hls

#endif
