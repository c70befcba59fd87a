#include "cpu/rows8.h"
#include "abi/arguments.h"
#include "abi/guard.h"
#include "abi/work.h"
#include "base/cpu.h"
#include "cpu/streaming.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace nbit;

namespace
{

// A few rows, so that a piece of work has about as many elements as elsewhere.
int64_t grain_of_rows(int64_t columns) { return std::max<int64_t>(grain_elements / std::max<int64_t>(columns, 1), 1); }

void require_threshold(float threshold)
{
    if (!(threshold >= 0) || std::isinf(threshold))
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "threshold is %g; allowed are finite numbers above 0 (6 is usual), or 0 for no outliers",
                    static_cast<double>(threshold));
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

        if (outlier_columns) std::memset(outlier_columns, 0, static_cast<size_t>(columns));
        const int32_t threads = threads_for(c, from.bytes, to.bytes);
        const bool stream = should_stream(to.bytes);
        const int64_t grain = grain_of_rows(columns);
        share_out(threads, rows, grain, [&](int64_t begin, int64_t end) {
            kernel(static_cast<const char*>(source) + begin * columns * source_size, end - begin, columns, threshold,
                   codes + begin * columns, row_absmax + begin, outlier_columns, stream);
        });
        if (threshold > 0)
            share_out(threads, rows, grain, [&](int64_t begin, int64_t end) {
                clear_columns(codes + begin * columns, end - begin, columns, outlier_columns);
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

        const bool stream = should_stream(to.bytes);
        share_out(threads_for(c, from.bytes, to.bytes), rows, grain_of_rows(columns), [&](int64_t begin, int64_t end) {
            kernel(codes + begin * columns, row_absmax + begin, end - begin, columns,
                   static_cast<char*>(target) + begin * columns * target_size, stream);
        });
    });
}

int32_t nbit_columns8_quantize(nbit_context* context, int32_t source_type, const void* source, int64_t rows,
                               int64_t columns, const uint8_t* left_out, int8_t* codes, float* column_absmax)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const QuantizeColumns8 kernel =
            checked_kernel(rows8_of(instruction_set()).quantize_columns, "source_type", source_type);
        const Region from{"source", source, checked_bytes(rows, columns, data_type_size(source_type))};
        const Region to{"codes", codes, rows * columns};
        const Region scales{"column_absmax", column_absmax, checked_bytes(columns, sizeof(float))};
        const Region flags{"left_out", left_out, columns};
        require_memory({from, to, scales});
        require_disjoint({to, scales}, {from, flags});

        constexpr int64_t panel = 64; // columns: a cache line of codes, and a tile of every instruction set
        share_out(threads_for(c, from.bytes, to.bytes), columns, panel, [&](int64_t begin, int64_t end) {
            kernel(source, {rows, columns, begin, end}, left_out, codes, column_absmax);
        });
    });
}
