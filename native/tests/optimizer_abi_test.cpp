// nbit_optimizer_step: lists of tensors, threads, memory, and what it refuses.
#include "optimizer_calls.h"

#include <functional>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;
const float nan = std::numeric_limits<float>::quiet_NaN();

class OptimizerStepTest : public testing::TestWithParam<std::tuple<OptimizerCase, float>>
{
protected:
    const OptimizerCase& which() const { return std::get<0>(GetParam()); }
    OptimizerCall call() const
    {
        OptimizerCall call;
        call.max_unorm = std::get<1>(GetParam());
        return call;
    }
    std::vector<OptimizerTensor> tensors(int32_t type) const
    {
        std::vector<OptimizerTensor> list;
        for (const int64_t count : {0, 1, 700, 0, 256, 300000, 5, 0})
            list.emplace_back(which(), type, Numbers::ordinary, count, static_cast<unsigned>(20 + list.size()));
        return list;
    }
    void expect_same(const std::vector<OptimizerTensor>& expected, const std::vector<OptimizerTensor>& found) const
    {
        for (size_t i = 0; i < expected.size(); ++i)
            ASSERT_TRUE(same_tensors(expected[i], found[i])) << "tensor " << i;
    }
    static std::vector<OptimizerTensor*> pointers(std::vector<OptimizerTensor>& list)
    {
        std::vector<OptimizerTensor*> all;
        for (OptimizerTensor& tensor : list)
            all.push_back(&tensor);
        return all;
    }
};

TEST_P(OptimizerStepTest, GivesTheSameBitsForAListAsForEachTensorAndAnyNumberOfThreads)
{
    for (const int32_t type : number_formats) {
        std::vector<OptimizerTensor> expected = tensors(type), found = expected;
        const Context alone = cpu_context(1);
        for (OptimizerTensor& tensor : expected)
            ASSERT_EQ(call().run(alone.get(), {&tensor}), NBIT_STATUS_OK) << last_error();
        const std::vector<OptimizerTensor> before = found;
        for (const int32_t threads : {1, 2, 5}) {
            found = before;
            const Context context = cpu_context(threads);
            ASSERT_EQ(call().run(context.get(), pointers(found)), NBIT_STATUS_OK) << last_error();
            expect_same(expected, found);
        }
    }
}

TEST_P(OptimizerStepTest, GivesTheSameBitsWithEveryInstructionSetAndFloatMode)
{
    std::vector<OptimizerTensor> expected = tensors(float32);
    const std::vector<OptimizerTensor> before = expected;
    const Context context = cpu_context(2);
    {
        const ForcedInstructionSet forced(NBIT_INSTRUCTION_SET_SCALAR);
        ASSERT_EQ(call().run(context.get(), pointers(expected)), NBIT_STATUS_OK) << last_error();
    }
    for (const nbit_instruction_set set : all_instruction_sets()) {
        if (!machine_has(set)) continue;
        const ForcedInstructionSet forced(set);
        std::vector<OptimizerTensor> found = before;
#if defined(__x86_64__)
        const OddFloatMode odd;
#endif
        ASSERT_EQ(call().run(context.get(), pointers(found)), NBIT_STATUS_OK) << last_error();
        expect_same(expected, found);
    }
}

TEST_P(OptimizerStepTest, ChangesNothingWhereAnAllocationFails)
{
    std::vector<OptimizerTensor> list = tensors(float32);
    const std::vector<OptimizerTensor> before = list;
    const Context context = cpu_context(2);
    int64_t bytes = 0, bytes_after = 0, blocks = 0;
    nbit_memory_count(&bytes, &blocks);
    int failures = 0;
    for (int32_t status = NBIT_STATUS_OUT_OF_MEMORY; status != NBIT_STATUS_OK; ++failures) {
        nbit_memory_fail(failures + 1);
        status = call().run(context.get(), pointers(list));
        if (status == NBIT_STATUS_OK) break;
        ASSERT_EQ(status, NBIT_STATUS_OUT_OF_MEMORY);
        expect_same(before, list);
    }
    nbit_memory_fail(0);
    EXPECT_EQ(failures, call().max_unorm > 0 ? 3 : 2);
    nbit_memory_count(&bytes_after, &blocks);
    EXPECT_EQ(bytes, bytes_after);
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerStepTest,
                         testing::Combine(testing::ValuesIn(optimizer_cases()), testing::Values(0.0f, 0.05f)),
                         [](const auto& test) {
                             return name_of(std::get<0>(test.param)) +
                                    (std::get<1>(test.param) > 0 ? "_limited" : "_free");
                         });

