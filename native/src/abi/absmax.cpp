#include "abi/arguments.h"
#include "abi/codebook8.h"
#include "abi/guard.h"
#include "abi/work.h"
#include "base/cpu.h"
#include "cpu/block_scales.h"
#include "cpu/blocks8.h"
#include "cpu/mean.h"

#include <algorithm>

using namespace nbit;

int32_t nbit_absmax_quantize(nbit_context* context, const nbit_codebook8* book, const float* absmax, int64_t count,
                             int64_t blocksize, const float* given_offset, uint8_t* codes, float* nested_absmax,
                             float* offset)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const Codebook8& code = required(book, "book").book;
        require_power_of_two_blocksize(blocksize);
        const Region from{"absmax", absmax, checked_bytes(count, sizeof(float))};
        const Region given{"given_offset", given_offset, sizeof(float)};
        const Region to{"codes", codes, count};
        const int64_t blocks = ceil_divide(count, blocksize);
        const Region scales{"nested_absmax", nested_absmax, blocks * int64_t{sizeof(float)}};
        const Region mean{"offset", offset, sizeof(float)};
        require_memory({from, to, scales, mean});
        require_disjoint({to, scales, mean}, {from, given});

        const operation::QuantizeAbsmax all{*book,        absmax, count,         blocksize,
                                            given_offset, codes,  nested_absmax, offset};
        c.run(all, [&] {
            const Quantize8 kernel = blocks8_of(instruction_set()).quantize.find(NBIT_DATA_TYPE_FLOAT32);
            const float subtracted = given_offset ? *given_offset : mean_of_finite(absmax, count);
            const int64_t grain = std::max<int64_t>(grain_elements / blocksize, 1);
            share_out(threads_for(c, from.bytes, to.bytes), blocks, grain, [&](int64_t begin, int64_t end) {
                float differences[4096];
                for (int64_t block = begin; block < end; ++block) {
                    const int64_t first = block * blocksize, length = std::min(blocksize, count - first);
                    for (int64_t i = 0; i < length; ++i)
                        differences[i] = absmax[first + i] - subtracted;
                    kernel(code, differences, length, blocksize, codes + first, nested_absmax + block, false);
                }
            });
            *offset = subtracted;
        });
    });
}

int32_t nbit_absmax_dequantize(nbit_context* context, const float* absmax_book, const uint8_t* codes,
                               const float* nested_absmax, const float* offset, int64_t count, int64_t blocksize,
                               float* absmax)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        require_power_of_two_blocksize(blocksize);
        const Region to{"absmax", absmax, checked_bytes(count, sizeof(float))};
        const Region from{"codes", codes, count};
        const Region scales{"nested_absmax", nested_absmax, ceil_divide(count, blocksize) * int64_t{sizeof(float)}};
        const Region book{"absmax_book", absmax_book, 256 * sizeof(float)};
        const Region added{"offset", offset, sizeof(float)};
        require_memory({to, from, scales, book, added});
        require_disjoint({to}, {from, scales, book, added});

        c.run(operation::DequantizeAbsmax{absmax_book, codes, nested_absmax, offset, count, blocksize, absmax}, [&] {
            const NestedBook nested{absmax_book, *offset};
            share_out(threads_for(c, from.bytes, to.bytes), count, grain_elements, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i)
                    absmax[i] = restored(nested, codes[i], nested_absmax[i / blocksize]);
            });
        });
    });
}
