// A function as a table: y = table[x], the address being the two's complement bit pattern of x.
//
// Input and output: Beats words of Lanes elements, element by element. Cycles of a frame: Beats.
#ifndef GAN2HLS_LOOKUP_H
#define GAN2HLS_LOOKUP_H

#include <hls_stream.h>

#include "integers.h"
#include "lanes.h"

namespace gan2hls {

template <class Config>
constexpr long lookup_trip_count = Config::Beats;

template <class Config, class InPack, class OutPack, class Value, int Values>
void lookup(hls::stream<InPack>& in, hls::stream<OutPack>& out, const Value (&table)[Values][1]) {
    static_assert(int(InPack::size) == Config::Lanes, "the input stream carries Lanes lanes");
    static_assert(int(OutPack::size) == Config::Lanes, "the output stream carries Lanes lanes");
    static_assert(Config::InBits <= 12, "a table has 2^12 entries at most");
    static_assert(Values == (1 << Config::InBits), "the table has an entry for each bit pattern of x");

#pragma HLS BIND_STORAGE variable=table type=rom_np
    // each lane reads an entry of its own in every cycle

lookup_loop:
    for (long beat = 0; beat < lookup_trip_count<Config>; ++beat) {
#pragma HLS PIPELINE II=1
        const InPack x_word = in.read();
        OutPack y;
        for (int lane = 0; lane < Config::Lanes; ++lane) {
#pragma HLS UNROLL
            // One bit more, so that an unsigned x keeps its value; the mask leaves the bit pattern.
            const signed_t<Config::InBits + 1> x = get_lane<Config::InBits + 1>(x_word, lane);
            const ap_uint<Config::InBits> address = x;
            set_lane(y, lane, table[unsigned(address)][0]);
        }
        out.write(y);
    }
}

}  // namespace gan2hls

#endif
