// The loops of the 8-bit block kernels of all instruction sets.
#pragma once
#include "cpu/blocks8.h"
#include "cpu/blocks_tiles.h"

#include <algorithm>

namespace nbit
{
namespace
{

// An instruction set brings what blocks_tiles.h names, and
//   load(elements), the tile there, and store(target, tile, stream), which rounds it;
//   scaled(tile, first, second), the products of its halves with two factors;
//   an Encoder8 with start(tile) and finish(tile, what start gave, codes, stream), which together write the tile's
//   codes, and visit_encoder8(book, body), which calls body with the best encoder for the book;
//   Decoder8(book).decode(codes), the tile of numbers.
//
// The codes of a tile are found in two steps, so that the second one of a tile can run beside the first one of the
// next: they are a chain of dependent instructions, longer than a processor looks ahead.

template <class Source>
[[gnu::noinline]] void quantize_special_block8(const Codebook8& book, const Source* source, int64_t count, float absmax,
                                               uint8_t* codes)
{
    for (int64_t i = 0; i < count; ++i)
        codes[i] = special_code8(book, to_float(load_element<Source>(source, i)), absmax);
}

template <class Set, class Encoder, class Source> struct BlockQuantizer8 {
    static constexpr int64_t size = Set::tile_size, half = size / 2;
    using Vector = typename Set::Vector;

    const Codebook8& book;
    const Encoder& encoder;

    void quantize(const Source* source, int64_t count, uint8_t* codes, float* absmax, bool stream) const
    {
        *absmax = Set::absmax_of(source, count);
        if (is_special(*absmax)) [[unlikely]]
            return quantize_special_block8(book, source, count, *absmax, codes);
        const Vector reciprocal = Set::broadcast(block_reciprocal(*absmax));
        const int64_t whole = count / size * size;
        if (whole > 0) encode_tiles(source, whole, reciprocal, BlockAhead<Source>(source, count), codes, stream);
        if (whole < count) encode_part(source + whole, count - whole, reciprocal, codes + whole);
    }

    // Two blocks that fill a tile.
    void quantize_pair(const Source* source, uint8_t* codes, float* absmax, bool stream) const
    {
        absmax[0] = Set::absmax_of(source, half);
        absmax[1] = Set::absmax_of(source + half, half);
        if (is_special(absmax[0]) || is_special(absmax[1])) [[unlikely]] {
            quantize(source, half, codes, absmax, false);
            return quantize(source + half, half, codes + half, absmax + 1, false);
        }
        const auto tile = Set::scaled(Set::load(source), Set::broadcast(block_reciprocal(absmax[0])),
                                      Set::broadcast(block_reciprocal(absmax[1])));
        encoder.finish(tile, encoder.start(tile), codes, stream);
    }

private:
    void encode_tiles(const Source* source, int64_t count, Vector reciprocal, const BlockAhead<Source>& ahead,
                      uint8_t* codes, bool stream) const
    {
        auto tile = Set::scaled(Set::load(source), reciprocal, reciprocal);
        auto started = encoder.start(tile);
        int64_t i = size;
        for (; i < count; i += size) {
            ahead.template prefetch<Set>(i - size);
            const auto next = Set::scaled(Set::load(source + i), reciprocal, reciprocal);
            const auto next_started = encoder.start(next);
            encoder.finish(tile, started, codes + i - size, stream);
            tile = next;
            started = next_started;
        }
        ahead.template prefetch<Set>(i - size);
        encoder.finish(tile, started, codes + i - size, stream);
    }

    void encode_part(const Source* source, int64_t count, Vector reciprocal, uint8_t* codes) const
    {
        const PaddedTile<Source, size> padded(source, count);
        const auto tile = Set::scaled(Set::load(padded.data), reciprocal, reciprocal);
        alignas(cache_line) uint8_t found[size];
        encoder.finish(tile, encoder.start(tile), found, false);
        std::memcpy(codes, found, static_cast<size_t>(count));
    }
};

template <class Set, class Source>
void quantize_blocks8(const Codebook8& book, const void* from, int64_t count, int64_t blocksize, uint8_t* codes,
                      float* absmax, bool stream)
{
    constexpr int64_t size = Set::tile_size;
    const auto* source = static_cast<const Source*>(from);
    stream = stream && is_aligned(codes, size) && (blocksize % size == 0 || 2 * blocksize == size);
    Set::visit_encoder8(book, [&](const auto& encoder) {
        const BlockQuantizer8<Set, std::decay_t<decltype(encoder)>, Source> quantizer{book, encoder};
        int64_t i = 0;
        if (2 * blocksize == size)
            for (; i + size <= count; i += size)
                quantizer.quantize_pair(source + i, codes + i, absmax + i / blocksize, stream);
        for (int64_t block = i / blocksize; i < count; i += blocksize, ++block)
            quantizer.quantize(source + i, std::min(blocksize, count - i), codes + i, absmax + block, stream);
    });
    if (stream) Set::finish_stream();
}

template <class Set, class Target>
void dequantize_blocks8(const Codebook8& book, const uint8_t* codes, const float* absmax, int64_t count,
                        int64_t blocksize, void* to, bool stream)
{
    constexpr int64_t size = Set::tile_size;
    auto* target = static_cast<Target*>(to);
    const typename Set::Decoder8 decoder(book);
    stream = stream && is_aligned(target, Set::vector_bytes) && (blocksize % size == 0 || 2 * blocksize == size);
    const auto tile = [&](const uint8_t* from, float first, float second) {
        return Set::scaled(decoder.decode(from), Set::broadcast(first), Set::broadcast(second));
    };
    const auto part = [&](int64_t i, int64_t length, float scale) {
        alignas(cache_line) Target numbers[size];
        Set::store(numbers, tile(PaddedTile<uint8_t, size>(codes + i, length).data, scale, scale), false);
        std::memcpy(static_cast<void*>(target + i), numbers, static_cast<size_t>(length) * sizeof(Target));
    };
    int64_t i = 0;
    if (2 * blocksize == size)
        for (; i + size <= count; i += size, absmax += 2)
            Set::store(target + i, tile(codes + i, absmax[0], absmax[1]), stream);
    for (; i < count; ++absmax) {
        const int64_t end = std::min(i + blocksize, count);
        for (; i + size <= end; i += size)
            Set::store(target + i, tile(codes + i, *absmax, *absmax), stream);
        if (i < end) part(i, end - i, *absmax);
        i = end;
    }
    if (stream) Set::finish_stream();
}

// The table of an instruction set.
template <class Set> consteval Blocks8Table make_blocks8_tiles()
{
    return {make_format_kernels<Quantize8>([]<class Source> { return quantize_blocks8<Set, Source>; }),
            make_format_kernels<Dequantize8>([]<class Target> { return dequantize_blocks8<Set, Target>; })};
}

} // namespace
} // namespace nbit
