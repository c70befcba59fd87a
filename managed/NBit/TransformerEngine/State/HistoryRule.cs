using NBit.Native;

namespace NBit.TransformerEngine;

/// <summary>The variants of Transformer Engine's update of delayed scaling.</summary>
public enum HistoryRule
{
    /// <summary>That of modules: a tensor whose newest amax is 0 is left alone.</summary>
    Fused = (int)nbit_history_rule.NBIT_HISTORY_RULE_FUSED,

    /// <summary>The kernel for one tensor: every history moves on.</summary>
    SingleTensor = (int)nbit_history_rule.NBIT_HISTORY_RULE_SINGLE_TENSOR,

    /// <summary>That in Python: every history moves on, NaN in one keep its scale, and the scale is made of a reciprocal, so
    /// that it may differ in the last bit.</summary>
    Unfused = (int)nbit_history_rule.NBIT_HISTORY_RULE_UNFUSED,
}
