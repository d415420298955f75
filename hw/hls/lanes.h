// One beat of a stream: N channels side by side, lane 0 first.
//
// Kernels use of a pack only `value_type`, `size` and `operator[]`, which hls4ml's nnet::array offers as well, and see
// a lane's integer only through lane_integer: specialize it for element types that are not plain integers.
#ifndef GAN2HLS_LANES_H
#define GAN2HLS_LANES_H

#include "integers.h"

namespace gan2hls {

template <class T, int N>
struct lanes {
    static_assert(N >= 1, "a beat has at least one lane");

    using value_type = T;
    static constexpr unsigned size = N;

    T data[N];

    T& operator[](unsigned lane) { return data[lane]; }
    const T& operator[](unsigned lane) const { return data[lane]; }
};

/// How a lane's element holds its integer; this one is for ap_int, ap_uint and native integers.
template <class T>
struct lane_integer {
    /// The integer in `lane`, as a signed number of Bits bits.
    template <int Bits>
    static signed_t<Bits> get(const T& lane) {
        return lane;
    }

    /// The element that holds the low bits of `value`.
    template <class Value>
    static T make(const Value& value) {
        return value;
    }
};

/// Lane `lane` of a pack as a signed number of Bits bits.
template <int Bits, class Pack>
signed_t<Bits> get_lane(const Pack& pack, unsigned lane) {
#pragma HLS INLINE
    // inlined: it is a wire, and must not become a module of its own
    return lane_integer<typename Pack::value_type>::template get<Bits>(pack[lane]);
}

/// Store `value` in lane `lane` of a pack.
template <class Pack, class Value>
void set_lane(Pack& pack, unsigned lane, const Value& value) {
#pragma HLS INLINE
    // inlined for the same reason
    pack[lane] = lane_integer<typename Pack::value_type>::make(value);
}

}  // namespace gan2hls

#endif
