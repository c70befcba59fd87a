// y = x W^T for 1 to 4 rows of x, straight from the canonical bytes, with AVX2.
//
// The 16 numbers are four planes of bytes: four shuffles of bytes look up 32 numbers, and eight unpacks put their bytes
// together. Permutes and blends of whole floats need more instructions than that. 25 shuffles and 9 fused products for
// 64 codes are what limits one row, not memory: three such instructions start a cycle. Lanes meet the columns in a
// shuffled order, so x is shuffled, once a call. A vector holds elements of two stretches of 32, one a half.
#pragma once
#include "cpu/common_avx2.h"
#include "cpu/gemv4.h"

#include <bit>

namespace nbit::avx2
{
namespace
{

constexpr int64_t gemv_chunk = 64, gemv_stretch = 32; // elements
using Phases = GemvPhases<gemv_stretch, gemv_chunk>;

struct GemvFloat32 {
    static constexpr int vectors = 8; // of 8 float in a chunk
    using Element = float;
    __m256i planes[4];

    explicit GemvFloat32(const float* numbers)
    {
        alignas(16) uint8_t bytes[4][16];
        for (int i = 0; i < 16; ++i)
            for (int p = 0; p < 4; ++p)
                bytes[p][i] = static_cast<uint8_t>(float_bits(numbers[i]) >> (8 * p));
        for (int p = 0; p < 4; ++p)
            planes[p] = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes[p])));
    }

    struct Four {
        __m256 v[4];
    };
    // Of 32 bytes of indices below 16: vector q has bytes 4 q to 4 q + 3 of each half.
    Four look_up(__m256i index) const
    {
        const auto byte = [&](int p) { return _mm256_shuffle_epi8(planes[p], index); };
        const __m256i b0 = byte(0), b1 = byte(1), b2 = byte(2), b3 = byte(3);
        const __m256i low0 = _mm256_unpacklo_epi8(b0, b1), low1 = _mm256_unpackhi_epi8(b0, b1);
        const __m256i high0 = _mm256_unpacklo_epi8(b2, b3), high1 = _mm256_unpackhi_epi8(b2, b3);
        return {_mm256_castsi256_ps(_mm256_unpacklo_epi16(low0, high0)),
                _mm256_castsi256_ps(_mm256_unpackhi_epi16(low0, high0)),
                _mm256_castsi256_ps(_mm256_unpacklo_epi16(low1, high1)),
                _mm256_castsi256_ps(_mm256_unpackhi_epi16(low1, high1))};
    }

    // The elements of a chunk that each vector of weights meets: vector 4 h + q has those of look_up's vector q, for
    // the even elements (h = 0), which are the upper halves of bytes, and the odd ones.
    static void shuffle(const float* chunk, float* to, int64_t stride)
    {
        for (int h = 0; h < 2; ++h)
            for (int q = 0; q < 4; ++q)
                for (int lane = 0; lane < 8; ++lane)
                    to[(4 * h + q) * stride + lane] = chunk[2 * (16 * (lane / 4) + 4 * q + lane % 4) + h];
    }
};

// The scales of consecutive blocks.
struct BlockScaleReader {
    // Scales are read too rarely for the hardware prefetcher to keep up: 32 rows of 14,336 columns in blocks of 64.
    static constexpr int64_t blocks_ahead = 8192;
    const BlockScales& scales;

    void read(int64_t first, int64_t count, float* to) const
    {
        const int64_t size = scales.codes ? 1 : static_cast<int64_t>(sizeof(float));
        const auto base =
            scales.codes ? reinterpret_cast<uintptr_t>(scales.codes) : reinterpret_cast<uintptr_t>(scales.absmax);
        const auto ahead = base + static_cast<uintptr_t>((scales.first + first + blocks_ahead) * size);
        for (int64_t byte = 0; byte < count * size; byte += cache_line)
            _mm_prefetch(reinterpret_cast<const char*>(ahead + static_cast<uintptr_t>(byte)), _MM_HINT_T1);
        for (int64_t i = 0; i < count;) {
            if (scales.codes && i + 8 <= count && read_eight(scales.first + first + i, to + i)) {
                i += 8;
            } else {
                to[i] = scale_of_block(scales, first + i);
                ++i;
            }
        }
    }

private:
    // Where they share a nested absmax.
    bool read_eight(int64_t block, float* to) const
    {
        if (block % nested_blocksize > nested_blocksize - 8) return false;
        const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(scales.codes + block));
        const __m256 values = _mm256_i32gather_ps(scales.book.value, _mm256_cvtepu8_epi32(codes), sizeof(float));
        const __m256 nested = _mm256_broadcast_ss(scales.absmax + block / nested_blocksize);
        // Two roundings, see NestedBook.
        const __m256 product = _mm256_mul_ps(values, nested);
        _mm256_storeu_ps(to, _mm256_add_ps(product, _mm256_broadcast_ss(&scales.book.offset)));
        return true;
    }
};

