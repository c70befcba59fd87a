using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>A fixture whose tests may drop tensors: they are released when the test ends.</summary>
public abstract class DisposeScopeFixture
{
    private DisposeScope _scope = null!;

    [SetUp]
    public void BeginScope() => _scope = NewDisposeScope();

    [TearDown]
    public void EndScope() => _scope.Dispose();
}
