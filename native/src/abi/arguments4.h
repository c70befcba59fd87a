// Checks of the arguments that exports for 4-bit codes share.
#pragma once
#include "abi/arguments.h"
#include "abi/operations.h"
#include "cpu/block_scales.h"

namespace nbit
{

inline void require_quant_type(int32_t quant_type)
{
    if (quant_type != NBIT_QUANT_TYPE_FP4 && quant_type != NBIT_QUANT_TYPE_NF4)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "quant_type is %d; allowed are 1 (fp4) and 2 (nf4)", quant_type);
}

// The absmax of blocks, which may be quantized itself: then all three arguments that say how are there, otherwise none.
struct AbsmaxArguments : operation::BlockAbsmax {
    void require_complete() const
    {
        if (!codes && (book || offset))
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "%s is given, but absmax_codes is null; give absmax_codes, absmax_book and absmax_offset for a "
                        "quantized absmax, and null for all three otherwise",
                        book ? "absmax_book" : "absmax_offset");
        if (!codes) return;
        require_memory(book, "absmax_book");
        require_memory(offset, "absmax_offset");
    }

    Region scale_region(int64_t blocks) const
    {
        const int64_t count = codes ? ceil_divide(blocks, nested_blocksize) : blocks;
        return {"absmax", absmax, count * int64_t{sizeof(float)}};
    }
    Region code_region(int64_t blocks) const { return {"absmax_codes", codes, blocks}; }
    Region book_region() const { return {"absmax_book", book, 256 * sizeof(float)}; }
    Region offset_region() const { return {"absmax_offset", offset, sizeof(float)}; }

    // Reads the offset, so memory is checked before. For the CPU.
    BlockScales scales() const
    {
        if (!codes) return BlockScales{absmax};
        return BlockScales{absmax, codes, {book, *offset}};
    }
};

} // namespace nbit
