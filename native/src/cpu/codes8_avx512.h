// Codes of 256 numbers with AVX-512: 64 of them to and from a tile.
//
// Numbers are looked up by bytes: two permutes and a blend give one byte of 64 numbers, and two rounds of unpack join
// four bytes, 20 operations for 64 numbers. Permutes of floats would take 15 for 16 numbers.
//
// Unpacks work inside 128-bit lanes: numbers in the order of the tile come from codes in "lane order", where dword
// 4 L + j holds the codes of elements 16 j + 4 L to 16 j + 4 L + 3.
#pragma once
#include "cpu/blocks_avx512.h"
#include "cpu/codebook8.h"

namespace nbit::NBIT_AVX512
{
namespace
{

// To lane order and back.
inline __m512i swap_lane_order(__m512i codes)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, codes);
}

class Numbers256
{
public:
    explicit Numbers256(const BytePlanes& planes)
    {
        for (int b = 0; b < 4; ++b)
            for (int quarter = 0; quarter < 4; ++quarter)
                part_[b][quarter] = _mm512_load_si512(planes.byte[b] + 64 * quarter);
    }

    Tile find(__m512i codes) const // in lane order
    {
        const __mmask64 upper = _mm512_movepi8_mask(codes);
        const __m512i b0 = find_byte(0, codes, upper), b1 = find_byte(1, codes, upper);
        const __m512i b2 = find_byte(2, codes, upper), b3 = find_byte(3, codes, upper);
        const __m512i low01 = _mm512_unpacklo_epi8(b0, b1), high01 = _mm512_unpackhi_epi8(b0, b1);
        const __m512i low23 = _mm512_unpacklo_epi8(b2, b3), high23 = _mm512_unpackhi_epi8(b2, b3);
        return {_mm512_castsi512_ps(_mm512_unpacklo_epi16(low01, low23)),
                _mm512_castsi512_ps(_mm512_unpackhi_epi16(low01, low23)),
                _mm512_castsi512_ps(_mm512_unpacklo_epi16(high01, high23)),
                _mm512_castsi512_ps(_mm512_unpackhi_epi16(high01, high23))};
    }

private:
    __m512i find_byte(int b, __m512i codes, __mmask64 upper) const
    {
        const __m512i lower_half = _mm512_permutex2var_epi8(part_[b][0], codes, part_[b][1]);
        return _mm512_mask_blend_epi8(upper, lower_half, _mm512_permutex2var_epi8(part_[b][2], codes, part_[b][3]));
    }

    __m512i part_[4][4]; // [byte][quarter of the codes]
};

class TileDecoder8
{
public:
    explicit TileDecoder8(const Codebook8& book) : numbers_(book.value_planes) {}
    Tile decode(const uint8_t* codes) const { return numbers_.find(swap_lane_order(_mm512_loadu_si512(codes))); }

private:
    Numbers256 numbers_;
};

// See CodeLines.
template <bool is_signed> class LinesEncoder8
{
public:
    explicit LinesEncoder8(const Codebook8& book)
        : thresholds_(book.threshold_planes), smallest_(_mm512_set1_ps(book.lines.smallest)),
          decade_slope_(_mm512_set1_ps(book.lines.decade_slope)),
          decade_offset_(_mm512_set1_ps(book.lines.decade_offset)), low_slope_(_mm512_loadu_ps(book.lines.slope)),
          high_slope_(_mm512_loadu_ps(book.lines.slope + 16)), low_offset_(_mm512_loadu_ps(book.lines.offset)),
          high_offset_(_mm512_loadu_ps(book.lines.offset + 16))
    {
    }
    __m512i start(const Tile& x) const // candidates, in lane order
    {
        const __m512i first = _mm512_permutex2var_epi8(candidate(x.v[0]), byte1_, candidate(x.v[1]));
        const __m512i second = _mm512_permutex2var_epi8(candidate(x.v[2]), byte1_, candidate(x.v[3]));
        return _mm512_mask_blend_epi32(0xcccc, first, second);
    }
    void finish(const Tile& x, __m512i candidates, uint8_t* codes, bool stream) const
    {
        const Tile threshold = thresholds_.find(candidates);
        const auto lower = [&](int j) { return _mm512_cmp_ps_mask(x.v[j], threshold.v[j], _CMP_NGT_UQ); };
        const __mmask64 one_less =
            _mm512_kunpackd(_mm512_kunpackw(lower(3), lower(2)), _mm512_kunpackw(lower(1), lower(0)));
        const __m512i ordered = swap_lane_order(candidates);
        store(codes, _mm512_mask_sub_epi8(ordered, one_less, ordered, _mm512_set1_epi8(1)), stream);
    }

private:
    __m512i candidate(__m512 x) const // in byte 1
    {
        constexpr int larger_magnitude_with_sign_of_first = 0b0011;
        const __m512 raised = is_signed ? _mm512_range_ps(x, smallest_, larger_magnitude_with_sign_of_first)
                                        : _mm512_max_ps(x, smallest_);
        const __m512 logarithm = _mm512_cvtepi32_ps(_mm512_castps_si512(raised));
        const __m512i decade = _mm512_cvtps_epi32(_mm512_fmadd_ps(logarithm, decade_slope_, decade_offset_));
        const __m512 slope = _mm512_permutex2var_ps(low_slope_, decade, high_slope_);
        const __m512 offset = _mm512_permutex2var_ps(low_offset_, decade, high_offset_);
        return _mm512_castps_si512(_mm512_fmadd_ps(raised, slope, offset));
    }

    // Byte 1 of the dwords of two vectors, to where lane order wants them: vectors 0 and 1 in the dwords 0 and 1 of a
    // lane. Vectors 2 and 3 use it again, and a blend takes their dwords.
    alignas(64) static constexpr uint8_t lanes[64] = {
        1,  5,   9,   13,  65, 69, 73, 77, 1,   5,   9,   13,  65, 69, 73, 77,  17,  21,  25,  29, 81, 85,
        89, 93,  17,  21,  25, 29, 81, 85, 89,  93,  33,  37,  41, 45, 97, 101, 105, 109, 33,  37, 41, 45,
        97, 101, 105, 109, 49, 53, 57, 61, 113, 117, 121, 125, 49, 53, 57, 61,  113, 117, 121, 125};
    Numbers256 thresholds_;
    __m512 smallest_, decade_slope_, decade_offset_, low_slope_, high_slope_, low_offset_, high_offset_;
    __m512i byte1_ = _mm512_load_si512(lanes);
};

