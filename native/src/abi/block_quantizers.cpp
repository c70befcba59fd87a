#include "abi/guard.h"
#include "abi/scaled_arguments.h"
#include "abi/work.h"
#include "base/cpu.h"
#include "cpu/float8/block_rules.h"

using namespace nbit;

namespace
{

// What the quantizers of all block formats are given.
struct Arguments {
    int32_t source_type;
    const void* source;
    int64_t rows, columns;
    bool transpose;
    int32_t format, scaling;
    uint8_t* codes;
    void* scales;

    operation::BlockSource block_source() const { return {source_type, source, rows, columns, transpose}; }
    // The matrix that is made.
    ScaledMatrix matrix() const
    {
        return {format, scaling, codes, transpose ? columns : rows, transpose ? rows : columns, scales, nullptr};
    }
};

void require_scaling_among(std::initializer_list<nbit_scaling> choice, int32_t scaling, const char* allowed)
{
    if (std::find(choice.begin(), choice.end(), scaling) == choice.end())
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "scaling is %d; allowed are %s", scaling, allowed);
}

// Checks the arguments; `scale_name` is that of the scales, and `read` what else the call reads.
void require_arguments(const Arguments& a, const char* scale_name, std::initializer_list<Region> read)
{
    require_number_format("source_type", a.source_type);
    const Region from{"source", a.source, checked_bytes(a.rows, a.columns, data_type_size(a.source_type))};
    const ScaledMatrix matrix = a.matrix();
    const Region codes{"codes", a.codes, matrix.rows * matrix.row_bytes()};
    const Region scales{scale_name, a.scales, matrix.scale_count() * data_type_size(scale_type_of(a.scaling))};
    require_memory({from, codes, scales});
    require_disjoint({codes, scales}, {from});
    require_disjoint({codes, scales}, read);
}

template <class Rule>
void quantize(const nbit_context& context, const Arguments& a, const BlockShape& block, const Rule& rule)
{
    const ScaledRowsTable& kernels = scaled_rows_of(instruction_set());
    const int64_t size = data_type_size(a.source_type);
    const BlockQuantization job{kernels,
                                kernels.raise.find(a.source_type),
                                kernels.encoder(a.format, a.source_type),
                                a.source,
                                size,
                                a.rows,
                                a.columns,
                                a.transpose,
                                block,
                                a.format == NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2,
                                a.codes,
                                a.matrix()};
    const int64_t width = quantized_columns(a.transpose), across = ceil_divide(a.columns, width);
    const int64_t parts = ceil_divide(a.rows, quantized_rows) * across, count = a.rows * a.columns;
    share_out(threads_for(context, count * size, count), parts, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t row = i / across * quantized_rows, column = i % across * width;
            quantize_part(job, rule, row, column, std::min(quantized_rows, a.rows - row),
                          std::min(width, a.columns - column));
        }
    });
}

float largest_number_of(int32_t type)
{
    switch (type) {
    case NBIT_DATA_TYPE_FLOAT16:
        return to_float(Float16{0x7bff});
    case NBIT_DATA_TYPE_BFLOAT16:
        return to_float(BFloat16{0x7f7f});
    default:
        return largest_float;
    }
}

} // namespace

int32_t nbit_mxfp8_quantize(nbit_context* context, int32_t source_type, const void* source, int64_t rows,
                            int64_t columns, int32_t format, int32_t scaling, uint8_t* codes, uint8_t* scales)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        require_float8_format("format", format);
        require_scaling_among({NBIT_SCALING_MXFP8_1X32, NBIT_SCALING_MXFP8_32X1, NBIT_SCALING_MXFP8_32X32}, scaling,
                              "mxfp8_1x32 (1), mxfp8_32x1 (2) and mxfp8_32x32 (3)");
        const Arguments a{source_type, source, rows, columns, false, format, scaling, codes, scales};
        require_arguments(a, "scales", {});
        const ScaledMatrix matrix = a.matrix();
        c.run(operation::QuantizeMxfp8{a.block_source(), matrix},
              [&] { quantize(c, a, block_of(scaling), Mxfp8Blocks(largest_of(format), scales)); });
    });
}

int32_t nbit_float8_block_quantize(nbit_context* context, int32_t source_type, const void* source, int64_t rows,
                                   int64_t columns, int32_t transpose, int32_t format, int32_t scaling,
                                   int32_t power_of_two, float epsilon, uint8_t* codes, float* scale_inverses)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        require_float8_format("format", format);
        require_scaling_among({NBIT_SCALING_FLOAT8_1X128, NBIT_SCALING_FLOAT8_128X128}, scaling,
                              "float8_1x128 (4) and float8_128x128 (5)");
        require_finite("epsilon", epsilon, epsilon >= 0, "finite numbers, 0 or more");
        const Arguments a{source_type, source,  rows,  columns,       checked_flag("transpose", transpose),
                          format,      scaling, codes, scale_inverses};
        const bool rounds_down = checked_flag("power_of_two", power_of_two);
        require_arguments(a, "scale_inverses", {});
        const ScaledMatrix matrix = a.matrix();
        c.run(operation::QuantizeFloat8Blocks{a.block_source(), matrix, rounds_down, epsilon}, [&] {
            const ScaleRule rule{largest_of(format), rounds_down, epsilon, largest_number_of(source_type)};
            quantize(c, a, block_of(scaling), Float8Blocks(rule, scale_inverses));
        });
    });
}

int32_t nbit_nvfp4_quantize(nbit_context* context, int32_t source_type, const void* source, int64_t rows,
                            int64_t columns, int32_t transpose, int64_t block_rows, const float* amax,
                            const uint64_t* rounding_seed, uint8_t* codes, uint8_t* scales)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        if (block_rows != 1 && block_rows != 16)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "block_rows is %lld; allowed are 1, and 16 for blocks of 16 x 16 elements",
                        static_cast<long long>(block_rows));
        const Arguments a{source_type,
                          source,
                          rows,
                          columns,
                          checked_flag("transpose", transpose),
                          NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2,
                          NBIT_SCALING_NVFP4_1X16,
                          codes,
                          scales};
        require_memory(amax, "amax");
        require_arguments(a, "scales",
                          {{"amax", amax, sizeof(float)}, {"rounding_seed", rounding_seed, sizeof(uint64_t)}});
        const ScaledMatrix matrix = a.matrix();
        c.run(operation::QuantizeNvfp4{a.block_source(), matrix, block_rows, amax, rounding_seed}, [&] {
            const DefaultFloatEnvironment environment;
            Nvfp4Blocks rule(matrix, *amax, block_rows, scales);
            if (rounding_seed)
                rule.round_stochastically(scaled_rows_of(instruction_set()).encode_stochastically.find(source_type),
                                          *rounding_seed);
            quantize(c, a, {block_rows, block_of(NBIT_SCALING_NVFP4_1X16).columns}, rule);
        });
    });
}
