// The machine under reshape and width_converter: the same elements in the same order, under another number of channels
// a pixel and of lanes a word.
//
// Input : pixels of InChannels elements, ceil(InChannels / InLanes) words each; the lanes after a pixel's last element
//         are dropped. Output: pixels of OutChannels elements, ceil(OutChannels / OutLanes) words each.
// In every cycle a word is taken in if the elements at hand do not fill the next output word, and an output word is
// written if they do. The elements at hand run out wherever both pixels end, so the schedule repeats from there,
// without a bubble. Cycles between two such places: repack_cycles; max(input words, output words) where lanes divide.
#ifndef GAN2HLS_REPACK_H
#define GAN2HLS_REPACK_H

#include <hls_stream.h>

#include "integers.h"
#include "lanes.h"

namespace gan2hls {

constexpr int greatest_common_divisor(int a, int b) { return b == 0 ? a : greatest_common_divisor(b, a % b); }

/// Elements of the word that starts `done` elements after the start of a pixel.
constexpr int elements_in_word(int done, int channels, int lanes) { return min_of(lanes, channels - done); }

template <int InChannels, int OutChannels>
constexpr long repack_period = long(InChannels) / greatest_common_divisor(InChannels, OutChannels) * OutChannels;

/// Iterations for one period, by running the schedule on counts alone.
template <int InChannels, int OutChannels, int InLanes, int OutLanes>
constexpr long repack_cycles() {
    long cycles = 0;
    int held = 0, in_done = 0, out_done = 0;
    for (long emitted = 0; emitted < repack_period<InChannels, OutChannels>; ++cycles) {
        const int want = elements_in_word(out_done, OutChannels, OutLanes);
        if (held < want) {
            const int come = elements_in_word(in_done, InChannels, InLanes);
            held += come;
            in_done = in_done + come == InChannels ? 0 : in_done + come;
        }
        if (held >= want) {
            held -= want;
            emitted += want;
            out_done = out_done + want == OutChannels ? 0 : out_done + want;
        }
    }
    return cycles;
}

template <int Elements, int InChannels, int OutChannels, int InLanes, int OutLanes>
constexpr long repack_trip_count = Elements / repack_period<InChannels, OutChannels> *
                                   repack_cycles<InChannels, OutChannels, InLanes, OutLanes>();

template <int Elements, int InChannels, int OutChannels, class InPack, class OutPack>
void repack(hls::stream<InPack>& in, hls::stream<OutPack>& out) {
    constexpr int in_lanes = InPack::size, out_lanes = OutPack::size;
    static_assert(Elements % InChannels == 0 && Elements % OutChannels == 0, "a frame is whole pixels on both sides");
    static_assert(Elements % repack_period<InChannels, OutChannels> == 0, "a frame is whole periods");

    constexpr long trip_count = repack_trip_count<Elements, InChannels, OutChannels, in_lanes, out_lanes>;
    constexpr int capacity = in_lanes + out_lanes - 1;  // a word comes only while fewer than out_lanes are at hand

    typename InPack::value_type elements[capacity];
#pragma HLS ARRAY_PARTITION variable=elements complete
    // all elements move in each cycle

    int held = 0;      // elements at hand, the oldest at 0
    int in_done = 0;   // elements of the input pixel taken in
    int out_done = 0;  // elements of the output pixel written

repack_loop:
    for (long iteration = 0; iteration < trip_count; ++iteration) {
#pragma HLS PIPELINE II=1
        const int want = elements_in_word(out_done, OutChannels, out_lanes);
        if (held < want) {
            const InPack x_word = in.read();
            for (int lane = 0; lane < in_lanes; ++lane) {
#pragma HLS UNROLL
                elements[held + lane] = x_word[lane];  // the pixel's last word: what lies beyond is overwritten
            }
            const int come = elements_in_word(in_done, InChannels, in_lanes);
            held += come;
            in_done = in_done + come == InChannels ? 0 : in_done + come;
        }
        if (held >= want) {
            OutPack y;
            for (int lane = 0; lane < out_lanes; ++lane) {
#pragma HLS UNROLL
                y[lane] = elements[lane];
            }
            out.write(y);
            for (int place = 0; place < capacity; ++place) {
#pragma HLS UNROLL
                if (place + want < capacity) elements[place] = elements[place + want];
            }
            held -= want;
            out_done = out_done + want == OutChannels ? 0 : out_done + want;
        }
    }
}

}  // namespace gan2hls

#endif
