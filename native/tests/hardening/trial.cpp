#include "hardening/trial.h"
#include "base/cpu.h"
#include "hardening/other_memory.h"

#include <algorithm>

namespace nbit::test
{
namespace
{

constexpr const char* no_message = "nothing failed yet";

bool is_known(int32_t status)
{
    return status == NBIT_STATUS_OK || status == NBIT_STATUS_INVALID_ARGUMENT || status == NBIT_STATUS_OUT_OF_MEMORY ||
           status == NBIT_STATUS_NOT_SUPPORTED;
}

Context prepared_context(int32_t threads)
{
    // Whatever CUDA this machine has: results and memory are those of a machine without.
    nbit_cuda_set_library(NBIT_CUDA_LIBRARY_RUNTIME, "/nowhere/at/all/libnothing.so");
    nbit_cuda_set_library(NBIT_CUDA_LIBRARY_BITSANDBYTES, "/nowhere/at/all/libnothing.so");
    nbit_cuda_set_library(NBIT_CUDA_LIBRARY_TRANSFORMER_ENGINE, "/nowhere/at/all/libnothing.so");
    Context context = cpu_context(threads);
    const std::vector<float> source(2 << 20);
    float amax = 0;
    nbit_amax_compute(context.get(), NBIT_DATA_TYPE_FLOAT32, source.data(), static_cast<int64_t>(source.size()), &amax);
    return context;
}

} // namespace

nbit_context* context_of_one_thread()
{
    static const Context context = prepared_context(1);
    return context.get();
}

nbit_context* context_of_several_threads()
{
    static const Context context = prepared_context(4);
    return context.get();
}

Trial::Trial(const ExportCall& of, std::span<const uint8_t> bytes, Faults faults, Sizes sizes)
    : of_(of), faults_(faults), choices_(bytes), arguments_(choices_, faults, sizes), call_(of.prepare(arguments_)),
      has_context_(!arguments_.has_fault(64))
{
    arguments_.restore();
}

int32_t Trial::run(nbit_context* context)
{
    arguments_.restore();
    nbit_error_set(no_message);
    int64_t before = 0, after = 0, blocks = 0;
    nbit_memory_count(&before, &blocks);
    const int64_t other_before = other_blocks_had();
    status_ = call_(has_context_ ? context : nullptr);
    other_blocks_ = other_blocks_had() - other_before;
    nbit_memory_count(&after, &blocks);
    kept_bytes_ = after - before;
    message_ = last_error();
    return status_;
}

std::string Trial::broken_promise() const
{
    if (!is_known(status_)) return "gives status " + std::to_string(status_) + ": " + message_;
    if (status_ != NBIT_STATUS_OK && (message_.empty() || message_ == no_message)) return "fails without a message";
    if (status_ != NBIT_STATUS_OK && status_ != NBIT_STATUS_OUT_OF_MEMORY && faults_ == Faults::none)
        return "refuses what is allowed: " + message_;
    if (kept_bytes_ != 0) return "keeps " + std::to_string(kept_bytes_) + " bytes";
    if (other_blocks_ != 0) return "takes memory past base/memory.h, blocks: " + std::to_string(other_blocks_);
    return misuse();
}

std::string Trial::run_with(nbit_instruction_set set, std::optional<Arguments::Results>& expected)
{
    const ForcedInstructionSet forced(set);
    for (nbit_context* const context : {context_of_one_thread(), context_of_several_threads()}) {
        const int32_t status = run(context);
        std::string wrong = broken_promise();
        if (wrong.empty() && status == NBIT_STATUS_OK) {
            if (expected)
                wrong = difference(*expected);
            else
                expected = results();
        }
        if (!wrong.empty())
            return std::string(of_.name) + " with " + instruction_set_name(set) + " on " +
                   (context == context_of_one_thread() ? "one thread " : "several threads ") + wrong;
    }
    return {};
}

std::string Trial::run_everywhere()
{
    context_of_one_thread();
    context_of_several_threads();
    std::optional<Arguments::Results> expected;
    for (int set = 0; set <= best_instruction_set(); ++set) {
        if (of_.same != Same::on_every_instruction_set) expected.reset();
        if (std::string wrong = run_with(static_cast<nbit_instruction_set>(set), expected); !wrong.empty())
            return wrong;
    }
    return {};
}

std::string run_trial(std::span<const uint8_t> bytes)
{
    const std::span<const uint8_t> first = bytes.first(std::min<size_t>(bytes.size(), 2));
    Choices choices(first);
    const auto& calls = export_calls();
    const ExportCall& call = calls[static_cast<size_t>(choices.below(static_cast<int64_t>(calls.size())))];
    const Faults faults = choices.below(2) ? Faults::none : Faults::some;
    return Trial(call, bytes.subspan(first.size()), faults, Sizes::small).run_everywhere();
}

} // namespace nbit::test
