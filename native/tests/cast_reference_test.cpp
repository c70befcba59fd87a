// The reference twin of the casts against definitions that share no code with it.
#include "cast_cases.h"
#include "cast_expectations.h"

#include <cmath>
#include <limits>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, float16 = NBIT_DATA_TYPE_FLOAT16;
constexpr int32_t bfloat16 = NBIT_DATA_TYPE_BFLOAT16;
constexpr int32_t e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN, e5m2 = NBIT_DATA_TYPE_FLOAT8_E5M2;
constexpr float infinity = std::numeric_limits<float>::infinity();
const float nan = std::numeric_limits<float>::quiet_NaN();

uint32_t target_code(const Outcome& outcome, int32_t type, size_t index)
{
    const auto size = static_cast<size_t>(data_type_size(type));
    uint32_t code = 0;
    std::memcpy(&code, outcome.target.data() + index * size, size);
    return code;
}

// One element through the reference twin, bits for bits.
uint32_t cast_bits(int32_t source, uint32_t bits, int32_t target, float scale = 1)
{
    Bytes bytes(static_cast<size_t>(data_type_size(source)));
    std::memcpy(bytes.data(), &bits, bytes.size());
    return target_code(run(reference::casts, {source, target}, bytes, scale, false), target, 0);
}

class Reference : public testing::TestWithParam<int32_t>
{
};

TEST_P(Reference, RoundsEveryProductToTheNearestCodeAndTiesToTheEvenOne)
{
    const int32_t type = GetParam();
    const NearestCode nearest(type);
    for (const float scale : cast_scales) {
        const Bytes source = inputs_for({float32, type}, scale, {1 << 18});
        const Outcome outcome = run(reference::casts, {float32, type}, source, scale, false);
        const std::vector<float> floats = elements_of<float>(source);
        for (size_t i = 0; i < floats.size(); ++i) {
            // Exact in double, rounded once
            const auto product = static_cast<float>(static_cast<double>(floats[i]) * static_cast<double>(scale));
            if (std::isnan(product))
                ASSERT_TRUE(definition_of(type).is_nan(target_code(outcome, type, i))) << floats[i] << " * " << scale;
            else
                ASSERT_EQ(target_code(outcome, type, i), nearest(product))
                    << std::hexfloat << floats[i] << " * " << scale;
        }
    }
}

TEST_P(Reference, DecodesEveryCodeToItsValue)
{
    const int32_t type = GetParam();
    const FormatDefinition format = definition_of(type);
    const Outcome outcome = run(reference::casts, {type, float32}, all_elements(type), 1, false);
    const std::vector<float> floats = elements_of<float>(outcome.target);
    for (uint32_t code = 0; code < floats.size(); ++code) {
        if (format.is_nan(code))
            ASSERT_TRUE(std::isnan(floats[code])) << code;
        else
            ASSERT_EQ(float_bits(floats[code]), float_bits(static_cast<float>(format.value(code)))) << code;
    }
}

TEST_P(Reference, GivesTheCodeBackAfterDecodingAndEncoding)
{
    const int32_t type = GetParam();
    const FormatDefinition format = definition_of(type);
    const Outcome decoded = run(reference::casts, {type, float32}, all_elements(type), 1, false);
    const Outcome encoded = run(reference::casts, {float32, type}, decoded.target, 1, false);
    for (uint32_t code = 0; code < 1u << format.bits; ++code) {
        const bool is_infinity = std::isinf(format.is_nan(code) ? 0 : format.value(code));
        const uint32_t expected = is_infinity && format.saturates ? code - 1 : code;
        if (format.is_nan(code))
            ASSERT_TRUE(format.is_nan(target_code(encoded, type, code))) << code;
        else
            ASSERT_EQ(target_code(encoded, type, code), expected);
    }
}

INSTANTIATE_TEST_SUITE_P(Formats, Reference, testing::Values(float16, bfloat16, e4m3, e5m2),
                         [](const auto& test) { return std::string(data_type_name(test.param)); });

// Between formats of 16 bits or fewer the way leads through the product in float32.
class ReferencePairs : public testing::TestWithParam<Pair>
{
};

TEST_P(ReferencePairs, RoundTheProductToFloat32AndThenToTheTarget)
{
    const Pair pair = GetParam();
    const FormatDefinition format = definition_of(pair.source);
    const NearestCode nearest(pair.target);
    for (const float scale : cast_scales) {
        const Outcome outcome = run(reference::casts, pair, all_elements(pair.source), scale, false);
        for (uint32_t code = 0; code < 1u << format.bits; ++code) {
            if (format.is_nan(code)) continue;
            const auto product = static_cast<float>(format.value(code) * static_cast<double>(scale));
            if (std::isnan(product)) continue;
            ASSERT_EQ(target_code(outcome, pair.target, code), nearest(product)) << code << " * " << scale;
        }
    }
}

std::vector<Pair> pairs_without_float32()
{
    std::vector<Pair> pairs;
    for (const Pair& pair : cast_pairs())
        if (pair.source != float32 && pair.target != float32) pairs.push_back(pair);
    return pairs;
}

INSTANTIATE_TEST_SUITE_P(All, ReferencePairs, testing::ValuesIn(pairs_without_float32()),
                         [](const auto& test) { return name_of(test.param); });

struct KnownCast {
    const char* name;
    int32_t source;
    uint32_t source_bits;
    int32_t target;
    uint32_t target_bits;
};

class KnownCasts : public testing::TestWithParam<KnownCast>
{
};

TEST_P(KnownCasts, AreMadeToTheBit)
{
    const KnownCast& known = GetParam();
    EXPECT_EQ(cast_bits(known.source, known.source_bits, known.target), known.target_bits);
}

