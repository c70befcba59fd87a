// The loops of the int8 row kernels of all instruction sets.
#pragma once
#include "cpu/blocks_tiles.h"
#include "cpu/rows8.h"

#include <atomic>
#include <bit>

namespace nbit
{
namespace
{

// An instruction set brings what blocks_tiles.h names, and
//   load(elements), the tile there, and store(target, tile, stream), which rounds it;
//   spread(number), a tile of one number, and product(tile, tile);
//   OutlierScan(threshold) with include(tile), whose outliers it gives back as bits, and absmax() of all others;
//   encode(tile, top, scale, codes, stream), the codes of a tile: rint(x * scale) where |x| <= top, otherwise 0;
//   decode(codes), the tile of numbers.

inline void flag_columns(uint64_t outliers, uint8_t* columns)
{
    for (; outliers != 0; outliers &= outliers - 1) {
        const std::atomic_ref<uint8_t> flag(columns[std::countr_zero(outliers)]);
        // A store would take the cache line from the other threads
        if (flag.load(std::memory_order_relaxed) == 0) flag.store(1, std::memory_order_relaxed);
    }
}

template <class Set, class Source>
float absmax_below(float threshold, const Source* row, int64_t columns, uint8_t* outlier_columns)
{
    typename Set::OutlierScan scan(threshold);
    int64_t i = 0;
    for (; i + Set::tile_size <= columns; i += Set::tile_size)
        if (const uint64_t outliers = scan.include(Set::load(row + i))) [[unlikely]]
            flag_columns(outliers, outlier_columns + i);
    if (i < columns) {
        const PaddedTile<Source, Set::tile_size> padded(row + i, columns - i);
        flag_columns(scan.include(Set::load(padded.data)), outlier_columns + i);
    }
    return scan.absmax();
}

template <class Source>
[[gnu::noinline]] void quantize_special_line(const Source* source, int64_t step, int64_t count, float absmax,
                                             int8_t* codes)
{
    for (int64_t i = 0; i < count; ++i)
        codes[i] = special_code_of_row(to_float(load_element<Source>(source, i * step)), absmax);
}

template <class Set, class Source>
void quantize_rows8(const void* from, int64_t rows, int64_t columns, float threshold, int8_t* codes, float* absmax,
                    uint8_t* outlier_columns, bool stream)
{
    constexpr int64_t size = Set::tile_size;
    stream = stream && is_aligned(codes, size) && columns % size == 0;
    const auto* row = static_cast<const Source*>(from);
    for (int64_t r = 0; r < rows; ++r, row += columns, codes += columns) {
        absmax[r] =
            threshold > 0 ? absmax_below<Set>(threshold, row, columns, outlier_columns) : Set::absmax_of(row, columns);
        if (is_special(absmax[r])) [[unlikely]] {
            quantize_special_line(row, 1, columns, absmax[r], codes);
            continue;
        }
        // What is above absmax is an outlier
        const auto top = Set::spread(absmax[r]), scale = Set::spread(row_scale(absmax[r]));
        int64_t i = 0;
        for (; i + size <= columns; i += size)
            Set::encode(Set::load(row + i), top, scale, codes + i, stream);
        if (i == columns) continue;
        const PaddedTile<Source, size> padded(row + i, columns - i);
        alignas(cache_line) int8_t found[size];
        Set::encode(Set::load(padded.data), top, scale, found, false);
        std::memcpy(codes + i, found, static_cast<size_t>(columns - i));
    }
    if (stream) Set::finish_stream();
}

template <class Set, class Target>
void dequantize_rows8(const int8_t* codes, const float* absmax, int64_t rows, int64_t columns, void* to, bool stream)
{
    constexpr int64_t size = Set::tile_size;
    auto* target = static_cast<Target*>(to);
    stream = stream && is_aligned(target, Set::vector_bytes) && columns % size == 0;
    const auto step = Set::spread(one_int8_step);
    for (int64_t r = 0; r < rows; ++r, codes += columns, target += columns) {
        const auto scale = Set::spread(absmax[r]);
        const auto tile = [&](const int8_t* x) { return Set::product(Set::product(Set::decode(x), scale), step); };
        int64_t i = 0;
        for (; i + size <= columns; i += size)
            Set::store(target + i, tile(codes + i), stream);
        if (i == columns) continue;
        alignas(cache_line) Target numbers[size];
        Set::store(numbers, tile(PaddedTile<int8_t, size>(codes + i, columns - i).data), false);
        std::memcpy(static_cast<void*>(target + i), numbers, static_cast<size_t>(columns - i) * sizeof(Target));
    }
    if (stream) Set::finish_stream();
}

} // namespace
} // namespace nbit
