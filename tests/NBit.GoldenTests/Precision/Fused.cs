using NBit.Amp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>Stand-ins for PyTorch's fused optimizers, which unscale by themselves; TorchSharp has none.</summary>
internal static class Fused
{
    /// <summary>Has the name of the recorded optimizer, for messages; changes nothing.</summary>
    public sealed class AdamW : optim.Optimizer, IGradScalingOptimizer
    {
        private readonly List<Parameter> _parameters;

        public AdamW(IEnumerable<Parameter> parameters)
            : base(0)
        {
            _parameters = [.. parameters];
            _parameter_groups = [];
        }

        public Tensor? GradScale { get; set; }

        public Tensor? FoundInf { get; set; }

        public override IEnumerable<Parameter> parameters() => _parameters;

        public override Tensor step(Func<Tensor>? closure = null)
        {
            closure?.Invoke();
            return null!;
        }
    }
}
