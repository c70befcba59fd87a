// All 2^32 float32 inputs, for every target and every instruction set that this machine has, against the reference
// twin. Not part of the test run: it takes minutes.
#include "base/cpu.h"
#include "base/data_type.h"
#include "base/platform.h"
#include "cpu/cast.h"
#include "cpu/float8/scaled_rows.h"

#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

using namespace nbit;

namespace
{

constexpr int64_t chunk = 1 << 20;
constexpr int64_t chunks = (1ll << 32) / chunk;
constexpr int sets = NBIT_INSTRUCTION_SET_AVX512BF16 + 1;

constexpr int twin = -1;

// Casts a chunk by the kernels of an instruction set, or by the twin. Gives back the amax, which codes of 4 bits come
// without.
float cast(int32_t target_type, int set, const float* source, unsigned char* target, bool stream)
{
    const auto which = static_cast<nbit_instruction_set>(set);
    if (target_type == NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2) {
        static const std::vector<float> factors(chunk, 1);
        const ScaledRowsTable& rows = set == twin ? reference::scaled_rows : scaled_rows_of(which);
        rows.encoder(target_type, NBIT_DATA_TYPE_FLOAT32)(source, chunk, factors.data(), target);
        return 0;
    }
    const CastTable& casts = set == twin ? reference::casts : casts_of(which);
    return casts.find(NBIT_DATA_TYPE_FLOAT32, target_type)(source, chunk, 1, target, stream);
}

struct Differences {
    std::atomic<int64_t> of_set[sets]{};
};

void compare(int32_t target_type, std::atomic<int64_t>& next, Differences& differences)
{
    const int64_t size = data_type_size(target_type);
    std::vector<float> source(chunk);
    std::vector<unsigned char> expected(static_cast<size_t>(chunk * size)), found(expected.size());
    for (int64_t index; (index = next.fetch_add(1)) < chunks;) {
        for (int64_t i = 0; i < chunk; ++i)
            source[static_cast<size_t>(i)] = bits_float(static_cast<uint32_t>(index * chunk + i));
        const float amax = cast(target_type, twin, source.data(), expected.data(), false);
        for (int set = 0; set <= best_instruction_set(); ++set) {
            const float found_amax = cast(target_type, set, source.data(), found.data(), index % 2 == 0);
            if (float_bits(found_amax) != float_bits(amax)) ++differences.of_set[set];
            if (expected == found) continue;
            for (int64_t i = 0; i < chunk; ++i)
                if (std::memcmp(&expected[static_cast<size_t>(i * size)], &found[static_cast<size_t>(i * size)],
                                static_cast<size_t>(size)) != 0)
                    ++differences.of_set[set];
        }
    }
}

} // namespace

int main()
{
    int64_t all = 0;
    int pairs = 0;
    std::vector<nbit_data_type> targets(std::begin(cast_formats), std::end(cast_formats));
    targets.push_back(NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2);
    for (const nbit_data_type target : targets) {
        Differences differences;
        std::atomic<int64_t> next{0};
        std::vector<std::thread> threads;
        for (int32_t i = 0; i < platform::processor_count(); ++i)
            threads.emplace_back([&] { compare(target, next, differences); });
        for (std::thread& thread : threads)
            thread.join();
        for (int set = 0; set <= best_instruction_set(); ++set) {
            const int64_t count = differences.of_set[set];
            std::printf("float32 to %-16s %-10s: 2^32 inputs, %lld differences\n", data_type_name(target),
                        instruction_set_name(static_cast<nbit_instruction_set>(set)), static_cast<long long>(count));
            all += count;
            ++pairs;
        }
        std::fflush(stdout);
    }
    std::printf("%d pairs of target and instruction set, %lld differences\n", pairs, static_cast<long long>(all));
    return all != 0;
}