// For any code: a binary search over the thresholds, whose upper levels are one permute; the lower ones are several,
// and blends.
class SearchEncoder8
{
public:
    explicit SearchEncoder8(const Codebook8& book)
    {
        for (int depth = 0; depth < 8; ++depth)
            for (int node = 0; node < vectors_of(depth) * 16; ++node) { // short levels repeat
                const int in_level = node & ((1 << depth) - 1), middle = ((2 * in_level + 1) << (7 - depth)) - 1;
                level_[first_vector(depth) + node / 16][node % 16] = book.thresholds.at[middle];
            }
    }
    __m512i start(const Tile& x) const
    {
        __m512i codes = _mm512_castsi128_si512(_mm512_cvtepi32_epi8(search(x.v[0])));
        codes = _mm512_inserti32x4(codes, _mm512_cvtepi32_epi8(search(x.v[1])), 1);
        codes = _mm512_inserti32x4(codes, _mm512_cvtepi32_epi8(search(x.v[2])), 2);
        return _mm512_inserti32x4(codes, _mm512_cvtepi32_epi8(search(x.v[3])), 3);
    }
    void finish(const Tile&, __m512i found, uint8_t* codes, bool stream) const { store(codes, found, stream); }

private:
    static constexpr int vectors_of(int depth) { return depth < 5 ? 1 : 1 << (depth - 4); }
    static constexpr int first_vector(int depth) { return depth < 5 ? depth : 3 + vectors_of(depth); }

    static __m512i descend(__m512i node, __m512 x, __m512 threshold) // 2 node + (x > threshold)
    {
        const __m512i twice = _mm512_add_epi32(node, node);
        return _mm512_mask_or_epi32(twice, _mm512_cmp_ps_mask(x, threshold, _CMP_GT_OQ), twice, _mm512_set1_epi32(1));
    }
    __m512i search(__m512 x) const
    {
        __m512i node = _mm512_setzero_si512();
        for (int depth = 0; depth < 5; ++depth)
            node = descend(node, x, _mm512_permutexvar_ps(node, level(depth)));
        const auto pair = [&](int depth, int i) {
            return _mm512_permutex2var_ps(level(depth, 2 * i), node, level(depth, 2 * i + 1));
        };
        node = descend(node, x, pair(5, 0));
        const auto bit = [&](int i) { return _mm512_test_epi32_mask(node, _mm512_set1_epi32(1 << i)); };
        node = descend(node, x, _mm512_mask_blend_ps(bit(5), pair(6, 0), pair(6, 1)));
        const __m512 lower = _mm512_mask_blend_ps(bit(5), pair(7, 0), pair(7, 1));
        const __m512 upper = _mm512_mask_blend_ps(bit(5), pair(7, 2), pair(7, 3));
        return descend(node, x, _mm512_mask_blend_ps(bit(6), lower, upper));
    }
    __m512 level(int depth, int vector = 0) const { return _mm512_load_ps(level_[first_vector(depth) + vector]); }

    alignas(64) float level_[19][16];
};

} // namespace
} // namespace nbit::NBIT_AVX512
