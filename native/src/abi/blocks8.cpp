#include "cpu/blocks8.h"
#include "abi/arguments.h"
#include "abi/codebook8.h"
#include "abi/guard.h"
#include "abi/work.h"
#include "base/cpu.h"
#include "cpu/streaming.h"

#include <algorithm>

using namespace nbit;

namespace
{

// One block for everything where blocksize is larger, so that sums with it do not overflow.
int64_t checked_blocksize(int64_t blocksize, int64_t count)
{
    if (blocksize < 1)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "blocksize is %lld; allowed are 1 and above (256 is usual, and powers of two from 32 are fast)",
                    static_cast<long long>(blocksize));
    return std::min(blocksize, std::max<int64_t>(count, 1));
}

// Elements of a piece of work: whole blocks.
int64_t grain_of(int64_t blocksize) { return std::max<int64_t>(grain_elements / blocksize, 1) * blocksize; }

} // namespace

int32_t nbit_blocks8_quantize(nbit_context* context, const nbit_codebook8* book, int32_t source_type,
                              const void* source, int64_t count, int64_t blocksize, uint8_t* codes, float* absmax)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const Codebook8& code = required(book, "book").book;
        const Quantize8 kernel = checked_kernel(blocks8_of(instruction_set()).quantize, "source_type", source_type);
        const int64_t size = checked_blocksize(blocksize, count), source_size = data_type_size(source_type);
        const Region from{"source", source, checked_bytes(count, source_size)};
        const Region to{"codes", codes, count};
        const Region scales{"absmax", absmax, checked_bytes(ceil_divide(count, size), sizeof(float))};
        require_memory({from, to, scales});
        require_disjoint({to, scales}, {from});

        c.run(operation::QuantizeBlocks8{*book, source_type, source, count, blocksize, codes, absmax}, [&] {
            const bool stream = should_stream(to.bytes);
            share_out(threads_for(c, from.bytes, to.bytes), count, grain_of(size), [&](int64_t begin, int64_t end) {
                kernel(code, static_cast<const char*>(source) + begin * source_size, end - begin, size, codes + begin,
                       absmax + begin / size, stream);
            });
        });
    });
}

int32_t nbit_blocks8_dequantize(nbit_context* context, const nbit_codebook8* book, const uint8_t* codes,
                                const float* absmax, int64_t count, int64_t blocksize, int32_t target_type,
                                void* target)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const Codebook8& code = required(book, "book").book;
        const Dequantize8 kernel = checked_kernel(blocks8_of(instruction_set()).dequantize, "target_type", target_type);
        const int64_t size = checked_blocksize(blocksize, count), target_size = data_type_size(target_type);
        const Region to{"target", target, checked_bytes(count, target_size)};
        const Region from{"codes", codes, count};
        const Region scales{"absmax", absmax, checked_bytes(ceil_divide(count, size), sizeof(float))};
        require_memory({to, from, scales});
        require_disjoint({to}, {from, scales});

        c.run(operation::DequantizeBlocks8{*book, codes, absmax, count, blocksize, target_type, target}, [&] {
            const bool stream = should_stream(to.bytes);
            share_out(threads_for(c, from.bytes, to.bytes), count, grain_of(size), [&](int64_t begin, int64_t end) {
                kernel(code, codes + begin, absmax + begin / size, end - begin, size,
                       static_cast<char*>(target) + begin * target_size, stream);
            });
        });
    });
}
