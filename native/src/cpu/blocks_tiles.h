// What the loops of all block kernels share.
#pragma once
#include "cpu/tiles.h"

namespace nbit
{
namespace
{

// An instruction set brings, for every family of block kernels,
//   vector_bytes, which streaming stores write, and tile_size, the elements of a Tile;
//   Vector and broadcast(number), a factor for elements;
//   absmax_of(elements, count), as absmax_of_elements gives it;
//   prefetch(address) and finish_stream().

inline bool is_aligned(const void* address, int64_t bytes)
{
    return (reinterpret_cast<uintptr_t>(address) & static_cast<uintptr_t>(bytes - 1)) == 0;
}

// A block is read twice, the first time for its absmax. Unless the encoding asks for what that reads next, the memory
// idles meanwhile: one block ahead, and at least a page. Beyond the end it does no harm.
template <class T> class BlockAhead
{
public:
    BlockAhead(const T* source, int64_t count)
        : address_(reinterpret_cast<uintptr_t>(source) +
                   static_cast<uintptr_t>(count * size > page ? count * size : page))
    {
    }
    // For the tile that begins at element i of the block.
    template <class Set> void prefetch(int64_t i) const
    {
        for (int64_t byte = 0; byte < Set::tile_size * size; byte += cache_line)
            Set::prefetch(reinterpret_cast<const void*>(address_ + static_cast<uintptr_t>(i * size + byte)));
    }

private:
    static constexpr int64_t size = sizeof(T), page = 4096;
    uintptr_t address_;
};

} // namespace
} // namespace nbit
