using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>An ordinary weight that an adapter adds to.</summary>
internal sealed unsafe class FloatWeight(Tensor weight) : LinearWeight(weight)
{
    public override long OutFeatures => Storage.shape[0];

    public override long InFeatures => Storage.shape[1];

    public override bool IsFinite => AllFinite(Storage);

    public override LinearWeight Requantize(Tensor weight) => new FloatWeight(weight.detach().clone());

    protected override LinearWeight Converted(Tensor converted) => new FloatWeight(converted);

    protected override Tensor Product(Tensor input, Tensor weight, Tensor? bias)
    {
        void* result;
        NativeStatus.ThrowIfFailed(
            LibnbitTorch.nbit_torch_linear(
                (void*)input.Handle,
                (void*)weight.Handle,
                bias is null ? null : (void*)bias.Handle,
                &result
            )
        );
        return Tensor.UnsafeCreateTensor((nint)result);
    }

    protected override void ReleaseState() { }
}
