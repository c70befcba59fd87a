// The plain twin of what quantizers of scaled matrices are made of.
#include "cpu/elements.h"
#include "cpu/float8/scaled_rows.h"
#include "cpu/float8/stochastic_rounding.h"

namespace nbit::reference
{
namespace
{

template <class T> void raise(const void* source, const MatrixPart& part, float* largest)
{
    for (int64_t r = 0; r < part.rows; ++r)
        for (int64_t c = 0; c < part.columns; ++c) {
            const float magnitude = std::fabs(to_float(load_element<T>(source, r * part.stride + c)));
            if (magnitude > largest[c]) largest[c] = magnitude;
        }
}

void largest_of_blocks(const float* largest, int64_t count, int64_t size, float* amax)
{
    for (int64_t i = 0; i < count; ++i)
        if (i % size == 0 || largest[i] > amax[i / size]) amax[i / size] = largest[i];
}

template <class Format, class T> void encode(const void* source, int64_t count, const float* factors, uint8_t* codes)
{
    for (int64_t i = 0; i < count; ++i)
        codes[i] = from_float<Format>(to_float(load_element<T>(source, i)) * factors[i]).bits;
}

template <class T>
void encode_stochastically(const void* source, int64_t count, const float* factors, const RandomSequence& random,
                           uint8_t* codes)
{
    for (int64_t i = 0; i < count; ++i)
        codes[i] = rounded_stochastically_to_4_bits(to_float(load_element<T>(source, i)) * factors[i], random.seed,
                                                    random.first + i * random.step)
                       .bits;
}

void pack_pairs(const uint8_t* codes, int64_t count, uint8_t* packed)
{
    for (int64_t i = 0; i < count; ++i)
        packed[i / 2] = static_cast<uint8_t>(i % 2 ? packed[i / 2] | codes[i] << 4 : codes[i]);
}

template <class Format> Format code_at(const uint8_t* codes, int64_t index)
{
    if constexpr (std::same_as<Format, Float4E2M1>)
        return {static_cast<uint8_t>(codes[index / 2] >> (index % 2 * 4) & 15)};
    else
        return {codes[index]};
}

template <class Format, class T> void decode(const uint8_t* codes, int64_t count, const float* scales, void* target)
{
    for (int64_t i = 0; i < count; ++i)
        store_element(target, i, from_float<T>(to_float(code_at<Format>(codes, i)) * scales[i]));
}

void transpose(const uint8_t* source, const MatrixPart& part, uint8_t* target, int64_t target_stride)
{
    for (int64_t r = 0; r < part.rows; ++r)
        for (int64_t c = 0; c < part.columns; ++c)
            target[c * target_stride + r] = source[r * part.stride + c];
}

template <class Format>
constexpr auto encoders = make_format_kernels<EncodeRow>([]<class T> { return encode<Format, T>; });
template <class Format>
constexpr auto decoders = make_format_kernels<DecodeRow>([]<class T> { return decode<Format, T>; });

} // namespace

constinit const ScaledRowsTable scaled_rows = {
    make_format_kernels<RaiseLargest>([]<class T> { return raise<T>; }),
    largest_of_blocks,
    {encoders<Float8E4M3>, encoders<Float8E5M2>, encoders<Float4E2M1>},
    make_format_kernels<EncodeStochastically>([]<class T> { return encode_stochastically<T>; }),
    pack_pairs,
    {decoders<Float8E4M3>, decoders<Float8E5M2>, decoders<Float4E2M1>},
    transpose,
};

} // namespace nbit::reference
