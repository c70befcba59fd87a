// Rows interleaved into the [depth][rows] dwords that register tiles read: a transpose of units of 4 bytes, which may
// be a float, two bfloat16, four int8, eight 4-bit codes or an absmax. The order does not depend on the vector length.
#pragma once
#include "cpu/common_avx512.h"

#include <algorithm>

namespace nbit::NBIT_AVX512
{
namespace
{

// 16 rows x 8 dwords; address(r) is the first byte of row r. Loads of half a register, two rows in one, leave three
// shuffles for a vector instead of the four of a transpose of whole registers.
template <class Address> [[gnu::always_inline]] inline void transpose_16x8(const Address& address, __m512i (&out)[8])
{
    __m512i rows[8], quads[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        const auto pair = [&](int r) __attribute__((always_inline))
        {
            const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(address(r)));
            const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(address(r + 4)));
            return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        };
        rows[i] = pair(i);
        rows[i + 4] = pair(i + 8);
    }
#pragma GCC unroll 2
    for (int h = 0; h < 8; h += 4) {
        const __m512i a = _mm512_unpacklo_epi32(rows[h], rows[h + 1]);
        const __m512i b = _mm512_unpackhi_epi32(rows[h], rows[h + 1]);
        const __m512i c = _mm512_unpacklo_epi32(rows[h + 2], rows[h + 3]);
        const __m512i d = _mm512_unpackhi_epi32(rows[h + 2], rows[h + 3]);
        quads[h] = _mm512_unpacklo_epi64(a, c);
        quads[h + 1] = _mm512_unpackhi_epi64(a, c);
        quads[h + 2] = _mm512_unpacklo_epi64(b, d);
        quads[h + 3] = _mm512_unpackhi_epi64(b, d);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        out[i] = _mm512_shuffle_i64x2(quads[i], quads[i + 4], 0x88);
        out[i + 4] = _mm512_shuffle_i64x2(quads[i], quads[i + 4], 0xdd);
    }
}

// Up to 16 rows of memory.
struct StridedRows {
    const void* first;
    int64_t stride; // bytes from one to the next
    int count;
};

// to[d * to_stride + r] = dword d of row r, of rows of `bytes` bytes; what is missing in the last dword is zero.
// `toggle` is xor-ed into every dword: 0x80808080 turns int8 into w + 128. Reads the bytes of the rows and writes lanes
// of the rows, nothing else.
inline void interleave_dwords(const StridedRows& rows, int64_t bytes, int32_t* to, int64_t to_stride,
                              int32_t toggle = 0)
{
    constexpr int64_t step = 32; // bytes of a row
    const auto lanes = static_cast<__mmask16>((1u << rows.count) - 1);
    const __m512i flip = _mm512_set1_epi32(toggle);
    const auto* base = static_cast<const char*>(rows.first);
    int64_t offset = 0;
    __m512i out[8];
    const auto write = [&](int count) __attribute__((always_inline))
    {
#pragma GCC unroll 8
        for (int i = 0; i < count; ++i)
            _mm512_mask_storeu_epi32(to + i * to_stride, lanes, _mm512_xor_si512(out[i], flip));
        to += 8 * to_stride;
    };
    if (rows.count == 16) {
        // Four pointers and three strides reach all rows; sixteen pointers would spill.
        const char* quads[4] = {base, base + 4 * rows.stride, base + 8 * rows.stride, base + 12 * rows.stride};
        for (; offset + step <= bytes; offset += step) {
            transpose_16x8(
                [&](int r) __attribute__((always_inline)) { return quads[r / 4] + (r % 4) * rows.stride; }, out);
#pragma GCC unroll 8
            for (int i = 0; i < 8; ++i)
                _mm512_storeu_si512(to + i * to_stride, _mm512_xor_si512(out[i], flip));
            to += 8 * to_stride;
#pragma GCC unroll 4
            for (int q = 0; q < 4; ++q)
                quads[q] += step;
        }
    } else {
        for (; offset + step <= bytes; offset += step) {
            transpose_16x8([&](int r) { return base + std::min(r, rows.count - 1) * rows.stride + offset; }, out);
            write(8);
        }
    }
    if (offset == bytes) return;
    alignas(step) char tail[16][step] = {};
    for (int r = 0; r < rows.count; ++r)
        std::memcpy(tail[r], base + r * rows.stride + offset, static_cast<size_t>(bytes - offset));
    transpose_16x8([&](int r) { return tail[r]; }, out);
    write(static_cast<int>((bytes - offset + 3) / 4));
}

// The words of two vectors in turn.
struct Zip {
    alignas(cache_line) uint16_t low[32], high[32];
    consteval Zip()
    {
        for (int i = 0; i < 32; ++i) {
            low[i] = static_cast<uint16_t>(i / 2 + 32 * (i % 2));
            high[i] = static_cast<uint16_t>(low[i] + 16);
        }
    }
};
constexpr Zip zip{};

} // namespace
} // namespace nbit::NBIT_AVX512
