// The loop of the vector casts: read a tile, note its largest magnitude, round and write it.
#pragma once
#include "cpu/tiles.h"

namespace nbit
{
namespace
{

// An instruction set brings
//   vector_bytes, which streaming stores write, and tile_size, the elements of a Tile of vectors of float32;
//   Reader<Source>().read(pointer), the tile there;
//   Writer<Target>(scale).write(pointer, tile, stream), which rounds the products;
//   Maximum().include(tile) and .reduce(), the largest magnitude that is not NaN.
template <class Set, class Target, class Source>
[[gnu::noinline]] float cast_part(const Source* source, int64_t count, float scale, Target* target)
{
    const PaddedTile<Source, Set::tile_size> padded(source, count);
    const auto tile = typename Set::template Reader<Source>().read(padded.data);
    alignas(cache_line) Target rounded[Set::tile_size];
    typename Set::template Writer<Target>(scale).write(rounded, tile, false);
    std::memcpy(static_cast<void*>(target), rounded, static_cast<size_t>(count) * sizeof(Target));
    typename Set::Maximum maximum;
    maximum.include(tile);
    return maximum.reduce();
}

template <class Set, class Target, class Source>
float cast_tiles(const void* from, int64_t count, float scale, void* to, bool stream)
{
    const auto* source = static_cast<const Source*>(from);
    auto* target = static_cast<Target*>(to);
    int64_t i = 0;
    float ends = 0;
    const auto part = [&](int64_t size) {
        const float largest = cast_part<Set>(source + i, size, scale, target + i);
        ends = largest > ends ? largest : ends;
        i += size;
    };
    if (stream) {
        static_assert(Set::vector_bytes <= Set::tile_size, "the elements before a vector must fit one tile");
        const int64_t head = elements_before_vector(target, Set::vector_bytes);
        stream = head >= 0 && head < count;
        if (stream && head > 0) part(head);
    }
    const typename Set::template Reader<Source> reader;
    const typename Set::template Writer<Target> writer(scale);
    typename Set::Maximum maximum;
    for (; i + Set::tile_size <= count; i += Set::tile_size) {
        const auto tile = reader.read(source + i);
        maximum.include(tile);
        writer.write(target + i, tile, stream);
    }
    if (stream) Set::finish_stream();
    if (i < count) part(count - i);
    const float largest = maximum.reduce();
    return largest > ends ? largest : ends;
}

} // namespace
} // namespace nbit