inline float sum_of(__m256 v)
{
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_shuffle_ps(sum, sum, 1)));
}

constexpr int gemv_rows = 4; // of W that are walked together, so that x is read from the first-level cache

inline GemvScales scales_of(const Weight4& weight) { return {weight, weight.blocksize}; }
inline int64_t gemv_workspace_bytes(const Weight4& weight)
{
    return gemv_rows * scales_of(weight).stride * static_cast<int64_t>(sizeof(float));
}

// sum[m] += the products of 64 codes with a chunk of x, [vectors][rows_of_x] vectors, of whose halves the
// scales are `first` and `second`.
template <int rows_of_x>
[[gnu::always_inline]] inline void add_chunk(const GemvFloat32& numbers, __m256i bytes, const float* x,
                                             const float& first, const float& second, __m256 (&sum)[rows_of_x])
{
    const auto operand = [&](int vector, int m) __attribute__((always_inline))
    {
        return _mm256_loadu_ps(x + (vector * rows_of_x + m) * 8);
    };
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256 left[rows_of_x], right[rows_of_x];
    const GemvFloat32::Four even = numbers.look_up(_mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
#pragma GCC unroll 4
    for (int m = 0; m < rows_of_x; ++m) {
        left[m] = _mm256_fmadd_ps(even.v[2], operand(2, m), _mm256_mul_ps(even.v[0], operand(0, m)));
        right[m] = _mm256_fmadd_ps(even.v[3], operand(3, m), _mm256_mul_ps(even.v[1], operand(1, m)));
    }
    const GemvFloat32::Four odd = numbers.look_up(_mm256_and_si256(bytes, nibble));
    const __m256 scale = _mm256_blend_ps(_mm256_broadcast_ss(&first), _mm256_broadcast_ss(&second), 0xf0);
#pragma GCC unroll 4
    for (int m = 0; m < rows_of_x; ++m) {
        left[m] = _mm256_fmadd_ps(odd.v[2], operand(6, m), _mm256_fmadd_ps(odd.v[0], operand(4, m), left[m]));
        right[m] = _mm256_fmadd_ps(odd.v[3], operand(7, m), _mm256_fmadd_ps(odd.v[1], operand(5, m), right[m]));
        sum[m] = _mm256_fmadd_ps(_mm256_add_ps(left[m], right[m]), scale, sum[m]);
    }
}

// Rows first, first + step, ... of W, which begin at the same place in a stretch; sums[m * stride + row - first].
template <int rows_of_x, int rows>
void gemv_rows_sums(const Weight4& weight, const GemvFloat32& numbers, const float* x, int64_t first, int64_t step,
                    float* row_scales, float* sums, int64_t stride)
{
    const GemvScales scales = scales_of(weight);
    const BlockScaleReader reader{weight.scales};
    for (int r = 0; r < rows; ++r)
        scales.read(weight, reader, first + r * step, row_scales + r * scales.stride);
    const int64_t offset = first * weight.columns % gemv_stretch, elements = offset + weight.columns;
    const uint8_t* packed = weight.packed + (first * weight.columns - offset) / 2;
    const int64_t row_bytes = step * weight.columns / 2;
    __m256 sum[rows][rows_of_x];
    for (int r = 0; r < rows; ++r)
        for (int m = 0; m < rows_of_x; ++m)
            sum[r][m] = _mm256_setzero_ps();
    // Where rows begin in their first block, in stretches.
    const int in_block = std::countr_zero(static_cast<uint64_t>(weight.blocksize / gemv_stretch));
    int64_t begins[rows];
    for (int r = 0; r < rows; ++r)
        begins[r] = (first + r * step) * weight.columns % weight.blocksize / gemv_stretch;
    int64_t at = 0;
    const auto add_chunks = [&](const auto& load) __attribute__((always_inline))
    {
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) {
            const float* scale = row_scales + r * scales.stride;
            const int64_t stretch = begins[r] + at / gemv_stretch;
            add_chunk(numbers, load(packed + r * row_bytes + at / 2, r), x + at * rows_of_x, scale[stretch >> in_block],
                      scale[(stretch + 1) >> in_block], sum[r]);
        }
    };
    for (; at + gemv_chunk <= elements; at += gemv_chunk)
        add_chunks([&](const uint8_t* from, int r) __attribute__((always_inline)) {
            // The next rows, in the order of memory.
            const auto ahead =
                reinterpret_cast<uintptr_t>(packed) + static_cast<uintptr_t>(rows * (row_bytes + at / 2));
            _mm_prefetch(reinterpret_cast<const char*>(ahead + static_cast<uintptr_t>(32 * r)), _MM_HINT_T1);
            return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
        });
    if (at < elements)
        add_chunks([&](const uint8_t* from, int) { // bytes beyond the row may be beyond the weight
            const PaddedTile<uint8_t, 32> padded(from, (elements - at + 1) / 2);
            return _mm256_load_si256(reinterpret_cast<const __m256i*>(padded.data));
        });
    for (int r = 0; r < rows; ++r)
        for (int m = 0; m < rows_of_x; ++m)
            sums[m * stride + r * step] = sum_of(sum[r][m]);
}

