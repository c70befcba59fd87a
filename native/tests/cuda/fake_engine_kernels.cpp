#include "../abi.h"
#include "cpu/float8/scaled_matrix.h"
#include "fake_engine.h"

#include <cstring>

namespace nbit::test
{
namespace
{

// NVTETensorParam, NVTEScalingMode, NVTEDType
constexpr int32_t rowwise = 0, columnwise = 1, scale = 2, amax = 3, row_scales = 4, column_scales = 5;
constexpr int32_t per_tensor = 0, mxfp8 = 1, block_1d = 2, block_2d = 3, nvfp4 = 4;
constexpr int32_t type_float32 = 4, type_e4m3 = 7, type_e5m2 = 8, type_e8m0 = 9, type_e2m1 = 10;

void need(bool condition, const char* what)
{
    if (!condition) throw std::runtime_error(what);
}

int32_t nbit_type(int32_t type)
{
    static const std::map<int32_t, int32_t> types = {
        {0, NBIT_DATA_TYPE_UINT8},          {4, NBIT_DATA_TYPE_FLOAT32},          {5, NBIT_DATA_TYPE_FLOAT16},
        {6, NBIT_DATA_TYPE_BFLOAT16},       {7, NBIT_DATA_TYPE_FLOAT8_E4M3FN},    {8, NBIT_DATA_TYPE_FLOAT8_E5M2},
        {9, NBIT_DATA_TYPE_FLOAT8_E8M0FNU}, {10, NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2}};
    return types.at(type);
}
bool is_float8(int32_t type) { return type == type_e4m3 || type == type_e5m2; }

int64_t extent(const FakeBasicTensor& basic, size_t dimension)
{
    need(basic.shape.dimensions == 2, "a matrix must have two dimensions");
    return static_cast<int64_t>(basic.shape.extents[dimension]);
}
int64_t count_of(const FakeBasicTensor& basic)
{
    int64_t count = 1;
    for (size_t i = 0; i < basic.shape.dimensions; ++i)
        count *= static_cast<int64_t>(basic.shape.extents[i]);
    return count;
}

float* number_of(const FakeTensor& tensor, int32_t parameter)
{
    if (!tensor.has(parameter)) return nullptr;
    const FakeBasicTensor& basic = tensor.at(parameter);
    need(basic.type == type_float32 && count_of(basic) == 1, "a number must be one float32");
    return static_cast<float*>(basic.data);
}

void check(int32_t status)
{
    if (status != NBIT_STATUS_OK) throw std::logic_error(last_error());
}

int64_t rounded_up(int64_t count, int64_t multiple) { return (count + multiple - 1) / multiple * multiple; }

// The scales of a tensor, and where the ABI's of row r and column c are among them.
struct Scales {
    int32_t scaling; // of the ABI
    const FakeBasicTensor& basic;
    int64_t padded_rows, padded_columns, element_size;
    bool is_swizzled;

    char* at(int64_t r, int64_t c) const { return static_cast<char*>(basic.data) + index(r, c) * element_size; }
    int64_t index(int64_t r, int64_t c) const
    {
        if (scaling == NBIT_SCALING_FLOAT8_1X128) return c * padded_columns + r;
        const int64_t row = scaling == NBIT_SCALING_MXFP8_32X32 ? 32 * r : r;
        return is_swizzled ? swizzled(row, c) : row * padded_columns + c;
    }
    // Tiles of 128 rows of 4 scales, in which row i + 32 j stands behind row i: the layout that cuBLAS documents
    int64_t swizzled(int64_t r, int64_t c) const
    {
        const bool by_columns = scaling == NBIT_SCALING_MXFP8_32X1;
        const int64_t m = by_columns ? c : r, k = by_columns ? r : c;
        const int64_t tiles = (by_columns ? padded_rows : padded_columns) / 4;
        return (m / 128 * tiles + k / 4) * 512 + m % 32 * 16 + m % 128 / 32 * 4 + k % 4;
    }
};

struct Matrix {
    int32_t scaling, format;
    int64_t rows, columns;
    uint8_t* codes;

