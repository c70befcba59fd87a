using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace NBit.Training.Callbacks;

/// <summary>
/// Writes metrics to <c>metrics.csv</c> in the trainer's folder: epoch, step, and a column for each name.
/// </summary>
/// <remarks>
/// A resumed run continues the file, without the rows that came after the checkpoint; a new run moves an older file
/// aside. The format is RFC 4180's; numbers are written so that they can be read back exactly.
/// </remarks>
public sealed class CsvMetrics : Callback
{
    private readonly int _everyNSteps;
    private readonly List<string> _columns = ["epoch", "step"];
    private readonly List<Dictionary<string, string>> _rows = [];
    private string _path = "";
    private int? _rowsOfCheckpoint;

    /// <summary>Creates the callback. A trainer with a folder has one already.</summary>
    /// <param name="everyNSteps">
    /// Write the metrics of every so many optimizer steps; means are written when their epoch ends.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The number is below 1.</exception>
    public CsvMetrics(int everyNSteps = 50)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(everyNSteps, 1);
        _everyNSteps = everyNSteps;
    }

    /// <inheritdoc />
    /// <exception cref="InvalidOperationException">The trainer has no folder.</exception>
    public override void OnFitStart(Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        var folder =
            trainer.DefaultRootDir
            ?? throw new InvalidOperationException("CsvMetrics has no folder: give the Trainer a defaultRootDir");
        Directory.CreateDirectory(folder);
        _path = Path.Combine(folder, "metrics.csv");
        _rows.Clear();
        _columns.RemoveRange(2, _columns.Count - 2);
        if (File.Exists(_path) && trainer.GlobalStep > 0)
        {
            ReadRows(trainer.GlobalStep);
            WriteAll();
        }
        else if (File.Exists(_path))
        {
            File.Move(
                _path,
                Enumerable
                    .Range(1, int.MaxValue)
                    .Select(number => Path.Combine(folder, $"metrics-{number}.csv"))
                    .First(path => !File.Exists(path))
            );
        }

        _rowsOfCheckpoint = null;
    }

    /// <inheritdoc />
    public override void OnTrainBatchEnd(Trainer trainer, bool steppedOptimizer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        if (steppedOptimizer && trainer.GlobalStep % _everyNSteps == 0)
        {
            Write(trainer, trainer.CurrentEpoch, trainer.StepMetrics);
        }
    }

    /// <inheritdoc />
    public override void OnValidationEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        ArgumentNullException.ThrowIfNull(metrics);
        Write(trainer, trainer.CurrentEpoch, metrics);
    }

    /// <inheritdoc />
    public override void OnTrainEpochEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        ArgumentNullException.ThrowIfNull(metrics);
        Write(trainer, trainer.CurrentEpoch - 1, metrics);
    }

    /// <inheritdoc />
    public override JsonNode? SaveState() => new JsonObject { ["rows"] = _rows.Count };

    /// <inheritdoc />
    public override void LoadState(JsonNode state)
    {
        ArgumentNullException.ThrowIfNull(state);
        _rowsOfCheckpoint = state.Member("rows").GetValue<int>();
    }

    private void Write(Trainer trainer, int epoch, IReadOnlyDictionary<string, double> metrics)
    {
        if (metrics.Count == 0)
        {
            return;
        }

        var row = metrics.ToDictionary(
            entry => entry.Key,
            entry => entry.Value.ToString("R", CultureInfo.InvariantCulture),
            StringComparer.Ordinal
        );
        row["epoch"] = $"{epoch}";
        row["step"] = $"{trainer.GlobalStep}";
        _rows.Add(row);
        var added = row.Keys.Except(_columns, StringComparer.Ordinal).ToList();
        _columns.AddRange(added);
        if (added.Count > 0 || !File.Exists(_path))
        {
            WriteAll();
        }
        else
        {
            File.AppendAllText(_path, Record(row));
        }
    }

    private void WriteAll() =>
        Checkpoints.AtomicFile.Write(
            _path,
            stream =>
            {
                using var writer = new StreamWriter(
                    stream,
                    new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
                    leaveOpen: true
                );
                writer.Write(Csv.Record(_columns));
                _rows.ForEach(row => writer.Write(Record(row)));
            }
        );

    private string Record(Dictionary<string, string> row) =>
        Csv.Record(_columns.Select(column => row.GetValueOrDefault(column, "")));

    // The rows that were there when the checkpoint was written: those of its last step may have come before or after
    // it. A checkpoint that was written without this callback says nothing; then the step decides.
    private void ReadRows(long lastStep)
    {
        var records = Csv.Parse(File.ReadAllText(_path));
        if (records.Count == 0)
        {
            return;
        }

        _columns.AddRange(records[0].Skip(2));
        _rows.AddRange(
            records
                .Skip(1)
                .Where(fields => fields.Count == _columns.Count)
                .Select(fields =>
                    _columns.Zip(fields).ToDictionary(pair => pair.First, pair => pair.Second, StringComparer.Ordinal)
                )
                .TakeWhile(
                    (row, index) =>
                        _rowsOfCheckpoint is { } count
                            ? index < count
                            : long.Parse(row["step"], CultureInfo.InvariantCulture) <= lastStep
                )
        );
    }
}
