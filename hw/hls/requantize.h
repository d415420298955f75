// The only place where wide numbers become narrow: per channel c,
//
//     t = x * m[c] + b[c]
//     if Leaky and t < 0:  t = x * mn[c] + bn[c]
//     y = clamp((t + 2^(Shift - 1)) >> Shift, Low, High)        without the rounding term if Shift is 0
//
// The sign of the first t is never computed: t < 0 is (x < threshold[c]) != flip[c], so that one multiplier serves both
// branches. With UseMultiplier = 0 each m[c] is a power of two, 1 or more, and the multiplier memory holds its
// exponent; mn[c] is a multiplier still.
//
// Input and output: Pixels pixels of ceil(Channels / Lanes) words, Lanes channels a word.
// Cycles of a frame: Pixels * ceil(Channels / Lanes).
#ifndef GAN2HLS_REQUANTIZE_H
#define GAN2HLS_REQUANTIZE_H

#include <hls_stream.h>

#include "integers.h"
#include "lanes.h"

namespace gan2hls {

template <class Config>
struct requantize_shape {
    static constexpr int groups = ceil_div(Config::Channels, Config::Lanes);
    static constexpr int x_bits = Config::InBits + (Config::InSigned ? 0 : 1);
    // MultiplierBits are those of m itself, also where the memory holds its exponent; + 2 for the sum and the rounding.
    static constexpr int t_bits = max_of(max_of(x_bits + Config::MultiplierBits, Config::BiasBits), Config::Shift) + 2;
};

template <class Config>
constexpr long requantize_trip_count = long(Config::Pixels) * requantize_shape<Config>::groups;

/// y from t: round half up, shift, saturate.
template <class Config, int Bits>
signed_t<Bits> round_and_clamp(const signed_t<Bits>& t) {
#pragma HLS INLINE
    // inlined: it is a part of the pipelined loop
    constexpr int half_shift = Config::Shift == 0 ? 0 : Config::Shift - 1;
    const signed_t<Bits> half =
        Config::Shift == 0 ? signed_t<Bits>(0) : signed_t<Bits>(signed_t<Bits>(1) << half_shift);
    const signed_t<Bits> shifted = (t + half) >> Config::Shift;
    if (shifted < Config::Low) return Config::Low;
    if (shifted > Config::High) return Config::High;
    return shifted;
}

template <class Config, class InPack, class OutPack, class M, class B, class Mn, class Bn, class Th, class Fl,
          int Groups, int Lanes>
void requantize(hls::stream<InPack>& in, hls::stream<OutPack>& out, const M (&multiplier)[Groups][Lanes],
                const B (&bias)[Groups][Lanes], const Mn (&negative_multiplier)[Groups][Lanes],
                const Bn (&negative_bias)[Groups][Lanes], const Th (&threshold)[Groups][Lanes],
                const Fl (&flip)[Groups][Lanes]) {
    using shape = requantize_shape<Config>;
    static_assert(int(InPack::size) == Config::Lanes, "the input stream carries Lanes lanes");
    static_assert(int(OutPack::size) == Config::Lanes, "the output stream carries Lanes lanes");
    static_assert(Groups == shape::groups, "a memory has ceil(Channels / Lanes) words");
    static_assert(Lanes == Config::Lanes, "a word of a memory has a value for each lane");
    static_assert(Config::MultiplierBits <= 18, "a multiplier fits the narrow port of a DSP block");
    static_assert(Config::Low <= Config::High, "the clamp has a range");
    static_assert(Config::Shift >= 0, "the shift is to the right");

    constexpr int t_bits = shape::t_bits;
    using t_type = signed_t<t_bits>;
    using m_type = signed_t<Config::MultiplierBits>;

#pragma HLS ARRAY_RESHAPE variable=multiplier complete dim=2
#pragma HLS ARRAY_RESHAPE variable=bias complete dim=2
#pragma HLS ARRAY_RESHAPE variable=negative_multiplier complete dim=2
#pragma HLS ARRAY_RESHAPE variable=negative_bias complete dim=2
#pragma HLS ARRAY_RESHAPE variable=threshold complete dim=2
#pragma HLS ARRAY_RESHAPE variable=flip complete dim=2
    // all lanes of a word are read at once

    int group = 0;  // channels [group * Lanes, group * Lanes + Lanes)

requantize_loop:
    for (long beat = 0; beat < requantize_trip_count<Config>; ++beat) {
#pragma HLS PIPELINE II=1
        const InPack x_word = in.read();
        OutPack y;
        for (int lane = 0; lane < Lanes; ++lane) {
#pragma HLS UNROLL
            const signed_t<shape::x_bits> x = get_lane<shape::x_bits>(x_word, lane);
            const bool negative = Config::Leaky && (x < threshold[group][lane]) != (flip[group][lane] != 0);
            t_type t;
            if constexpr (Config::UseMultiplier) {
                const m_type m = negative ? m_type(negative_multiplier[group][lane]) : m_type(multiplier[group][lane]);
                t = multiply<t_bits>(x, m);
            } else {
                t = negative ? multiply<t_bits>(x, negative_multiplier[group][lane])
                             : shift_left<t_bits>(x, int(multiplier[group][lane]));
            }
            t += negative ? t_type(negative_bias[group][lane]) : t_type(bias[group][lane]);
            set_lane(y, lane, round_and_clamp<Config, t_bits>(t));
        }
        out.write(y);
        group = group == shape::groups - 1 ? 0 : group + 1;
    }
}

template <class Config, class InPack, class OutPack, class M, class B, int Groups, int Lanes>
void requantize(hls::stream<InPack>& in, hls::stream<OutPack>& out, const M (&multiplier)[Groups][Lanes],
                const B (&bias)[Groups][Lanes]) {
    static_assert(!Config::Leaky, "a leaky requantize takes all six memories");
    static const rom_t<2, true> none[Groups][Lanes] = {};
    requantize<Config>(in, out, multiplier, bias, none, none, none, none);
}

}  // namespace gan2hls

#endif
