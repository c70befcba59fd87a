#include "cpu/rows8.h"
#include "abi/arguments.h"
#include "abi/guard.h"
#include "abi/work.h"
#include "base/cpu.h"
#include "cpu/streaming.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>

using namespace nbit;

namespace
{

// A few rows, so that a piece of work has about as many elements as elsewhere.
int64_t grain_of_rows(int64_t columns) { return std::max<int64_t>(grain_elements / std::max<int64_t>(columns, 1), 1); }

// A matrix cut into parts of so many rows and 2048 columns, which are as long a read as memory likes.
struct Part {
    int64_t row, column, rows, columns;
};
struct Parts {
    static constexpr int64_t width = 2048;
    int64_t rows, columns, height, across;

    Parts(int64_t all_rows, int64_t all_columns, int64_t part_height)
        : rows(all_rows), columns(all_columns), height(part_height), across(ceil_divide(all_columns, width))
    {
    }
    int64_t count() const { return ceil_divide(rows, height) * across; }
    Part operator[](int64_t i) const
    {
        const int64_t row = i / across * height, column = i % across * width;
        return {row, column, std::min(height, rows - row), std::min(width, columns - column)};
    }
};

// Raises a number that other threads raise too, in the order of the bits.
void raise_bits(float& shared, uint32_t candidate) noexcept
{
    const std::atomic_ref<float> target(shared);
    float known = target.load(std::memory_order_relaxed);
    while (std::bit_cast<uint32_t>(known) < candidate &&
           !target.compare_exchange_weak(known, std::bit_cast<float>(candidate), std::memory_order_relaxed)) {
    }
}

} // namespace

int32_t nbit_rows8_quantize(nbit_context* context, int32_t source_type, const void* source, int64_t rows,
                            int64_t columns, float threshold, int8_t* codes, float* row_absmax,
                            uint8_t* outlier_columns)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const QuantizeRows8 kernel = checked_kernel(rows8_of(instruction_set()).quantize, "source_type", source_type);
        const int64_t source_size = data_type_size(source_type);
        const Region from{"source", source, checked_bytes(rows, columns, source_size)};
        const Region to{"codes", codes, rows * columns};
        const Region scales{"row_absmax", row_absmax, checked_bytes(rows, sizeof(float))};
        const Region flags{"outlier_columns", outlier_columns, columns};
        require_threshold(threshold);
        require_memory({from, to, scales});
        if (threshold > 0) require_memory({flags});
        require_disjoint({to, scales, flags}, {from});

        const operation::QuantizeRows8 all{source_type, source, rows,       columns,
                                           threshold,   codes,  row_absmax, outlier_columns};
        c.run(all, [&] {
            if (outlier_columns) std::memset(outlier_columns, 0, static_cast<size_t>(columns));
            const int32_t threads = threads_for(c, from.bytes, to.bytes);
            const bool stream = should_stream(to.bytes);
            const int64_t grain = grain_of_rows(columns);
            share_out(threads, rows, grain, [&](int64_t begin, int64_t end) {
                kernel(static_cast<const char*>(source) + begin * columns * source_size, end - begin, columns,
                       threshold, codes + begin * columns, row_absmax + begin, outlier_columns, stream);
            });
            if (threshold > 0)
                share_out(threads, rows, grain, [&](int64_t begin, int64_t end) {
                    clear_columns(codes + begin * columns, end - begin, columns, outlier_columns);
                });
        });
    });
}

int32_t nbit_rows8_dequantize(nbit_context* context, const int8_t* codes, const float* row_absmax, int64_t rows,
                              int64_t columns, int32_t target_type, void* target)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const DequantizeRows8 kernel =
            checked_kernel(rows8_of(instruction_set()).dequantize, "target_type", target_type);
        const int64_t target_size = data_type_size(target_type);
        const Region to{"target", target, checked_bytes(rows, columns, target_size)};
        const Region from{"codes", codes, rows * columns};
        const Region scales{"row_absmax", row_absmax, checked_bytes(rows, sizeof(float))};
        require_memory({to, from, scales});
        require_disjoint({to}, {from, scales});

        c.run(operation::DequantizeRows8{codes, row_absmax, rows, columns, target_type, target}, [&] {
            const bool stream = should_stream(to.bytes);
            share_out(threads_for(c, from.bytes, to.bytes), rows, grain_of_rows(columns),
                      [&](int64_t begin, int64_t end) {
                          kernel(codes + begin * columns, row_absmax + begin, end - begin, columns,
                                 static_cast<char*>(target) + begin * columns * target_size, stream);
                      });
        });
    });
}

int32_t nbit_columns8_quantize(nbit_context* context, int32_t source_type, const void* source, int64_t rows,
                               int64_t columns, const uint8_t* left_out, int8_t* codes, float* column_absmax)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const Rows8Table& kernels = rows8_of(instruction_set());
        const QuantizeColumns8 quantize = checked_kernel(kernels.quantize_columns, "source_type", source_type);
        const RaiseColumns8 raise = kernels.raise_columns.find(source_type);
        const int64_t source_size = data_type_size(source_type);
        const Region from{"source", source, checked_bytes(rows, columns, source_size)};
        const Region to{"codes", codes, rows * columns};
        const Region scales{"column_absmax", column_absmax, checked_bytes(columns, sizeof(float))};
        const Region flags{"left_out", left_out, columns};
        require_memory({from, to, scales});
        require_disjoint({to, scales}, {from, flags});

        const operation::QuantizeColumns8 all{source_type, source, rows, columns, left_out, codes, column_absmax};
        c.run(all, [&] {
            const auto at = [&](const Part& part) {
                return static_cast<const char*>(source) + (part.row * columns + part.column) * source_size;
            };
            const int32_t threads = threads_for(c, from.bytes, to.bytes);
            std::fill_n(column_absmax, columns, 0.0f);
            const Parts tall(rows, columns, 256); // so that raising the common absmax costs little
            share_out(threads, tall.count(), 1, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                    const Part part = tall[i];
                    uint32_t largest[Parts::width] = {};
                    raise(at(part), {part.rows, part.columns, columns}, largest);
                    for (int64_t j = 0; j < part.columns; ++j)
                        raise_bits(column_absmax[part.column + j], largest[j]);
                }
            });
            for (int64_t i = 0; i < columns; ++i)
                column_absmax[i] =
                    left_out && left_out[i] ? 0 : absmax_from_bits<float>(std::bit_cast<uint32_t>(column_absmax[i]));
            const Parts flat(rows, columns, 64); // a cache line of codes
            const bool stream = should_stream(to.bytes);
            share_out(threads, flat.count(), 1, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                    const Part part = flat[i];
                    quantize(at(part), {part.rows, part.columns, columns}, column_absmax + part.column,
                             codes + part.column * rows + part.row, rows, stream);
                }
            });
        });
    });
}
