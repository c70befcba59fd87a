using System.Text;

namespace NBit.Training.Callbacks;

/// <summary>Comma-separated values (RFC 4180), with a line feed at the end of a record.</summary>
internal static class Csv
{
    /// <summary>A record. Fields with commas, quotes or line ends are quoted.</summary>
    public static string Record(IEnumerable<string> fields) => string.Join(',', fields.Select(Quote)) + "\n";

    /// <summary>The records of a text. One that was cut short, at the end, is left out.</summary>
    public static List<List<string>> Parse(string text)
    {
        List<List<string>> records = [];
        List<string> fields = [];
        var field = new StringBuilder();
        var quoted = false;
        for (var i = 0; i < text.Length; i++)
        {
            switch (text[i])
            {
                case '"' when quoted && i + 1 < text.Length && text[i + 1] == '"':
                    field.Append(text[++i]);
                    break;
                case '"':
                    quoted = !quoted;
                    break;
                case ',' when !quoted:
                    EndField();
                    break;
                case '\n' when !quoted:
                    EndField();
                    records.Add(fields);
                    fields = [];
                    break;
                default:
                    field.Append(text[i]);
                    break;
            }
        }

        return records;

        void EndField()
        {
            fields.Add(field.ToString());
            field.Clear();
        }
    }

    private static string Quote(string field) =>
        field.AsSpan().ContainsAny(",\"\n\r") ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : field;
}
