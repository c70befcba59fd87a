// The amax histories of delayed scaling.
#pragma once
#include "nbit/nbit.h"

namespace nbit
{

// All that belongs to the tensors whose amax share a history.
struct AmaxHistory {
    float* rows; // [length, columns]
    int64_t length, columns;
    float* scale; // [columns]
};

struct AmaxHistoryRule {
    nbit_history_rule variant;
    nbit_amax_algorithm algorithm;
    float largest, margin; // the format's largest number is divided by 2^margin
};

// See nbit_amax_history_update. Needs the mode of base/float_environment.h.
void update_history(const AmaxHistoryRule& rule, const AmaxHistory& history) noexcept;

} // namespace nbit
