// The same pixels with another number of lanes a word.
//
// Input : Pixels pixels of ceil(Channels / InLanes) words. Output: the same pixels of ceil(Channels / OutLanes) words.
// Cycles of a frame: Pixels * max(words of an input pixel, words of an output pixel) where one number of lanes divides
// the other; see repack.h for the rest.
#ifndef GAN2HLS_WIDTH_CONVERTER_H
#define GAN2HLS_WIDTH_CONVERTER_H

#include "repack.h"

namespace gan2hls {

template <class Config>
constexpr long width_converter_trip_count = repack_trip_count<Config::Pixels * Config::Channels, Config::Channels,
                                                              Config::Channels, Config::InLanes, Config::OutLanes>;

template <class Config, class In, class Out>
void width_converter(In& in, Out& out) {
    GAN2HLS_INLINE
    // the machine is the process
    static_assert(lane_count<word_of<In>> == Config::InLanes, "the input stream carries InLanes lanes");
    static_assert(lane_count<word_of<Out>> == Config::OutLanes, "the output stream carries OutLanes lanes");
    repack<Config::Pixels * Config::Channels, Config::Channels, Config::Channels>(in, out);
}

}  // namespace gan2hls

#endif
