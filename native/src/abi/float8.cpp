#include "abi/guard.h"
#include "abi/largest.h"
#include "abi/scaled_arguments.h"
#include "abi/work.h"
#include "base/cpu.h"
#include "cpu/cast.h"
#include "cpu/float8/scaled_rows.h"
#include "cpu/streaming.h"

using namespace nbit;

namespace
{

float checked_scale(const float* scale)
{
    const float value = scale ? *scale : 1;
    require_finite("scale", value, value > 0, "finite numbers above 0, or null for 1");
    return value;
}

// A matrix of codes for one part of the source, so small that it stays in a cache until it is transposed.
constexpr int64_t part_rows = 64, part_columns = 1024;

struct Quantization {
    CastKernel cast;
    TransposeBytes transpose;
    const char* source;
    int64_t element_size, rows, columns;
    float scale;
    uint8_t* codes; // null for none
    uint8_t* transposed_codes;
};

// Casts and transposes rows [row, row + rows) and columns [column, column + columns); gives back their amax.
float quantize_part(const Quantization& job, int64_t row, int64_t column, int64_t rows, int64_t columns)
{
    uint8_t part[part_rows][part_columns];
    uint8_t* const codes = job.codes ? job.codes + row * job.columns + column : part[0];
    const int64_t stride = job.codes ? job.columns : part_columns;
    float largest = 0;
    for (int64_t r = 0; r < rows; ++r) {
        const char* const from = job.source + ((row + r) * job.columns + column) * job.element_size;
        largest = std::max(largest, job.cast(from, columns, job.scale, codes + r * stride, false));
    }
    job.transpose(codes, {rows, columns, stride}, job.transposed_codes + column * job.rows + row, job.rows);
    return largest;
}

void quantize_and_transpose(int32_t threads, const Quantization& job, Largest& largest)
{
    const int64_t across = ceil_divide(job.columns, part_columns);
    share_out(threads, ceil_divide(job.rows, part_rows) * across, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t row = i / across * part_rows, column = i % across * part_columns;
            largest.include(quantize_part(job, row, column, std::min(part_rows, job.rows - row),
                                          std::min(part_columns, job.columns - column)));
        }
    });
}

void quantize(const nbit_context& context, const operation::QuantizeFloat8& o)
{
    const int64_t size = data_type_size(o.source_type), count = o.rows * o.columns;
    const Quantization job{casts_of(instruction_set()).find(o.source_type, o.format),
                           scaled_rows_of(instruction_set()).transpose,
                           static_cast<const char*>(o.source),
                           size,
                           o.rows,
                           o.columns,
                           checked_scale(o.scale),
                           o.codes,
                           o.transposed_codes};
    const int32_t threads = threads_for(context, count * size, count);
    const bool stream = should_stream(count);
    Largest largest;
    if (o.transposed_codes)
        quantize_and_transpose(threads, job, largest);
    else
        share_out(threads, count, grain_elements, [&](int64_t begin, int64_t end) {
            largest.include(job.cast(job.source + begin * size, end - begin, job.scale, o.codes + begin, stream));
        });
    const DefaultFloatEnvironment environment;
    if (o.scale_inverse) *o.scale_inverse = 1 / job.scale;
    if (o.amax && largest.value() > *o.amax) *o.amax = largest.value();
}

} // namespace

int32_t nbit_float8_quantize(nbit_context* context, int32_t source_type, const void* source, int64_t rows,
                             int64_t columns, int32_t format, const float* scale, uint8_t* codes,
                             uint8_t* transposed_codes, float* scale_inverse, float* amax)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        require_number_format("source_type", source_type);
        require_float8_format("format", format);
        const int64_t size = data_type_size(source_type);
        const Region from{"source", source, checked_bytes(rows, columns, size)};
        const Region to{"codes", codes, rows * columns}, across{"transposed_codes", transposed_codes, rows * columns};
        const Region factor{"scale", scale, sizeof(float)}, inverse{"scale_inverse", scale_inverse, sizeof(float)};
        const Region maximum{"amax", amax, sizeof(float)};
        require_memory({from});
        if (!codes && !transposed_codes && from.bytes > 0)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "codes and transposed_codes are null; give the address of memory for one of them");
        require_disjoint({to, across, inverse, maximum}, {from, factor});

        const operation::QuantizeFloat8 all{source_type, source,           rows,          columns, format, scale,
                                            codes,       transposed_codes, scale_inverse, amax};
        c.run(all, [&] { quantize(c, all); });
    });
}
