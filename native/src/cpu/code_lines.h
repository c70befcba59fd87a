// A way to codes for kernels that have fast permutes: dynamic maps as straight lines, one a decade.
#pragma once
#include "cpu/formats.h"

namespace nbit
{

// Inside a decade the numbers of a dynamic map are equally spaced, and where two decades meet their lines do: the
// candidate floor(slope[d] * x + offset[d]) is off by much less than a code everywhere. It is made to be the code or
// one more; a comparison with the threshold between the two decides.
//
// The decade is a linear function of the float's bits, a crude logarithm: near a border either line serves.
struct CodeLines {
    bool fit;       // proven when prepared; otherwise they are of no use
    bool is_signed; // the map has negative numbers
    float smallest; // smaller magnitudes are raised to it
    float decade_slope, decade_offset;
    float slope[32], offset[32]; // the offsets contain 2^15, which leaves the candidate in byte 1 of the sum's bits

    // From 256 numbers in rising order and the thresholds of their code.
    CodeLines(const float* values, const float (&thresholds)[256]) noexcept;

private:
    void draw() noexcept;
    bool are_right(float scaled, const float (&thresholds)[256]) const noexcept;
    bool are_right_everywhere(const float (&thresholds)[256]) const noexcept;
    float raised(float scaled) const noexcept;
    int decade(float raised) const noexcept;
    int candidate(float scaled) const noexcept;
};

} // namespace nbit
