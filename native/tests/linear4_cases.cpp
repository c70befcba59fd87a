#include "linear4_cases.h"
#include "cpu/codes4.h"
#include "cpu/elements.h"

#include <algorithm>
#include <random>

namespace nbit::test
{
namespace
{

constexpr size_t guard = 128;
constexpr unsigned char untouched = 0xa5;

// Memory that begins a cache line, with canaries behind.
class Guarded
{
public:
    explicit Guarded(int64_t bytes) : bytes_(static_cast<size_t>(bytes)), memory_(bytes_ + 2 * guard, untouched)
    {
        const auto misplaced = reinterpret_cast<uintptr_t>(memory_.data()) % 64;
        begin_ = memory_.data() + (64 - misplaced) % 64;
    }
    void* get() { return begin_; }
    bool is_intact() const
    {
        return std::all_of<const unsigned char*>(begin_ + bytes_, memory_.data() + memory_.size(),
                                                 [](unsigned char byte) { return byte == untouched; });
    }

private:
    size_t bytes_;
    Bytes memory_;
    unsigned char* begin_ = nullptr;
};

} // namespace

std::ostream& operator<<(std::ostream& out, const Shape4& s)
{
    return out << s.rows << " rows, " << s.out_features << " x " << s.in_features << ", blocks of " << s.blocksize
               << (s.quant_type == NBIT_QUANT_TYPE_NF4 ? ", nf4" : ", fp4") << (s.is_nested ? ", nested" : "")
               << (s.has_bias ? ", bias" : "");
}

Shape4 random_shape(unsigned seed, int64_t rows, bool is_regular)
{
    std::mt19937 random(seed);
    const auto pick = [&](int64_t low, int64_t high) {
        return std::uniform_int_distribution<int64_t>(low, high)(random);
    };
    const int64_t in = pick(1, 200);
    return {rows,
            pick(1, 70),
            is_regular ? (in + 31) / 32 * 32 : in,
            int64_t{32} << pick(0, 7),
            pick(0, 1) ? NBIT_QUANT_TYPE_NF4 : NBIT_QUANT_TYPE_FP4,
            pick(0, 1) == 1,
            pick(0, 1) == 1};
}

Problem4::Problem4(const Shape4& shape, int32_t compute_type, int32_t type, Direction direction, Operands operands,
                   unsigned seed)
    : shape_(shape), direction_(direction)
{
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<float> uniform;
    const bool is_exact = operands == Operands::exact;
    const int64_t count = shape.out_features * shape.in_features;
    const int64_t blocks = (count + shape.blocksize - 1) / shape.blocksize;
    packed_.resize(static_cast<size_t>((count + 1) / 2));
    for (auto& pair : packed_)
        pair = static_cast<unsigned char>(random());
    absmax_.resize(static_cast<size_t>(shape.is_nested ? (blocks + 255) / 256 : blocks));
    for (float& absmax : absmax_)
        absmax = shape.is_nested ? 0.4f + 0.05f * uniform(random) : 0.5f + 0.49f * uniform(random);
    if (shape.is_nested) {
        for (int i = 0; i < 256; ++i)
            book_.push_back(is_exact ? uniform(random) : normal(random));
        for (int64_t i = 0; i < blocks; ++i)
            absmax_codes_.push_back(static_cast<uint8_t>(random()));
    }
    std::vector<float> x(static_cast<size_t>(shape.rows * depth())), bias;
    for (float& value : x)
        value = is_exact ? static_cast<float>(static_cast<int>(random() % 3) - 1) : normal(random);
    for (int64_t i = 0; i < (shape.has_bias && is_forward() ? shape.out_features : 0); ++i)
        bias.push_back(is_exact ? static_cast<float>(random() % 8) : normal(random));
    x_ = rounded(type, x);
    bias_ = rounded(NBIT_DATA_TYPE_FLOAT32, bias);
    rounded_bias_ = widened(compute_type, rounded(compute_type, bias));
    y_.resize(static_cast<size_t>(shape.rows * width() * data_type_size(type)) + 2 * guard);

    const auto& table = shape.quant_type == NBIT_QUANT_TYPE_NF4 ? Nf4::table : Fp4::table;
    BlockScales scales{absmax_.data()};
    if (shape.is_nested) scales = {absmax_.data(), absmax_codes_.data(), {book_.data(), offset_}};
    product_ = {{packed_.data(), shape.out_features, shape.in_features, shape.blocksize, table.data(), scales},
                compute_type,
                type,
                x_.data(),
                shape.rows,
                bias.empty() ? nullptr : rounded_bias_.data(),
                y_.data() + guard};
}

void Problem4::set_x(int64_t index, float value)
{
    const Bytes element = rounded(product_.type, {value});
    std::copy(element.begin(), element.end(), x_.begin() + index * static_cast<int64_t>(element.size()));
}

const Linear4Kernel& Problem4::kernel_of(const Linear4Table& table) const
{
    return (is_forward() ? table.forward : table.backward)(product_);
}

Bytes Problem4::run(const Linear4Table& table)
{
    std::fill(y_.begin(), y_.end(), untouched);
    const Linear4Kernel& kernel = kernel_of(table);
    Guarded packed(kernel.packed_bytes(product_)), workspace(kernel.workspace_bytes(product_));
    for (int64_t part = kernel.pack_parts(product_); part-- > 0;)
        kernel.pack(product_, part, part + 1, packed.get());
    const int64_t middle = width() / 2 / kernel.grain * kernel.grain;
    kernel.multiply(product_, packed.get(), middle, width(), workspace.get());
    kernel.multiply(product_, packed.get(), 0, middle, workspace.get());
    EXPECT_TRUE(packed.is_intact() && workspace.is_intact()) << shape_;
    const auto is_untouched = [](unsigned char byte) { return byte == untouched; };
    EXPECT_TRUE(std::all_of(y_.begin(), y_.begin() + guard, is_untouched)) << shape_;
    EXPECT_TRUE(std::all_of(y_.end() - guard, y_.end(), is_untouched)) << shape_;
    return Bytes(y_.begin() + guard, y_.end() - guard);
}

int32_t Problem4::call(nbit_context* context)
{
    const Weight4& w = product_.weight;
    const bool nested = shape_.is_nested;
    const auto* codes = nested ? absmax_codes_.data() : nullptr;
    const auto* book = nested ? book_.data() : nullptr;
    const auto* offset = nested ? &offset_ : nullptr;
    if (is_forward())
        return nbit_linear4_forward(context, shape_.quant_type, w.packed, absmax_.data(), codes, book, offset,
                                    w.blocksize, w.rows, w.columns, product_.type, product_.x, product_.rows,
                                    NBIT_DATA_TYPE_FLOAT32, bias_.empty() ? nullptr : bias_.data(),
                                    product_.compute_type, product_.y);
    return nbit_linear4_backward(context, shape_.quant_type, w.packed, absmax_.data(), codes, book, offset, w.blocksize,
                                 w.rows, w.columns, product_.type, product_.x, product_.rows, product_.compute_type,
                                 product_.y);
}

Bytes Problem4::run(nbit_context* context)
{
    std::fill(y_.begin(), y_.end(), untouched);
    EXPECT_EQ(call(context), NBIT_STATUS_OK) << last_error();
    return Bytes(y_.begin() + guard, y_.end() - guard);
}

double Problem4::magnitude(int64_t row, int64_t column) const
{
    const Weight4& w = product_.weight;
    const std::vector<float> x =
        widened(product_.type, Bytes(x_.begin() + row * depth() * data_type_size(product_.type),
                                     x_.begin() + (row + 1) * depth() * data_type_size(product_.type)));
    double sum = product_.bias ? std::fabs(static_cast<double>(product_.bias[column])) : 0;
    for (int64_t k = 0; k < depth(); ++k) {
        const int64_t element = is_forward() ? column * w.columns + k : k * w.columns + column;
        const double scale = static_cast<double>(scale_of_block(w.scales, element / w.blocksize));
        sum += std::fabs(static_cast<double>(x[static_cast<size_t>(k)]) * scale *
                         static_cast<double>(w.table[code_of_element(w, element)]));
    }
    return sum;
}

} // namespace nbit::test
