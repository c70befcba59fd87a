#include "cpu/blocks4.h"
#include "abi/arguments4.h"
#include "abi/guard.h"
#include "abi/work.h"
#include "base/cpu.h"
#include "cpu/streaming.h"

#include <algorithm>

using namespace nbit;

namespace
{

const Blocks4Kernels& checked_kernels(int32_t quant_type)
{
    require_quant_type(quant_type);
    return blocks4_of(instruction_set()).of(quant_type);
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

        c.run(operation::QuantizeBlocks4{quant_type, source_type, source, count, blocksize, packed, absmax}, [&] {
            const bool stream = should_stream(codes.bytes);
            share_out(threads_for(c, from.bytes, codes.bytes), count, grain_elements, [&](int64_t begin, int64_t end) {
                kernel(static_cast<const char*>(source) + begin * source_size, end - begin, blocksize,
                       absmax + begin / blocksize, packed + begin / 2, stream);
            });
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
        const AbsmaxArguments given{{absmax, absmax_codes, absmax_book, absmax_offset}};
        given.require_complete();
        const int64_t target_size = data_type_size(target_type), blocks = ceil_divide(count, blocksize);
        const Region to{"target", target, checked_bytes(count, target_size)};
        const Region codes{"packed", packed, ceil_divide(count, 2)};
        const Region scales = given.scale_region(blocks);
        require_memory({to, codes, scales});
        require_disjoint({to}, {codes, scales, given.code_region(blocks), given.book_region(), given.offset_region()});

        c.run(operation::DequantizeBlocks4{quant_type, packed, given, count, blocksize, target_type, target}, [&] {
            const BlockScales all = given.scales();
            const bool stream = should_stream(to.bytes);
            share_out(threads_for(c, codes.bytes, to.bytes), count, grain_elements, [&](int64_t begin, int64_t end) {
                kernel(packed + begin / 2, all.starting_at(begin / blocksize), end - begin, blocksize,
                       static_cast<char*>(target) + begin * target_size, stream);
            });
        });
    });
}
