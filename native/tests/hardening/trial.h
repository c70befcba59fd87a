// One random call and the promises that it must keep.
#pragma once
#include "hardening/export_calls.h"

#include <optional>

namespace nbit::test
{

class Trial
{
public:
    Trial(const ExportCall& of, std::span<const uint8_t> bytes, Faults faults, Sizes sizes);
    Trial(const Trial&) = delete;

    const ExportCall& of() const { return of_; }
    Faults faults() const { return faults_; }

    // Makes the call. Memory is as it was before the first one.
    int32_t run(nbit_context* context);
    // What the last call did with its memory that it must not do; empty if nothing.
    std::string misuse() const { return arguments_.misuse(status_); }
    // That, and all else that it did against its promises. A call that fails changes nothing and says why,
    // none writes beyond its memory or into what it reads, none keeps native memory or takes other memory, and one
    // without faults succeeds.
    std::string broken_promise() const;

    Arguments::Results results() const { return arguments_.results(); }
    // Of results; empty if there is none, or if they need not be the same.
    std::string difference(const Arguments::Results& expected) const
    {
        return of_.same == Same::nothing ? "" : arguments_.difference(expected, arguments_.results());
    }

    // Runs it on one thread and on several, with every instruction set that this machine has; says what is wrong.
    std::string run_everywhere();

private:
    std::string run_with(nbit_instruction_set set, std::optional<Arguments::Results>& expected);

    const ExportCall& of_;
    Faults faults_;
    Choices choices_;
    Arguments arguments_;
    Call call_;
    bool has_context_;

    int32_t status_ = 0;
    int64_t kept_bytes_ = 0, other_blocks_ = 0;
    std::string message_;
};

// Contexts that trials share. Threads that they need exist from the first call on.
nbit_context* context_of_one_thread();
nbit_context* context_of_several_threads();

// A small trial of the export that the first bytes choose, with faults or without; says what is wrong.
std::string run_trial(std::span<const uint8_t> bytes);

} // namespace nbit::test
