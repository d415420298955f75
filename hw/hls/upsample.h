// Nearest-neighbour upsampling by integers: y[oy][ox] = x[oy / FactorHeight][ox / FactorWidth], all channels.
//
// Input : InHeight * InWidth pixels in raster order, ceil(Channels / Lanes) words each.
// Output: InHeight * FactorHeight * InWidth * FactorWidth pixels in the same order, words alike.
// Cycles of a frame: the words of the output. A row is kept while it is repeated; without FactorHeight, a pixel.
#ifndef GAN2HLS_UPSAMPLE_H
#define GAN2HLS_UPSAMPLE_H

#include <hls_stream.h>

#include "integers.h"
#include "lanes.h"

namespace gan2hls {

template <class Config>
constexpr long upsample_trip_count = long(Config::InHeight) * Config::FactorHeight * Config::InWidth *
                                     Config::FactorWidth * ceil_div(Config::Channels, Config::Lanes);

template <class Config, class InPack, class OutPack>
void upsample(hls::stream<InPack>& in, hls::stream<OutPack>& out) {
    static_assert(int(InPack::size) == Config::Lanes, "the input stream carries Lanes lanes");
    static_assert(int(OutPack::size) == Config::Lanes, "the output stream carries Lanes lanes");
    static_assert(Config::FactorHeight >= 1 && Config::FactorWidth >= 1, "factors are 1 or more");

    constexpr int groups = ceil_div(Config::Channels, Config::Lanes);
    constexpr int kept_pixels = Config::FactorHeight > 1 ? Config::InWidth : 1;

    InPack kept[kept_pixels * groups];
#pragma HLS AGGREGATE variable=kept compact=bit
    // whole words in one memory, instead of one memory a lane

    int group = 0;   // word of the pixel
    int copy_x = 0;  // output column = column * FactorWidth + copy_x
    int column = 0;
    int copy_y = 0;  // output row = row * FactorHeight + copy_y
    int pixel = 0;   // where in `kept` the pixel's words begin

upsample_loop:
    for (long beat = 0; beat < upsample_trip_count<Config>; ++beat) {
#pragma HLS PIPELINE II=1
        // Invariant: the words of the pixels of this row that were seen before lie in `kept`.
        InPack x_word;
        if (copy_x == 0 && copy_y == 0) {
            x_word = in.read();
            kept[pixel + group] = x_word;
        } else {
            x_word = kept[pixel + group];
        }
        OutPack y;
        for (int lane = 0; lane < Config::Lanes; ++lane) {
#pragma HLS UNROLL
            y[lane] = x_word[lane];
        }
        out.write(y);

        if (group != groups - 1) {
            ++group;
        } else {
            group = 0;
            if (copy_x != Config::FactorWidth - 1) {
                ++copy_x;
            } else {
                copy_x = 0;
                if (column != Config::InWidth - 1) {
                    ++column;
                    if (kept_pixels > 1) pixel += groups;
                } else {
                    column = 0;
                    pixel = 0;
                    copy_y = copy_y == Config::FactorHeight - 1 ? 0 : copy_y + 1;
                }
            }
        }
    }
}

}  // namespace gan2hls

#endif
