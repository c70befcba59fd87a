// Codes of 256 numbers with AVX2: 32 of them to and from a tile.
#pragma once
#include "cpu/blocks_avx2.h"
#include "cpu/codebook8.h"

namespace nbit::avx2
{
namespace
{

// Undoes the packs' order by lanes.
inline __m256i packed_codes(const __m256i (&codes)[4])
{
    const __m256i bytes =
        _mm256_packus_epi16(_mm256_packus_epi32(codes[0], codes[1]), _mm256_packus_epi32(codes[2], codes[3]));
    return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

// One more where the threshold is below.
inline __m256i step_over(__m256i code, __m256 x, __m256 threshold)
{
    return _mm256_sub_epi32(code, _mm256_castps_si256(_mm256_cmp_ps(x, threshold, _CMP_GT_OQ)));
}

// Both encoders find codes of a tile at once: gathers have no long chain to hide.
template <class Finder> class GatheringEncoder8
{
public:
    explicit GatheringEncoder8(const Codebook8& book) : finder_(book) {}
    __m256i start(const Tile& x) const
    {
        const __m256i codes[4] = {finder_.find(x.v[0]), finder_.find(x.v[1]), finder_.find(x.v[2]),
                                  finder_.find(x.v[3])};
        return packed_codes(codes);
    }
    void finish(const Tile&, __m256i found, uint8_t* codes, bool stream) const { store(codes, found, stream); }

private:
    Finder finder_;
};

// See CodeCells.
class CellFinder
{
public:
    explicit CellFinder(const Codebook8& book) : lowest_(book.cells.lowest_code), thresholds_(book.thresholds.at) {}
    __m256i find(__m256 x) const
    {
        const __m256i bits = _mm256_castps_si256(x), least = _mm256_set1_epi32(CodeCells::least);
        const __m256i magnitude = _mm256_max_epi32(_mm256_and_si256(bits, _mm256_set1_epi32(magnitude_mask)), least);
        const __m256i of_the_sign =
            _mm256_and_si256(_mm256_srai_epi32(bits, 31), _mm256_set1_epi32(CodeCells::of_a_sign));
        const __m256i cell =
            _mm256_add_epi32(_mm256_srli_epi32(_mm256_sub_epi32(magnitude, least), CodeCells::shift), of_the_sign);
        const __m256i four_bytes = _mm256_i32gather_epi32(reinterpret_cast<const int*>(lowest_), cell, 1);
        const __m256i lowest = _mm256_and_si256(four_bytes, _mm256_set1_epi32(0xff));
        return step_over(lowest, x, _mm256_i32gather_ps(thresholds_, lowest, 4));
    }

private:
    const uint8_t* lowest_;
    const float* thresholds_;
};

// For any code: a binary search over the thresholds.
class SearchFinder
{
public:
    explicit SearchFinder(const Codebook8& book) : thresholds_(book.thresholds.at) {}
    __m256i find(__m256 x) const
    {
        __m256i below = _mm256_setzero_si256();
        for (int step = 128; step > 0; step /= 2) {
            const __m256 threshold = _mm256_i32gather_ps(thresholds_ + step - 1, below, 4);
            const __m256i above = _mm256_castps_si256(_mm256_cmp_ps(x, threshold, _CMP_GT_OQ));
            below = _mm256_add_epi32(below, _mm256_and_si256(above, _mm256_set1_epi32(step)));
        }
        return below;
    }

private:
    const float* thresholds_;
};

class TileDecoder8
{
public:
    explicit TileDecoder8(const Codebook8& book) : values_(book.value) {}
    Tile decode(const uint8_t* codes) const
    {
        const auto eight = [&](int j) {
            const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + 8 * j));
            return _mm256_i32gather_ps(values_, _mm256_cvtepu8_epi32(bytes), 4);
        };
        return {eight(0), eight(1), eight(2), eight(3)};
    }

private:
    const float* values_;
};

} // namespace
} // namespace nbit::avx2
