#include "cpu/blocks4.h"
#include "abi/arguments.h"
#include "abi/guard.h"
#include "abi/work.h"
#include "base/cpu.h"
#include "cpu/streaming.h"

#include <algorithm>

using namespace nbit;

namespace
{

void require_quant_type(int32_t quant_type)
{
    if (quant_type != NBIT_QUANT_TYPE_FP4 && quant_type != NBIT_QUANT_TYPE_NF4)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "quant_type is %d; allowed are 1 (fp4) and 2 (nf4)", quant_type);
}

const Blocks4Kernels& checked_kernels(int32_t quant_type)
{
    require_quant_type(quant_type);
    return blocks4_of(instruction_set()).of(quant_type);
}

// Whether absmax is quantized itself: then all three arguments that say how are there, otherwise none.
bool checked_nesting(const uint8_t* absmax_codes, const float* absmax_book, const float* absmax_offset)
{
    if (!absmax_codes && (absmax_book || absmax_offset))
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "%s is given, but absmax_codes is null; give absmax_codes, absmax_book and absmax_offset for a "
                    "quantized absmax, and null for all three otherwise",
                    absmax_book ? "absmax_book" : "absmax_offset");
    if (!absmax_codes) return false;
    require_memory(absmax_book, "absmax_book");
    require_memory(absmax_offset, "absmax_offset");
    return true;
}

} // namespace

int32_t nbit_codebook4_get_values(int32_t quant_type, float* values)
{
    return guarded([&] {
        require_quant_type(quant_type);
        const auto& table = quant_type == NBIT_QUANT_TYPE_NF4 ? Nf4::table : Fp4::table;
        std::copy(table.begin(), table.end(), &required(values, "values"));
    });
}

int32_t nbit_blocks4_quantize(nbit_context* context, int32_t quant_type, int32_t source_type, const void* source,
                              int64_t count, int64_t blocksize, uint8_t* packed, float* absmax)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const Quantize4 kernel = checked_kernel(checked_kernels(quant_type).quantize, "source_type", source_type);
        require_power_of_two_blocksize(blocksize);
        const int64_t source_size = data_type_size(source_type);
        const Region from{"source", source, checked_bytes(count, source_size)};
        const Region codes{"packed", packed, ceil_divide(count, 2)};
        const Region scales{"absmax", absmax, ceil_divide(count, blocksize) * int64_t{sizeof(float)}};
        require_memory({from, codes, scales});
        require_disjoint({codes, scales}, {from});

        const bool stream = should_stream(codes.bytes);
        share_out(threads_for(c, from.bytes, codes.bytes), count, grain_elements, [&](int64_t begin, int64_t end) {
            kernel(static_cast<const char*>(source) + begin * source_size, end - begin, blocksize,
                   absmax + begin / blocksize, packed + begin / 2, stream);
        });
    });
}

int32_t nbit_blocks4_dequantize(nbit_context* context, int32_t quant_type, const uint8_t* packed, const float* absmax,
                                const uint8_t* absmax_codes, const float* absmax_book, const float* absmax_offset,
                                int64_t count, int64_t blocksize, int32_t target_type, void* target)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const Dequantize4 kernel = checked_kernel(checked_kernels(quant_type).dequantize, "target_type", target_type);
        require_power_of_two_blocksize(blocksize);
        const bool nested = checked_nesting(absmax_codes, absmax_book, absmax_offset);
        const int64_t target_size = data_type_size(target_type), blocks = ceil_divide(count, blocksize);
        const Region to{"target", target, checked_bytes(count, target_size)};
        const Region codes{"packed", packed, ceil_divide(count, 2)};
        const int64_t scale_count = nested ? ceil_divide(blocks, nested_blocksize) : blocks;
        const Region scales{"absmax", absmax, scale_count * int64_t{sizeof(float)}};
        const Region scale_codes{"absmax_codes", absmax_codes, blocks};
        const Region book{"absmax_book", absmax_book, 256 * sizeof(float)};
        const Region offset{"absmax_offset", absmax_offset, sizeof(float)};
        require_memory({to, codes, scales});
        require_disjoint({to}, {codes, scales, scale_codes, book, offset});

        const BlockScales all =
            nested ? BlockScales{absmax, absmax_codes, {absmax_book, *absmax_offset}} : BlockScales{absmax};
        const bool stream = should_stream(to.bytes);
        share_out(threads_for(c, codes.bytes, to.bytes), count, grain_elements, [&](int64_t begin, int64_t end) {
            kernel(packed + begin / 2, all.starting_at(begin / blocksize), end - begin, blocksize,
                   static_cast<char*>(target) + begin * target_size, stream);
        });
    });
}
