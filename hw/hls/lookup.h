// A function as a table: y = table[x], the address being the two's complement bit pattern of x.
//
// Input and output: Beats words of Lanes elements, element by element. Cycles of a frame: Beats.
#ifndef GAN2HLS_LOOKUP_H
#define GAN2HLS_LOOKUP_H

#include "integers.h"
#include "lanes.h"

namespace gan2hls {

template <class Config>
constexpr long lookup_trip_count = Config::Beats;

template <class Config, class In, class Out, class Value, int Values>
void lookup(In& in, Out& out, const Value (&table)[Values][1]) {
    static_assert(lane_count<word_of<In>> == Config::Lanes, "the input stream carries Lanes lanes");
    static_assert(lane_count<word_of<Out>> == Config::Lanes, "the output stream carries Lanes lanes");
    static_assert(Config::InBits <= 12, "a table has 2^12 entries at most");
    static_assert(Values == (1 << Config::InBits), "the table has an entry for each bit pattern of x");

    GAN2HLS_SPECIALIZE(table)
    GAN2HLS_ROM_NP(table)
    // each lane reads an entry of its own in every cycle

    GAN2HLS_LOOP(lookup_loop)
    for (long beat = 0; beat < lookup_trip_count<Config>; ++beat) {
        GAN2HLS_PIPELINE
        const word_of<In> x_word = in.read();
        word_of<Out> y;
        for (int lane = 0; lane < Config::Lanes; ++lane) {
            GAN2HLS_UNROLL
            // One bit more, so that an unsigned x keeps its value; what is cut off leaves the bit pattern.
            const signed_t<Config::InBits + 1> x = get_lane<Config::InBits + 1>(x_word, lane);
            const exact_t<Config::InBits, false> address = x;
            set_lane(y, lane, from_rom<Config::OutBits + 1>(table[unsigned(address)][0]));
        }
        out.write(y);
    }
}

}  // namespace gan2hls

#endif