TEST(OptimizerStep, TakesEmptyListsAndTensors)
{
    const Context context = cpu_context(2);
    const int64_t count = 0;
    void* const none = nullptr;
    const void* const no_gradient = nullptr;
    for (const int64_t tensors : {0, 1})
        EXPECT_EQ(nbit_optimizer_step(context.get(), NBIT_OPTIMIZER_LION, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, tensors,
                                      tensors ? &count : nullptr, float32, tensors ? &none : nullptr,
                                      tensors ? &no_gradient : nullptr, float32, tensors ? &none : nullptr, nullptr,
                                      nullptr, nullptr, nullptr),
                  NBIT_STATUS_OK)
            << last_error();
}

struct BadStep {
    const char* name;
    const char* message; // a part of it
    std::function<int32_t(nbit_context*, OptimizerTensor&)> call;
};
void PrintTo(const BadStep& bad, std::ostream* out) { *out << bad.name; }

class OptimizerStepErrors : public testing::TestWithParam<BadStep>
{
};

TEST_P(OptimizerStepErrors, NameTheArgumentAndChangeNothing)
{
    const Context context = cpu_context(1);
    OptimizerTensor tensor({NBIT_OPTIMIZER_ADAM, true}, float32, Numbers::ordinary, 300, 1);
    const OptimizerTensor before = tensor;
    EXPECT_EQ(GetParam().call(context.get(), tensor), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_NE(last_error().find(GetParam().message), std::string::npos) << last_error();
    EXPECT_EQ(tensor.parameters, before.parameters);
    EXPECT_EQ(tensor.state1, before.state1);
    EXPECT_EQ(tensor.state2, before.state2);
    EXPECT_EQ(tensor.absmax1, before.absmax1);
    EXPECT_EQ(tensor.absmax2, before.absmax2);
}

template <class Change> BadStep bad(const char* name, const char* message, const Change& change)
{
    return {name, message, [change](nbit_context* context, OptimizerTensor& tensor) {
                OptimizerCall call;
                change(call);
                return call.run(context, {&tensor});
            }};
}
// Every pointer, one of which a case replaces.
struct Pointers {
    int64_t count;
    void *parameters, *state1, *state2;
    const void* gradients;
    float *absmax1, *absmax2;
    int32_t optimizer = NBIT_OPTIMIZER_ADAM, type = float32, state_type = NBIT_DATA_TYPE_UINT8;
    int64_t tensors = 1;

    explicit Pointers(OptimizerTensor& t)
        : count(t.count), parameters(t.parameters.data()), state1(t.state1.data()), state2(t.state2.data()),
          gradients(t.gradients.data()), absmax1(t.absmax1.data()), absmax2(t.absmax2.data())
    {
    }
    int32_t run(nbit_context* context) const
    {
        return nbit_optimizer_step(context, optimizer, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, tensors, &count, type,
                                   &parameters, &gradients, state_type, &state1, &state2, &absmax1, &absmax2, nullptr);
    }
};
template <class Change> BadStep bad_pointer(const char* name, const char* message, const Change& change)
{
    return {name, message, [change](nbit_context* context, OptimizerTensor& tensor) {
                Pointers pointers(tensor);
                change(pointers);
                return pointers.run(context);
            }};
}

INSTANTIATE_TEST_SUITE_P(
    All, OptimizerStepErrors,
    testing::Values(
        BadStep{"Context", "context is null",
                [](nbit_context*, OptimizerTensor& tensor) { return OptimizerCall().run(nullptr, {&tensor}); }},
        bad("Step", "step is 0", [](OptimizerCall& c) { c.step = 0; }),
        bad("Rate", "learning_rate is -1", [](OptimizerCall& c) { c.learning_rate = -1; }),
        bad("NaNRate", "learning_rate is nan", [](OptimizerCall& c) { c.learning_rate = nan; }),
        bad("Beta1", "beta1 is 1", [](OptimizerCall& c) { c.beta1 = 1; }),
        bad("Beta2", "beta2 is -0.5", [](OptimizerCall& c) { c.beta2 = -0.5f; }),
        bad("Beta3", "beta3 is 2", [](OptimizerCall& c) { c.beta3 = 2; }),
        bad("Alpha", "alpha is inf", [](OptimizerCall& c) { c.alpha = infinity; }),
        bad("Epsilon", "epsilon is -1", [](OptimizerCall& c) { c.epsilon = -1; }),
        bad("Decay", "weight_decay is inf", [](OptimizerCall& c) { c.weight_decay = infinity; }),
        bad("Scale", "gradient_scale is nan", [](OptimizerCall& c) { c.gradient_scale = nan; }),
        bad("Limit", "max_unorm is -1", [](OptimizerCall& c) { c.max_unorm = -1; }),
        bad("SkipZeros", "skip_zeros is 2", [](OptimizerCall& c) { c.skip_zeros = 2; }),
        BadStep{"Seeds", "stochastic rounding is for bfloat16",
                [](nbit_context* context, OptimizerTensor& tensor) {
                    const uint64_t seed = 1;
                    OptimizerCall call;
                    call.rounding_seeds = &seed;
                    return call.run(context, {&tensor});
                }},
        bad_pointer("Optimizer", "optimizer is 6", [](Pointers& p) { p.optimizer = 6; }),
        bad_pointer("NegativeOptimizer", "optimizer is -1", [](Pointers& p) { p.optimizer = -1; }),
        bad_pointer("Type", "type is 7 (float64)", [](Pointers& p) { p.type = NBIT_DATA_TYPE_FLOAT64; }),
        bad_pointer("StateType", "state_type is 1 (int8)", [](Pointers& p) { p.state_type = NBIT_DATA_TYPE_INT8; }),
        bad_pointer("Tensors", "tensors is -1", [](Pointers& p) { p.tensors = -1; }),
        bad_pointer("Count", "counts[0] is -3", [](Pointers& p) { p.count = -3; }),
        bad_pointer("HugeCount", "counts[0] is", [](Pointers& p) { p.count = INT64_MAX / 8; }),
        bad_pointer("Parameters", "parameters[0] is null", [](Pointers& p) { p.parameters = nullptr; }),
        bad_pointer("Gradients", "gradients[0] is null", [](Pointers& p) { p.gradients = nullptr; }),
        bad_pointer("State1", "state1[0] is null", [](Pointers& p) { p.state1 = nullptr; }),
        bad_pointer("State2", "state2[0] is null", [](Pointers& p) { p.state2 = nullptr; }),
        bad_pointer("Absmax1", "absmax1[0] is null", [](Pointers& p) { p.absmax1 = nullptr; }),
        bad_pointer("Absmax2", "absmax2[0] is null", [](Pointers& p) { p.absmax2 = nullptr; }),
        bad_pointer("Overlap", "overlaps", [](Pointers& p) { p.state2 = p.state1; }),
        bad_pointer("GradientOverlap", "parameters[0] (1200 bytes) overlaps gradients[0]",
                    [](Pointers& p) { p.gradients = p.parameters; }),
        BadStep{"Lists", "state2 is null",
                [](nbit_context* context, OptimizerTensor& tensor) {
                    const Pointers p(tensor);
                    return nbit_optimizer_step(context, NBIT_OPTIMIZER_ADAM, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1,
                                               &p.count, float32, &p.parameters, &p.gradients, NBIT_DATA_TYPE_UINT8,
                                               &p.state1, nullptr, &p.absmax1, &p.absmax2, nullptr);
                }}),
    [](const auto& test) { return std::string(test.param.name); });

} // namespace
} // namespace nbit::test
