// Blocks that bitsandbytes' kernels quantize otherwise than NBit does.
//
// They take the largest magnitude with fmaxf, which passes NaN over, and multiply with its reciprocal, which is
// infinite for zeros and denormal numbers and 0 for infinities. The quotient is then NaN, compares with nothing and
// gets the first code. With a map whose first number is out of reach, only such an element gets it: so a kernel of the
// library itself finds them, without the elements leaving the device. The blocks they are in are quantized again by the
// CPU's kernels.
#pragma once
#include "cuda/backend.h"

namespace nbit::cuda
{

class SpecialBlocks
{
public:
    // Looks for them; waits for the device.
    SpecialBlocks(const Launch& launch, const Bitsandbytes& library, const Constants& constants, int32_t type,
                  const void* source, int64_t count, int64_t blocksize);

    // body(first element, elements), for ranges of whole blocks that together hold all special ones. A range has at
    // most so many elements as one copy to the host should have.
    template <class Body> void for_each_range(const Body& body) const
    {
        for (int64_t block = 0; block < blocks_; ++block) {
            if (!is_special(block)) continue;
            const int64_t first = block;
            while (block + 1 < blocks_ && block + 1 - first < most_elements_copied / blocksize_ &&
                   is_special(block + 1))
                ++block;
            const int64_t begin = first * blocksize_;
            body(begin, std::min((block + 1) * blocksize_, count_) - begin);
        }
    }

    static void fill_search_map(float* map);
    static void fill_marking_map(float* map);

private:
    static constexpr int64_t most_elements_copied = 1 << 20;

    bool is_special(int64_t block) const noexcept
    {
        // The reciprocal of a larger number is denormal, which the kernels take for 0
        constexpr float largest = 0x1p126f;
        return marks_.data()[block] != 0 || !(absmax_.data()[block] <= largest);
    }

    int64_t count_, blocksize_, blocks_;
    Scratch<float> marks_, absmax_;
};

} // namespace nbit::cuda