    ScaledMatrix layout() const { return {format, scaling, codes, rows, columns, nullptr, nullptr}; }
};

Matrix matrix_of(const FakeTensor& tensor, bool is_square = false)
{
    const FakeBasicTensor& data = tensor.data();
    const std::map<int32_t, int32_t> scalings = {{per_tensor, NBIT_SCALING_TENSOR},
                                                 {mxfp8, !tensor.has(rowwise) ? NBIT_SCALING_MXFP8_32X1
                                                         : is_square          ? NBIT_SCALING_MXFP8_32X32
                                                                              : NBIT_SCALING_MXFP8_1X32},
                                                 {block_1d, NBIT_SCALING_FLOAT8_1X128},
                                                 {block_2d, NBIT_SCALING_FLOAT8_128X128},
                                                 {nvfp4, NBIT_SCALING_NVFP4_1X16}};
    need(tensor.mode == nvfp4 ? data.type == type_e2m1 : is_float8(data.type), "codes of another type");
    return {scalings.at(tensor.mode), nbit_type(data.type), extent(data, 0), extent(data, 1),
            static_cast<uint8_t*>(data.data)};
}

// As the library checks them.
Scales scales_of(const FakeTensor& tensor, const Matrix& matrix)
{
    const FakeBasicTensor& basic = tensor.at(tensor.has(rowwise) ? row_scales : column_scales);
    const int64_t m = matrix.rows, k = matrix.columns;
    int64_t rows = 0, columns = 0;
    int32_t type = type_float32;
    switch (matrix.scaling) {
    case NBIT_SCALING_MXFP8_1X32:
    case NBIT_SCALING_MXFP8_32X32:
        rows = rounded_up(m, 128), columns = rounded_up(rounded_up(k, 32) / 32, 4), type = type_e8m0;
        break;
    case NBIT_SCALING_MXFP8_32X1:
        rows = rounded_up(rounded_up(m, 32) / 32, 4), columns = rounded_up(k, 128), type = type_e8m0;
        break;
    case NBIT_SCALING_FLOAT8_1X128:
        rows = rounded_up(k, 128) / 128, columns = rounded_up(m, 4);
        break;
    case NBIT_SCALING_FLOAT8_128X128:
        rows = rounded_up(m, 128) / 128, columns = rounded_up(rounded_up(k, 128) / 128, 4);
        break;
    default:
        rows = rounded_up(m, 128), columns = rounded_up(rounded_up(k, 16) / 16, 4), type = type_e4m3;
    }
    need(extent(basic, 0) == rows && extent(basic, 1) == columns && basic.type == type, "invalid scale_inv shape");
    return {matrix.scaling, basic, rows, columns, type == type_float32 ? 4 : 1, tensor.has_swizzled_scales};
}

// The scales of blocks as the ABI has them: body(address of the ABI's, address of the tensor's).
template <class Body> void for_each_scale(const Matrix& matrix, const Scales& scales, char* dense, const Body& body)
{
    const ScaledMatrix all = matrix.layout();
    const int64_t across = all.scale_columns(), count = all.scale_count();
    for (int64_t i = 0; i < count; ++i)
        body(dense + i * scales.element_size, scales.at(i / across, i % across), i);
}

std::vector<char> dense_scales(const FakeTensor& tensor, const Matrix& matrix)
{
    if (tensor.mode == per_tensor) {
        const float number = *number_of(tensor, row_scales);
        std::vector<char> dense(sizeof(number));
        std::memcpy(dense.data(), &number, sizeof(number));
        return dense;
    }
    const Scales scales = scales_of(tensor, matrix);
    std::vector<char> dense(static_cast<size_t>(matrix.layout().scale_count() * scales.element_size));
    for_each_scale(matrix, scales, dense.data(), [&](char* ours, const char* theirs, int64_t) {
        std::memcpy(ours, theirs, static_cast<size_t>(scales.element_size));
    });
    return dense;
}

void quantize_with_one_scale(const FakeTensor& in, const FakeTensor& out)
{
    const FakeBasicTensor &source = in.at(rowwise), &codes = out.at(rowwise);
    need(is_float8(codes.type), "codes of another type");
    need(count_of(source) == count_of(codes) && extent(source, 0) == extent(codes, 0), "shapes differ");
    void* transposed = nullptr;
    if (out.has(columnwise)) {
        const FakeBasicTensor& turned = out.at(columnwise);
        need(extent(turned, 0) == extent(codes, 1) && extent(turned, 1) == extent(codes, 0) &&
                 turned.type == codes.type && number_of(out, column_scales) == number_of(out, row_scales),
             "the transpose does not fit");
        transposed = turned.data;
    }
    check(nbit_float8_quantize(cpu_context(1).get(), nbit_type(source.type), source.data, extent(source, 0),
                               extent(source, 1), nbit_type(codes.type), number_of(out, scale),
                               static_cast<uint8_t*>(codes.data), static_cast<uint8_t*>(transposed),
                               number_of(out, row_scales), number_of(out, amax)));
}

uint64_t seed_of(const FakeTensor& random)
{
    const FakeBasicTensor& state = random.at(rowwise);
    constexpr int32_t type_int64 = 3;
    need(state.type == type_int64 && count_of(state) == 2, "RNG state should contain 2 64-bit values");
    uint64_t values[2];
    std::memcpy(values, state.data, sizeof(values));
    need(values[1] == 0, "an offset is not expected");
    return values[0];
}

void quantize_blocks(const FakeTensor& in, const FakeTensor& out, const FakeConfig& config, const FakeTensor& random)
{
    const bool is_pow2 = config.get<uint8_t>(0), is_square = config.get<uint8_t>(out.mode == nvfp4 ? 5 : 10);
    const Matrix matrix = matrix_of(out, is_square);
    const Scales scales = scales_of(out, matrix);
    const FakeBasicTensor& source = in.at(rowwise);
    need(extent(source, 0) == matrix.rows && extent(source, 1) == matrix.columns, "shapes differ");
    std::vector<char> dense(static_cast<size_t>(matrix.layout().scale_count() * scales.element_size));
    const Context cpu = cpu_context(1);
    const int32_t type = nbit_type(source.type);
    if (out.mode == mxfp8)
        check(nbit_mxfp8_quantize(cpu.get(), type, source.data, matrix.rows, matrix.columns, matrix.format,
                                  matrix.scaling, matrix.codes, reinterpret_cast<uint8_t*>(dense.data())));
    else if (out.mode == nvfp4) {
        const uint64_t seed = config.get<uint8_t>(6) ? seed_of(random) : 0;
        check(nbit_nvfp4_quantize(cpu.get(), type, source.data, matrix.rows, matrix.columns, 0, is_square ? 16 : 1,
                                  number_of(out, amax), config.get<uint8_t>(6) ? &seed : nullptr, matrix.codes,
                                  reinterpret_cast<uint8_t*>(dense.data())));
    } else {
        std::vector<float> numbers(dense.size() / sizeof(float));
        check(nbit_float8_block_quantize(cpu.get(), type, source.data, matrix.rows, matrix.columns, 0, matrix.format,
                                         matrix.scaling, is_pow2, config.get<float>(1), matrix.codes, numbers.data()));
        std::memcpy(dense.data(), numbers.data(), dense.size());
    }
    for_each_scale(matrix, scales, dense.data(), [&](const char* ours, char* theirs, int64_t) {
        const int64_t repetitions = is_square && out.mode == mxfp8 ? 32 : 1;
        for (int64_t i = 0; i < repetitions; ++i)
            std::memcpy(theirs + i * scales.padded_columns, ours, static_cast<size_t>(scales.element_size));
    });
}

void dequantize(const FakeTensor& in, const FakeTensor& out)
{
    need(in.mode == per_tensor || in.mode == mxfp8 || in.mode == nvfp4, "Not implemented scaling mode");
    const Matrix matrix = matrix_of(in);
    const FakeBasicTensor& target = out.at(rowwise);
    need(extent(target, 0) == matrix.rows && extent(target, 1) == matrix.columns, "shapes differ");
    std::vector<char> scales = dense_scales(in, matrix);
    check(nbit_scaled_dequantize(cpu_context(1).get(), matrix.format, matrix.scaling, matrix.codes, matrix.rows,
                                 matrix.columns, scales.data(), number_of(in, amax), nbit_type(target.type),
                                 target.data));
}

void transpose(const FakeTensor& in, const FakeTensor& out)
{
    const FakeBasicTensor &source = in.at(rowwise), &target = out.at(rowwise);
    const int64_t rows = extent(source, 0), columns = extent(source, 1);
    need(extent(target, 0) == columns && extent(target, 1) == rows && source.type == target.type,
         "the transpose does not fit");
    need(source.type >= type_float32 && source.type <= type_e5m2, "transpose has no such type");
    const int64_t size = source.type == type_float32 ? 4 : source.type < type_e4m3 ? 2 : 1;
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c)
            std::memcpy(static_cast<char*>(target.data) + (c * rows + r) * size,
                        static_cast<const char*>(source.data) + (r * columns + c) * size, static_cast<size_t>(size));
}

void swizzle(const FakeTensor& in, const FakeTensor& out)
{
    need(!in.has_swizzled_scales && out.has_swizzled_scales && in.mode == out.mode, "scales in another order");
    const Matrix matrix = matrix_of(in);
    const Scales source = scales_of(in, matrix), target = scales_of(out, matrix_of(out));
    const bool by_columns = matrix.scaling == NBIT_SCALING_MXFP8_32X1;
    const int64_t block = matrix.scaling == NBIT_SCALING_NVFP4_1X16 ? 16 : 32;
    const int64_t rows = by_columns ? matrix.rows / block : matrix.rows;
    const int64_t columns = by_columns ? matrix.columns : matrix.columns / block;
    for (int64_t r = 0; r < source.padded_rows; ++r)
        for (int64_t c = 0; c < source.padded_columns; ++c) {
            need((r < rows && c < columns) || *source.at(r, c) == 0, "the padding of scales is not 0");
            *target.at(r, c) = *source.at(r, c);
        }
}

struct Product {
    bool transa, transb;
    float alpha, beta;
    FakeTensor a, b, d;
    FakeTensor bias;
};

void multiply(const Product& product)
{
    need(product.a.mode == product.b.mode || (product.a.mode + product.b.mode == block_1d + block_2d),
         "Inputs A and B to GEMM need to have compatible scaling modes");
    need(product.transa == product.a.has(rowwise) && product.transb != product.b.has(rowwise),
         "an input is missing the usage that the layout needs");
    const Matrix a = matrix_of(product.a), b = matrix_of(product.b);
    const bool is_swizzled =
        a.scaling != NBIT_SCALING_TENSOR && product.a.mode != block_1d && product.a.mode != block_2d;
    need(!is_swizzled || (product.a.has_swizzled_scales && product.b.has_swizzled_scales),
         "scales are not in format expected by GEMM");
    const int64_t columns = product.transa ? a.rows : a.columns, k = product.transa ? a.columns : a.rows;
    const int64_t rows = product.transb ? b.columns : b.rows;
    need((product.transb ? b.rows : b.columns) == k && k > 0, "GEMM inputs have incompatible dimensions");
    const FakeBasicTensor& d = product.d.at(rowwise);
    need(extent(d, 0) == rows && extent(d, 1) == columns, "the output has another shape");
    need(product.alpha == 1 && (product.beta == 0 || product.beta == 1), "factors are not expected");
    const bool has_bias = product.bias.has(rowwise);
    const std::vector<char> a_scales = dense_scales(product.a, a), b_scales = dense_scales(product.b, b);
    check(nbit_scaled_multiply(
        cpu_context(1).get(), rows, columns, k, b.format, b.scaling, b.codes, b_scales.data(),
        number_of(product.b, amax), product.transb, a.format, a.scaling, a.codes, a_scales.data(),
        number_of(product.a, amax), !product.transa, has_bias ? nbit_type(product.bias.at(rowwise).type) : 0,
        has_bias ? product.bias.at(rowwise).data : nullptr, product.beta == 1, nbit_type(d.type), d.data));
}

void update_history(const FakeTensor& history, const FakeTensor& scales, int32_t rule, const std::string& algorithm,
                    int32_t format, float margin)
{
    const FakeBasicTensor &rows = history.at(rowwise), &numbers = scales.at(rowwise);
    need(rows.type == type_float32 && numbers.type == type_float32 && numbers.shape.dimensions == 1 &&
             count_of(numbers) == extent(rows, 1),
         "a history that does not fit its scales");
    need(algorithm == "max" || algorithm == "most_recent", "Unsupported amax compute algorithm");
    check(nbit_amax_history_update(cpu_context(1).get(), rule,
                                   algorithm == "max" ? NBIT_AMAX_ALGORITHM_MAX : NBIT_AMAX_ALGORITHM_MOST_RECENT,
                                   nbit_type(format), margin, static_cast<float*>(rows.data), extent(rows, 0),
                                   extent(rows, 1), static_cast<float*>(numbers.data)));
}

FakeDevice::Work history_work(const FakeEngine& engine, const fake::Call& call)
{
    const std::string algorithm = call.pointer<char>("amax_compute_algo");
    const int32_t format = call.integer("fp8_dtype");
    const float margin = call.number("margin");
    if (call.function == "nvte_delayed_scaling_recipe_amax_and_scale_update") {
        need(call.pointer("amax_history") == call.pointer("updated_amax_history") &&
                 call.pointer("scale") == call.pointer("updated_scale"),
             "an update in place is expected");
        return
            [=, history = engine.tensor(call.pointer("amax_history")), scales = engine.tensor(call.pointer("scale"))] {
                update_history(history, scales, NBIT_HISTORY_RULE_SINGLE_TENSOR, algorithm, format, margin);
            };
    }
    need(!engine.tensor(call.pointer("amax_reduction_buffer")).has(rowwise), "reduced amax are not expected");
    const auto& histories = *call.pointer<std::vector<void*>>("amax_histories");
    const auto& scales = *call.pointer<std::vector<void*>>("scales");
    need(histories.size() == 1 && scales.size() == 1, "one history is expected");
    return [=, history = engine.tensor(histories[0]), numbers = engine.tensor(scales[0])] {
        update_history(history, numbers, NBIT_HISTORY_RULE_FUSED, algorithm, format, margin);
    };
}

FakeDevice::Work quantize_work(const FakeEngine& engine, const fake::Call& call)
{
    const FakeTensor in = engine.tensor(call.pointer("input")), out = engine.tensor(call.pointer("output"));
    const FakeConfig config = engine.config(call.pointer("quant_config"));
    if (out.mode == per_tensor) return [=] { quantize_with_one_scale(in, out); };
    constexpr int32_t random_state = 4;
    void* handle = config.get<void*>(random_state);
    const FakeTensor random = handle ? engine.tensor(handle) : FakeTensor{};
    return [=] { quantize_blocks(in, out, config, random); };
}

FakeDevice::Work product_work(const FakeEngine& engine, const fake::Call& call)
{
    need(call.pointer("C") == call.pointer("D"), "C and D must be the same tensor");
    const FakeConfig config = engine.config(call.pointer("config"));
    constexpr int32_t bias = 0, split_accumulator = 5;
    need(config.is_for_products && config.get<uint8_t>(split_accumulator) == 1, "sums are not kept in float32");
    const FakeBasicTensor& workspace = engine.tensor(call.pointer("workspace")).at(rowwise);
    need(workspace.type == 0 && count_of(workspace) >= 4 << 20, "the workspace is too small");
    void* handle = config.get<void*>(bias);
    return [product = Product{call.integer("transa") == 1, call.integer("transb") == 1, *call.pointer<float>("alpha"),
                              *call.pointer<float>("beta"), engine.tensor(call.pointer("A")),
                              engine.tensor(call.pointer("B")), engine.tensor(call.pointer("D")),
                              handle ? engine.tensor(handle) : FakeTensor{}}] { multiply(product); };
}

} // namespace

