using System.CommandLine;
using BenchmarkDotNet.Running;
using NBit;
using NBit.Benchmarks;
using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;
using NBit.Benchmarks.Reports;

var ratios = new Option<bool>("--ratios") { Description = "Measure NBit, libtorch and the machine's limits in turn" };
var check = new Option<bool>("--check") { Description = "Do each row's work once and compare it with a reference" };
var filter = new Option<string?>("--filter") { Description = "A part of a row's name; or BenchmarkDotNet's filter" };
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

var root = new RootCommand("Measures NBit beside libtorch: by BenchmarkDotNet, or with --ratios or --check")
{
    ratios,
    check,
    filter,
    rounds,
    sets,
};
root.SetAction(parsed =>
{
    NBitRuntime.Initialize();
    if (!parsed.GetValue(ratios) && !parsed.GetValue(check))
    {
        BenchmarkSwitcher
            .FromAssembly(typeof(Families).Assembly)
            .Run(["--filter", parsed.GetValue(filter) ?? "*"], new RecordConfiguration());
        return 0;
    }

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

    new RatioReport(parsed.GetValue(rounds)).Run(families);
    return 0;
});
return root.Parse(args).Invoke();
