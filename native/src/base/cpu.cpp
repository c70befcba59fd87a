#include "base/cpu.h"
#include "base/error.h"
#include "base/platform.h"

#include <atomic>
#include <cstring>

namespace nbit
{
namespace
{

constexpr const char* names[] = {"scalar", "avx2", "avx512", "avx512bf16"};
constexpr int unknown = -1;
std::atomic<int> chosen{unknown};

struct Features {
    char text[256] = "";
    nbit_instruction_set best = NBIT_INSTRUCTION_SET_SCALAR;
    int complete = 1; // the levels so far, from the lowest one, lack nothing

    Features()
    {
#if defined(__x86_64__)
        __builtin_cpu_init();
// The builtin takes literals only.
#define NBIT_FEATURE(name) need(name, __builtin_cpu_supports(name))
        NBIT_FEATURE("avx2");
        NBIT_FEATURE("fma");
        need("f16c", has_f16c());
        reached(NBIT_INSTRUCTION_SET_AVX2);
        NBIT_FEATURE("avx512f");
        NBIT_FEATURE("avx512bw");
        NBIT_FEATURE("avx512dq");
        NBIT_FEATURE("avx512vl");
        NBIT_FEATURE("avx512cd");
        NBIT_FEATURE("avx512vbmi");
        NBIT_FEATURE("avx512vbmi2");
        NBIT_FEATURE("avx512vnni");
        reached(NBIT_INSTRUCTION_SET_AVX512);
        NBIT_FEATURE("avx512bf16");
        reached(NBIT_INSTRUCTION_SET_AVX512BF16);
#undef NBIT_FEATURE
#endif
    }

    void need(const char* name, int present)
    {
        complete &= present != 0;
        if (!present) return;
        if (text[0]) std::strcat(text, " ");
        std::strcat(text, name);
    }

    void reached(nbit_instruction_set level)
    {
        if (complete) best = level;
    }

#if defined(__x86_64__)
    // gcc 12 does not know this name in __builtin_cpu_supports.
    static bool has_f16c()
    {
        unsigned eax = 1, ebx, ecx = 0, edx;
        __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
        return ecx & 1u << 29;
    }
#endif
};

const Features& features() noexcept
{
    static const Features found;
    return found;
}

nbit_instruction_set checked(int which, const char* origin)
{
    if (which > features().best)
        throw Error(NBIT_STATUS_NOT_SUPPORTED,
                    "%s asks for instruction set %s, but this CPU supports at most %s (it has: %s). Choose %s or a "
                    "lower one (scalar, avx2, avx512, avx512bf16).",
                    origin, names[which], names[features().best], features().text, names[features().best]);
    return static_cast<nbit_instruction_set>(which);
}

nbit_instruction_set from_environment()
{
    const char* wanted = platform::environment_variable("NBIT_ISA");
    if (!wanted || !*wanted) return features().best;
    for (int i = 0; i < static_cast<int>(std::size(names)); ++i)
        if (std::strcmp(wanted, names[i]) == 0) return checked(i, "the environment variable NBIT_ISA");
    throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                "the environment variable NBIT_ISA is '%s'; allowed are scalar, avx2, avx512 and avx512bf16. Unset it "
                "to use the best one (here %s).",
                wanted, names[features().best]);
}

} // namespace

const char* cpu_features() noexcept { return features().text; }

nbit_instruction_set best_instruction_set() noexcept { return features().best; }

nbit_instruction_set instruction_set()
{
    int which = chosen.load(std::memory_order_relaxed);
    if (which == unknown) {
        which = from_environment();
        int expected = unknown;
        if (!chosen.compare_exchange_strong(expected, which)) which = expected; // another thread forced one meanwhile
    }
    return static_cast<nbit_instruction_set>(which);
}

void force_instruction_set(int32_t which)
{
    if (which < NBIT_INSTRUCTION_SET_SCALAR || which > NBIT_INSTRUCTION_SET_AVX512BF16)
        throw Error(
            NBIT_STATUS_INVALID_ARGUMENT,
            "instruction_set is %d; allowed are the values of nbit_instruction_set, 0 (scalar) to 3 (avx512bf16)",
            which);
    chosen.store(checked(which, "nbit_instruction_set_force"));
}

const char* instruction_set_name(nbit_instruction_set which) noexcept { return names[which]; }

} // namespace nbit
