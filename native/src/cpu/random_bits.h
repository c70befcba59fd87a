// Random numbers for stochastic rounding, which depend on nothing but a seed and an element's index.
#pragma once
#include <cstdint>

namespace nbit
{
namespace
{

// A hash: the finalizer of SplitMix64 (Steele et al. 2014).
inline uint64_t random_bits(uint64_t seed, int64_t index)
{
    uint64_t hash = seed + 0x9e3779b97f4a7c15u * (static_cast<uint64_t>(index) + 1);
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
    return hash ^ hash >> 31;
}

} // namespace
} // namespace nbit
