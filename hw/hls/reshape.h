// The same elements in NHWC order under another shape: pixels of InChannels become pixels of OutChannels.
//
// Input : Elements / InChannels pixels of ceil(InChannels / InLanes) words.
// Output: Elements / OutChannels pixels of ceil(OutChannels / OutLanes) words.
// Cycles of a frame: max(input words, output words) where lanes and channels divide; see repack.h for the rest.
#ifndef GAN2HLS_RESHAPE_H
#define GAN2HLS_RESHAPE_H

#include "repack.h"

namespace gan2hls {

template <class Config>
constexpr long reshape_trip_count = repack_trip_count<Config::Elements, Config::InChannels, Config::OutChannels,
                                                      Config::InLanes, Config::OutLanes>;

template <class Config, class In, class Out>
void reshape(In& in, Out& out) {
    GAN2HLS_INLINE
    // the machine is the process
    static_assert(lane_count<word_of<In>> == Config::InLanes, "the input stream carries InLanes lanes");
    static_assert(lane_count<word_of<Out>> == Config::OutLanes, "the output stream carries OutLanes lanes");
    repack<Config::Elements, Config::InChannels, Config::OutChannels>(in, out);
}

}  // namespace gan2hls

#endif
