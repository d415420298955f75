// Words of a stream, one a beat: N channels side by side, lane 0 first.
//
// Kernels know streams and words by what they can do. A stream is any class with read() and write(), a word any class
// with `value_type`, `size` and `operator[]`: lanes below, and hls4ml's nnet::array. A lane's integer is seen only
// through lane_integer; fixed_lanes.h has it for ap_fixed and ac_fixed, whose integer is the bit pattern.
#ifndef GAN2HLS_LANES_H
#define GAN2HLS_LANES_H

#include <type_traits>
#include <utility>

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

/// What a stream carries.
template <class Stream>
using word_of = std::decay_t<decltype(std::declval<Stream&>().read())>;

template <class Word>
using lane_of = typename Word::value_type;

template <class Word>
constexpr int lane_count = int(Word::size);

/// Bits of a lane.
template <class Word>
constexpr int lane_bits = lane_of<Word>::width;

/// Whether T has bits behind a binary point: `iwidth` or `i_width` are those before it.
template <class T, class = void>
constexpr bool has_fraction = false;
template <class T>
constexpr bool has_fraction<T, std::void_t<decltype(T::iwidth)>> = true;
template <class T>
constexpr bool has_fraction<T, std::enable_if_t<(T::i_width != T::width)>> = true;

/// How a lane's element holds its integer; this one is for ap_int, ac_int and native integers.
template <class T>
struct lane_integer {
    static_assert(!has_fraction<T>, "include fixed_lanes.h for words of ap_fixed or ac_fixed");

    /// The integer in `lane`, as a signed number of Bits bits.
    template <int Bits>
    static signed_t<Bits> get(const T& lane) {
        GAN2HLS_INLINE
        return static_cast<signed_t<Bits>>(lane);
    }

    /// The element that holds the low bits of `value`.
    template <class Value>
    static T make(const Value& value) {
        GAN2HLS_INLINE
        return static_cast<T>(value);
    }
};

/// Lane `lane` of a word as a signed number of Bits bits.
template <int Bits, class Word>
signed_t<Bits> get_lane(const Word& word, int lane) {
    GAN2HLS_INLINE
    // a wire, which must not become a module of its own
    return lane_integer<lane_of<Word>>::template get<Bits>(word[unsigned(lane)]);
}

/// Store `value` in lane `lane` of a word.
template <class Word, class Value>
void set_lane(Word& word, int lane, const Value& value) {
    GAN2HLS_INLINE
    // for the same reason
    word[unsigned(lane)] = lane_integer<lane_of<Word>>::make(value);
}

}  // namespace gan2hls

#endif
