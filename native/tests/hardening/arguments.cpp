#include "hardening/arguments.h"
#include "base/data_type.h"

#include <cstring>
#include <limits>

namespace nbit::test
{
namespace
{

// More than that is a size that is given without memory: such a call must be refused, or have nothing to do.
constexpr int64_t most_bytes = 64 << 20;

int64_t bytes_of(const Elements& elements)
{
    return saturated_product(elements.count, std::max<int64_t>(data_type_size(elements.type), 1));
}

constexpr int64_t wrong_sizes[] = {-1,
                                   INT64_MIN,
                                   INT64_MAX,
                                   INT64_MAX - 15,
                                   INT64_MAX / 2,
                                   INT64_MAX / 4,
                                   int64_t{1} << 62,
                                   int64_t{1} << 47,
                                   int64_t{1} << 40};

} // namespace

int64_t saturated_product(int64_t a, int64_t b)
{
    if (a <= 0 || b <= 0) return 0;
    return a > INT64_MAX / b ? INT64_MAX : a * b;
}

int64_t block_count(int64_t count, int64_t size) { return count <= 0 || size <= 0 ? 0 : (count - 1) / size + 1; }

int64_t Shape::count() const { return saturated_product(rows, columns); }

int32_t Arguments::one_of(std::initializer_list<int32_t> allowed)
{
    if (has_fault(24)) return static_cast<int32_t>(choices_.below(2) ? choices_.bits(4) : choices_.below(64) - 2);
    return choices_.one_of(allowed);
}

int32_t Arguments::number_type()
{
    return one_of({NBIT_DATA_TYPE_FLOAT32, NBIT_DATA_TYPE_FLOAT16, NBIT_DATA_TYPE_BFLOAT16});
}

int32_t Arguments::float8_type() { return one_of({NBIT_DATA_TYPE_FLOAT8_E4M3FN, NBIT_DATA_TYPE_FLOAT8_E5M2}); }

float Arguments::number(float low, float high)
{
    constexpr float infinity = std::numeric_limits<float>::infinity();
    if (has_fault(64))
        return choices_.one_of({-1.0f, infinity, -infinity, std::numeric_limits<float>::quiet_NaN(), 2.0f, 0.0f});
    return choices_.number(low, high);
}

int64_t Arguments::power_of_two_blocksize()
{
    if (has_fault(24)) return choices_.below(2) ? size(5000) : choices_.one_of<int64_t>({0, 1, 16, 33, 8192});
    return int64_t{32} << choices_.below(8);
}

int64_t Arguments::wrong_size() { return wrong_sizes[choices_.below(std::size(wrong_sizes))]; }

bool Arguments::is_too_large(const Elements& elements) { return bytes_of(elements) > most_bytes; }

int64_t Arguments::size(int64_t most)
{
    if (has_fault(24)) return wrong_size();
    switch (choices_.below(4)) {
    case 0: // the smallest ones
        return std::min<int64_t>(choices_.below(3), most);
    case 1: // next to the sizes of tiles and blocks
        return std::min(std::max<int64_t>((int64_t{8} << choices_.below(8)) + choices_.below(3) - 1, 0), most);
    default:
        return choices_.below(most + 1);
    }
}

int64_t Arguments::count() { return is_large() ? (1 << 20) + choices_.below(1 << 18) : size(3000); }

Shape Arguments::shape()
{
    if (is_large()) return {700 + choices_.below(700), 1500 + choices_.below(700)};
    const auto [rows, columns] = extents<2>({70, choices_.below(8) ? 150 : 2300});
    return {rows, columns};
}

const nbit_codebook8* Arguments::codebook()
{
    if (has_fault(64)) return nullptr;
    // Preparing one takes a millisecond, so that most calls share two.
    static const Context context = cpu_context(1);
    static const Codebook maps[] = {dynamic_codebook(context.get(), false), dynamic_codebook(context.get(), true)};
    if (!choices_.once_in(64)) return maps[choices_.below(2)].get();
    float values[256];
    fill(values, NBIT_DATA_TYPE_FLOAT32, 256, Contents::ascending, choices_);
    return codebooks_.emplace_back(codebook_of(context.get(), values)).get();
}

void* Arguments::memory(const Elements& elements, Use use)
{
    if (has_fault(24)) return nullptr;
    const auto overlappable = static_cast<int64_t>(regions_.size() - group_);
    if (use != Use::read && overlappable > 0 && has_fault(24)) {
        Region& other = regions_[group_ + static_cast<size_t>(choices_.below(overlappable))];
        if (!other.before.empty()) return other.memory.data();
    }
    if (is_too_large(elements)) return nullptr;
    const int64_t bytes = bytes_of(elements), size = std::max<int64_t>(data_type_size(elements.type), 1);
    const int64_t shift = choices_.below(4) ? choices_.below(elements.is_aligned ? 3 : 16) : 0;
    Region& region = regions_.emplace_back(
        Region{use, elements.type, Guarded<uint8_t>(bytes, elements.is_aligned ? shift * size : shift), {}});
    // What is written begins with any bits: nothing of them may show in results.
    if (use == Use::written)
        std::memset(region.memory.data(), 0x5a, static_cast<size_t>(bytes));
    else if (data_type_size(elements.type) > 0)
        fill(region.memory.data(), elements.type, elements.count, elements.contents, choices_);
    region.before = region.memory.bytes();
    return region.memory.data();
}

void Arguments::restore()
{
    for (Region& region : regions_)
        if (region.use != Use::read && !region.before.empty())
            std::memcpy(region.memory.data(), region.before.data(), region.before.size());
}

std::string Arguments::misuse(int32_t status) const
{
    for (size_t i = 0; i < regions_.size(); ++i) {
        const Region& region = regions_[i];
        const std::string name = "memory " + std::to_string(i) + " (" + std::to_string(region.before.size()) +
                                 " bytes of " + data_type_name(region.type) + ")";
        if (!region.memory.is_intact()) return "writes beyond " + name;
        if ((status != NBIT_STATUS_OK || region.use == Use::read) && region.memory.bytes() != region.before)
            return (region.use == Use::read ? "changes what it reads: " : "fails and changes ") + name;
    }
    return {};
}

Arguments::Results Arguments::results() const
{
    Results all;
    for (const Region& region : regions_)
        if (region.use != Use::read) all.push_back(region.memory.bytes());
    return all;
}

std::string Arguments::difference(const Results& expected, const Results& found) const
{
    size_t result = 0;
    for (const Region& region : regions_) {
        if (region.use == Use::read) continue;
        if (!are_same(region.type, expected[result], found[result]))
            return "result " + std::to_string(result) + " (" + data_type_name(region.type) + ") differs";
        ++result;
    }
    return {};
}

} // namespace nbit::test
