// What an optimizer's step computes: the ABI against the formulas in double.
#include "optimizer_calls.h"

#include <cmath>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;

// One element.
struct Element {
    double p, g, m, v, n;
};

struct Formulas {
    const OptimizerCall& call;
    double decay = 1 - double{call.learning_rate} * double{call.weight_decay};
    double c1 = 1 - std::pow(double{call.beta1}, static_cast<double>(call.step));
    double c2 = std::sqrt(1 - std::pow(double{call.beta2}, static_cast<double>(call.step)));

    double average(double old, double beta, double added) const { return beta * old + (1 - beta) * added; }

    // The update before the trust ratio and the learning rate. Steps the states.
    double direction(int32_t optimizer, Element& e) const
    {
        const double epsilon = double{call.epsilon};
        if (states_of(optimizer) > 1) {
            e.m = average(e.m, double{call.beta1}, e.g);
            e.v = average(e.v, double{call.beta2}, e.g * e.g);
            e.n = average(e.n, double{call.beta3}, e.g);
            const double fast = e.m / c1, root = std::sqrt(e.v) / c2 + epsilon;
            return (optimizer == NBIT_OPTIMIZER_ADEMAMIX ? fast + double{call.alpha} * e.n : fast) / root;
        }
        if (optimizer == NBIT_OPTIMIZER_MOMENTUM) return e.m = call.step == 1 ? e.g : double{call.beta1} * e.m + e.g;
        if (optimizer == NBIT_OPTIMIZER_LION) {
            const double now = average(e.m, double{call.beta1}, e.g);
            e.m = average(e.m, double{call.beta2}, e.g);
            return now > 0 ? 1 : now < 0 ? -1 : 0;
        }
        e.m = optimizer == NBIT_OPTIMIZER_RMSPROP ? average(e.m, double{call.beta1}, e.g * e.g) : e.m + e.g * e.g;
        return e.g / (std::sqrt(e.m) + epsilon);
    }

    Element stepped(int32_t optimizer, Element e, double ratio) const
    {
        if (call.skip_zeros && e.g == 0) return e;
        e.g *= double{call.gradient_scale};
        const bool is_decoupled = states_of(optimizer) > 1 || optimizer == NBIT_OPTIMIZER_LION;
        if (!is_decoupled) e.g += double{call.weight_decay} * e.p;
        const double step = ratio * double{call.learning_rate} * direction(optimizer, e);
        if (optimizer == NBIT_OPTIMIZER_LION)
            e.p = e.p * decay - step;
        else
            e.p = (e.p - step) * (is_decoupled ? decay : 1);
        return e;
    }

    // What the norm is taken of.
    double limited(int32_t optimizer, Element e) const
    {
        if (call.skip_zeros && e.g == 0) return 0;
        e.g *= double{call.gradient_scale};
        const double found = direction(optimizer, e);
        return optimizer == NBIT_OPTIMIZER_LION ? e.m : found;
    }

    double ratio(int32_t optimizer, const std::vector<Element>& elements) const
    {
        if (call.max_unorm == 0) return 1;
        double parameters = 0, directions = 0;
        for (const Element& e : elements) {
            parameters += e.p * e.p;
            directions += limited(optimizer, e) * limited(optimizer, e);
        }
        const double added = states_of(optimizer) == 1 ? double{call.epsilon} : 0;
        const double limit = double{call.max_unorm} * std::sqrt(parameters) + added, norm = std::sqrt(directions);
        return norm > limit ? limit / norm : 1;
    }
};

std::vector<Element> elements_in(const OptimizerTensor& tensor)
{
    const auto p = tensor.parameter_numbers(), g = tensor.gradient_numbers(), m = tensor.state_numbers(0);
    const auto v = states_of(tensor.optimizer) > 1 ? tensor.state_numbers(second_moment) : m;
    const auto n = states_of(tensor.optimizer) > 2 ? tensor.state_numbers(2) : m;
    std::vector<Element> elements;
    for (size_t i = 0; i < p.size(); ++i)
        elements.push_back({double{p[i]}, double{g[i]}, double{m[i]}, double{v[i]}, double{n[i]}});
    return elements;
}

class OptimizerRules : public testing::TestWithParam<OptimizerCase>
{
protected:
    void expect_formulas(const OptimizerCall& call) const
    {
        const Context context = cpu_context(2);
        const OptimizerCase& which = GetParam();
        OptimizerTensor tensor(which, float32, Numbers::ordinary, 1000, 3);
        std::vector<float> gradients = tensor.gradient_numbers();
        for (size_t i = 0; i < gradients.size(); i += 7)
            gradients[i] = 0;
        tensor.gradients = bytes_of(gradients);
        const std::vector<Element> before = elements_in(tensor);
        const Formulas formulas{call};
        const double ratio = formulas.ratio(which.optimizer, before);
        ASSERT_EQ(call.run(context.get(), {&tensor}), NBIT_STATUS_OK) << last_error();
        const std::vector<Element> found = elements_in(tensor);
        for (size_t i = 0; i < before.size(); ++i) {
            const Element expected = formulas.stepped(which.optimizer, before[i], ratio);
            ASSERT_NEAR(found[i].p, expected.p, 2e-5 * (1 + std::fabs(expected.p))) << i;
            if (which.is_quantized) continue; // the codes are the reference twin's and the golden data's matter
            ASSERT_NEAR(found[i].m, expected.m, 1e-5 * (1 + std::fabs(expected.m))) << i;
            if (states_of(which.optimizer) > 1) {
                ASSERT_NEAR(found[i].v, expected.v, 1e-5 * (1 + std::fabs(expected.v))) << i;
            }
            if (states_of(which.optimizer) > 2) {
                ASSERT_NEAR(found[i].n, expected.n, 1e-5 * (1 + std::fabs(expected.n))) << i;
            }
        }
    }
};

