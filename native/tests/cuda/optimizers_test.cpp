#include "../optimizer_cases.h"
#include "cuda_fixture.h"

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, float16 = NBIT_DATA_TYPE_FLOAT16,
                  bfloat16 = NBIT_DATA_TYPE_BFLOAT16;

const char* suffix_of(int32_t type) { return type == float16 ? "fp16" : type == bfloat16 ? "bf16" : "fp32"; }

bool applies_decay_to_gradient(int32_t optimizer)
{
    return optimizer == NBIT_OPTIMIZER_RMSPROP || optimizer == NBIT_OPTIMIZER_ADAGRAD;
}

bool is_named_by_bits(int32_t optimizer)
{
    return applies_decay_to_gradient(optimizer) || optimizer == NBIT_OPTIMIZER_MOMENTUM;
}

std::string function_of(const OptimizerCase& which, int32_t type)
{
    const std::string name = name_of(which),
                      optimizer = name.substr(0, name.find(which.is_quantized ? "8bit" : "32bit"));
    if (which.is_quantized) return "c" + optimizer + "_8bit_blockwise_grad_" + suffix_of(type);
    const char* end = !is_named_by_bits(which.optimizer) ? suffix_of(type) : type == float16 ? "16" : "32";
    return "c" + optimizer + "32bit_grad_" + end;
}

struct Step {
    float weight_decay = 0.125f, gradient_scale = 0.75f, max_unorm = 0;
    int64_t step = 7;
    int32_t skip_zeros = 1;
    const uint64_t* rounding_seeds = nullptr;

    // Two tensors of the same kind.
    int32_t run(nbit_context* on, const OptimizerTensor& kind, const std::vector<void*>& a,
                const std::vector<int64_t>& counts) const
    {
        std::vector<void*> parameters, state1, state2;
        std::vector<const void*> gradients;
        std::vector<float*> absmax1, absmax2;
        for (size_t i = 0; i < a.size(); i += 6) {
            parameters.push_back(a[i]);
            gradients.push_back(a[i + 1]);
            state1.push_back(a[i + 2]);
            state2.push_back(a[i + 3]);
            absmax1.push_back(static_cast<float*>(a[i + 4]));
            absmax2.push_back(static_cast<float*>(a[i + 5]));
        }
        return nbit_optimizer_step(on, kind.optimizer, step, 0.01f, 0.9f, 0.99f, 0.995f, 5, 1e-6f, weight_decay,
                                   gradient_scale, max_unorm, skip_zeros, static_cast<int64_t>(counts.size()),
                                   counts.data(), kind.type, parameters.data(), gradients.data(),
                                   kind.is_quantized ? NBIT_DATA_TYPE_UINT8 : float32, state1.data(), state2.data(),
                                   absmax1.data(), absmax2.data(), rounding_seeds);
    }
};

std::vector<Bytes> memory_of(const std::vector<OptimizerTensor>& tensors)
{
    std::vector<Bytes> all;
    for (const OptimizerTensor& tensor : tensors)
        for (const Bytes& bytes : {tensor.parameters, tensor.gradients, tensor.state1, tensor.state2,
                                   bytes_of(tensor.absmax1), bytes_of(tensor.absmax2)})
            all.push_back(bytes);
    return all;
}

class CudaOptimizers : public CudaTest, public testing::WithParamInterface<OptimizerCase>
{
protected:
    std::vector<OptimizerTensor> tensors(int32_t type) const
    {
        return {OptimizerTensor(GetParam(), type, Numbers::ordinary, 1024, 1),
                OptimizerTensor(GetParam(), type, Numbers::zeros, 512, 9)};
    }
    // One whose rule the library shares.
    Step step() const
    {
        if (GetParam().is_quantized && applies_decay_to_gradient(GetParam().optimizer))
            return {.weight_decay = 0, .gradient_scale = 1};
        return {};
    }
    bool has(int32_t type) const
    {
        return GetParam().is_quantized || type != bfloat16 || !is_named_by_bits(GetParam().optimizer);
    }
};

TEST_P(CudaOptimizers, StepAsOnTheCpu)
{
    for (const int32_t type : {float32, float16, bfloat16}) {
        if (!has(type)) continue;
        const std::vector<OptimizerTensor> all = tensors(type);
        expect_same_as_on_cpu(memory_of(all), [&](nbit_context* on, const Addresses& a) {
            return step().run(on, all[0], a, {1024, 512});
        });
    }
}

