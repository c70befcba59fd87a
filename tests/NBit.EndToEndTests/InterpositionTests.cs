using NBit.Testing;

namespace NBit.EndToEndTests;

/// <summary>
/// In which order NBit and TorchSharp may be touched; each case is a process, since P/Invokes are bound once.
/// </summary>
public sealed class InterpositionTests
{
    [TestCase("nbit-first", false)]
    [TestCase("nbit-first", true)]
    [TestCase("torchsharp-first", true)]
    [TestCase("after-forward", true)]
    [TestCase("library-then-nbit", false)]
    public void Linear_layers_and_the_grad_mode_go_through_NBit(string order, bool registers)
    {
        var result = Run(order, registers);
        Assert.That(result.Output, Is.EqualTo("linear True, grad mode True\n"), result.Error);
    }

    [Test]
    public void After_a_first_forward_the_remedy_is_thrown()
    {
        var result = Run("library-only", registers: false);
        Assert.That(
            result.Output,
            Does.StartWith("refused: TorchSharp's linear was called in this process before NBit was there"),
            result.Error
        );
        Assert.That(result.Output, Does.Contain("Call NBitRuntime.Initialize() at the start of the program"));
    }

    [Test]
    public void Another_resolver_on_TorchSharp_is_named()
    {
        var result = Run("other-resolver", registers: false);
        Assert.That(
            result.Output,
            Does.StartWith("refused: NBit cannot join TorchSharp: the program has set a DllImportResolver"),
            result.Error
        );
    }

    private static ProcessResult Run(string order, bool registers) =>
        ChildProcess.Run(
            "NBit.TestApp",
            ["interposition", order],
            new Dictionary<string, string>(StringComparer.Ordinal) { ["NBIT_TEST_REGISTER"] = registers ? "1" : "0" }
        );
}
