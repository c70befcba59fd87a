#include "abi/activations8.h"
#include "base/cpu.h"
#include "base/data_type.h"
#include "cpu/cast.h"
#include "cpu/elements.h"
#include "cpu/rows8.h"

#include <algorithm>

namespace nbit
{
namespace
{

// A few rows, so that a piece of work has about as many elements as elsewhere.
int64_t grain_of(const Activations8::Matrix& x)
{
    return std::max<int64_t>(grain_elements / std::max<int64_t>(x.columns, 1), 1);
}

int32_t threads_for(const nbit_context& context, const Activations8::Matrix& x)
{
    const int64_t count = x.rows * x.columns;
    return threads_for(context, count * data_type_size(x.type), count);
}

using CopyColumns8 = void (*)(const Activations8::Matrix& x, const Outliers8& columns, int64_t row, float* to);

template <class T> void copy_columns(const Activations8::Matrix& x, const Outliers8& columns, int64_t row, float* to)
{
    for (int64_t j = 0; j < columns.count; ++j) {
        const T element = load_element<T>(x.elements, row * x.columns + columns.columns[j]);
        to[j] = to_float(from_float<Float16>(to_float(element)));
    }
}

constexpr auto copy_columns_of = make_format_kernels<CopyColumns8>([]<class T> { return copy_columns<T>; });

} // namespace

Activations8::Activations8(const nbit_context& context, const Matrix& x, float threshold)
    : x_(x), codes_(x.rows * x.columns), absmax_(x.rows)
{
    if (threshold == 0) {
        quantize(context, threshold, nullptr);
        return;
    }
    const Scratch<uint8_t> flags(x.columns);
    std::fill_n(flags.data(), x.columns, uint8_t{0});
    quantize(context, threshold, flags.data());
    outlier_count_ = std::count(flags.data(), flags.data() + x.columns, 1);
    if (outlier_count_ > 0) set_outliers_apart(context, flags.data());
}

void Activations8::quantize(const nbit_context& context, float threshold, uint8_t* flags)
{
    const nbit_instruction_set set = instruction_set();
    const QuantizeRows8 kernel = rows8_of(set).quantize.find(NBIT_DATA_TYPE_FLOAT16);
    const CastKernel cast = casts_of(set).find(x_.type, NBIT_DATA_TYPE_FLOAT16);
    const int64_t size = data_type_size(x_.type), columns = x_.columns;
    const bool is_float16 = x_.type == NBIT_DATA_TYPE_FLOAT16;
    const int32_t threads = threads_for(context, x_);
    const Workspaces spaces(threads, is_float16 ? 0 : columns * data_type_size(NBIT_DATA_TYPE_FLOAT16));
    share_out(threads, x_.rows, grain_of(x_), [&](int64_t begin, int64_t end) {
        const auto quantize_rows = [&](const void* rows, int64_t first, int64_t count) {
            kernel(rows, count, columns, threshold, codes_.data() + first * columns, absmax_.data() + first, flags,
                   false);
        };
        const auto* from = static_cast<const char*>(x_.elements) + begin * columns * size;
        if (is_float16) return quantize_rows(from, begin, end - begin);
        const Workspaces::Lease row(spaces);
        for (int64_t r = begin; r < end; ++r, from += columns * size) {
            cast(from, columns, 1, row.data(), false);
            quantize_rows(row.data(), r, 1);
        }
    });
}

void Activations8::set_outliers_apart(const nbit_context& context, const uint8_t* flags)
{
    int64_t* column = outliers_.emplace(outlier_count_).data();
    for (int64_t c = 0; c < x_.columns; ++c)
        if (flags[c]) *column++ = c;
    share_out(threads_for(context, x_), x_.rows, grain_of(x_), [&](int64_t begin, int64_t end) {
        clear_columns(codes_.data() + begin * x_.columns, end - begin, x_.columns, flags);
    });
}

void Activations8::copy_outliers(int64_t begin, int64_t end, float* to) const noexcept
{
    const CopyColumns8 copy = copy_columns_of.find(x_.type);
    for (int64_t r = begin; r < end; ++r, to += outlier_count_)
        copy(x_, outliers(), r, to);
}

} // namespace nbit
