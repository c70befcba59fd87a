using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>TorchSharp's optimizers, each with all the state that it can have.</summary>
internal static class Optimizers
{
    public static readonly Dictionary<string, Func<IEnumerable<Parameter>, optim.Optimizer>> All = new(
        StringComparer.Ordinal
    )
    {
        ["Adadelta"] = parameters => optim.Adadelta(parameters),
        ["Adagrad"] = parameters => optim.Adagrad(parameters),
        ["Adam"] = parameters => optim.Adam(parameters, 0.01, amsgrad: true),
        ["AdamW"] = parameters => optim.AdamW(parameters, 0.01),
        ["Adamax"] = parameters => optim.Adamax(parameters, 0.01),
        ["ASGD"] = parameters => optim.ASGD(parameters, 0.01),
        ["NAdam"] = parameters => optim.NAdam(parameters, 0.01),
        ["RAdam"] = parameters => optim.RAdam(parameters, 0.01),
        ["RMSProp"] = parameters => optim.RMSProp(parameters, 0.01, momentum: 0.9, centered: true),
        ["Rprop"] = parameters => optim.Rprop(parameters, 0.01),
        ["SGD"] = parameters => optim.SGD(parameters, 0.01, momentum: 0.9),
    };

    public static IEnumerable<string> Names => All.Keys;

    /// <summary>The tensors of an optimizer's state, by the order of its parameters.</summary>
    public static List<Tensor> State(optim.Optimizer optimizer) =>
        ((OptimizerHelper)optimizer)
            .state_dict()
            .State.SelectMany(state =>
                state.GetType().GetFields().Select(field => field.GetValue(state)).OfType<Tensor>()
            )
            .ToList();
}
