// What quantizers of scaled matrices are made of, in portable C++.
#include "cpu/float8/scaled_rows_tiles.h"
#include "cpu/float8/transpose_tiles.h"
#include "cpu/numbers_scalar.h"

namespace nbit::scalar
{
namespace
{

inline uint8_t small_code(Float4E2M1, float value)
{
    const uint32_t bits = float_bits(value), magnitude = bits & magnitude_mask;
    const uint32_t saturated = smaller(magnitude, float_bits(Float4E2M1::largest));
    const uint32_t rounded = round_magnitude<Float4E2M1::mantissa_bits, Float4E2M1::least_exponent>(saturated) & 7;
    return static_cast<uint8_t>(select(is_nan(magnitude), 7, (bits >> 28 & 8) | rounded));
}
template <Float8 Format> uint8_t small_code(Format, float value) { return narrow<Format>(value).bits; }

struct ScaledRowsSet : NumbersSet {
    static Tile larger(const Tile& largest, const Tile& x)
    {
        Tile most;
        for (int64_t i = 0; i < tile_size; ++i) {
            const uint32_t magnitude = float_bits(x.v[i]) & magnitude_mask;
            const uint32_t number = select(is_nan(magnitude), 0, magnitude);
            most.v[i] = bits_float(scalar::larger(float_bits(largest.v[i]), number));
        }
        return most;
    }
    template <class Format> struct Encoder {
        static void encode(const Tile& x, uint8_t* codes)
        {
            for (int64_t i = 0; i < tile_size; ++i)
                codes[i] = small_code(Format{}, x.v[i]);
        }
    };
    template <class Format> struct Decoder {
        static Tile decode(const uint8_t* codes)
        {
            Tile tile;
            for (int64_t i = 0; i < tile_size; ++i)
                if constexpr (Float8<Format>)
                    tile.v[i] = float8_values<Format>.value[codes[i]];
                else
                    tile.v[i] = to_float(Format{static_cast<uint8_t>(codes[i / 2] >> (i % 2 * 4) & 15)});
            return tile;
        }
    };

    static void transpose_band(const uint8_t* source, int64_t stride, TransposedTile& tile, int64_t band)
    {
        for (int64_t c = 0; c < transposed_size; ++c)
            for (int64_t r = 0; r < 16; ++r)
                tile[c][band + r] = source[r * stride + c];
    }
    static void transpose(const uint8_t* source, const MatrixPart& part, uint8_t* target, int64_t target_stride)
    {
        transpose_bytes_in_tiles<ScaledRowsSet>(source, part, target, target_stride);
    }
};

} // namespace

constinit const ScaledRowsTable scaled_rows = make_scaled_rows<ScaledRowsSet>();

} // namespace nbit::scalar
