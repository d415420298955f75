// Words whose lanes are fixed-point numbers, as hls4ml's are: a kernel's integer is their bit pattern, so that their
// scale, a power of two, is where the binary point stands. Include it before the kernels.
#ifndef GAN2HLS_FIXED_LANES_H
#define GAN2HLS_FIXED_LANES_H

#ifdef GAN2HLS_AC_TYPES
#include <ac_fixed.h>
#else
#include <ap_fixed.h>
#endif

#include "lanes.h"

namespace gan2hls {

#ifdef GAN2HLS_AC_TYPES

template <int Width, int IntegerWidth, bool Signed, ac_q_mode Rounding, ac_o_mode Overflow>
struct lane_integer<ac_fixed<Width, IntegerWidth, Signed, Rounding, Overflow>> {
    using lane_type = ac_fixed<Width, IntegerWidth, Signed, Rounding, Overflow>;

    template <int Bits>
    static signed_t<Bits> get(const lane_type& lane) {
        GAN2HLS_INLINE
        return static_cast<signed_t<Bits>>(lane.template slc<Width>(0));
    }

    template <class Value>
    static lane_type make(const Value& value) {
        GAN2HLS_INLINE
        lane_type lane = 0;
        lane.set_slc(0, static_cast<exact_t<Width, Signed>>(value));
        return lane;
    }
};

#else

/// For both of ap_fixed and ap_ufixed.
template <class Lane, int Width, bool Signed>
struct fixed_lane_integer {
    template <int Bits>
    static signed_t<Bits> get(const Lane& lane) {
        GAN2HLS_INLINE
        exact_t<Width, Signed> bits;
        bits.range(Width - 1, 0) = lane.range(Width - 1, 0);
        return static_cast<signed_t<Bits>>(bits);
    }

    template <class Value>
    static Lane make(const Value& value) {
        GAN2HLS_INLINE
        const exact_t<Width, Signed> bits = static_cast<exact_t<Width, Signed>>(value);
        Lane lane;
        lane.range(Width - 1, 0) = bits.range(Width - 1, 0);
        return lane;
    }
};

template <int Width, int IntegerWidth, ap_q_mode Rounding, ap_o_mode Overflow, int Saturated>
struct lane_integer<ap_fixed<Width, IntegerWidth, Rounding, Overflow, Saturated>>
    : fixed_lane_integer<ap_fixed<Width, IntegerWidth, Rounding, Overflow, Saturated>, Width, true> {};

template <int Width, int IntegerWidth, ap_q_mode Rounding, ap_o_mode Overflow, int Saturated>
struct lane_integer<ap_ufixed<Width, IntegerWidth, Rounding, Overflow, Saturated>>
    : fixed_lane_integer<ap_ufixed<Width, IntegerWidth, Rounding, Overflow, Saturated>, Width, false> {};

#endif

}  // namespace gan2hls

#endif
