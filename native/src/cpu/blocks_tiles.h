// The way of all block kernels through memory: absmax of the blocks, then their tiles.
#pragma once
#include "cpu/absmax.h"
#include "cpu/tiles.h"

#include <algorithm>

namespace nbit
{
namespace
{

// An instruction set brings, for every family of block kernels,
//   vector_bytes, which streaming stores write, and tile_size, the elements of a Tile;
//   absmax_of(elements, count), as absmax_of_elements gives it;
//   scales_of_four(elements, blocksize) of four blocks one after the other, whose sizes are multiples of 32;
//   prefetch(address) and finish_stream().

inline bool is_aligned(const void* address, int64_t bytes)
{
    return (reinterpret_cast<uintptr_t>(address) & static_cast<uintptr_t>(bytes - 1)) == 0;
}

// One block at a time, its absmax is a long chain of instructions that depend on one another; four have it in common.
struct FourScales {
    alignas(16) float absmax[4];
    alignas(16) float reciprocal[4];
    bool any_special; // then nothing else is meant
};

// Blocks are read twice, the first time for their absmax. Unless the encoding asks for what that reads next, the memory
// idles meanwhile: as many elements ahead, and at least a page. Beyond the end it does no harm.
template <class T> class Ahead
{
public:
    Ahead(const T* source, int64_t count)
        : address_(reinterpret_cast<uintptr_t>(source) +
                   static_cast<uintptr_t>(std::max<int64_t>(count * element, page)))
    {
    }
    // For the tile that begins at element i.
    template <class Set> void prefetch(int64_t i) const
    {
        for (int64_t byte = 0; byte < Set::tile_size * element; byte += cache_line)
            Set::prefetch(reinterpret_cast<const void*>(address_ + static_cast<uintptr_t>(i * element + byte)));
    }

private:
    static constexpr int64_t element = sizeof(T), page = 4096;
    uintptr_t address_;
};

// Writes absmax, and hands the elements over:
//   coder.encode(i, first, second), a tile at element i, whose halves have the reciprocals first and second;
//   coder.encode_part(i, count, reciprocal), fewer elements than a tile;
//   coder.encode_special(i, count, absmax), a block whose absmax is infinite or NaN.
// All is one function in the end, so that a coder may keep its state in registers.
template <class Set, class Source, class Coder> class BlockWalk
{
public:
    BlockWalk(const Source* source, int64_t blocksize, float* absmax, Coder& coder)
        : source_(source), blocksize_(blocksize), absmax_(absmax), coder_(coder)
    {
    }

    void quantize(int64_t count)
    {
        int64_t i = 0;
        const bool is_half_a_tile = 2 * blocksize_ == size && blocksize_ >= least_together;
        if (blocksize_ % size == 0 ? blocksize_ <= most_together : is_half_a_tile)
            i = quantize_fours(count / (4 * blocksize_));
        for (; i < count; i += blocksize_)
            quantize_block(i, std::min(blocksize_, count - i));
    }

private:
    static constexpr int64_t size = Set::tile_size;
    static constexpr int64_t least_together = 32;  // what Set::scales_of_four reads at once
    static constexpr int64_t most_together = 1024; // so that tiles are read again from the first-level cache

    // Gives back the element after them. The scales of the next four are found beside the codes of these.
    [[gnu::always_inline]] inline int64_t quantize_fours(int64_t fours)
    {
        const int64_t elements = 4 * blocksize_, end = fours * elements;
        if (fours == 0) return 0;
        FourScales scales = Set::scales_of_four(source_, blocksize_);
        for (int64_t first = 0; first < end; first += elements) {
            const FourScales found = scales;
            if (first + elements < end) scales = Set::scales_of_four(source_ + first + elements, blocksize_);
            if (found.any_special) [[unlikely]] {
                for (int block = 0; block < 4; ++block)
                    quantize_block(first + block * blocksize_, blocksize_);
                continue;
            }
            std::copy_n(found.absmax, 4, absmax_);
            absmax_ += 4;
            encode_four(first, found.reciprocal);
        }
        return end;
    }

    [[gnu::always_inline]] inline void encode_four(int64_t first, const float (&reciprocal)[4])
    {
        const Ahead<Source> ahead(source_ + first, 4 * blocksize_);
        if (blocksize_ < size) {
            for (int block = 0; block < 4; block += 2)
                encode(ahead, first, block * blocksize_, reciprocal[block], reciprocal[block + 1]);
            return;
        }
        for (int64_t block = 0, i = 0; block < 4; ++block)
            for (const int64_t end = i + blocksize_; i < end; i += size)
                encode(ahead, first, i, reciprocal[block], reciprocal[block]);
    }

    [[gnu::always_inline]] inline void quantize_block(int64_t first, int64_t count)
    {
        const float absmax = *absmax_++ = Set::absmax_of(source_ + first, count);
        if (is_special(absmax)) [[unlikely]]
            return coder_.encode_special(first, count, absmax);
        const float reciprocal = block_reciprocal(absmax);
        const Ahead<Source> ahead(source_ + first, count);
        int64_t i = 0;
        for (; i + size <= count; i += size)
            encode(ahead, first, i, reciprocal, reciprocal);
        if (i < count) coder_.encode_part(first + i, count - i, reciprocal);
    }

    [[gnu::always_inline]] inline void encode(const Ahead<Source>& ahead, int64_t first, int64_t i, float first_half,
                                              float second_half)
    {
        ahead.template prefetch<Set>(i);
        coder_.encode(first + i, first_half, second_half);
    }

    const Source* source_;
    int64_t blocksize_;
    float* absmax_;
    Coder& coder_;
};

} // namespace
} // namespace nbit