FakeDevice::Work engine_work(const FakeEngine& engine, const fake::Call& call)
{
    const std::string& name = call.function;
    if (name == "nvte_quantize_v2") return quantize_work(engine, call);
    if (name == "nvte_cublas_gemm_v2") return product_work(engine, call);
    if (name.starts_with("nvte_delayed_scaling")) return history_work(engine, call);
    if (name == "nvte_compute_scale_from_amax") {
        const FakeConfig config = engine.config(call.pointer("config"));
        return [out = engine.tensor(call.pointer("output")), config] {
            float ignored = 0;
            check(nbit_scale_compute(cpu_context(1).get(), nbit_type(out.data().type), config.get<uint8_t>(0),
                                     config.get<float>(1), number_of(out, amax), 1, number_of(out, scale), &ignored));
        };
    }
    const char* output = name == "nvte_transpose" ? "transposed_output" : "output";
    const FakeTensor in = engine.tensor(call.pointer("input")), out = engine.tensor(call.pointer(output));
    if (name == "nvte_compute_amax") {
        need(is_float8(out.at(rowwise).type), "Amax is not supported for non-FP8 output");
        return [=] {
            const FakeBasicTensor& source = in.at(rowwise);
            check(nbit_amax_compute(cpu_context(1).get(), nbit_type(source.type), source.data, count_of(source),
                                    number_of(out, amax)));
        };
    }
    if (name == "nvte_dequantize") return [=] { dequantize(in, out); };
    if (name == "nvte_transpose") return [=] { transpose(in, out); };
    if (name == "nvte_swizzle_scaling_factors") return [=] { swizzle(in, out); };
    throw std::logic_error(name + " is not expected");
}

} // namespace nbit::test
