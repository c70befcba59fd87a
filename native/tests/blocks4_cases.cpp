#include "blocks4_cases.h"

namespace nbit::test
{

const std::vector<Code4>& codes4()
{
    static const std::vector<Code4> all = {
        {"fp4",
         NBIT_QUANT_TYPE_FP4,
         {Fp4::table.begin(), Fp4::table.end()},
         {Fp4::thresholds.begin(), Fp4::thresholds.end()}},
        {"nf4",
         NBIT_QUANT_TYPE_NF4,
         {Nf4::table.begin(), Nf4::table.end()},
         {Nf4::thresholds.begin(), Nf4::thresholds.end()}},
    };
    return all;
}

Quantized4 quantize(const Blocks4Kernels& kernels, int32_t type, const Bytes& source, int64_t blocksize, bool stream)
{
    const int64_t count = static_cast<int64_t>(source.size()) / data_type_size(type);
    Quantized4 result{Bytes(static_cast<size_t>((count + 1) / 2)),
                      std::vector<float>(static_cast<size_t>((count + blocksize - 1) / blocksize))};
    kernels.quantize.find(type)(source.data(), count, blocksize, result.absmax.data(), result.packed.data(), stream);
    return result;
}

Bytes dequantize(const Blocks4Kernels& kernels, const Quantized4& quantized, int32_t type, int64_t count,
                 int64_t blocksize, bool stream)
{
    Bytes target(static_cast<size_t>(count * data_type_size(type)));
    kernels.dequantize.find(type)(quantized.packed.data(), BlockScales{quantized.absmax.data()}, count, blocksize,
                                  target.data(), stream);
    return target;
}

std::vector<float> numbers_near_changes(const Code4& code)
{
    std::vector<float> quotients, numbers;
    for (const auto* list : {&code.values, &code.thresholds})
        for (const float x : *list) {
            add_with_neighbours(quotients, x);
            add_with_neighbours(quotients, -x);
        }
    for (const float absmax : {1.0f, 4.0f, 3.0f, 0.37f, 1e-20f, 3e38f, 1e-39f})
        for (const float quotient : quotients) {
            if (numbers.size() % 64 == 0) numbers.push_back(absmax);
            numbers.push_back(std::fmin(std::fmax(quotient * absmax, -absmax), absmax));
        }
    return numbers;
}

int code_at(const Bytes& packed, int64_t index)
{
    const int pair = packed[static_cast<size_t>(index / 2)];
    return index % 2 == 0 ? pair >> 4 : pair & 15;
}

testing::AssertionResult same(const Quantized4& expected, const Quantized4& found)
{
    if (const auto absmax = same_bytes(bytes_of(expected.absmax), bytes_of(found.absmax)); !absmax)
        return testing::AssertionFailure() << "absmax: " << absmax.message();
    if (const auto packed = same_bytes(expected.packed, found.packed); !packed)
        return testing::AssertionFailure() << "packed: " << packed.message();
    return testing::AssertionSuccess();
}

} // namespace nbit::test
