using System.CommandLine;
using BenchmarkDotNet.Running;
using NBit;
using NBit.Benchmarks;
using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;
using NBit.Benchmarks.Reports;
using NBit.Testing;

var ratios = new Option<bool>("--ratios") { Description = "Measure and print, and write no files" };
var check = new Option<bool>("--check") { Description = "Do each row's work once and compare it with a reference" };
var record = new Option<bool>("--record") { Description = "Let BenchmarkDotNet measure each row" };
var filter = new Option<string?>("--filter") { Description = "A part of a row's name" };
var rounds = new Option<int>("--rounds") { Description = "Rounds of --ratios", DefaultValueFactory = _ => 11 };
var sets = new Option<string>("--isa") { Description = "Instruction sets", DefaultValueFactory = _ => "best" };
sets.AcceptOnlyFromAmong("best", "all");
rounds.Validators.Add(result =>
{
    var given = result.GetValueOrDefault<int>();
    if (given < Rounds.Fewest)
    {
        result.AddError($"--rounds is {given}; allowed is {Rounds.Fewest} or more, as the median of fewer says little");
    }
});

var root = new RootCommand(
    "Measures NBit, its peers and the machine's limits in turn; with no option all of it, into bench/RESULTS.md"
)
{
    ratios,
    check,
    record,
    filter,
    rounds,
    sets,
};
root.SetAction(parsed =>
{
    NBitRuntime.Initialize();
    var all = Families.All(parsed.GetValue(sets) == "all" ? InstructionSet.All : [InstructionSet.Chosen]);
    var families = Families.Matching(all, parsed.GetValue(filter) ?? "");
    if (families.Count == 0)
    {
        var names = string.Join(", ", all.Select(family => family.Name));
        Console.Error.WriteLine(
            $"--filter is '{parsed.GetValue(filter)}', which no row's name contains; the families are {names}"
        );
        return 1;
    }

    if (parsed.GetValue(check))
    {
        return CheckReport.Run(families) ? 0 : 1;
    }

    if (parsed.GetValue(record))
    {
        var rows = families.SelectMany(family => family.Rows.Select(row => $"{family.Name} {row.Name}"));
        RowBenchmarks.Only([.. rows]);
        BenchmarkRunner.Run<RowBenchmarks>(new RecordConfiguration());
        return 0;
    }

    var results = new RatioReport(parsed.GetValue(rounds)).Run(families);
    if (!parsed.GetValue(ratios))
    {
        new ResultsFolder(Path.Combine(Repository.Root, "bench")).Write(results);
    }

    return 0;
});
root.Validators.Add(result =>
{
    var isPrinted = result.GetValue(ratios) || result.GetValue(check) || result.GetValue(record);
    if (!isPrinted && (result.GetValue(filter) is not null || result.GetValue(sets) != "best"))
    {
        result.AddError("bench/RESULTS.md holds every row; for some of them, or other instruction sets, add --ratios");
    }
});
return root.Parse(args).Invoke();
