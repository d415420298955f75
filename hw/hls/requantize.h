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
    GAN2HLS_INLINE
    // a part of the pipelined loop
    constexpr int half_shift = Config::Shift == 0 ? 0 : Config::Shift - 1;
    const signed_t<Bits> half =
        Config::Shift == 0 ? signed_t<Bits>(0) : signed_t<Bits>(signed_t<Bits>(1) << half_shift);
    const signed_t<Bits> shifted = (t + half) >> Config::Shift;
    if (shifted < Config::Low) return Config::Low;
    if (shifted > Config::High) return Config::High;
    return shifted;
}

/// The checks of both forms.
template <class Config, class In, class Out, int Groups, int Lanes>
constexpr void check_requantize() {
    static_assert(lane_count<word_of<In>> == Config::Lanes, "the input stream carries Lanes lanes");
    static_assert(lane_count<word_of<Out>> == Config::Lanes, "the output stream carries Lanes lanes");
    static_assert(Groups == requantize_shape<Config>::groups, "a memory has ceil(Channels / Lanes) words");
    static_assert(Lanes == Config::Lanes, "a word of a memory has a value for each lane");
    static_assert(Config::MultiplierBits <= 18, "a multiplier fits the narrow port of a DSP block");
    static_assert(Config::Low <= Config::High, "the clamp has a range");
    static_assert(Config::Shift >= 0, "the shift is to the right");
}

/// x * 2^m, m from the multiplier memory.
template <class Config, class X, class M>
signed_t<requantize_shape<Config>::t_bits> shift_by(const X& x, const M& m) {
    GAN2HLS_INLINE
    // a part of the loop's body
    constexpr int m_bits = ceil_log2(Config::MultiplierBits) + 1;
    return shift_left<requantize_shape<Config>::t_bits>(x, int(from_rom<m_bits>(m)));
}

template <class Config, class In, class Out, class M, class B, int Groups, int Lanes>
void requantize(In& in, Out& out, const M (&multiplier)[Groups][Lanes], const B (&bias)[Groups][Lanes]) {
    using shape = requantize_shape<Config>;
    static_assert(!Config::Leaky, "a leaky requantize takes all six memories");
    check_requantize<Config, In, Out, Groups, Lanes>();

    GAN2HLS_SPECIALIZE(multiplier)
    GAN2HLS_SPECIALIZE(bias)
    GAN2HLS_WORDS(multiplier, 2)
    GAN2HLS_WORDS(bias, 2)
    // all lanes of a word are read at once

    index_t<Groups> group = 0;  // channels [group * Lanes, group * Lanes + Lanes)

    GAN2HLS_LOOP(requantize_loop)
    for (long beat = 0; beat < requantize_trip_count<Config>; ++beat) {
        GAN2HLS_PIPELINE
        const word_of<In> x_word = in.read();
        word_of<Out> y;
        for (int lane = 0; lane < Lanes; ++lane) {
            GAN2HLS_UNROLL
            const signed_t<shape::x_bits> x = get_lane<shape::x_bits>(x_word, lane);
            signed_t<shape::t_bits> t;
            if constexpr (Config::UseMultiplier) {
                t = multiply<shape::t_bits>(x, from_rom<Config::MultiplierBits>(multiplier[group][lane]));
            } else {
                t = shift_by<Config>(x, multiplier[group][lane]);
            }
            t += from_rom<Config::BiasBits>(bias[group][lane]);
            set_lane(y, lane, round_and_clamp<Config, shape::t_bits>(t));
        }
        out.write(y);
        group = next_index<Groups>(group);
    }
}

template <class Config, class In, class Out, class M, class B, class Mn, class Bn, class Th, class Fl, int Groups,
          int Lanes>
void requantize(In& in, Out& out, const M (&multiplier)[Groups][Lanes], const B (&bias)[Groups][Lanes],
                const Mn (&negative_multiplier)[Groups][Lanes], const Bn (&negative_bias)[Groups][Lanes],
                const Th (&threshold)[Groups][Lanes], const Fl (&flip)[Groups][Lanes]) {
    using shape = requantize_shape<Config>;
    using m_type = signed_t<Config::MultiplierBits>;
    using b_type = signed_t<Config::BiasBits>;
    static_assert(Config::Leaky, "a requantize that is not leaky takes two memories");
    check_requantize<Config, In, Out, Groups, Lanes>();

    GAN2HLS_SPECIALIZE(multiplier)
    GAN2HLS_SPECIALIZE(bias)
    GAN2HLS_SPECIALIZE(negative_multiplier)
    GAN2HLS_SPECIALIZE(negative_bias)
    GAN2HLS_SPECIALIZE(threshold)
    GAN2HLS_SPECIALIZE(flip)
    GAN2HLS_WORDS(multiplier, 2)
    GAN2HLS_WORDS(bias, 2)
    GAN2HLS_WORDS(negative_multiplier, 2)
    GAN2HLS_WORDS(negative_bias, 2)
    GAN2HLS_WORDS(threshold, 2)
    GAN2HLS_WORDS(flip, 2)
    // all lanes of a word are read at once

    index_t<Groups> group = 0;  // channels [group * Lanes, group * Lanes + Lanes)

    GAN2HLS_LOOP(leaky_requantize_loop)
    for (long beat = 0; beat < requantize_trip_count<Config>; ++beat) {
        GAN2HLS_PIPELINE
        const word_of<In> x_word = in.read();
        word_of<Out> y;
        for (int lane = 0; lane < Lanes; ++lane) {
            GAN2HLS_UNROLL
            const signed_t<shape::x_bits> x = get_lane<shape::x_bits>(x_word, lane);
            const bool below = x < from_rom<Config::InBits + 2>(threshold[group][lane]);
            const bool negative = below != (flip[group][lane] != 0);
            const m_type negative_m = from_rom<Config::MultiplierBits>(negative_multiplier[group][lane]);
            signed_t<shape::t_bits> t;
            if constexpr (Config::UseMultiplier) {
                m_type m = from_rom<Config::MultiplierBits>(multiplier[group][lane]);
                if (negative) m = negative_m;
                t = multiply<shape::t_bits>(x, m);
            } else {
                t = shift_by<Config>(x, multiplier[group][lane]);
                if (negative) t = multiply<shape::t_bits>(x, negative_m);
            }
            b_type b = from_rom<Config::BiasBits>(bias[group][lane]);
            if (negative) b = from_rom<Config::BiasBits>(negative_bias[group][lane]);
            t += b;
            set_lane(y, lane, round_and_clamp<Config, shape::t_bits>(t));
        }
        out.write(y);
        group = next_index<Groups>(group);
    }
}

}  // namespace gan2hls

#endif
