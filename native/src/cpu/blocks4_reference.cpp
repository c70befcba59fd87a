// The plain twin of 4-bit block quantization: what every kernel must compute.
#include "cpu/blocks4.h"

#include <algorithm>

namespace nbit::reference
{
namespace
{

template <class Code, class Source>
void quantize(const void* source, int64_t count, int64_t blocksize, float* absmax, uint8_t* packed, bool /*stream*/)
{
    for (int64_t begin = 0; begin < count; begin += blocksize) {
        const int64_t end = std::min(begin + blocksize, count);
        float largest = 0;
        for (int64_t i = begin; i < end; ++i) {
            const float magnitude = std::fabs(to_float(load_element<Source>(source, i)));
            if (std::isnan(magnitude)) largest = std::numeric_limits<float>::quiet_NaN();
            if (magnitude > largest) largest = magnitude;
        }
        absmax[begin / blocksize] = largest;
        for (int64_t i = begin; i < end; ++i) {
            const float value = to_float(load_element<Source>(source, i));
            const uint8_t code = is_special(largest) ? special_code4<Code>(value, largest)
                                                     : Code::encode(value * block_reciprocal(largest));
            if (i % 2 == 0)
                packed[i / 2] = static_cast<uint8_t>(code << 4 | Code::zero);
            else
                packed[i / 2] = static_cast<uint8_t>((packed[i / 2] & 0xf0) | code);
        }
    }
}

template <class Code, class Target>
void dequantize(const uint8_t* packed, const BlockScales& scales, int64_t count, int64_t blocksize, void* target,
                bool /*stream*/)
{
    for (int64_t i = 0; i < count; ++i) {
        const size_t code = i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15;
        const float product = Code::table[code] * scale_of_block(scales, i / blocksize);
        store_element(target, i, from_float<Target>(product));
    }
}

} // namespace

constinit const Blocks4Table blocks4 =
    make_blocks4_table([]<class Code, class Source> { return quantize<Code, Source>; },
                       []<class Code, class Target> { return dequantize<Code, Target>; });

} // namespace nbit::reference
