// One stream to several readers: every output gets every word of the input, in order.
//
// Input: Beats words. Each output: the same. Cycles of a frame: Beats. A word waits until each output has room for it.
#ifndef GAN2HLS_STREAM_FORK_H
#define GAN2HLS_STREAM_FORK_H

#include <hls_stream.h>

#include "lanes.h"

namespace gan2hls {

template <class Config>
constexpr long stream_fork_trip_count = Config::Beats;

/// `out` is `hls::stream<Pack>&` for each output.
template <class Config, class Pack, class... Outs>
void stream_fork(hls::stream<Pack>& in, Outs&... out) {
    static_assert(int(sizeof...(Outs)) == Config::Outputs, "there are Outputs output streams");

stream_fork_loop:
    for (long beat = 0; beat < stream_fork_trip_count<Config>; ++beat) {
#pragma HLS PIPELINE II=1
        const Pack word = in.read();
        (out.write(word), ...);
    }
}

}  // namespace gan2hls

#endif
