#include "machine_limits.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace nbit::bench
{
namespace
{

using Clock = std::chrono::steady_clock;

// Where loops that read leave their results, so that they are not optimized away.
std::atomic<uint64_t> read_bits;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr int64_t cache_line = 64;

// The part of `bytes` that one of several threads works on, in whole cache lines but for the last.
struct Part {
    int64_t begin, end;
    Part(int64_t bytes, int threads, int index)
        : begin(border(bytes, threads, index)), end(border(bytes, threads, index + 1))
    {
    }
    static int64_t border(int64_t bytes, int threads, int index)
    {
        return index == threads ? bytes : bytes / threads * index / cache_line * cache_line;
    }
};

uint64_t read_words(const char* begin, const char* end)
{
    uint64_t all = 0;
    for (; end - begin >= 8; begin += 8) {
        uint64_t word;
        __builtin_memcpy(&word, begin, 8);
        all |= word;
    }
    return all;
}

#if defined(__x86_64__)

// The loops below do the work of one thread; each gives back something that depends on all it did.

[[gnu::target("avx512f")]] uint64_t read_avx512(const char* begin, const char* end)
{
    __m512i all[4] = {};
    for (; end - begin >= 4 * cache_line; begin += 4 * cache_line)
        for (int j = 0; j < 4; ++j)
            all[j] = _mm512_or_si512(all[j], _mm512_loadu_si512(begin + j * cache_line));
    const __m512i together = _mm512_or_si512(_mm512_or_si512(all[0], all[1]), _mm512_or_si512(all[2], all[3]));
    return static_cast<uint64_t>(_mm512_reduce_or_epi64(together)) | read_words(begin, end);
}

[[gnu::target("avx2")]] uint64_t read_avx2(const char* begin, const char* end)
{
    __m256i all[4] = {};
    for (; end - begin >= 2 * cache_line; begin += 2 * cache_line)
        for (int j = 0; j < 4; ++j)
            all[j] = _mm256_or_si256(all[j], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(begin) + j));
    const __m256i together = _mm256_or_si256(_mm256_or_si256(all[0], all[1]), _mm256_or_si256(all[2], all[3]));
    alignas(32) char words[32];
    _mm256_store_si256(reinterpret_cast<__m256i*>(words), together);
    return read_words(words, words + 32) | read_words(begin, end);
}

[[gnu::target("avx512f")]] void copy_avx512(const char* source, char* target, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += cache_line)
        _mm512_stream_si512(reinterpret_cast<__m512i*>(target + i), _mm512_load_si512(source + i));
    _mm_sfence();
}

[[gnu::target("avx2")]] void copy_avx2(const char* source, char* target, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 32)
        _mm256_stream_si256(reinterpret_cast<__m256i*>(target + i),
                            _mm256_load_si256(reinterpret_cast<const __m256i*>(source + i)));
    _mm_sfence();
}

// Enough independent chains to hide the latency of the instruction, few enough for the registers. They begin with
// different numbers, or a compiler would run one for all.
constexpr int chains = 12;
constexpr int64_t steps = 4096; // between two looks at the clock

// Each gives back the operations that it did.
[[gnu::target("avx512f")]] int64_t float32_avx512(float operand, volatile float* sink)
{
    const __m512 a = _mm512_set1_ps(operand), b = _mm512_set1_ps(operand + 0.5f);
    __m512 sum[chains];
    for (int j = 0; j < chains; ++j)
        sum[j] = _mm512_set1_ps(operand + static_cast<float>(j));
    for (int64_t i = 0; i < steps; ++i)
        for (__m512& s : sum)
            s = _mm512_fmadd_ps(s, a, b);
    for (const __m512& s : sum)
        *sink = _mm512_cvtss_f32(s);
    return steps * chains * 16 * 2;
}

[[gnu::target("avx2,fma")]] int64_t float32_avx2(float operand, volatile float* sink)
{
    const __m256 a = _mm256_set1_ps(operand), b = _mm256_set1_ps(operand + 0.5f);
    __m256 sum[chains];
    for (int j = 0; j < chains; ++j)
        sum[j] = _mm256_set1_ps(operand + static_cast<float>(j));
    for (int64_t i = 0; i < steps; ++i)
        for (__m256& s : sum)
            s = _mm256_fmadd_ps(s, a, b);
    for (const __m256& s : sum)
        *sink = _mm256_cvtss_f32(s);
    return steps * chains * 8 * 2;
}

[[gnu::target("avx512f,avx512bf16")]] int64_t bfloat16_avx512(float operand, volatile float* sink)
{
    const __m512bh a = reinterpret_cast<__m512bh>(_mm512_set1_ps(operand));
    __m512 sum[chains];
    for (int j = 0; j < chains; ++j)
        sum[j] = _mm512_set1_ps(operand + static_cast<float>(j));
    for (int64_t i = 0; i < steps; ++i)
        for (__m512& s : sum)
            s = _mm512_dpbf16_ps(s, a, a);
    for (const __m512& s : sum)
        *sink = _mm512_cvtss_f32(s);
    return steps * chains * 32 * 2;
}

