// 4-bit block quantization with AVX2.
#include "cpu/blocks4_tiles.h"
#include "cpu/blocks_avx2.h"

namespace nbit::avx2
{
namespace
{

// No permute reaches 16 floats here, so the rank comes from a binary search over the thresholds: each level compares
// with one that the bits found so far select.

inline __m256 above(__m256 x, __m256 threshold) { return _mm256_cmp_ps(x, threshold, _CMP_GT_OQ); }

inline __m256i descend(__m256i node, __m256 above) // 2 node + (x > threshold)
{
    return _mm256_sub_epi32(_mm256_add_epi32(node, node), _mm256_castps_si256(above));
}

inline __m256i first_node(__m256 above) { return _mm256_srli_epi32(_mm256_castps_si256(above), 31); }

template <class Code> class CodeEncoder;

template <> class CodeEncoder<Nf4>
{
public:
    __m256i encode(__m256 x) const
    {
        const __m256 upper = above(x, level0_);
        __m256i node = first_node(upper);
        node = descend(node, above(x, _mm256_blendv_ps(lower_level1_, upper_level1_, upper)));
        node = descend(node, above(x, _mm256_permutevar8x32_ps(level2_, node)));
        return descend(node, above(x, _mm256_permutevar8x32_ps(level3_, node)));
    }
    __m256i finish(__m256i bytes) const { return bytes; }

private:
    static constexpr const auto& t = Nf4::thresholds;
    __m256 level0_ = _mm256_set1_ps(t[7]), lower_level1_ = _mm256_set1_ps(t[3]), upper_level1_ = _mm256_set1_ps(t[11]);
    __m256 level2_ = _mm256_setr_ps(t[1], t[5], t[9], t[13], 0, 0, 0, 0);
    __m256 level3_ = _mm256_setr_ps(t[0], t[2], t[4], t[6], t[8], t[10], t[12], t[14]);
};

template <> class CodeEncoder<Fp4> // ranks the magnitude, and puts the sign in bit 3
{
public:
    __m256i encode(__m256 x) const
    {
        const __m256 magnitude = absolute(x), upper = above(magnitude, level0_);
        __m256i node = first_node(upper);
        node = descend(node, above(magnitude, _mm256_blendv_ps(lower_level1_, upper_level1_, upper)));
        node = descend(node, above(magnitude, _mm256_permutevar8x32_ps(level2_, node)));
        const __m256i negative = _mm256_castps_si256(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ));
        return _mm256_or_si256(node, _mm256_and_si256(negative, _mm256_set1_epi32(Fp4::sign)));
    }
    __m256i finish(__m256i bytes) const { return _mm256_shuffle_epi8(code_of_rank_, bytes); }

private:
    static constexpr const auto& t = Fp4::thresholds;
    __m256 level0_ = _mm256_set1_ps(t[3]), lower_level1_ = _mm256_set1_ps(t[1]), upper_level1_ = _mm256_set1_ps(t[5]);
    __m256 level2_ = _mm256_setr_ps(t[0], t[2], t[4], t[6], 0, 0, 0, 0);
    __m256i code_of_rank_ =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 6, 7, 4, 5, 2, 3, 8, 9, 14, 15, 12, 13, 10, 11));
};

template <class Code> class TileEncoder4
{
public:
    template <class Source> void encode(const Source* x, float first, float second, uint8_t* packed, bool stream) const
    {
        const Tile tile = scaled(load_tile(x), first, second);
        const auto codes = [&](int j) { return encoder_.encode(tile.v[j]); };
        const __m256i bytes =
            _mm256_packus_epi16(_mm256_packs_epi32(codes(0), codes(1)), _mm256_packs_epi32(codes(2), codes(3)));
        const __m256i pairs = _mm256_maddubs_epi16(encoder_.finish(bytes), _mm256_set1_epi16(0x0110));
        const __m128i mixed = _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
        // Undoes the packs' order by lanes
        const __m128i order = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
        auto* target = reinterpret_cast<__m128i*>(packed);
        const __m128i ordered = _mm_shuffle_epi8(mixed, order);
        stream ? _mm_stream_si128(target, ordered) : _mm_storeu_si128(target, ordered);
    }

private:
    CodeEncoder<Code> encoder_;
};

// float16 and bfloat16: the 16 rounded numbers of a block as two tables of bytes.
template <class Target> class TileDecoder4
{
public:
    struct Table {
        __m256i low, high;
    };
    static Table table(const float* numbers, float scale)
    {
        const __m256 factor = _mm256_set1_ps(scale);
        alignas(32) Target rounded[16];
        store16(rounded, _mm256_mul_ps(_mm256_loadu_ps(numbers), factor),
                _mm256_mul_ps(_mm256_loadu_ps(numbers + 8), factor), false);
        const __m256i split = _mm256_shuffle_epi8(
            _mm256_load_si256(reinterpret_cast<const __m256i*>(rounded)),
            _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15)));
        return {_mm256_permute4x64_epi64(split, 0x88), _mm256_permute4x64_epi64(split, 0xdd)};
    }
    void decode(const uint8_t* packed, const Table& table, const Table&, Target* y, bool stream) const
    {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(packed)), half = _mm_set1_epi8(15);
        const __m128i even = _mm_and_si128(_mm_srli_epi16(bytes, 4), half), odd = _mm_and_si128(bytes, half);
        const __m256i index = _mm256_set_m128i(_mm_unpackhi_epi8(even, odd), _mm_unpacklo_epi8(even, odd));
        const __m256i low = _mm256_shuffle_epi8(table.low, index), high = _mm256_shuffle_epi8(table.high, index);
        const __m256i a = _mm256_unpacklo_epi8(low, high), b = _mm256_unpackhi_epi8(low, high);
        store(y, _mm256_permute2x128_si256(a, b, 0x20), stream);
        store(y + 16, _mm256_permute2x128_si256(a, b, 0x31), stream);
    }
};

template <> class TileDecoder4<float>
{
public:
    struct Table {
        __m256 low, high; // codes 0 to 7, 8 to 15
    };
    static Table table(const float* numbers, float scale)
    {
        const __m256 factor = _mm256_set1_ps(scale);
        return {_mm256_mul_ps(_mm256_loadu_ps(numbers), factor), _mm256_mul_ps(_mm256_loadu_ps(numbers + 8), factor)};
    }
    void decode(const uint8_t* packed, const Table& table, const Table&, float* y, bool stream) const
    {
        const __m256i shift = _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24);
        for (int j = 0; j < 4; ++j) {
            const auto eight = load_element<int32_t>(packed, j);
            const __m256i index = _mm256_srlv_epi32(_mm256_set1_epi32(eight), shift); // permutes read the low 3 bits
            const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));
            const __m256 numbers = _mm256_blendv_ps(_mm256_permutevar8x32_ps(table.low, index),
                                                    _mm256_permutevar8x32_ps(table.high, index), upper);
            store(y + 8 * j, _mm256_castps_si256(numbers), stream);
        }
    }
};

struct Blocks4Set : BlocksSet {
    template <class Code> using Encoder4 = TileEncoder4<Code>;
    template <class Target> using Decoder4 = TileDecoder4<Target>;
};

} // namespace

constinit const Blocks4Table blocks4 = make_blocks4_tiles<Blocks4Set>();

} // namespace nbit::avx2
