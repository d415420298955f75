// One stream to several readers: every output gets every word of the input, in order.
//
// Input: Beats words. Each output: the same. Cycles of a frame: Beats. A word waits until each output has room for it.
#ifndef GAN2HLS_STREAM_FORK_H
#define GAN2HLS_STREAM_FORK_H

#include "lanes.h"

namespace gan2hls {

template <class Config>
constexpr long stream_fork_trip_count = Config::Beats;

/// `out` are the streams to the readers.
template <class Config, class In, class... Outs>
void stream_fork(In& in, Outs&... out) {
    static_assert(int(sizeof...(Outs)) == Config::Outputs, "there are Outputs output streams");

    GAN2HLS_LOOP(stream_fork_loop)
    for (long beat = 0; beat < stream_fork_trip_count<Config>; ++beat) {
        GAN2HLS_PIPELINE
        const word_of<In> word = in.read();
        (out.write(word), ...);
    }
}

}  // namespace gan2hls

#endif
