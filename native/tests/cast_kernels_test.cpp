// The kernels of every instruction set against the reference twin, bit for bit.
#include "cast_cases.h"

#include <algorithm>

namespace nbit::test
{
namespace
{

class CastKernels : public testing::TestWithParam<Case>
{
protected:
    void SetUp() override
    {
        if (!machine_has(GetParam().set)) GTEST_SKIP() << "this machine lacks " << instruction_set_name(GetParam().set);
    }
    const CastTable& kernels() const { return casts_of(GetParam().set); }
    const Pair& pair() const { return GetParam().pair; }
};

TEST_P(CastKernels, GiveTheBitsOfTheReferenceTwin)
{
    for (const float scale : cast_scales) {
        const int64_t parts = scale == 1 && pair().source == NBIT_DATA_TYPE_FLOAT32 ? 16 : 1;
        for (int64_t part = 0; part < parts; ++part) {
            const Bytes source = inputs_for(pair(), scale, {parts << 20, parts, part});
            const Outcome expected = run(reference::casts, pair(), source, scale, false);
            for (const bool stream : {false, true})
                ASSERT_TRUE(same(expected, run(kernels(), pair(), source, scale, stream), pair(), source))
                    << "scale " << scale << (stream ? ", streaming" : "");
        }
    }
}

// Elements for the tests of lengths and positions: numbers of both signs, denormals, and now and then something that
// takes a kernel off its usual path.
Bytes mixed_source(int32_t type, int64_t count)
{
    std::vector<float> floats;
    for (int64_t i = 0; i < count; ++i) {
        float x = bits_float(0x3f000000 + static_cast<uint32_t>(i) * 0x2a0917) * (i % 3 ? 1.0f : -1.0f);
        if (i % 53 == 0) x = bits_float(0x7fa00000 | static_cast<uint32_t>(i));
        if (i % 59 == 0) x = bits_float(0x80000000 | static_cast<uint32_t>(i) << 8);
        if (i % 61 == 0) x = bits_float(infinity_bits);
        floats.push_back(x);
    }
    return run(reference::casts, {NBIT_DATA_TYPE_FLOAT32, type}, bytes_of(floats), 1, false).target;
}

TEST_P(CastKernels, WriteEveryLengthAtEveryPositionAndNothingElse)
{
    constexpr int64_t longest = 300, guard = 128;
    const int64_t source_size = data_type_size(pair().source), target_size = data_type_size(pair().target);
    const Bytes source = mixed_source(pair().source, longest);
    for (int64_t count = 0; count <= longest; ++count)
        for (const bool stream : {false, true}) {
            const int64_t shift = (count * 7 + stream) % 67; // bytes, so elements lie across their alignment, too
            Bytes from(static_cast<size_t>(shift + count * source_size));
            std::copy_n(source.begin(), count * source_size, from.begin() + shift);
            const Bytes plain(from.begin() + shift, from.end());
            const Outcome expected = run(reference::casts, pair(), plain, 3, false);

            Bytes memory(static_cast<size_t>(guard + shift + count * target_size + guard), 0xa5);
            const float amax = kernels().find(pair().source, pair().target)(from.data() + shift, count, 3,
                                                                            memory.data() + guard + shift, stream);
            const auto begin = memory.begin() + guard + shift, end = begin + count * target_size;
            const auto untouched = [](unsigned char byte) { return byte == 0xa5; };
            ASSERT_TRUE(same(expected, {Bytes(begin, end), amax}, pair(), plain)) << "count " << count;
            ASSERT_TRUE(std::all_of(memory.begin(), begin, untouched)) << "before the target, count " << count;
            ASSERT_TRUE(std::all_of(end, memory.end(), untouched)) << "after the target, count " << count;
        }
}

TEST_P(CastKernels, FindTheLargestMagnitudeWhereverItIs)
{
    const int64_t source_size = data_type_size(pair().source);
    constexpr int64_t count = 193;
    for (int64_t at = 0; at < count; ++at) {
        std::vector<float> floats(count, 0.5f);
        floats[static_cast<size_t>(at)] = -1.75f;
        floats[static_cast<size_t>((at + 1) % count)] = bits_float(0x7fc00000);
        const Bytes source =
            run(reference::casts, {NBIT_DATA_TYPE_FLOAT32, pair().source}, bytes_of(floats), 1, false).target;
        ASSERT_EQ(static_cast<int64_t>(source.size()), count * source_size);
        ASSERT_EQ(run(kernels(), pair(), source, 1e-3f, false).amax, 1.75f) << "at " << at;
    }
}

INSTANTIATE_TEST_SUITE_P(All, CastKernels, testing::ValuesIn(cast_cases()),
                         [](const auto& test) { return name_of(test); });

TEST(CastTables, HoldEveryPairButFloat8ToFloat8)
{
    for (int set = NBIT_INSTRUCTION_SET_SCALAR; set <= best_instruction_set(); ++set) {
        const CastTable& table = casts_of(static_cast<nbit_instruction_set>(set));
        for (const Pair& pair : cast_pairs())
            EXPECT_NE(table.find(pair.source, pair.target), nullptr) << name_of(pair);
        EXPECT_EQ(table.find(NBIT_DATA_TYPE_FLOAT8_E4M3FN, NBIT_DATA_TYPE_FLOAT8_E5M2), nullptr);
        EXPECT_EQ(table.find(NBIT_DATA_TYPE_FLOAT64, NBIT_DATA_TYPE_FLOAT32), nullptr);
        EXPECT_EQ(table.find(NBIT_DATA_TYPE_FLOAT32, -1), nullptr);
    }
}

#if defined(__x86_64__)
TEST(CastTables, AreTheInstructionSetsOwn)
{
    EXPECT_EQ(&casts_of(NBIT_INSTRUCTION_SET_SCALAR), &scalar::casts);
    EXPECT_EQ(&casts_of(NBIT_INSTRUCTION_SET_AVX2), &avx2::casts);
    EXPECT_EQ(&casts_of(NBIT_INSTRUCTION_SET_AVX512), &avx512::casts);
    EXPECT_EQ(&casts_of(NBIT_INSTRUCTION_SET_AVX512BF16), &avx512bf16::casts);
}
#endif

} // namespace
} // namespace nbit::test
