// y = x W^T for 1 to 4 rows of x, straight from the canonical bytes, with AVX2.
//
// The 16 numbers are four planes of bytes: four shuffles of bytes look up 32 numbers, and eight unpacks put their bytes
// together, where permutes and blends of whole floats would take twice as long. Lanes meet the columns in a shuffled
// order, so x is shuffled, once a call. A vector holds elements of two stretches of 32, one a half.
#pragma once
#include "cpu/common_avx2.h"
#include "cpu/gemv4.h"

#include <array>
#include <utility>

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

struct ScaleReader {
    const BlockScales& scales;
    float read(int64_t block) const { return scale_of_block(scales, block); }
    void read(int64_t first, int64_t count, float* to) const
    {
        for (int64_t i = 0; i < count; ++i)
            to[i] = scale_of_block(scales, first + i);
    }
};

inline float sum_of(__m256 v)
{
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_shuffle_ps(sum, sum, 1)));
}

// One row of W. x: [chunks][vectors][rows_of_x] vectors.
template <int rows_of_x> class GemvRow
{
public:
    GemvRow(const Weight4& weight, int64_t row)
        : offset_(row * weight.columns % gemv_stretch), elements_(offset_ + weight.columns),
          packed_(weight.packed + (row * weight.columns - offset_) / 2)
    {
        for (__m256& one : sum_)
            one = _mm256_setzero_ps();
    }

    // `at` is the first element of a chunk, from the begin of the stretch in which the row begins.
    void add_chunk(const GemvFloat32& numbers, int64_t at, const float* x, const float* scales)
    {
        const __m256i nibble = _mm256_set1_epi8(15), bytes = load(at);
        const GemvFloat32::Four even = numbers.look_up(_mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
        __m256 part[rows_of_x];
#pragma GCC unroll 4
        for (int m = 0; m < rows_of_x; ++m) {
            part[m] = _mm256_mul_ps(even.v[0], operand(x, 0, m));
#pragma GCC unroll 3
            for (int q = 1; q < 4; ++q)
                part[m] = _mm256_fmadd_ps(even.v[q], operand(x, q, m), part[m]);
        }
        const GemvFloat32::Four odd = numbers.look_up(_mm256_and_si256(bytes, nibble));
        const __m128i two = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(scales));
        const __m256 scale = _mm256_permutevar8x32_ps(_mm256_castsi256_ps(_mm256_castsi128_si256(two)),
                                                      _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
#pragma GCC unroll 4
        for (int m = 0; m < rows_of_x; ++m) {
#pragma GCC unroll 4
            for (int q = 0; q < 4; ++q)
                part[m] = _mm256_fmadd_ps(odd.v[q], operand(x, 4 + q, m), part[m]);
            sum_[m] = _mm256_fmadd_ps(part[m], scale, sum_[m]);
        }
    }

    float sum(int m) const { return sum_of(sum_[m]); }

private:
    static __m256 operand(const float* x, int vector, int m)
    {
        return _mm256_load_ps(x + (vector * rows_of_x + m) * 8);
    }

    __m256i load(int64_t at) const // zero beyond the row, behind which memory may end
    {
        const int64_t bytes = (elements_ - at + 1) / 2;
        if (bytes >= 32) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(packed_ + at / 2));
        const PaddedTile<uint8_t, 32> padded(packed_ + at / 2, bytes > 0 ? bytes : 0);
        return _mm256_load_si256(reinterpret_cast<const __m256i*>(padded.data));
    }

    int64_t offset_, elements_;
    const uint8_t* packed_;
    __m256 sum_[rows_of_x];
};

constexpr int gemv_rows = 4; // of W that are walked together, so that x is read from the first-level cache

inline GemvScales scales_of(const Weight4& weight) { return {weight, gemv_stretch}; }
inline int64_t gemv_workspace_bytes(const Weight4& weight)
{
    return gemv_rows * scales_of(weight).stride * static_cast<int64_t>(sizeof(float));
}

// Rows first, first + step, ... of W; sums[m][row] from sums on, `stride` from one m to the next.
template <int rows_of_x, int rows>
void gemv_rows_sums(const Weight4& weight, const GemvFloat32& numbers, const float* x, int64_t first, int64_t step,
                    float* row_scales, float* sums, int64_t stride)
{
    const GemvScales scales = scales_of(weight);
    const ScaleReader reader{weight.scales};
    const auto make = [&]<int... r>(std::integer_sequence<int, r...>)
    {
        return std::array<GemvRow<rows_of_x>, rows>{GemvRow<rows_of_x>(weight, first + r * step)...};
    };
    auto walked = make(std::make_integer_sequence<int, rows>{});
    for (int r = 0; r < rows; ++r)
        scales.read(weight, reader, first + r * step, row_scales + r * scales.stride);
    const int64_t chunks = Phases(weight.columns).chunks;
    for (int64_t i = 0; i < chunks; ++i)
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r)
            walked[r].add_chunk(numbers, i * gemv_chunk, x + i * gemv_chunk * rows_of_x,
                                row_scales + r * scales.stride + 2 * i);
    for (int r = 0; r < rows; ++r)
        for (int m = 0; m < rows_of_x; ++m)
            sums[m * stride + r * step] = walked[r].sum(m);
}

// Columns [begin, end) of y; finish(row, n, count, sums) as in packed_product.
template <int rows_of_x, class Finish>
void gemv4(const Weight4& weight, const float* x, int64_t begin, int64_t end, const Finish& finish, float* workspace)
{
    constexpr int64_t batch = gemv_rows * gemv_stretch; // rows of all phases
    const GemvFloat32 numbers(weight.table);
    const Phases phases(weight.columns);
    const int64_t group = gemv_rows * phases.count;
    const auto x_of = [&](int64_t row) { return x + row % phases.count * phases.size(rows_of_x); };
    for (int64_t first = begin; first < end; first += batch) {
        const int64_t last = std::min(first + batch, end);
        float sums[rows_of_x][batch];
        int64_t n = first;
        for (; n + group <= last; n += group)
            for (int64_t row = n; row < n + phases.count; ++row)
                gemv_rows_sums<rows_of_x, gemv_rows>(weight, numbers, x_of(row), row, phases.count, workspace,
                                                     sums[0] + (row - first), batch);
        for (; n < last; ++n)
            gemv_rows_sums<rows_of_x, 1>(weight, numbers, x_of(n), n, 1, workspace, sums[0] + (n - first), batch);
        for (int m = 0; m < rows_of_x; ++m)
            finish(m, first, last - first, sums[m]);
    }
}

} // namespace
} // namespace nbit::avx2
