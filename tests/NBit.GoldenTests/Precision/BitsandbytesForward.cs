using NBit.Training;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>The forward that bnb.json's outputs come from: Fabric's, of the first batch.</summary>
internal static class BitsandbytesForward
{
    public static Fabric MakeFabric(string mode, string dtype) =>
        new(plugin: BitsandbytesRecording.MakeMode(mode, dtype), accelerator: "cpu");

    public static Tensor Run(FabricModule<Tensor, Tensor> net, nn.Module model, string kind, bool train)
    {
        model.train(train);
        using var grad = train ? enable_grad() : no_grad();
        return net.forward(BitsandbytesRecording.Data.Read($"{kind}.x")[0]).detach();
    }
}
