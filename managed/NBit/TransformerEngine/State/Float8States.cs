using NBit.Quantization;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>The states of a model's modules.</summary>
internal static class Float8States
{
    /// <summary>The state of a module, one of NBit's or a converted one of TorchSharp's; null for others.</summary>
    public static Float8State? Of(nn.Module module) =>
        module switch
        {
            IFloat8Module own => own.State,
            Linear linear => (LinearWeight.Of(linear.weight) as Float8Weight)?.State,
            _ => null,
        };

    /// <summary>The states of a model, each once, by the names of their modules; the model's own name is empty.</summary>
    public static IEnumerable<(string Name, Float8State State)> In(nn.Module model) =>
        model
            .named_modules()
            .Prepend((name: "", module: model))
            .Select(entry => (entry.name, State: Of(entry.module)))
            .Where(entry => entry.State is not null)
            .Select(entry => (entry.name, entry.State!))
            .DistinctBy(entry => entry.Item2, ReferenceEqualityComparer.Instance);
}
