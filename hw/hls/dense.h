// Matrix times vector with exact accumulators: the 1x1 convolution of one pixel.
//
//     y[co] = sum over ci of x[ci] * w[ci][co]
//
// Input : ceil(InChannels / Simd) words, Simd channels a word.
// Output: ceil(OutChannels / Pe) words, Pe channels a word.
// Cycles of a frame: ceil(InChannels / Simd) to take x in, then ceil(OutChannels / Pe) * ceil(InChannels / Simd).
#ifndef GAN2HLS_DENSE_H
#define GAN2HLS_DENSE_H

#include "mac_engine.h"

namespace gan2hls {

/// The parameters that a dense layer has not, as those of a convolution.
template <class Config>
struct dense_shape : Config {
    static constexpr int InHeight = 1, InWidth = 1, OutHeight = 1, OutWidth = 1;
    static constexpr int KernelHeight = 1, KernelWidth = 1, StrideHeight = 1, StrideWidth = 1;
    static constexpr int PadHeight = 0, PadWidth = 0;
    static constexpr int TapRows = 1, TapCols = 1, RestRows = 1, RestCols = 1;
};

template <class Config>
constexpr long dense_trip_count = Config::Iterations;

/// `memories`: the weights, and the codebook of a layer that has one.
template <class Config, class In, class Out, class... Memories>
void dense(In& in, Out& out, const Memories&... memories) {
    mac_engine<dense_shape<Config>, convolution_walk>(in, out, memories...);
}

}  // namespace gan2hls

#endif
