#include "abi/guard.h"
#include "abi/scaled_arguments.h"
#include "abi/work.h"
#include "base/cpu.h"
#include "cpu/cast.h"
#include "cpu/float8/scaled_rows.h"
#include "cpu/streaming.h"

using namespace nbit;

namespace
{

// Rows [begin, end), in stretches of so many columns, which share out their blocks' scales.
void dequantize_rows(const ScaledMatrix& matrix, DecodeRow decode, int64_t target_size, char* target, int64_t begin,
                     int64_t end)
{
    constexpr int64_t stretch = 512;
    const int64_t width = std::min(block_of(matrix.scaling).columns, matrix.columns);
    float scales[stretch];
    for (int64_t r = begin; r < end; ++r)
        for (int64_t c = 0; c < matrix.columns; c += stretch) {
            const int64_t count = std::min(stretch, matrix.columns - c);
            for (int64_t i = 0; i < count; i += width)
                std::fill_n(scales + i, std::min(width, count - i), matrix.element_scale(matrix.scale_index(r, c + i)));
            decode(matrix.row(r) + (matrix.holds_pairs() ? c / 2 : c), count, scales,
                   target + (r * matrix.columns + c) * target_size);
        }
}

void dequantize(const nbit_context& context, const operation::DequantizeScaled& o, int64_t bytes_read,
                int64_t bytes_written)
{
    const ScaledMatrix& matrix = o.matrix;
    const int64_t size = data_type_size(o.target_type);
    auto* const target = static_cast<char*>(o.target);
    const int32_t threads = threads_for(context, bytes_read, bytes_written);
    if (matrix.scaling == NBIT_SCALING_TENSOR) {
        const CastKernel cast = casts_of(instruction_set()).find(matrix.format, o.target_type);
        const float scale = matrix.common_scale();
        const bool stream = should_stream(bytes_written);
        share_out(threads, matrix.rows * matrix.columns, grain_elements, [&](int64_t begin, int64_t end) {
            cast(matrix.codes + begin, end - begin, scale, target + begin * size, stream);
        });
        return;
    }
    const DecodeRow decode = scaled_rows_of(instruction_set()).decoder(matrix.format, o.target_type);
    share_out(threads, matrix.rows, std::max<int64_t>(grain_elements / matrix.columns, 1),
              [&](int64_t begin, int64_t end) { dequantize_rows(matrix, decode, size, target, begin, end); });
}

} // namespace

int32_t nbit_scaled_dequantize(nbit_context* context, int32_t format, int32_t scaling, const uint8_t* codes,
                               int64_t rows, int64_t columns, const void* scales, const float* amax,
                               int32_t target_type, void* target)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        constexpr ScaledMatrixNames names{"format", "scaling", "codes", "scales", "amax"};
        require_scaling(names, format, scaling);
        require_number_format("target_type", target_type);
        const int64_t size = data_type_size(target_type);
        const Region to{"target", target, checked_bytes(rows, columns, size)};
        const ScaledMatrix matrix{format, scaling, codes, rows, columns, scales, amax};
        const ScaledMatrixRegions from = checked_regions(names, matrix, {"rows", rows}, {"columns", columns});
        require_memory({to});
        require_disjoint({to}, {from.codes, from.scales, from.amax});
        if (to.bytes == 0) return;

        const operation::DequantizeScaled all{matrix, target_type, target};
        c.run(all, [&] { dequantize(c, all, from.codes.bytes, to.bytes); });
    });
}
