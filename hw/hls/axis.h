// Between AXI4-Stream beats and words of lanes: lane 0 in the low bits of TDATA, TLAST on the last beat of a frame.
//
// TDATA is the lanes' bits rounded up to bytes; the bits above are 0. Frames are counted, so TLAST of the input is not
// needed and ignored. Cycles of a frame: Beats, on either side.
#ifndef GAN2HLS_AXIS_H
#define GAN2HLS_AXIS_H

#include <ap_axi_sdata.h>

#include "integers.h"
#include "lanes.h"

namespace gan2hls {

/// Bits of TDATA that carry `lanes` lanes of `bits`.
constexpr int axis_bits(int lanes, int bits) { return ceil_div(lanes * bits, 8) * 8; }

template <class Word>
using axis_beat = ap_axiu<axis_bits(lane_count<Word>, lane_bits<Word>), 0, 0, 0>;

template <class Word>
Word unpack_beat(const axis_beat<Word>& beat) {
    GAN2HLS_INLINE
    // wires
    constexpr int bits = lane_bits<Word>;
    Word word;
    for (int lane = 0; lane < lane_count<Word>; ++lane) {
        GAN2HLS_UNROLL
        set_lane(word, lane, bits_at<bits>(beat.data, lane * bits));
    }
    return word;
}

template <class Word>
axis_beat<Word> pack_beat(const Word& word, bool last) {
    GAN2HLS_INLINE
    // wires
    constexpr int bits = lane_bits<Word>;
    axis_beat<Word> beat;
    beat.data = 0;
    for (int lane = 0; lane < lane_count<Word>; ++lane) {
        GAN2HLS_UNROLL
        // One bit more, so that an unsigned lane keeps its value; what is cut off leaves the bit pattern.
        set_bits_at<bits>(beat.data, lane * bits, exact_t<bits, false>(get_lane<bits + 1>(word, lane)));
    }
    beat.keep = -1;
    beat.strb = -1;
    beat.last = last;
    return beat;
}

template <int Beats, class Word, class In, class Out>
void axis_to_lanes(In& in, Out& out) {
    GAN2HLS_LOOP(axis_to_lanes_loop)
    for (long beat = 0; beat < Beats; ++beat) {
        GAN2HLS_PIPELINE
        out.write(unpack_beat<Word>(in.read()));
    }
}

template <int Beats, class Word, class In, class Out>
void lanes_to_axis(In& in, Out& out) {
    GAN2HLS_LOOP(lanes_to_axis_loop)
    for (long beat = 0; beat < Beats; ++beat) {
        GAN2HLS_PIPELINE
        out.write(pack_beat<Word>(in.read(), beat == Beats - 1));
    }
}

}  // namespace gan2hls

#endif
