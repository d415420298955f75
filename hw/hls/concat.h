// The channels of several streams one after the other: each pixel of the output is that of input 0, then that of
// input 1, and so on.
//
// Inputs: Pixels pixels of PixelBeats[i] words of Lanes elements, all full but for the last word of the last input's
// pixel. Output: Pixels pixels of all these words. Cycles of a frame: the words of the output.
#ifndef GAN2HLS_CONCAT_H
#define GAN2HLS_CONCAT_H

#include <hls_stream.h>

#include "lanes.h"

namespace gan2hls {

/// Words of an output pixel.
template <class Config>
constexpr long concat_pixel_beats() {
    long beats = 0;
    for (int i = 0; i < Config::Inputs; ++i) beats += Config::PixelBeats[i];
    return beats;
}

template <class Config>
constexpr long concat_trip_count = Config::Pixels * concat_pixel_beats<Config>();

/// The end of the row of streams: a word of the selected input leaves.
template <class Config, int Index, class Pack>
void concat_word(int selected, const Pack& word, hls::stream<Pack>& out) {
#pragma HLS INLINE
    // inlined: it is a part of the loop's body
    static_assert(Index == Config::Inputs, "there are Inputs input streams");
    (void)selected;
    out.write(word);
}

/// Reads a word of input Index, the first of `in`, if it is selected, and goes on with the rest of the streams.
template <class Config, int Index, class Pack, class... Rest>
void concat_word(int selected, const Pack& before, hls::stream<Pack>& in, Rest&... rest) {
#pragma HLS INLINE
    // inlined for the same reason
    Pack word = before;
    if (selected == Index) word = in.read();
    concat_word<Config, Index + 1>(selected, word, rest...);
}

/// `in` and `rest` are `hls::stream<Pack>&` for each input, then for the output.
template <class Config, class Pack, class... Rest>
void concat(hls::stream<Pack>& in, Rest&... rest) {
    static_assert(int(Pack::size) == Config::Lanes, "each stream carries Lanes lanes");

    int selected = 0;
    int left = Config::PixelBeats[0] - 1;  // words of its pixel that follow the next one

concat_loop:
    for (long beat = 0; beat < concat_trip_count<Config>; ++beat) {
#pragma HLS PIPELINE II=1
        concat_word<Config, 0>(selected, Pack(), in, rest...);
        if (left != 0) {
            --left;
        } else {
            selected = selected == Config::Inputs - 1 ? 0 : selected + 1;
            left = Config::PixelBeats[selected] - 1;
        }
    }
}

}  // namespace gan2hls

#endif
