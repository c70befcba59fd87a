using System.Reflection;
using System.Text.Json.Nodes;
using static TorchSharp.torch.optim.lr_scheduler;

namespace NBit.Training;

/// <summary>
/// The state of TorchSharp's learning-rate schedulers, which have no state_dict: the numbers and lists of numbers in
/// their fields, and the schedulers inside them.
/// </summary>
internal static class SchedulerStates
{
    public static JsonArray Save(IReadOnlyList<OptimizerConfiguration> configurations) =>
        new([
            .. configurations.Select(configuration =>
                configuration.Scheduler is { } scheduler ? (JsonNode?)SaveObject(scheduler.Scheduler) : null
            ),
        ]);

    /// <exception cref="CheckpointMismatchException">The checkpoint has other schedulers.</exception>
    public static void Check(IReadOnlyList<OptimizerConfiguration> configurations, JsonArray saved, string path)
    {
        var there = saved.Select(state => state?["type"]?.GetValue<string>() ?? "none").ToList();
        var here = configurations
            .Select(configuration => configuration.Scheduler?.Scheduler.GetType().Name ?? "none")
            .ToList();
        if (!there.SequenceEqual(here, StringComparer.Ordinal))
        {
            throw new CheckpointMismatchException(
                $"{path} holds the learning-rate schedulers [{string.Join(", ", there)}], the module configures [{string.Join(", ", here)}]"
            );
        }
    }

    public static void Load(IReadOnlyList<OptimizerConfiguration> configurations, JsonArray saved)
    {
        foreach (var (configuration, state) in configurations.Zip(saved))
        {
            if (configuration.Scheduler is { } scheduler)
            {
                LoadObject(scheduler.Scheduler, state!.AsObject());
            }
        }
    }

    private static JsonObject SaveObject(LRScheduler scheduler)
    {
        var state = new JsonObject { ["type"] = scheduler.GetType().Name };
        foreach (var field in Fields(scheduler))
        {
            JsonNode? value = field.GetValue(scheduler) switch
            {
                int number => number,
                bool flag => flag,
                double number => CheckpointNumbers.Write(number),
                IEnumerable<double> numbers => new JsonArray([.. numbers.Select(CheckpointNumbers.Write)]),
                IEnumerable<LRScheduler> inner => new JsonArray([.. inner.Select(SaveObject)]),
                _ => null,
            };
            if (value is not null)
            {
                state[field.Name] = value;
            }
        }

        return state;
    }

    private static void LoadObject(LRScheduler scheduler, JsonObject state)
    {
        foreach (var field in Fields(scheduler))
        {
            if (state[field.Name] is not { } value)
            {
                continue;
            }

            var current = field.GetValue(scheduler);
            if (current is IEnumerable<LRScheduler> inner)
            {
                LoadInner([.. inner], value.AsArray());
                continue;
            }

            field.SetValue(
                scheduler,
                current switch
                {
                    int => value.GetValue<int>(),
                    bool => value.GetValue<bool>(),
                    double => CheckpointNumbers.Read(value),
                    double[] => Numbers(value).ToArray(),
                    _ => Numbers(value).ToList(),
                }
            );
        }
    }

    private static void LoadInner(List<LRScheduler> schedulers, JsonArray states)
    {
        if (schedulers.Count != states.Count)
        {
            throw new FormatException($"it has {states.Count} schedulers inside one that has {schedulers.Count} now");
        }

        foreach (var (scheduler, state) in schedulers.Zip(states))
        {
            var type = state.Member("type").GetValue<string>();
            if (type != scheduler.GetType().Name)
            {
                throw new FormatException(
                    $"it has a {type} inside a scheduler where a {scheduler.GetType().Name} is now"
                );
            }

            LoadObject(scheduler, state!.AsObject());
        }
    }

    private static IEnumerable<double> Numbers(JsonNode array) =>
        array.AsArray().Select(number => CheckpointNumbers.Read(number));

    private static IEnumerable<FieldInfo> Fields(object scheduler)
    {
        for (var type = scheduler.GetType(); type is not null && type != typeof(object); type = type.BaseType)
        {
            foreach (
                var field in type.GetFields(
                    BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly
                )
            )
            {
                yield return field;
            }
        }
    }
}
