#include "fake_kernels.h"
#include "../abi.h"
#include "../inputs.h"
#include "base/data_type.h"
#include "cpu/blocks8.h"
#include "cpu/codes4.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <cstring>

namespace nbit::test
{
namespace
{

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }
bool begins(const std::string& text, const char* start) { return text.rfind(start, 0) == 0; }

int32_t type_of(const std::string& function)
{
    if (contains(function, "bf16")) return NBIT_DATA_TYPE_BFLOAT16;
    if (contains(function, "fp16") || contains(function, "_16")) return NBIT_DATA_TYPE_FLOAT16;
    return NBIT_DATA_TYPE_FLOAT32;
}

std::vector<float> numbers_at(const void* elements, int64_t count, int32_t type)
{
    const auto* begin = static_cast<const unsigned char*>(elements);
    return widened(type, Bytes(begin, begin + count * data_type_size(type)));
}

void write_numbers(void* target, const std::vector<float>& numbers, int32_t type)
{
    const Bytes bytes = rounded(type, numbers);
    std::memcpy(target, bytes.data(), bytes.size());
}

// As the compilers' fast mathematics has it: denormal numbers are zeros.
float flushed(float x) { return std::fabs(x) < FLT_MIN ? std::copysign(0.0f, x) : x; }
float reciprocal(float x) { return flushed(1 / flushed(x)); }

// The largest magnitude, as fmaxf takes it: NaN is passed over.
float largest_of(const std::vector<float>& x, int64_t begin, int64_t end)
{
    float largest = 0;
    for (int64_t i = begin; i < end; ++i)
        largest = std::fmax(largest, std::fabs(x[static_cast<size_t>(i)]));
    return largest;
}

// Every comparison with NaN fails, which leads to the first code.
uint8_t search8(const float* code, float x)
{
    int below = 0;
    for (int i = 0; i < 255; ++i) {
        const float midpoint = (code[i] + code[i + 1]) * 0.5f;
        below += x > midpoint || (x == midpoint && i % 2 == 1);
    }
    return static_cast<uint8_t>(below);
}

void quantize_blocks(const fake::Call& call)
{
    const bool nf4 = contains(call.function, "_nf4"), fp4 = contains(call.function, "_fp4");
    const int64_t n = call.integer("n"), blocksize = call.integer("blocksize");
    const std::vector<float> x = numbers_at(call.pointer("A"), n, type_of(call.function));
    auto* out = call.pointer<uint8_t>("out");
    for (int64_t begin = 0; begin < n; begin += blocksize) {
        const int64_t end = std::min(begin + blocksize, n);
        const float absmax = largest_of(x, begin, end), scale = reciprocal(absmax);
        call.pointer<float>("absmax")[begin / blocksize] = absmax;
        for (int64_t i = begin; i < end; ++i) {
            const float scaled = flushed(x[static_cast<size_t>(i)]) * scale;
            if (!nf4 && !fp4) {
                out[i] = search8(call.pointer<float>("code"), scaled);
                continue;
            }
            const uint8_t code = nf4 ? Nf4::encode(scaled) : Fp4::encode(scaled);
            const uint8_t zero = nf4 ? Nf4::zero : Fp4::zero;
            out[i / 2] = static_cast<uint8_t>(i % 2 == 0 ? code << 4 | zero : (out[i / 2] & 0xf0) | code);
        }
    }
}

void dequantize_blocks(const fake::Call& call)
{
    const bool nf4 = contains(call.function, "_nf4"), fp4 = contains(call.function, "_fp4");
    const int64_t n = call.integer("n"), blocksize = call.integer("blocksize");
    const auto* codes = call.pointer<uint8_t>("A");
    std::vector<float> numbers;
    for (int64_t i = 0; i < n; ++i) {
        const size_t code4 = nf4 || fp4 ? (i % 2 == 0 ? codes[i / 2] >> 4 : codes[i / 2] & 15) : 0;
        const float value = nf4 ? Nf4::table[code4] : fp4 ? Fp4::table[code4] : call.pointer<float>("code")[codes[i]];
        numbers.push_back(value * call.pointer<float>("absmax")[i / blocksize]);
    }
    write_numbers(call.pointer("out"), numbers, type_of(call.function));
}

// The numbers of a product are the ABI's own on the CPU: here only the arguments matter.
void multiply4(const fake::Call& call)
{
    const Context cpu = cpu_context(1);
    const int32_t type = type_of(call.function);
    const int32_t status = nbit_linear4_forward(
        cpu.get(), call.integer("quant_type"), call.pointer<uint8_t>("B"), call.pointer<float>("absmax"),
        call.pointer<uint8_t>("absmax_8bit"), call.pointer<float>("absmax_code"), call.pointer<float>("absmax_offset"),
        call.integer("blocksize"), call.integer("N"), call.integer("K"), type, call.pointer("A"), call.integer("M"),
        type, call.pointer("bias"), type, call.pointer("out"));
    if (status != 0) throw std::logic_error(last_error());
}

void multiply4_row(const fake::Call& call)
{
    const Context cpu = cpu_context(1);
    const int32_t type = type_of(call.function), m = call.integer("m"), k = call.integer("k");
    const bool is_nf4 = std::memcmp(call.pointer("datatype"), Nf4::table.data(), sizeof(Nf4::table)) == 0;
    const bool is_fp4 = std::memcmp(call.pointer("datatype"), Fp4::table.data(), sizeof(Fp4::table)) == 0;
    if (call.integer("n") != 1 || call.integer("lda") != m || call.integer("ldb") != (k + 1) / 2 ||
        call.integer("ldc") != m || !(is_nf4 || is_fp4))
        throw std::logic_error("the naive product is called with other sizes than bitsandbytes itself gives it");
    const int32_t status =
        nbit_linear4_forward(cpu.get(), is_nf4 ? NBIT_QUANT_TYPE_NF4 : NBIT_QUANT_TYPE_FP4, call.pointer<uint8_t>("B"),
                             call.pointer<float>("absmax"), nullptr, nullptr, nullptr, call.integer("blocksize"), m, k,
                             type, call.pointer("A"), 1, type, nullptr, type, call.pointer("out"));
    if (status != 0) throw std::logic_error(last_error());
}

// Column-major: c[k, n] = a[m, k]^T b[m, n].
void multiply8(const fake::Call& call)
{
    const int64_t m = call.integer("m"), n = call.integer("n"), k = call.integer("k");
    const int64_t lda = call.integer("lda"), ldb = call.integer("ldb"), ldc = call.integer("ldc");
    if (lda < m || ldb < m || ldc < k || lda % 4 != 0 || ldb % 4 != 0 || ldc % 4 != 0)
        throw std::logic_error("leading dimensions that cuBLAS does not take");
    for (int64_t column = 0; column < n; ++column)
        for (int64_t row = 0; row < k; ++row) {
            int32_t sum = 0;
            for (int64_t i = 0; i < m; ++i)
                sum += call.pointer<int8_t>("A")[row * lda + i] * call.pointer<int8_t>("B")[column * ldb + i];
            call.pointer<int32_t>("C")[column * ldc + row] = sum;
        }
}

void dequantize_product8(const fake::Call& call)
{
    constexpr int32_t float16 = NBIT_DATA_TYPE_FLOAT16;
    const int64_t rows = call.integer("rows"), columns = call.integer("cols");
    std::vector<float> bias(static_cast<size_t>(columns)), numbers;
    if (call.pointer("bias")) bias = numbers_at(call.pointer("bias"), columns, float16);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) {
            const float product = static_cast<float>(call.pointer<int32_t>("A")[i * columns + j]);
            const float scaled = product * call.pointer<float>("rowStats")[i] * call.pointer<float>("colStats")[j];
            numbers.push_back(std::fma(scaled, 6.200012e-05f, bias[static_cast<size_t>(j)]));
        }
    write_numbers(call.pointer("out"), numbers, float16);
}

