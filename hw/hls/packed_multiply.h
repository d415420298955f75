// Several products with one factor in common, out of one hardware multiplier.
//
//     products[l] = x * w[l]  from  x * (w[0] + w[1] * 2^pitch + w[2] * 2^(2 * pitch) + ...),
//     pitch = InBits + WeightBits
//
// A product of an InBits and a WeightBits number fits `pitch` bits, signed, whatever the signs. In the sum a negative
// lane borrows 1 from the next one, which gets back the sign bit of the lane below: exact, no guard bits. The packed
// factor has pitch * (Lanes - 1) + WeightBits + 1 bits, one less where no weight is the most negative (Symmetric).
#ifndef GAN2HLS_PACKED_MULTIPLY_H
#define GAN2HLS_PACKED_MULTIPLY_H

#include "integers.h"
#include "pragmas.h"

namespace gan2hls {

template <int InBits, bool InSigned, int WeightBits, bool Symmetric, int Lanes>
void packed_multiply(const signed_t<InBits + !InSigned>& x, const signed_t<WeightBits> (&w)[Lanes],
                     signed_t<InBits + WeightBits> (&products)[Lanes]) {
    GAN2HLS_INLINE
    // inlined, so that the tool sees one multiplication and its neighbours
    constexpr int pitch = InBits + WeightBits;
    if constexpr (Lanes == 1) {
        products[0] = multiply<pitch>(x, w[0]);
    } else {
        constexpr int factor_bits = pitch * (Lanes - 1) + WeightBits + (Symmetric ? 0 : 1);
        constexpr int product_bits = InBits + !InSigned + factor_bits;
        static_assert(product_bits <= 64, "C simulation holds packed products in 64 bits");

        signed_t<factor_bits> factor = 0;
        for (int lane = Lanes - 1; lane >= 0; --lane) {
            GAN2HLS_UNROLL
            factor = shift_left<factor_bits>(factor, pitch) + w[lane];
        }
        signed_t<product_bits> rest = multiply<product_bits>(x, factor);
        for (int lane = 0; lane < Lanes; ++lane) {
            GAN2HLS_UNROLL
            // Invariant: `rest` is the product from this lane up, what the lanes below borrowed paid back.
            products[lane] = low_bits<pitch>(rest);
            rest = (rest >> pitch) + (products[lane] < 0 ? 1 : 0);
        }
    }
}

}  // namespace gan2hls

#endif
