// Nearest-neighbour upsampling by integers: y[oy][ox] = x[oy / FactorHeight][ox / FactorWidth], all channels.
//
// Input : InHeight * InWidth pixels in raster order, ceil(Channels / Lanes) words each.
// Output: InHeight * FactorHeight * InWidth * FactorWidth pixels in the same order, words alike.
// Cycles of a frame: the words of the output. A row is kept while it is repeated; without FactorHeight, a pixel.
#ifndef GAN2HLS_UPSAMPLE_H
#define GAN2HLS_UPSAMPLE_H

#include "integers.h"
#include "lanes.h"

namespace gan2hls {

template <class Config>
constexpr long upsample_trip_count = long(Config::InHeight) * Config::FactorHeight * Config::InWidth *
                                     Config::FactorWidth * ceil_div(Config::Channels, Config::Lanes);

template <class Config, class In, class Out>
void upsample(In& in, Out& out) {
    static_assert(lane_count<word_of<In>> == Config::Lanes, "the input stream carries Lanes lanes");
    static_assert(std::is_same_v<word_of<In>, word_of<Out>>, "words pass as they are");
    static_assert(Config::FactorHeight >= 1 && Config::FactorWidth >= 1, "factors are 1 or more");

    constexpr int groups = ceil_div(Config::Channels, Config::Lanes);
    constexpr int kept_pixels = Config::FactorHeight > 1 ? Config::InWidth : 1;
    constexpr int kept_words = kept_pixels * groups;

    word_of<In> kept[kept_words];
    GAN2HLS_PACKED(kept)
    // whole words in one memory, instead of one memory a lane
    GAN2HLS_RAM_S2P(kept)
    // an iteration writes it or reads it, at one address

    index_t<groups> group = 0;                // word of the pixel
    index_t<Config::FactorWidth> copy_x = 0;  // output column = column * FactorWidth + copy_x
    index_t<Config::InWidth> column = 0;
    index_t<Config::FactorHeight> copy_y = 0;  // output row = row * FactorHeight + copy_y
    index_t<kept_words> place = 0;             // where in `kept` the word lies

    GAN2HLS_LOOP(upsample_loop)
    for (long beat = 0; beat < upsample_trip_count<Config>; ++beat) {
        GAN2HLS_PIPELINE
        // Invariant: the words of the pixels of this row that were seen before lie in `kept`.
        const bool fresh = copy_x == 0 && copy_y == 0;
        word_of<In> word;
        if (fresh) {
            word = in.read();
            kept[place] = word;
        } else {
            word = kept[place];
        }
        out.write(word);

        const bool last_group = group == groups - 1, last_copy = copy_x == Config::FactorWidth - 1;
        if (last_group && !last_copy) {
            place = index_t<kept_words>(place - (groups - 1));  // the same pixel again
        } else {
            place = next_index<kept_words>(place);
        }
        if (last_group) {
            if (last_copy) {
                if (column == Config::InWidth - 1) copy_y = next_index<Config::FactorHeight>(copy_y);
                column = next_index<Config::InWidth>(column);
            }
            copy_x = next_index<Config::FactorWidth>(copy_x);
        }
        group = next_index<groups>(group);
    }
}

}  // namespace gan2hls

#endif
