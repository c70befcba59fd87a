#include "cpu/float8/amax_history.h"
#include "cpu/float8/scaling_rules.h"

namespace nbit
{
namespace
{

class Column
{
public:
    Column(const AmaxHistory& history, int64_t index) : first_(history.rows + index), history_(history) {}

    float newest() const { return *first_; }
    float largest(bool nan_wins) const
    {
        float most = 0;
        for (int64_t row = 0; row < history_.length; ++row) {
            if (nan_wins && std::isnan(at(row))) return at(row);
            most = at(row) > most ? at(row) : most;
        }
        return most;
    }
    void roll()
    {
        const float amax = newest();
        for (int64_t row = 1; row < history_.length; ++row)
            at(row) = row + 1 < history_.length ? at(row + 1) : amax;
        *first_ = 0;
    }

private:
    float& at(int64_t row) const { return first_[row * history_.columns]; }

    float* first_;
    const AmaxHistory& history_;
};

float scale_of(const AmaxHistoryRule& rule, float amax, float before)
{
    if (!(amax > 0 && amax < infinity)) return before;
    const double step = std::exp2(static_cast<double>(rule.margin));
    const float scale = rule.variant == NBIT_HISTORY_RULE_UNFUSED
                            ? (1 / amax) * rule.largest / static_cast<float>(step)
                            : static_cast<float>(static_cast<double>(rule.largest) / step) / amax;
    return scale == infinity ? largest_float : scale;
}

} // namespace

void update_history(const AmaxHistoryRule& rule, const AmaxHistory& history) noexcept
{
    for (int64_t i = 0; i < history.columns; ++i) {
        Column column(history, i);
        if (rule.variant == NBIT_HISTORY_RULE_FUSED && column.newest() == 0) continue;
        const float amax = rule.algorithm == NBIT_AMAX_ALGORITHM_MOST_RECENT
                               ? column.newest()
                               : column.largest(rule.variant == NBIT_HISTORY_RULE_UNFUSED);
        column.roll();
        history.scale[i] = scale_of(rule, amax, history.scale[i]);
    }
}

} // namespace nbit
