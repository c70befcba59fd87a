// LLM.int8(): rows quantized to int8, their products and what is made of these. The kernels have float16 alone.
#include "base/cpu.h"
#include "base/float_environment.h"
#include "cpu/rows8.h"
#include "cuda/backend.h"
#include "cuda/refusals.h"
#include "cuda/special_blocks.h"

#include <algorithm>

namespace nbit::cuda
{
namespace
{

constexpr int32_t float16 = NBIT_DATA_TYPE_FLOAT16;

struct Int8Product {
    const int8_t* a; // [m, k]
    const int8_t* b; // [n, k]
    int64_t m, n, k;
};

// cuBLAS multiplies int8 in fours, along both sums and columns.
void require_product(const Int8Product& product, const char* columns, const char* terms)
{
    require_multiple(terms, product.k, 4);
    require_multiple(columns, product.n, 4);
    require_countable("rows and terms of a product", product.m, product.k);
    require_countable("columns and terms of a product", product.n, product.k);
    require_countable("rows and columns of a product", product.m, product.n);
    if (product.k == 0)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND, "%s is 0; bitsandbytes' kernel on CUDA needs 4 or more",
                    terms);
}

void require_half(const char* type_name, int32_t type, int32_t bias_type, const void* bias)
{
    require_type(type_name, type, float16);
    if (bias) require_type("bias_type", bias_type, float16);
}

void multiply(const Launch& launch, const Bitsandbytes& library, const Int8Product& p, int32_t* product)
{
    constexpr int32_t not_implemented = 100;
    const auto m = static_cast<int32_t>(p.m), n = static_cast<int32_t>(p.n), k = static_cast<int32_t>(p.k);
    // In its column-major terms, the library multiplies the transposed b[k, n] with a[k, m].
    const int32_t error = library.multiply8(library.handle(launch.device()), k, m, n, p.b, p.a, product, nullptr, k, k,
                                            n, launch.stream());
    if (error == 0) return;
    throw Error(error == not_implemented ? NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND : NBIT_STATUS_INTERNAL_ERROR,
                "bitsandbytes' int8 product failed with error %d%s", error,
                error == not_implemented ? ": this device has no int8 products (compute capability 7.5 is needed)"
                                         : "");
}

struct HalfRows {
    const void* elements;
    int64_t rows, columns;
};

// NaN and infinities, which the kernel does not show, are put right row by row.
void quantize_again(const Launch& launch, const SpecialBlocks& special, const HalfRows& x, int8_t* codes, float* absmax)
{
    const QuantizeRows8 kernel = rows8_of(instruction_set()).quantize.find(float16);
    special.for_each_range([&](int64_t first, int64_t elements) {
        const int64_t begin = first / x.columns, rows = elements / x.columns, size = data_type_size(float16);
        const Scratch<char> source(elements * size);
        const Scratch<int8_t> new_codes(elements);
        const Scratch<float> new_absmax(rows);
        launch.to_host(source.data(), static_cast<const char*>(x.elements) + first * size, elements * size);
        {
            const DefaultFloatEnvironment environment;
            kernel(source.data(), rows, x.columns, 0, new_codes.data(), new_absmax.data(), nullptr, false);
        }
        launch.to_device(codes + first, new_codes.data(), elements);
        launch.to_device(absmax + begin, new_absmax.data(), rows * int64_t{sizeof(float)});
    });
}

void require_no_threshold(float threshold)
{
    if (threshold > 0)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "threshold is %g; bitsandbytes' library does not say on CUDA which columns hold outliers",
                    static_cast<double>(threshold));
}

void quantize_rows(const Launch& launch, const Bitsandbytes& library, const Constants& constants, const HalfRows& x,
                   int8_t* codes, float* absmax)
{
    library.quantize_rows8(x.elements, codes, absmax, 0, static_cast<int32_t>(x.rows), static_cast<int32_t>(x.columns),
                           launch.stream());
    const SpecialBlocks special(launch, library, constants,
                                {float16, x.elements, x.rows * x.columns, x.columns, absmax});
    quantize_again(launch, special, x, codes, absmax);
}

} // namespace

