// Between AXI4-Stream beats and words of lanes: lane 0 in the low bits of TDATA, TLAST on the last beat of a frame.
//
// TDATA is the lanes' bits rounded up to bytes; the bits above are 0. Frames are counted, so TLAST of the input is not
// needed and ignored. Cycles of a frame: Beats, on either side.
#ifndef GAN2HLS_AXIS_H
#define GAN2HLS_AXIS_H

#include <ap_axi_sdata.h>
#include <ap_int.h>
#include <hls_stream.h>

#include "integers.h"
#include "lanes.h"

namespace gan2hls {

/// Bits of TDATA that carry `lanes` lanes of `bits`.
constexpr int axis_bits(int lanes, int bits) { return ceil_div(lanes * bits, 8) * 8; }

template <class Pack>
constexpr int lane_bits = Pack::value_type::width;

template <class Pack>
using axis_beat = ap_axiu<axis_bits(Pack::size, lane_bits<Pack>), 0, 0, 0>;

template <class Pack>
Pack unpack_beat(const axis_beat<Pack>& beat) {
#pragma HLS INLINE
    // inlined: it is wires
    Pack word;
    for (int lane = 0; lane < int(Pack::size); ++lane) {
#pragma HLS UNROLL
        const ap_uint<lane_bits<Pack>> bits = beat.data.range((lane + 1) * lane_bits<Pack> - 1, lane * lane_bits<Pack>);
        word[lane] = bits;
    }
    return word;
}

template <class Pack>
axis_beat<Pack> pack_beat(const Pack& word, bool last) {
#pragma HLS INLINE
    // inlined: it is wires
    axis_beat<Pack> beat;
    beat.data = 0;
    for (int lane = 0; lane < int(Pack::size); ++lane) {
#pragma HLS UNROLL
        const ap_uint<lane_bits<Pack>> bits = word[lane];
        beat.data.range((lane + 1) * lane_bits<Pack> - 1, lane * lane_bits<Pack>) = bits;
    }
    beat.keep = -1;
    beat.strb = -1;
    beat.last = last;
    return beat;
}

template <int Beats, class Pack>
void axis_to_lanes(hls::stream<axis_beat<Pack>>& in, hls::stream<Pack>& out) {
axis_to_lanes_loop:
    for (long beat = 0; beat < Beats; ++beat) {
#pragma HLS PIPELINE II=1
        out.write(unpack_beat<Pack>(in.read()));
    }
}

template <int Beats, class Pack>
void lanes_to_axis(hls::stream<Pack>& in, hls::stream<axis_beat<Pack>>& out) {
lanes_to_axis_loop:
    for (long beat = 0; beat < Beats; ++beat) {
#pragma HLS PIPELINE II=1
        out.write(pack_beat<Pack>(in.read(), beat == Beats - 1));
    }
}

}  // namespace gan2hls

#endif
