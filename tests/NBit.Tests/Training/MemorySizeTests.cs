using NBit.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

public sealed class MemorySizeTests
{
    [TestCase(ScalarType.Float32, 4)]
    [TestCase(ScalarType.Float64, 8)]
    [TestCase(ScalarType.BFloat16, 2)]
    public void The_bytes_of_a_module_are_those_of_its_tensors(ScalarType dtype, int size)
    {
        using var model = nn.Linear(3, 5, dtype: dtype);
        Assert.That(MemorySize.ModuleBytes(model), Is.EqualTo(((3 * 5) + 5) * size));
    }

    [Test]
    public void Buffers_count_too()
    {
        using var model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5));
        // weight, bias, mean, variance; number of batches
        var batchNorm = ((5 + 5 + 5 + 5) * sizeof(float)) + sizeof(long);
        Assert.That(MemorySize.ModuleBytes(model), Is.EqualTo((20 * sizeof(float)) + batchNorm));
        model.register_buffer("transient", zeros(7, ScalarType.Int8), persistent: false);
        Assert.That(MemorySize.ModuleBytes(model), Is.EqualTo((20 * sizeof(float)) + batchNorm + 7));
    }

    [Test]
    public void Shared_tensors_count_once()
    {
        using TorchSharp.Modules.Linear first = nn.Linear(3, 3),
            second = nn.Linear(3, 3);
        second.weight = first.weight;
        using var model = nn.Sequential(("first", first), ("second", second), ("again", first));
        Assert.That(MemorySize.ModuleBytes(model), Is.EqualTo((9 + 3 + 3) * sizeof(float)));
    }

    [TestCase("SGD", 0, 1)]
    [TestCase("Adagrad", 1, 1)]
    [TestCase("AdamW", 2, 2)]
    [TestCase("Adam", 3, 3, Description = "amsgrad")]
    public void The_bytes_of_an_optimizer_are_those_of_its_state(string name, int tensorsBefore, int tensorsAfter)
    {
        using var model = nn.Linear(3, 5);
        using var optimizer = Optimizers.All[name](model.parameters());
        Assert.That(MemorySize.OptimizerBytes(optimizer), Is.EqualTo(tensorsBefore * 20 * sizeof(float)));
        using (var loss = model.forward(ones(1, 3)).sum())
        {
            loss.backward();
        }

        optimizer.step();
        Assert.That(MemorySize.OptimizerBytes(optimizer), Is.EqualTo(tensorsAfter * 20 * sizeof(float)));
    }

    [Test]
    public void The_state_of_lbfgs_is_out_of_reach()
    {
        using var model = nn.Linear(3, 5);
        using var optimizer = optim.LBFGS(model.parameters());
        Assert.That(MemorySize.OptimizerBytes(optimizer), Is.Zero);
    }

    [Test]
    public void Null_is_refused_by_name()
    {
        Assert.That(() => MemorySize.ModuleBytes(null!), Refusal.OfNull("model"));
        Assert.That(() => MemorySize.OptimizerBytes(null!), Refusal.OfNull("optimizer"));
    }
}