void CudaBackend::run(void* stream, const operation::QuantizeRows8& o) const
{
    require_type("source_type", o.source_type, float16);
    require_no_threshold(o.threshold);
    require_countable("rows and columns", o.rows, o.columns);
    if (o.rows == 0) return;
    if (o.columns == 0)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND, "columns is 0; bitsandbytes' kernel on CUDA needs 1 or more");
    const Bitsandbytes& library = libraries_.bitsandbytes();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"source", o.source},
                              {"codes", o.codes},
                              {"row_absmax", o.row_absmax},
                              {"outlier_columns", o.outlier_columns}});
    quantize_rows(launch, library, constants(), {o.source, o.rows, o.columns}, o.codes, o.row_absmax);
    if (o.outlier_columns) runtime_.fill(o.outlier_columns, 0, o.columns, stream);
}

void CudaBackend::run(void* stream, const operation::MultiplyInt8& o) const
{
    const Int8Product product{o.a, o.b, o.m, o.n, o.k};
    require_product(product, "n", "k");
    const Bitsandbytes& library = libraries_.bitsandbytes();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"a", o.a}, {"b", o.b}, {"product", o.product}});
    multiply(launch, library, product, o.product);
}

void CudaBackend::run(void* stream, const operation::DequantizeProduct8& o) const
{
    require_half("target_type", o.target_type, o.bias_type, o.bias);
    require_countable("m and n", o.m, o.n);
    const Bitsandbytes& library = libraries_.bitsandbytes();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"product", o.product},
                              {"row_absmax", o.row_absmax},
                              {"column_absmax", o.column_absmax},
                              {"bias", o.bias},
                              {"target", o.target}});
    library.dequantize_product8(o.product, o.row_absmax, o.column_absmax, o.target, o.bias, static_cast<int32_t>(o.m),
                                static_cast<int32_t>(o.n), stream);
}

void CudaBackend::run(void* stream, const operation::MultiplyDequantizeInt8& o) const
{
    const Int8Product product{o.a, o.b, o.m, o.n, o.k};
    require_half("target_type", o.target_type, o.bias_type, o.bias);
    require_product(product, "n", "k");
    const Bitsandbytes& library = libraries_.bitsandbytes();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"a", o.a},
                              {"row_absmax", o.row_absmax},
                              {"b", o.b},
                              {"column_absmax", o.column_absmax},
                              {"bias", o.bias},
                              {"target", o.target}});
    const DeviceScratch<int32_t> sums(launch, o.m * o.n);
    multiply(launch, library, product, sums.data());
    library.dequantize_product8(sums.data(), o.row_absmax, o.column_absmax, o.target, o.bias, static_cast<int32_t>(o.m),
                                static_cast<int32_t>(o.n), stream);
}

void CudaBackend::run(void* stream, const operation::Linear8Forward& o) const
{
    require_half("x_type", o.x_type, o.bias_type, o.bias);
    require_no_threshold(o.threshold);
    require_product({nullptr, o.codes, o.rows, o.out_features, o.in_features}, "out_features", "in_features");
    const Bitsandbytes& library = libraries_.bitsandbytes();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device(
        {{"codes", o.codes}, {"row_absmax", o.row_absmax}, {"x", o.x}, {"bias", o.bias}, {"y", o.y}});
    const DeviceScratch<int8_t> x_codes(launch, o.rows * o.in_features);
    const DeviceScratch<float> x_absmax(launch, o.rows);
    const DeviceScratch<int32_t> sums(launch, o.rows * o.out_features);
    quantize_rows(launch, library, constants(), {o.x, o.rows, o.in_features}, x_codes.data(), x_absmax.data());
    multiply(launch, library, {x_codes.data(), o.codes, o.rows, o.out_features, o.in_features}, sums.data());
    library.dequantize_product8(sums.data(), x_absmax.data(), o.row_absmax, o.y, o.bias, static_cast<int32_t>(o.rows),
                                static_cast<int32_t>(o.out_features), stream);
}

} // namespace nbit::cuda