TEST_P(OptimizerRules, AreTheFormulas)
{
    for (const int64_t step : {1, 2, 1000})
        for (const float weight_decay : {0.0f, 0.1f})
            for (const int32_t skip_zeros : {0, 1}) {
                OptimizerCall call;
                call.step = step;
                call.weight_decay = weight_decay;
                call.skip_zeros = skip_zeros;
                expect_formulas(call);
            }
}

TEST_P(OptimizerRules, LimitUpdatesByTheNormOfTheParameters)
{
    for (const float max_unorm : {0.02f, 1.0f, 1000.0f}) {
        OptimizerCall call;
        call.max_unorm = max_unorm;
        expect_formulas(call);
        call.skip_zeros = 1;
        expect_formulas(call);
    }
}

TEST_P(OptimizerRules, QuantizeTheNewStatesToTheNearestCode)
{
    if (!GetParam().is_quantized) return;
    const Context context = cpu_context(1);
    OptimizerTensor tensor(GetParam(), float32, Numbers::ordinary, 1000, 5);
    const std::vector<Element> before = elements_in(tensor);
    const OptimizerCall call;
    ASSERT_EQ(call.run(context.get(), {&tensor}), NBIT_STATUS_OK) << last_error();
    const std::vector<Element> found = elements_in(tensor);
    for (size_t i = 0; i < before.size(); ++i) {
        const Element expected = Formulas{call}.stepped(GetParam().optimizer, before[i], 1);
        const auto absmax = double{tensor.absmax1[i / optimizer_block]};
        // The widest gap of the signed map is 0.0141, of the unsigned one 0.0071
        ASSERT_NEAR(found[i].m, expected.m, 0.00705 * absmax) << i;
        ASSERT_TRUE(expected.m == 0 || std::signbit(found[i].m) == std::signbit(expected.m)) << i;
        if (states_of(GetParam().optimizer) > 1) {
            ASSERT_NEAR(found[i].v, expected.v, 0.00355 * double{tensor.absmax2[i / optimizer_block]}) << i;
        }
    }
}

TEST_P(OptimizerRules, ShowAGradientThatIsNotFiniteIn32BitsAndForgetTheElementIn8Bits)
{
    const Context context = cpu_context(1);
    const OptimizerTensor clean(GetParam(), float32, Numbers::ordinary, 600, 7);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity}) {
        OptimizerTensor tensor = clean, other = clean;
        std::vector<float> gradients = clean.gradient_numbers();
        gradients[300] = bad;
        tensor.gradients = bytes_of(gradients);
        ASSERT_EQ(OptimizerCall().run(context.get(), {&tensor}), NBIT_STATUS_OK);
        ASSERT_EQ(OptimizerCall().run(context.get(), {&other}), NBIT_STATUS_OK);
        const auto p = tensor.parameter_numbers(), clean_p = other.parameter_numbers(), m = tensor.state_numbers(0);
        for (size_t i = 0; i < p.size(); ++i)
            ASSERT_TRUE(i == 300 || p[i] == clean_p[i]) << i;
        if (GetParam().is_quantized) {
            EXPECT_EQ(p[300], clean.parameter_numbers()[300]);
            EXPECT_EQ(m[300], 0);
            EXPECT_TRUE(std::isfinite(tensor.absmax1[1]));
        } else {
            EXPECT_FALSE(std::isfinite(m[300]));
            const bool shows_infinity = GetParam().optimizer == NBIT_OPTIMIZER_MOMENTUM;
            if (std::isnan(bad) || shows_infinity) {
                EXPECT_FALSE(std::isfinite(p[300]));
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerRules, testing::ValuesIn(optimizer_cases()),
                         [](const auto& test) { return name_of(test.param); });

TEST(StochasticRounding, KeepsTheMeanAndGivesNeighbours)
{
    const Context context = cpu_context(2);
    constexpr int64_t count = 1 << 16;
    OptimizerTensor tensor({NBIT_OPTIMIZER_MOMENTUM, false}, NBIT_DATA_TYPE_BFLOAT16, Numbers::ordinary, count, 9);
    tensor.parameters = rounded(tensor.type, std::vector<float>(count, 1));
    tensor.gradients = rounded(tensor.type, std::vector<float>(count, -1));
    OptimizerCall call;
    call.step = 1;
    call.learning_rate = 0.25f / 128; // a quarter of the gap above 1
    call.weight_decay = 0;
    call.gradient_scale = 1;
    const uint64_t seed = 42;
    call.rounding_seeds = &seed;
    OptimizerTensor again = tensor;
    ASSERT_EQ(call.run(context.get(), {&tensor}), NBIT_STATUS_OK) << last_error();
    ASSERT_EQ(call.run(context.get(), {&again}), NBIT_STATUS_OK) << last_error();
    EXPECT_EQ(tensor.parameters, again.parameters);
    int64_t up = 0;
    for (const float x : tensor.parameter_numbers()) {
        ASSERT_TRUE(x == 1 || x == 1 + 1.0f / 128) << x;
        up += x > 1;
    }
    EXPECT_NEAR(static_cast<double>(up) / count, 0.25, 0.01); // 6 standard deviations
}

} // namespace
} // namespace nbit::test
