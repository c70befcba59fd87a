// The loops of what quantizers of scaled matrices are made of, for all instruction sets.
#pragma once
#include "cpu/conversions_scalar.h"
#include "cpu/float8/scaled_rows.h"
#include "cpu/random_bits.h"
#include "cpu/tiles.h"

#include <algorithm>
#include <bit>

namespace nbit
{
namespace
{

// An instruction set brings
//   Tile, tile_size elements of float32, load(elements), store(target, tile, stream) and product(tile, tile);
//   larger(largest, x), the larger one of each element and the magnitude of x, which is left out where it is NaN;
//   Encoder<Format>().encode(tile, codes), a byte for each element, and
//   Decoder<Format>().decode(codes), the tile of a code each;
//   transpose(source, part, target, target_stride).

template <SmallFloat Format> constexpr int64_t codes_in_byte = std::same_as<Format, Float4E2M1> ? 2 : 1;

template <class Set, int rows, class T>
void raise_rows(const T* source, int64_t columns, int64_t stride, float* largest)
{
    constexpr int64_t size = Set::tile_size;
    int64_t c = 0;
    for (; c + size <= columns; c += size) {
        auto most = Set::load(largest + c);
        for (int r = 0; r < rows; ++r)
            most = Set::larger(most, Set::load(source + r * stride + c));
        Set::store(largest + c, most, false);
    }
    if (c == columns) return;
    auto most = Set::load(PaddedTile<float, size>(largest + c, columns - c).data);
    for (int r = 0; r < rows; ++r)
        most = Set::larger(most, Set::load(PaddedTile<T, size>(source + r * stride + c, columns - c).data));
    alignas(cache_line) float found[size];
    Set::store(found, most, false);
    std::copy_n(found, columns - c, largest + c);
}

template <class Set, class T> void raise_largest(const void* source, const MatrixPart& part, float* largest)
{
    const auto* row = static_cast<const T*>(source);
    int64_t r = 0;
    constexpr int many = 4; // rows for which the largest are read and written once
    for (; r + many <= part.rows; r += many)
        raise_rows<Set, many>(row + r * part.stride, part.columns, part.stride, largest);
    for (; r < part.rows; ++r)
        raise_rows<Set, 1>(row + r * part.stride, part.columns, part.stride, largest);
}

// What rounded_stochastically_to_4_bits does, without branches, so that the compiler makes vectors of the loops.
constexpr int64_t stochastic_size = 64; // codes at once

inline void make_random_numbers(const RandomSequence& random, int64_t first, float* numbers)
{
    for (int64_t i = 0; i < stochastic_size; ++i) {
        const uint64_t bits = random_bits(random.seed, random.first + (first + i) * random.step);
        numbers[i] = static_cast<float>(static_cast<int32_t>(bits >> 40)) * 0x1p-24f;
    }
}

inline void round_stochastically(const float* values, const float* random, uint8_t* codes)
{
    constexpr int m = Float4E2M1::mantissa_bits;
    for (int64_t i = 0; i < stochastic_size; ++i) {
        const uint32_t bits = float_bits(values[i]), magnitude = bits & magnitude_mask;
        const uint32_t clamped = scalar::smaller(magnitude, float_bits(Float4E2M1::largest));
        // The exponent, at least 0: its power of two divides by a product, which is exact
        const uint32_t power = scalar::larger(clamped & infinity_bits, float_bits(1.0f));
        const float steps = bits_float(clamped) * bits_float(float_bits(2.0f) + float_bits(1.0f) - power);
        const auto whole = static_cast<int32_t>(steps);
        const int32_t up = random[i] < steps - static_cast<float>(whole) ? 1 : 0;
        const uint32_t code =
            ((power - float_bits(1.0f)) >> (float_mantissa_bits - m)) + static_cast<uint32_t>(whole + up);
        codes[i] = static_cast<uint8_t>(scalar::select(scalar::is_nan(magnitude), 7, (bits >> 28 & 8) | code));
    }
}

template <class Set, class T>
void encode_stochastically(const void* elements, int64_t count, const float* factors, const RandomSequence& random,
                           uint8_t* codes)
{
    const auto* source = static_cast<const T*>(elements);
    for (int64_t i = 0; i < count; i += stochastic_size) {
        const int64_t length = std::min(stochastic_size, count - i);
        const PaddedTile<T, stochastic_size> numbers(source + i, length);
        const PaddedTile<float, stochastic_size> scales(factors + i, length);
        alignas(cache_line) float values[stochastic_size], chances[stochastic_size];
        alignas(cache_line) uint8_t found[stochastic_size];
        for (int64_t j = 0; j < stochastic_size; j += Set::tile_size)
            Set::store(values + j, Set::product(Set::load(numbers.data + j), Set::load(scales.data + j)), false);
        make_random_numbers(random, i, chances);
        round_stochastically(values, chances, found);
        std::copy_n(found, length, codes + i);
    }
}

// Magnitudes are in the order of their bits, of which the compiler makes vectors.
inline float largest_of(const float* numbers, int64_t count)
{
    int32_t most = 0;
    for (int64_t i = 0; i < count; ++i)
        most = std::max(most, std::bit_cast<int32_t>(numbers[i]));
    return std::bit_cast<float>(most);
}
template <int64_t size> void largest_of_blocks_of(const float* largest, int64_t count, float* amax)
{
    int64_t i = 0;
    for (; i + size <= count; i += size)
        *amax++ = largest_of(largest + i, size);
    if (i < count) *amax = largest_of(largest + i, count - i);
}
inline void largest_of_blocks(const float* largest, int64_t count, int64_t size, float* amax)
{
    switch (size) { // the usual ones
    case 1:
        std::copy_n(largest, count, amax);
        break;
    case 16:
        largest_of_blocks_of<16>(largest, count, amax);
        break;
    case 32:
        largest_of_blocks_of<32>(largest, count, amax);
        break;
    default:
        for (int64_t i = 0; i < count; i += size)
            *amax++ = largest_of(largest + i, std::min(size, count - i));
    }
}

inline void pack_pairs(const uint8_t* __restrict codes, int64_t count, uint8_t* __restrict packed)
{
    for (int64_t i = 0; i < count / 2; ++i)
        packed[i] = static_cast<uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4);
    if (count % 2) packed[count / 2] = codes[count - 1];
}

template <class Set, class Format, class T>
void encode_row(const void* elements, int64_t count, const float* factors, uint8_t* codes)
{
    constexpr int64_t size = Set::tile_size;
    const auto* source = static_cast<const T*>(elements);
    const typename Set::template Encoder<Format> encoder;
    int64_t i = 0;
    for (; i + size <= count; i += size)
        encoder.encode(Set::product(Set::load(source + i), Set::load(factors + i)), codes + i);
    if (i == count) return;
    const PaddedTile<T, size> last(source + i, count - i);
    const PaddedTile<float, size> last_factors(factors + i, count - i);
    alignas(cache_line) uint8_t found[size];
    encoder.encode(Set::product(Set::load(last.data), Set::load(last_factors.data)), found);
    std::copy_n(found, count - i, codes + i);
}

template <class Set, class Format, class T>
void decode_row(const uint8_t* codes, int64_t count, const float* scales, void* elements)
{
    constexpr int64_t size = Set::tile_size, bytes = size / codes_in_byte<Format>;
    auto* target = static_cast<T*>(elements);
    const typename Set::template Decoder<Format> decoder;
    int64_t i = 0;
    for (; i + size <= count; i += size, codes += bytes)
        Set::store(target + i, Set::product(decoder.decode(codes), Set::load(scales + i)), false);
    if (i == count) return;
    const PaddedTile<uint8_t, bytes> last(codes, (count - i + codes_in_byte<Format> - 1) / codes_in_byte<Format>);
    const PaddedTile<float, size> last_scales(scales + i, count - i);
    alignas(cache_line) T found[size];
    Set::store(found, Set::product(decoder.decode(last.data), Set::load(last_scales.data)), false);
    std::memcpy(static_cast<void*>(target + i), found, static_cast<size_t>(count - i) * sizeof(T));
}

template <class Set> consteval ScaledRowsTable make_scaled_rows()
{
    const auto encoders = []<class Format> {
        return make_format_kernels<EncodeRow>([]<class T> { return encode_row<Set, Format, T>; });
    };
    const auto decoders = []<class Format> {
        return make_format_kernels<DecodeRow>([]<class T> { return decode_row<Set, Format, T>; });
    };
    return {
        make_format_kernels<RaiseLargest>([]<class T> { return raise_largest<Set, T>; }),
        largest_of_blocks,
        {encoders.template operator()<Float8E4M3>(), encoders.template operator()<Float8E5M2>(),
         encoders.template operator()<Float4E2M1>()},
        make_format_kernels<EncodeStochastically>([]<class T> { return encode_stochastically<Set, T>; }),
        pack_pairs,
        {decoders.template operator()<Float8E4M3>(), decoders.template operator()<Float8E5M2>(),
         decoders.template operator()<Float4E2M1>()},
        Set::transpose,
    };
}

} // namespace
} // namespace nbit