// Rows of W that all groups of x meet while they are in the second-level cache; a multiple of the rows of all phases.
constexpr int64_t gemv_batch = gemv_rows * gemv_stretch;

// Rows [begin, begin + count) of W, up to gemv_batch; sums[m][gemv_batch].
template <int rows_of_x>
void gemv_batch_sums(const Weight4& weight, const GemvFloat32& numbers, const float* x, int64_t begin, int64_t count,
                     float* workspace, float* sums)
{
    const Phases phases(weight.columns);
    const int64_t group = gemv_rows * phases.count, end = begin + count;
    const auto x_of = [&](int64_t row) { return x + row % phases.count * phases.size(rows_of_x); };
    int64_t n = begin;
    for (; n + group <= end; n += group)
        for (int64_t row = n; row < n + phases.count; ++row)
            gemv_rows_sums<rows_of_x, gemv_rows>(weight, numbers, x_of(row), row, phases.count, workspace,
                                                 sums + (row - begin), gemv_batch);
    for (; n < end; ++n)
        gemv_rows_sums<rows_of_x, 1>(weight, numbers, x_of(n), n, 1, workspace, sums + (n - begin), gemv_batch);
}

// Columns [begin, end) of y; x: the groups one after the other; finish(row, n, count, sums) as in packed_product.
template <class Finish>
void gemv4(const Weight4& weight, const float* x, int64_t rows_of_x, int64_t begin, int64_t end, const Finish& finish,
           float* workspace)
{
    static constexpr decltype(&gemv_batch_sums<1>) batch_sums[] = {gemv_batch_sums<1>, gemv_batch_sums<2>,
                                                                   gemv_batch_sums<3>, gemv_batch_sums<4>};
    const GemvFloat32 numbers(weight.table);
    const Phases phases(weight.columns);
    const GemvGroups groups(rows_of_x);
    for (int64_t n = begin; n < end; n += gemv_batch) {
        const int64_t count = std::min(gemv_batch, end - n);
        for (int64_t group = 0; group < groups.count; ++group) {
            const int64_t first = groups.first(group), rows = groups.rows(group);
            float sums[GemvGroups::most_rows][gemv_batch];
            batch_sums[rows - 1](weight, numbers, x + phases.total_size(first), n, count, workspace, sums[0]);
            for (int64_t m = 0; m < rows; ++m)
                finish(first + m, n, count, sums[m]);
        }
    }
}

} // namespace
} // namespace nbit::avx2
