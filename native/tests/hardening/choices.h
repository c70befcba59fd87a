// Decisions of a random call, made by bytes: those of a fuzzer, or random ones.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace nbit::test
{

class Choices
{
public:
    // The bytes must outlive the choices. When they are used up, every choice is the first one.
    explicit Choices(std::span<const uint8_t> bytes) : bytes_(bytes) {}

    uint64_t bits(int bytes = 8);
    // 0 to limit - 1.
    int64_t below(int64_t limit);
    // Never once the bytes are used up.
    bool once_in(int64_t n) { return below(n) == n - 1; }
    template <class T> T one_of(std::initializer_list<T> values)
    {
        return values.begin()[below(static_cast<int64_t>(values.size()))];
    }
    // From low to high.
    float number(float low, float high);

private:
    std::span<const uint8_t> bytes_;
};

// SplitMix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014).
class RandomBits
{
public:
    explicit RandomBits(uint64_t seed) : state_(seed) {}
    uint64_t next();

private:
    uint64_t state_;
};

std::vector<uint8_t> random_bytes(uint64_t seed, size_t count);

} // namespace nbit::test
