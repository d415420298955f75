// Integer types and the little integer mathematics that all kernels share.
//
// In synthesis each intermediate has exactly the bits that its values need. In C simulation the same values are held in
// the next larger native integer, which is some ten times faster to run and to compile; registers and streams are
// ap_int in both.
#ifndef GAN2HLS_INTEGERS_H
#define GAN2HLS_INTEGERS_H

#include <ap_int.h>

#include <cstdint>
#include <type_traits>

namespace gan2hls {

/// ceil(a / b) for any a and positive b.
constexpr int ceil_div(int a, int b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

/// floor(a / b) for any a and positive b.
constexpr int floor_div(int a, int b) { return -ceil_div(-a, b); }

constexpr int min_of(int a, int b) { return a < b ? a : b; }
constexpr int max_of(int a, int b) { return a > b ? a : b; }

/// Smallest n with 2^n >= value: the bits that a sum of `value` terms grows by.
constexpr int ceil_log2(int value) {
    int bits = 0;
    while ((1L << bits) < value) ++bits;
    return bits;
}

#ifdef __SYNTHESIS__

template <int Bits>
using signed_t = ap_int<Bits>;

template <int Bits, bool Signed>
using rom_t = std::conditional_t<Signed, ap_int<Bits>, ap_uint<Bits>>;

template <int Count>
using index_t = ap_uint<max_of(1, ceil_log2(Count))>;

template <int Bits, class A, class B>
signed_t<Bits> multiply(const A& a, const B& b) {
#pragma HLS INLINE
    // inlined, so that the tool sees one multiplication and its neighbours
    return a * b;
}

template <int Bits, class A>
signed_t<Bits> shift_left(const A& a, int places) {
#pragma HLS INLINE
    // inlined for the same reason
    return signed_t<Bits>(a) << places;
}

template <int Bits, class A>
signed_t<Bits> low_bits(const A& a) {
#pragma HLS INLINE
    // inlined for the same reason
    return a;
}

#else

/// A signed number of at least Bits bits that never overflows by the caller's proof: an intermediate result.
template <int Bits>
using signed_t =
    std::conditional_t<(Bits <= 32), std::int32_t, std::conditional_t<(Bits <= 64), std::int64_t, ap_int<Bits>>>;

/// An element of a constant memory. As native integers 200,000 of them compile in a second, as ap_int in minutes.
template <int Bits, bool Signed>
using rom_t = std::conditional_t<
    (Bits <= 8), std::conditional_t<Signed, std::int8_t, std::uint8_t>,
    std::conditional_t<(Bits <= 16), std::conditional_t<Signed, std::int16_t, std::uint16_t>,
                       std::conditional_t<(Bits <= 32), std::conditional_t<Signed, std::int32_t, std::uint32_t>,
                                          std::conditional_t<Signed, std::int64_t, std::uint64_t>>>>;

/// An index into Count things: 0 to Count - 1, state in the bits that it needs.
template <int Count>
using index_t = int;

/// a * b, exact in Bits bits; in synthesis with operands of their own widths, so that no DSP block is wasted.
template <int Bits, class A, class B>
signed_t<Bits> multiply(const A& a, const B& b) {
    return signed_t<Bits>(a) * signed_t<Bits>(b);
}

/// a * 2^places, exact in Bits bits. C++17 leaves a shift of negative numbers undefined, hence the product.
template <int Bits, class A>
signed_t<Bits> shift_left(const A& a, int places) {
    return signed_t<Bits>(a) * (signed_t<Bits>(1) << places);
}

/// The lowest Bits bits of a, up to 63, as a signed number.
template <int Bits, class A>
signed_t<Bits> low_bits(const A& a) {
    constexpr std::int64_t sign = std::int64_t(1) << (Bits - 1);
    return signed_t<Bits>(((a & (2 * sign - 1)) ^ sign) - sign);
}

#endif

/// The index after `index`, round in a circle.
template <int Count>
index_t<Count> next_index(const index_t<Count>& index) {
    if (index == Count - 1) return 0;
    return index_t<Count>(index + 1);
}

}  // namespace gan2hls

#endif
