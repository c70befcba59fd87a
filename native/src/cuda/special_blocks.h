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
    // What was quantized: blocks of so many elements, and the absmax that the kernel has found for them.
    struct Source {
        int32_t type;
        const void* elements;
        int64_t count, blocksize;
        const float* absmax;
    };

    // Looks for them; waits for the device.
    SpecialBlocks(const Launch& launch, const Bitsandbytes& library, const Constants& constants, const Source& source);

    // body(first element, elements), for ranges of special blocks, which are no longer than what one copy to the host
    // should have unless a single block is.
    template <class Body> void for_each_range(const Body& body) const
    {
        const int64_t most = std::max<int64_t>(most_elements_copied / source_.blocksize, 1);
        for (int64_t block = 0; block < blocks_; ++block) {
            if (!is_special(block)) continue;
            const int64_t first = block;
            while (block + 1 < blocks_ && block + 1 - first < most && is_special(block + 1))
                ++block;
            const int64_t begin = first * source_.blocksize;
            body(begin, std::min((block + 1) * source_.blocksize, source_.count) - begin);
        }
    }

    static void fill_search_map(float* map);
    static void fill_marking_map(float* map);

private:
    static constexpr int64_t most_elements_copied = 1 << 20;

    void mark(const Launch& launch, const Bitsandbytes& library, const Constants& constants);
    bool is_special(int64_t block) const noexcept;

    Source source_;
    int64_t blocks_;
    int64_t marked_blocksize_, marked_blocks_; // of blocks in which an element without a quotient was looked for
    Scratch<float> absmax_, marks_;
};

} // namespace nbit::cuda