void quantize_rows8(const fake::Call& call)
{
    const int64_t rows = call.integer("rows"), columns = call.integer("cols");
    if (call.number("threshold") != 0) throw std::logic_error("thresholds are not expected");
    const std::vector<float> x = numbers_at(call.pointer("A"), rows * columns, NBIT_DATA_TYPE_FLOAT16);
    for (int64_t i = 0; i < rows; ++i) {
        const float absmax = largest_of(x, i * columns, (i + 1) * columns), scale = 127 * reciprocal(absmax);
        call.pointer<float>("rowStats")[i] = absmax;
        for (int64_t j = i * columns; j < (i + 1) * columns; ++j) {
            const float scaled = x[static_cast<size_t>(j)] * scale;
            call.pointer<int8_t>("out")[j] =
                std::isnan(scaled) ? int8_t{0} : static_cast<int8_t>(std::nearbyint(scaled));
        }
    }
}

int32_t optimizer_of(const std::string& function)
{
    constexpr const char* names[] = {"cadam", "cmomentum", "clion", "crmsprop", "cadagrad", "cademamix"};
    for (int32_t i = 5; i >= 0; --i)
        if (begins(function, names[i])) return i;
    throw std::logic_error(function + " is no optimizer");
}

// The rules are the ABI's own: here only the arguments matter.
void step(const fake::Call& call)
{
    const Context cpu = cpu_context(1);
    const bool is_quantized = contains(call.function, "_8bit_");
    const int64_t count = call.integer("n");
    const int32_t optimizer = optimizer_of(call.function);
    void* parameter = call.pointer("p");
    const void* gradient = call.pointer("g");
    void *state1 = call.pointer("state1"), *state2 = call.pointer("state2");
    auto *absmax1 = is_quantized ? call.pointer<float>("absmax1") : nullptr,
         *absmax2 = is_quantized ? call.pointer<float>("absmax2") : nullptr;
    if (is_quantized && (std::memcmp(call.pointer("qmap1"), dynamic_map(true), 1024) != 0 ||
                         std::memcmp(call.pointer("qmap2"), dynamic_map(false), 1024) != 0))
        throw std::logic_error("the maps of states are not bitsandbytes'");
    if (!is_quantized && (call.pointer("unorm") || call.number("max_unorm") != 0 || call.number("param_norm") != 0))
        throw std::logic_error("norms are not expected");
    const int32_t status = nbit_optimizer_step(
        cpu.get(), optimizer, call.integer("step"), call.number("lr"), call.number("beta1"), call.number("beta2"),
        call.number("beta3"), call.number("alpha"), call.number("eps"), call.number("weight_decay"),
        call.number("gnorm_scale"), 0, call.integer("skip_zeros"), 1, &count, type_of(call.function), &parameter,
        &gradient, is_quantized ? NBIT_DATA_TYPE_UINT8 : NBIT_DATA_TYPE_FLOAT32, &state1, &state2, &absmax1, &absmax2,
        nullptr);
    if (status != 0) throw std::logic_error(last_error());
}

