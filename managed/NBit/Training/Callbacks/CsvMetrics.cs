using System.Globalization;
using System.Text;

namespace NBit.Training.Callbacks;

/// <summary>Writes metrics to <c>metrics.csv</c> in the trainer's folder: epoch, step, and a column for each name.</summary>
/// <remarks>
/// A resumed run continues the file, without the rows that came after the checkpoint; a new run moves an older file aside.
/// </remarks>
/// <param name="everyNSteps">Write the metrics of every so many optimizer steps; means are written when their epoch ends.</param>
public sealed class CsvMetrics(int everyNSteps = 50) : Callback
{
    private readonly List<string> _columns = ["epoch", "step"];
    private readonly List<Dictionary<string, string>> _rows = [];
    private string _path = "";
    private int _epoch;

    /// <inheritdoc />
    public override void OnFitStart(Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        var folder = trainer.DefaultRootDir ?? throw new InvalidOperationException("CsvMetrics has no folder: give the Trainer a defaultRootDir");
        Directory.CreateDirectory(folder);
        _path = Path.Combine(folder, "metrics.csv");
        _rows.Clear();
        _columns.RemoveRange(2, _columns.Count - 2);
        if (!File.Exists(_path))
        {
            return;
        }

        if (trainer.GlobalStep > 0)
        {
            ReadRows(trainer.GlobalStep);
            WriteAll();
        }
        else
        {
            File.Move(_path, Enumerable.Range(1, int.MaxValue).Select(number => Path.Combine(folder, $"metrics-{number}.csv")).First(path => !File.Exists(path)));
        }
    }

    /// <inheritdoc />
    public override void OnTrainBatchEnd(Trainer trainer, bool steppedOptimizer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        _epoch = trainer.CurrentEpoch;
        if (steppedOptimizer && trainer.GlobalStep % everyNSteps == 0)
        {
            Write(trainer, trainer.StepMetrics);
        }
    }

    /// <inheritdoc />
    public override void OnValidationEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics) => Write(trainer, metrics);

    /// <inheritdoc />
    public override void OnTrainEpochEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics) => Write(trainer, metrics);

    private static string Line(IEnumerable<string> fields) => string.Join(',', fields.Select(Quote)) + "\n";

    private static string Quote(string field) =>
        field.AsSpan().ContainsAny(",\"\n\r") ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : field;

    private void Write(Trainer trainer, IReadOnlyDictionary<string, double> metrics)
    {
        if (metrics.Count == 0)
        {
            return;
        }

        var row = metrics.ToDictionary(entry => entry.Key, entry => entry.Value.ToString("R", CultureInfo.InvariantCulture), StringComparer.Ordinal);
        row["epoch"] = $"{_epoch}";
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
            File.AppendAllText(_path, Line(_columns.Select(column => row.GetValueOrDefault(column, ""))));
        }
    }

    private void WriteAll() => Checkpoints.AtomicFile.Write(_path, stream =>
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true);
        writer.Write(Line(_columns));
        _rows.ForEach(row => writer.Write(Line(_columns.Select(column => row.GetValueOrDefault(column, "")))));
    });

    // NBit writes the file, so names with commas or quotes are all that needs care.
    private void ReadRows(long lastStep)
    {
        var lines = File.ReadLines(_path).Select(Split).ToList();
        _columns.AddRange(lines.FirstOrDefault([]).Skip(2));
        foreach (var fields in lines.Skip(1).Where(fields => fields.Count == _columns.Count && long.Parse(fields[1], CultureInfo.InvariantCulture) <= lastStep))
        {
            _rows.Add(_columns.Zip(fields).ToDictionary(pair => pair.First, pair => pair.Second, StringComparer.Ordinal));
        }
    }

    private static List<string> Split(string line)
    {
        var fields = new List<string>();
        var field = new StringBuilder();
        var quoted = false;
        foreach (var character in line)
        {
            if (character == '"')
            {
                quoted = !quoted;
            }
            else if (character == ',' && !quoted)
            {
                fields.Add(field.ToString());
                field.Clear();
            }
            else
            {
                field.Append(character);
            }
        }

        fields.Add(field.ToString());
        return fields;
    }
}
