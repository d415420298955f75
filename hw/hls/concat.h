// The channels of several streams one after the other: each pixel of the output is that of input 0, then that of
// input 1, and so on.
//
// Inputs: Pixels pixels of PixelBeats[i] words of Lanes elements, all full but for the last word of the last input's
// pixel. Output: Pixels pixels of all these words. Cycles of a frame: the words of the output.
#ifndef GAN2HLS_CONCAT_H
#define GAN2HLS_CONCAT_H

#include "integers.h"
#include "lanes.h"

namespace gan2hls {

/// Words of the inputs before input `index` in an output pixel: all of them for Inputs.
template <class Config>
constexpr int concat_beats_before(int index) {
    int beats = 0;
    for (int i = 0; i < index; ++i) beats += Config::PixelBeats[i];
    return beats;
}

/// Words of an output pixel.
template <class Config>
constexpr int concat_pixel_beats = concat_beats_before<Config>(Config::Inputs);

template <class Config>
constexpr long concat_trip_count = long(Config::Pixels) * concat_pixel_beats<Config>;

/// The end of the row of streams: the word that was read leaves.
template <class Config, int Index, class Word, class Out>
void concat_word(int /*beat*/, const Word& word, Out& out) {
    GAN2HLS_INLINE
    // a part of the loop's body
    static_assert(Index == Config::Inputs, "there are Inputs input streams");
    static_assert(std::is_same_v<Word, word_of<Out>>, "words pass as they are");
    out.write(word);
}

/// Reads a word of input Index, the first of `in`, if this beat is one of its own, and goes on with the rest of the
/// streams.
template <class Config, int Index, class Word, class In, class... Rest>
void concat_word(int beat, const Word& before, In& in, Rest&... rest) {
    GAN2HLS_INLINE
    // for the same reason
    static_assert(std::is_same_v<Word, word_of<In>>, "words pass as they are");
    constexpr int first = concat_beats_before<Config>(Index), end = concat_beats_before<Config>(Index + 1);
    Word word = before;
    if (beat >= first && beat < end) word = in.read();
    concat_word<Config, Index + 1>(beat, word, rest...);
}

/// The inputs, then the output.
template <class Config, class In, class... Rest>
void concat(In& in, Rest&... rest) {
    static_assert(lane_count<word_of<In>> == Config::Lanes, "each stream carries Lanes lanes");

    index_t<concat_pixel_beats<Config>> beat = 0;  // word of the output pixel

    GAN2HLS_LOOP(concat_loop)
    for (long count = 0; count < concat_trip_count<Config>; ++count) {
        GAN2HLS_PIPELINE
        concat_word<Config, 0>(int(beat), word_of<In>(), in, rest...);
        beat = next_index<concat_pixel_beats<Config>>(beat);
    }
}

}  // namespace gan2hls

#endif
