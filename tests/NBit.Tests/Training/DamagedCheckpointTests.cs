using System.Text.Json.Nodes;
using NBit.Checkpoints;
using NBit.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>Checkpoints that are damaged: each fault is named, and nothing was changed.</summary>
public sealed class DamagedCheckpointTests : CheckpointFixture
{
    private static IEnumerable<TestCaseData> Damages() =>
        new (string Name, Action<JsonObject> Damage, string Message)[]
        {
            ("no version", state => state.Remove("version"), "'version' is missing"),
            ("a version that is no number", state => state["version"] = "one", "is damaged"),
            ("no epoch", state => state.Remove("epoch"), "'epoch' is missing"),
            ("an epoch that is no number", state => state["epoch"] = new JsonArray(), "is damaged"),
            ("a step that is no whole number", state => state["global_step"] = 2.5, "is damaged"),
            ("an epoch before the first", state => state["epoch"] = -1, "'epoch' is -1; allowed are 0 to 2147483647"),
            ("a step before the first", state => state["global_step"] = -1, "'global_step' is -1"),
            ("a batch before the first", state => state["loops"]!["batch"] = -1, "'batch' is -1"),
            ("no loops", state => state.Remove("loops"), "'loops' is missing"),
            ("loops that are no object", state => state["loops"] = 3, "is damaged"),
            ("no batch", state => state["loops"]!.AsObject().Remove("batch"), "'batch' is missing"),
            ("no means", state => state["loops"]!.AsObject().Remove("means"), "'means' is missing"),
            (
                "a mean that is no pair",
                state => state["loops"]!["means"]!["x"] = new JsonArray(1),
                "a mean is no pair of a sum and a weight"
            ),
            (
                "a mean without a number",
                state => state["loops"]!["means"]!["x"] = new JsonArray(null, 1),
                "a number is missing"
            ),
            ("a metric that is no number", state => state["loops"]!["latest"]!["x"] = "much", "is damaged"),
            ("no schedulers", state => state.Remove("lr_schedulers"), "'lr_schedulers' is missing"),
            ("schedulers that are no list", state => state["lr_schedulers"] = 1, "is damaged"),
            ("a scheduler that is no object", state => state["lr_schedulers"]![0] = 1, "is damaged"),
            (
                "a scheduler's number that is none",
                state => state["lr_schedulers"]![0]!["_gamma"] = new JsonObject(),
                "is damaged"
            ),
            ("a scheduler's list that is none", state => state["lr_schedulers"]![0]!["_base_lrs"] = 1, "is damaged"),
            ("no callbacks", state => state.Remove("callbacks"), "'callbacks' is missing"),
            (
                "a stopping without a wait",
                state => state["callbacks"]!["EarlyStopping val Min"]!.AsObject().Remove("wait_count"),
                "'wait_count' is missing"
            ),
            (
                "a checkpoint without a list",
                state => Callback(state, "ModelCheckpoint").Remove("kept"),
                "'kept' is missing"
            ),
            (
                "a list of no files",
                state => Callback(state, "ModelCheckpoint")["kept"] = new JsonArray(1),
                "is damaged"
            ),
            (
                "a kept checkpoint that is null",
                state => Callback(state, "ModelCheckpoint")["kept"] = new JsonArray((JsonNode?)null),
                "no pair of a file and a score"
            ),
            (
                "a kept checkpoint without a file",
                state => Callback(state, "ModelCheckpoint")["kept"] = new JsonArray(new JsonArray(null, 1)),
                "no pair of a file and a score"
            ),
            ("no number of rows", state => Callback(state, "CsvMetrics").Remove("rows"), "'rows' is missing"),
            (
                "a scaler without a scale",
                state => state["MixedPrecision"]!.AsObject().Remove("scale"),
                "'scale' is missing in the state of a GradScaler"
            ),
            (
                "a scaler's factor that cannot be",
                state => state["MixedPrecision"]!["growth_factor"] = 0.5,
                "The growth factor must be > 1.0."
            ),
        }.Select(damage => new TestCaseData(damage.Damage, damage.Message).SetArgDisplayNames(damage.Name));

