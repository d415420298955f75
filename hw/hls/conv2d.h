// Convolution with exact accumulators.
//
//     y[oy][ox][co] = sum over ky, kx, ci of x[iy][ix][ci] * w[ky][kx][ci][co]        where x exists
//     iy = oy * StrideHeight - PadHeight + ky,   ix = ox * StrideWidth - PadWidth + kx
//
// Input : InHeight * InWidth pixels in raster order, ceil(InChannels / Simd) words each, Simd channels a word.
// Output: OutHeight * OutWidth pixels in raster order, ceil(OutChannels / Pe) words each, Pe channels a word.
// Cycles of a frame: the waits for words of a window, plus per output pixel
//     ceil(OutChannels / Pe) * max(1, Full * blocks(TapRows, TapCols) + (Rest > 0 ? blocks(RestRows, RestCols) : 0))
// with blocks(n, m) = ceil(taps(oy) / n) * ceil(taps(ox) / m), Full = floor(InChannels / Simd), Rest the channels left.
#ifndef GAN2HLS_CONV2D_H
#define GAN2HLS_CONV2D_H

#include "mac_engine.h"

namespace gan2hls {

template <class Config>
constexpr long conv2d_trip_count = Config::Iterations;

/// `memories`: the weights, and the codebook of a layer that has one.
template <class Config, class In, class Out, class... Memories>
void conv2d(In& in, Out& out, const Memories&... memories) {
    mac_engine<Config, convolution_walk>(in, out, memories...);
}

}  // namespace gan2hls

#endif
