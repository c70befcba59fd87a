// The floating-point mode that kernels need, whatever the mode of the thread that they run on.
#pragma once
#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#else
#include <cfenv>
#endif

namespace nbit
{

// While one lives, this thread rounds to nearest, keeps denormals and raises no signal. Without it a process that asked
// its math library to flush denormals would get other bits from a cast.
class DefaultFloatEnvironment final
{
public:
    DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
    DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

#if defined(__x86_64__) || defined(_M_X64)
    DefaultFloatEnvironment() noexcept : saved_(_mm_getcsr())
    {
        if (differs()) _mm_setcsr(usual); // the write costs more than the test
    }
    ~DefaultFloatEnvironment()
    {
        if (differs()) _mm_setcsr(saved_);
    }

private:
    static constexpr unsigned usual = 0x1f80, sticky_flags = 0x3f;
    bool differs() const noexcept { return (saved_ & ~sticky_flags) != usual; }
    unsigned saved_;
#else
    DefaultFloatEnvironment() noexcept
    {
        std::fegetenv(&saved_);
        std::fesetenv(FE_DFL_ENV);
    }
    ~DefaultFloatEnvironment() { std::fesetenv(&saved_); }

private:
    std::fenv_t saved_;
#endif
};

} // namespace nbit