    // The places of the words left, of whether it is seeded, and of the next word
    [TestCase(11, 128)]
    [TestCase(9, 3)]
    [TestCase(12, 0)]
    [TestCase(17, 3)]
    public void A_damaged_state_of_the_random_numbers_is_named(int place, byte value)
    {
        Rewrite(tensors: tensors =>
        {
            var bytes = tensors["random/cpu"].bytes.ToArray();
            bytes[place] = value;
            tensors["random/cpu"] = tensor(bytes);
        });
        AssertRefused<CheckpointMismatchException>("'random/cpu' is no state of libtorch's random numbers");
    }

    [TestCaseSource(nameof(Damages))]
    public void A_damaged_entry_of_the_metadata_is_named(Action<JsonObject> damage, string message)
    {
        Rewrite(state: damage);
        AssertRefused<CheckpointMismatchException>(
            $"{Checkpoint}: the metadata entry 'nbit.training' is damaged: ",
            message
        );
    }

    [TestCase("", Description = "empty")]
    [TestCase("{\"version\":1", Description = "cut")]
    [TestCase("[]", Description = "no object")]
    [TestCase("null")]
    public void Metadata_that_are_no_object_are_named(string text)
    {
        Rewrite(metadata: metadata => metadata["nbit.training"] = text);
        AssertRefused<CheckpointMismatchException>($"{Checkpoint}: the metadata entry 'nbit.training' is damaged: ");
    }

    [Test]
    public void Another_version_is_named()
    {
        Rewrite(state: state => state["version"] = 7);
        AssertRefused<CheckpointMismatchException>(
            $"{Checkpoint} has version 7 of NBit's training checkpoints; this version of NBit reads 1"
        );
    }

    [Test]
    public void A_plain_file_of_weights_is_refused_with_a_remedy()
    {
        Rewrite(metadata: metadata => metadata.Clear());
        AssertRefused<CheckpointMismatchException>(
            $"{Checkpoint} is no training checkpoint: its metadata lack 'nbit.training'. To load weights alone, pass "
                + "it to Validate, Test or Predict."
        );
    }

    [Test]
    public void A_file_that_is_not_there_is_named()
    {
        File.Delete(Checkpoint);
        AssertRefused<FileNotFoundException>(Checkpoint);
    }

    [TestCase(0)]
    [TestCase(7)]
    [TestCase(100)]
    [TestCase(-1)]
    public void A_truncated_file_is_named(int length)
    {
        var bytes = File.ReadAllBytes(Checkpoint);
        File.WriteAllBytes(Checkpoint, length < 0 ? bytes[..^-length] : bytes[..length]);
        AssertRefused<SafetensorsFormatException>(Checkpoint);
    }

    [Test]
    public void Damaged_bytes_of_an_optimizer_are_named([Values(0, 3, 40, 100, -5)] int length)
    {
        Rewrite(tensors: tensors =>
        {
            var bytes = tensors["optimizer_states/0"].bytes;
            tensors["optimizer_states/0"] = tensor((length < 0 ? bytes[..^-length] : bytes[..length]).ToArray());
        });
        AssertRefused<CheckpointMismatchException>($"{Checkpoint}", length == 0 ? "nothing" : "damaged");
    }

    [Test]
    public void Missing_or_damaged_random_numbers_are_named([Values] bool missing)
    {
        Rewrite(tensors: tensors =>
        {
            tensors.Remove("random/cpu");
            if (!missing)
            {
                tensors["random/cpu"] = zeros(7, ScalarType.Byte);
            }
        });
        AssertRefused<CheckpointMismatchException>(Checkpoint, "'random/cpu', the state of libtorch's random numbers");
    }

    private static JsonObject Callback(JsonObject state, string name) =>
        state["callbacks"]!
            .AsObject()
            .First(entry => entry.Key.StartsWith(name, StringComparison.Ordinal))
            .Value!.AsObject();
}
