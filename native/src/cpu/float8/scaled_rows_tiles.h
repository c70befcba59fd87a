// The loops of what quantizers of scaled matrices are made of, for all instruction sets.
#pragma once
#include "cpu/float8/scaled_rows.h"
#include "cpu/tiles.h"

#include <algorithm>

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
        {encoders.template operator()<Float8E4M3>(), encoders.template operator()<Float8E5M2>(),
         encoders.template operator()<Float4E2M1>()},
        {decoders.template operator()<Float8E4M3>(), decoders.template operator()<Float8E5M2>(),
         decoders.template operator()<Float4E2M1>()},
        Set::transpose,
    };
}

} // namespace
} // namespace nbit