[[gnu::target("avx512f,avx512vnni")]] int64_t int8_avx512(float operand, volatile float* sink)
{
    const __m512i a = _mm512_set1_epi32(static_cast<int>(operand * 4));
    __m512i sum[chains];
    for (int j = 0; j < chains; ++j)
        sum[j] = _mm512_set1_epi32(static_cast<int>(operand * 4) + j);
    for (int64_t i = 0; i < steps; ++i)
        for (__m512i& s : sum)
            s = _mm512_dpbusd_epi32(s, a, a);
    for (const __m512i& s : sum)
        *sink = static_cast<float>(_mm512_cvtsi512_si32(s));
    return steps * chains * 64 * 2;
}

[[gnu::target("avx2")]] int64_t int8_avx2(float operand, volatile float* sink)
{
    const __m256i a = _mm256_set1_epi32(static_cast<int>(operand * 4)), ones = _mm256_set1_epi16(1);
    __m256i sum[chains];
    for (int j = 0; j < chains; ++j)
        sum[j] = _mm256_set1_epi32(static_cast<int>(operand * 4) + j);
    for (int64_t i = 0; i < steps; ++i)
        for (__m256i& s : sum)
            s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(a, s), ones));
    for (const __m256i& s : sum)
        *sink = static_cast<float>(_mm256_cvtsi256_si32(s));
    return steps * chains * 32 * 2;
}

#endif

using Read = uint64_t (*)(const char* begin, const char* end);
using Copy = void (*)(const char* source, char* target, int64_t bytes);
using Compute = int64_t (*)(float operand, volatile float* sink);

Read best_read()
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return read_avx512;
    if (__builtin_cpu_supports("avx2")) return read_avx2;
#endif
    return read_words;
}

Copy best_copy()
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return copy_avx512;
    if (__builtin_cpu_supports("avx2")) return copy_avx2;
#endif
    return [](const char* source, char* target, int64_t bytes) { std::copy(source, source + bytes, target); };
}

Compute best_compute(Arithmetic kind)
{
#if defined(__x86_64__)
    const bool avx512 = __builtin_cpu_supports("avx512f"), avx2 = __builtin_cpu_supports("avx2");
    switch (kind) {
    case Arithmetic::float32:
        if (avx512) return float32_avx512;
        if (avx2 && __builtin_cpu_supports("fma")) return float32_avx2;
        break;
    case Arithmetic::bfloat16:
        if (avx512 && __builtin_cpu_supports("avx512bf16")) return bfloat16_avx512;
        break;
    case Arithmetic::int8:
        if (avx512 && __builtin_cpu_supports("avx512vnni")) return int8_avx512;
        if (avx2) return int8_avx2;
        break;
    }
#endif
    static_cast<void>(kind);
    return nullptr;
}

} // namespace

double run_on_threads(int threads, const std::function<void(int)>& body)
{
    std::atomic<int> missing(threads);
    std::vector<Clock::time_point> begin(static_cast<size_t>(threads)), end(begin);
    const auto work = [&](int index) {
        for (--missing; missing > 0;)
            std::this_thread::yield();
        begin[static_cast<size_t>(index)] = Clock::now();
        body(index);
        end[static_cast<size_t>(index)] = Clock::now();
    };
    std::vector<std::jthread> others;
    for (int index = 1; index < threads; ++index)
        others.emplace_back(work, index);
    work(0);
    others.clear(); // joins
    return std::chrono::duration<double>(*std::max_element(end.begin(), end.end()) -
                                         *std::min_element(begin.begin(), begin.end()))
        .count();
}

double read_bandwidth(const void* memory, int64_t bytes, int threads)
{
    const Read read = best_read();
    const auto* begin = static_cast<const char*>(memory);
    const double seconds = run_on_threads(threads, [&](int index) {
        const Part part(bytes, threads, index);
        read_bits = read(begin + part.begin, begin + part.end);
    });
    return static_cast<double>(bytes) / seconds;
}

double copy_bandwidth(const void* source, void* target, int64_t bytes, int threads)
{
    const Copy copy = best_copy();
    const double seconds = run_on_threads(threads, [&](int index) {
        const Part part(bytes, threads, index);
        copy(static_cast<const char*>(source) + part.begin, static_cast<char*>(target) + part.begin,
             part.end - part.begin);
    });
    return 2 * static_cast<double>(bytes) / seconds;
}

double peak_arithmetic(Arithmetic kind, int threads, double seconds)
{
    const Compute compute = best_compute(kind);
    if (!compute) return 0;
    std::vector<double> rates(static_cast<size_t>(threads));
    run_on_threads(threads, [&](int index) {
        volatile float operand = 0.25f, sink = 0;
        double operations = 0, elapsed = 0;
        for (const auto start = Clock::now(); elapsed < seconds; elapsed = seconds_since(start))
            operations += static_cast<double>(compute(operand, &sink));
        rates[static_cast<size_t>(index)] = operations / elapsed;
    });
    double sum = 0;
    for (const double rate : rates)
        sum += rate;
    return sum;
}

} // namespace nbit::bench