void add_scaled(const fake::Call& call)
{
    const int64_t incx = call.integer("incx"), incy = call.integer("incy");
    for (int64_t i = 0; i < call.integer("n"); ++i)
        call.pointer<float>("y")[i * incy] = std::fma(*call.pointer<float>("alpha"), call.pointer<float>("x")[i * incx],
                                                      call.pointer<float>("y")[i * incy]);
}

} // namespace

void compute(const fake::Call& call)
{
    const std::string& name = call.function;
    if (begins(name, "cquantize")) return quantize_blocks(call);
    if (begins(name, "cdequantize")) return dequantize_blocks(call);
    if (begins(name, "cgemm_4bit_inference")) return multiply4_row(call);
    if (begins(name, "cgemm_4bit")) return multiply4(call);
    if (name == "cigemmlt_32") return multiply8(call);
    if (name == "cdequant_mm_int32_fp16") return dequantize_product8(call);
    if (name == "cint8_vector_quant") return quantize_rows8(call);
    if (name == "cublasSaxpy_v2") return add_scaled(call);
    step(call);
}

void* stream_of(const fake::Call& call)
{
    for (const fake::Argument& argument : call.arguments)
        if (std::string(argument.name) == "stream") return reinterpret_cast<void*>(argument.bits);
    return nullptr;
}

} // namespace nbit::test
