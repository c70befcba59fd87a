// A way to codes for kernels that can look up memory: cells of floats that hold at most one threshold.
#pragma once
#include "cpu/formats.h"

namespace nbit
{

// The floats from -1 to 1 by their sign, exponent and upper 7 bits of the mantissa. Magnitudes below 2^-22 share the
// first cell of their sign. code(x) = lowest_code[cell of x] + (threshold of that code < x).
struct CodeCells {
    static constexpr int shift = 16, octaves = 22;
    static constexpr uint32_t least = static_cast<uint32_t>(exponent_bias - octaves) << float_mantissa_bits;
    // The products of a block's elements with the reciprocal of its absmax reach the float after 1.
    static constexpr uint32_t of_a_sign = (octaves << (float_mantissa_bits - shift)) + 1;

    bool hold_one_threshold;                // otherwise they are of no use
    uint8_t lowest_code[2 * of_a_sign + 3]; // a vector kernel reads 4 bytes

    // From the 255 thresholds of a code and infinity.
    explicit CodeCells(const float (&thresholds)[256]) noexcept;
};

namespace
{

inline uint32_t code_cell(float scaled)
{
    const uint32_t bits = float_bits(scaled), magnitude = bits & magnitude_mask;
    const uint32_t cell =
        ((magnitude > CodeCells::least ? magnitude : CodeCells::least) - CodeCells::least) >> CodeCells::shift;
    return bits & sign_bit ? cell + CodeCells::of_a_sign : cell;
}

} // namespace

} // namespace nbit
