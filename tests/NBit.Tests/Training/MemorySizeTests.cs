using NBit.Tests.Optimizers;
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

    [TestCase("Adam8bit", (2 * 4096) + (2 * 16 * sizeof(float)))]
    [TestCase("Adam32bit", 2 * 4096 * sizeof(float))]
    [TestCase("AdEMAMix8bit", (3 * 4096) + (3 * 16 * sizeof(float)))]
    [TestCase("Lion8bit", 4096 + (16 * sizeof(float)))]
    public void The_bytes_of_NBits_optimizers_are_those_of_their_states(string name, int bytes)
    {
        using var parameter = Family.Parameter(ScalarType.BFloat16, 64, 64);
        using var optimizer = Family.Make(name, [parameter], null);
        Assert.That(MemorySize.OptimizerBytes(optimizer), Is.Zero);
        optimizer.step();
        Assert.That(MemorySize.OptimizerBytes(optimizer), Is.EqualTo(bytes));
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