INSTANTIATE_TEST_SUITE_P(Numbers, KnownCasts,
                         testing::Values(KnownCast{"OneToFloat16", float32, 0x3f800000, float16, 0x3c00},
                                         KnownCast{"OneToBFloat16", float32, 0x3f800000, bfloat16, 0x3f80},
                                         KnownCast{"OneToE4M3", float32, 0x3f800000, e4m3, 0x38},
                                         KnownCast{"OneToE5M2", float32, 0x3f800000, e5m2, 0x3c},
                                         KnownCast{"LargestFloat16", float32, 0x477fe000, float16, 0x7bff},   // 65504
                                         KnownCast{"Float16Overflows", float32, 0x477ff000, float16, 0x7c00}, // 65520
                                         KnownCast{"LeastFloat16", float32, 0x33800000, float16, 0x0001},     // 2^-24
                                         KnownCast{"HalfOfItIsATie", float32, 0x33000000, float16, 0x0000},   // 2^-25
                                         KnownCast{"BFloat16Overflows", float32, 0x7f7fffff, bfloat16,
                                                   0x7f80}, // FLT_MAX
                                         KnownCast{"BFloat16Denormal", float32, 0x00010000, bfloat16, 0x0001},
                                         KnownCast{"LargestE4M3", float32, 0x43e00000, e4m3, 0x7e},   // 448
                                         KnownCast{"E4M3Saturates", float32, 0x7f800000, e4m3, 0x7e}, // infinity
                                         KnownCast{"E4M3SaturatesBelow", float32, 0xff7fffff, e4m3, 0xfe},
                                         KnownCast{"LeastE4M3", float32, 0x3b000000, e4m3, 0x01},     // 2^-9
                                         KnownCast{"LargestE5M2", float32, 0x47600000, e5m2, 0x7b},   // 57344
                                         KnownCast{"E5M2Saturates", float32, 0xff800000, e5m2, 0xfb}, // minus infinity
                                         KnownCast{"LeastE5M2", float32, 0x37800000, e5m2, 0x01},     // 2^-16
                                         KnownCast{"MinusZero", float32, 0x80000000, e4m3, 0x80},
                                         KnownCast{"E5M2HasInfinity", e5m2, 0xfc, float32, 0xff800000},
                                         KnownCast{"E5M2InfinityToFloat16", e5m2, 0x7c, float16, 0x7c00},
                                         KnownCast{"E4M3HasNone", e4m3, 0x78, float32, 0x43800000}), // 256
                         [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(NaN, KnownCasts,
                         testing::Values(KnownCast{"KeepsUpperPayloadInBFloat16", float32, 0x7fa55555, bfloat16,
                                                   0x7fe5},
                                         KnownCast{"KeepsUpperPayloadInFloat16", float32, 0x7fa55555, float16, 0x7f2a},
                                         KnownCast{"KeepsSignInBFloat16", float32, 0xffc12345, bfloat16, 0xffc1},
                                         KnownCast{"IsNotInfinityInBFloat16", float32, 0x7f800001, bfloat16, 0x7fc0},
                                         KnownCast{"IsNotInfinityInFloat16", float32, 0xff800001, float16, 0xfe00},
                                         KnownCast{"BecomesQuietInFloat32", float32, 0x7f800001, float32, 0x7fc00001},
                                         KnownCast{"SignallingFloat16", float16, 0x7c01, float32, 0x7fc02000},
                                         KnownCast{"SignallingBFloat16", bfloat16, 0xff81, float32, 0xffc10000},
                                         KnownCast{"HasOneE4M3Code", float32, 0x7fc00000, e4m3, 0x7f},
                                         KnownCast{"HasOneE4M3CodeForBothSigns", float32, 0xffc00000, e4m3, 0x7f},
                                         KnownCast{"HasOneE5M2Code", float32, 0xff800001, e5m2, 0x7f},
                                         KnownCast{"FromE4M3", e4m3, 0x7f, float32, 0x7fc00000},
                                         KnownCast{"FromE4M3KeepsItsSign", e4m3, 0xff, bfloat16, 0xffc0},
                                         KnownCast{"FromE5M2LosesItsPayload", e5m2, 0x7d, float32, 0x7fc00000},
                                         KnownCast{"FromE5M2ToFloat16", e5m2, 0xfe, float16, 0xfe00}),
                         [](const auto& test) { return test.param.name; });

TEST(ReferenceAmax, IsTheLargestMagnitudeThatIsANumber)
{
    const auto amax = [](const std::vector<float>& source) {
        return run(reference::casts, {float32, e4m3}, bytes_of(source), 1000, false).amax;
    };
    EXPECT_EQ(amax({1, -3, 2}), 3);
    EXPECT_EQ(amax({1, nan, -0.5f}), 1);
    EXPECT_EQ(amax({nan, -infinity, 7}), infinity);
    EXPECT_EQ(amax({nan, -nan}), 0);
    EXPECT_EQ(float_bits(amax({-0.0f})), 0u);
    EXPECT_EQ(amax({bits_float(1)}), bits_float(1));
    EXPECT_EQ(amax({}), 0);
}

TEST(ReferenceAmax, OfFloat8IsThatOfTheDecodedAndUnscaledSource)
{
    const auto amax = [](int32_t type, const Bytes& codes) {
        return run(reference::casts, {type, float32}, codes, 1000, false).amax;
    };
    EXPECT_EQ(amax(e4m3, {0x38, 0xff, 0xfe}), 448);
    EXPECT_EQ(amax(e5m2, {0x3c, 0x7f, 0xfb}), 57344);
    EXPECT_EQ(amax(e5m2, {0x3c, 0x7f, 0xfc}), infinity);
}

} // namespace
} // namespace nbit::test
