// A maximum that several threads find together.
#pragma once
#include <atomic>
#include <bit>
#include <cstdint>

namespace nbit
{

// Of floats that are not negative, which are in the order of their bits.
class Largest
{
public:
    void include(float candidate) noexcept
    {
        const uint32_t bits = std::bit_cast<uint32_t>(candidate);
        uint32_t known = bits_.load(std::memory_order_relaxed);
        while (known < bits && !bits_.compare_exchange_weak(known, bits, std::memory_order_relaxed)) {
        }
    }
    float value() const noexcept { return std::bit_cast<float>(bits_.load()); }

private:
    std::atomic<uint32_t> bits_{0};
};

} // namespace nbit
