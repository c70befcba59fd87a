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

template <class Source>
[[gnu::noinline]] void quantize_special_block8(const Codebook8& book, const Source* source, int64_t count, float absmax,
                                               uint8_t* codes)
{
    for (int64_t i = 0; i < count; ++i)
        codes[i] = special_code8(book, to_float(load_element<Source>(source, i)), absmax);
}

// The codes of a tile are a chain of dependent instructions, longer than a processor looks ahead. So the second step of
// a tile runs beside the first step of the next one.
template <class Set, class Encoder, class Source> class BlockCoder8
{
public:
    // unseen: memory for the codes of a tile that nobody needs; with it there always is one that is started.
    BlockCoder8(const Codebook8& book, const Encoder& encoder, const Source* source, uint8_t* codes, bool stream,
                uint8_t* unseen)
        : book_(book), encoder_(encoder), source_(source), codes_(codes), stream_(stream), tile_codes_(unseen)
    {
    }
    void encode(int64_t i, float first, float second)
    {
        const auto tile = Set::scaled(Set::load(source_ + i), first, second);
        const auto started = encoder_.start(tile);
        finish();
        tile_ = tile;
        started_ = started;
        tile_codes_ = codes_ + i;
    }
    void finish() const { encoder_.finish(tile_, started_, tile_codes_, stream_); }
    void encode_part(int64_t i, int64_t count, float reciprocal) const
    {
        const PaddedTile<Source, size> padded(source_ + i, count);
        const auto tile = Set::scaled(Set::load(padded.data), reciprocal, reciprocal);
        alignas(cache_line) uint8_t found[size];
        encoder_.finish(tile, encoder_.start(tile), found, false);
        std::memcpy(codes_ + i, found, static_cast<size_t>(count));
    }
    void encode_special(int64_t i, int64_t count, float absmax) const
    {
        quantize_special_block8(book_, source_ + i, count, absmax, codes_ + i);
    }

private:
    static constexpr int64_t size = Set::tile_size;
    const Codebook8& book_;
    const Encoder& encoder_;
    const Source* source_;
    uint8_t* codes_;
    bool stream_;
    // The tile that is started
    typename Set::Tile tile_ = {};
    decltype(std::declval<Encoder>().start(tile_)) started_ = encoder_.start(tile_);
    uint8_t* tile_codes_;
};

template <class Set, class Source>
void quantize_blocks8(const Codebook8& book, const void* from, int64_t count, int64_t blocksize, uint8_t* codes,
                      float* absmax, bool stream)
{
    constexpr int64_t size = Set::tile_size;
    const auto* source = static_cast<const Source*>(from);
    stream = stream && is_aligned(codes, size) && (blocksize % size == 0 || 2 * blocksize == size);
    Set::visit_encoder8(book, [&](const auto& encoder) {
        using Coder = BlockCoder8<Set, std::decay_t<decltype(encoder)>, Source>;
        alignas(cache_line) uint8_t unseen[size];
        Coder coder(book, encoder, source, codes, stream, unseen);
        BlockWalk<Set, Source, Coder>(source, blocksize, absmax, coder).quantize(count);
        coder.finish();
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
        return Set::scaled(decoder.decode(from), first, second);
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