TEST_P(CudaOptimizers, PassTheirArguments)
{
    for (const int32_t type : {float32, float16, bfloat16}) {
        if (!has(type)) continue;
        const OptimizerTensor tensor(GetParam(), type, Numbers::ordinary, 768, 1);
        Addresses a;
        for (const Bytes& bytes : memory_of({tensor}))
            a.push_back(bytes.empty() ? nullptr : upload(bytes));
        const Step how = step();
        forget_calls();
        ASSERT_EQ(how.run(context(), tensor, a, {768}), NBIT_STATUS_OK) << last_error();
        const fake::Call& call = call_of(function_of(GetParam(), type));
        std::map<std::string, uint64_t> expected = {{"p", bits(a[0])},
                                                    {"g", bits(a[1])},
                                                    {"state1", bits(a[2])},
                                                    {"state2", bits(a[3])},
                                                    {"beta1", bits(0.9f)},
                                                    {"beta2", bits(0.99f)},
                                                    {"beta3", bits(0.995f)},
                                                    {"alpha", bits(5.0f)},
                                                    {"eps", bits(1e-6f)},
                                                    {"weight_decay", bits(how.weight_decay)},
                                                    {"step", 7},
                                                    {"lr", bits(0.01f)},
                                                    {"gnorm_scale", bits(how.gradient_scale)},
                                                    {"skip_zeros", 1},
                                                    {"n", 768}};
        if (GetParam().is_quantized) {
            EXPECT_NE(call.pointer("qmap1"), call.pointer("qmap2"));
            expected.insert({{"qmap1", call.bits_of("qmap1")},
                             {"qmap2", call.bits_of("qmap2")},
                             {"absmax1", bits(a[4])},
                             {"absmax2", bits(a[5])}});
        } else {
            expected.insert({{"unorm", 0}, {"max_unorm", 0}, {"param_norm", 0}});
        }
        expect_arguments(call, expected);
    }
}

INSTANTIATE_TEST_SUITE_P(All, CudaOptimizers, testing::ValuesIn(optimizer_cases()),
                         [](const auto& test) { return name_of(test.param); });

struct Refused {
    const char* name;
    OptimizerCase which;
    int32_t type;
    int64_t count;
    Step step;
    const char* message;
};

class CudaOptimizersLeft : public CudaTest, public testing::WithParamInterface<Refused>
{
};

TEST_P(CudaOptimizersLeft, ToOthersSayWhy)
{
    const OptimizerTensor tensor(GetParam().which, GetParam().type, Numbers::ordinary, GetParam().count, 1);
    expect_refused(
        memory_of({tensor}),
        [&](nbit_context* on, const Addresses& a) { return GetParam().step.run(on, tensor, a, {GetParam().count}); },
        GetParam().message);
}

constexpr uint64_t seeds[] = {1};
constexpr OptimizerCase adam8{NBIT_OPTIMIZER_ADAM, true}, rmsprop8{NBIT_OPTIMIZER_RMSPROP, true},
    adagrad8{NBIT_OPTIMIZER_ADAGRAD, true}, ademamix8{NBIT_OPTIMIZER_ADEMAMIX, true},
    momentum32{NBIT_OPTIMIZER_MOMENTUM, false};

INSTANTIATE_TEST_SUITE_P(
    All, CudaOptimizersLeft,
    testing::Values(Refused{"TrustRatio", adam8, float32, 256, {.max_unorm = 1}, "max_unorm is 1"},
                    Refused{
                        "RandomRounding", adam8, bfloat16, 256, {.rounding_seeds = seeds}, "rounding_seeds are given"},
                    Refused{"DecayOfRmsprop", rmsprop8, float32, 256, {.gradient_scale = 1}, "weight_decay is 0.125"},
                    Refused{"ScaleOfAdagrad", adagrad8, float32, 256, {.weight_decay = 0}, "gradient_scale is 0.75"},
                    Refused{"Bfloat16OfMomentum", momentum32, bfloat16, 256, {}, "type is 15 (bfloat16)"},
                    Refused{"PartialBlocksOfAdEMAMix", ademamix8, float32, 300, {}, "counts[0] is 300"},
                    Refused{"StepBeyond32Bits", adam8, float32, 256, {.step = int64_t{1} << 31}, "step is 2147483648"}),
    [](const auto& test) { return std::string(test.param.name); });

} // namespace
} // namespace nbit::test
