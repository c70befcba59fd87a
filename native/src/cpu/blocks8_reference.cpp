// The plain twin of 8-bit block quantization: what every kernel must compute.
#include "cpu/blocks8.h"

#include <algorithm>

namespace nbit::reference
{
namespace
{

template <class Source>
void quantize(const Codebook8& book, const void* source, int64_t count, int64_t blocksize, uint8_t* codes,
              float* absmax, bool /*stream*/)
{
    const auto value = [&](int64_t i) { return to_float(load_element<Source>(source, i)); };
    for (int64_t begin = 0; begin < count; begin += blocksize) {
        const int64_t end = std::min(begin + blocksize, count);
        float largest = 0;
        for (int64_t i = begin; i < end; ++i) {
            if (std::isnan(value(i))) largest = std::numeric_limits<float>::quiet_NaN();
            if (std::fabs(value(i)) > largest) largest = std::fabs(value(i));
        }
        absmax[begin / blocksize] = largest;
        for (int64_t i = begin; i < end; ++i)
            codes[i] = is_special(largest) ? special_code8(book, value(i), largest)
                                           : nearest_code(book.value, value(i) * block_reciprocal(largest));
    }
}

template <class Target>
void dequantize(const Codebook8& book, const uint8_t* codes, const float* absmax, int64_t count, int64_t blocksize,
                void* target, bool /*stream*/)
{
    for (int64_t i = 0; i < count; ++i)
        store_element(target, i, from_float<Target>(book.value[codes[i]] * absmax[i / blocksize]));
}

} // namespace

constinit const Blocks8Table blocks8 = {make_format_kernels<Quantize8>([]<class T> { return quantize<T>; }),
                                        make_format_kernels<Dequantize8>([]<class T> { return dequantize<T>; })};

} // namespace nbit::reference
