// What ./build.sh TARGET does. Each target builds what it needs; a second run with nothing changed takes seconds.
using System.Text.RegularExpressions;
using System.Xml.Linq;

var target = Argument("target", "test");
var configuration = Argument("configuration", "Release");
var root = Context.Environment.WorkingDirectory;
var native = root.Combine("artifacts/native");
var results = root.Combine("artifacts/test-results");
var sharedGolden = root.Combine("../shared/golden").Collapse();

// What follows the target on the command line and is not Cake's, for the program that the target runs.
var passedOn = string.Join(
    ' ',
    Environment
        .GetCommandLineArgs()
        .SkipWhile(argument => argument != "--")
        .Skip(1)
        .Select(argument => $"\"{argument}\"")
);

int Start(string program, string arguments, Dictionary<string, string> environment = null) =>
    StartProcess(
        program,
        new ProcessSettings
        {
            Arguments = arguments,
            WorkingDirectory = root,
            EnvironmentVariables = environment,
        }
    );

// The same for what has nothing to say unless it fails; then its output goes to standard error.
int StartQuietly(string program, string arguments, Dictionary<string, string> environment = null)
{
    var settings = new ProcessSettings
    {
        Arguments = arguments,
        WorkingDirectory = root,
        EnvironmentVariables = environment,
        RedirectStandardOutput = true,
    };
    var code = StartProcess(program, settings, out var output);
    if (code != 0)
        output.ToList().ForEach(Console.Error.WriteLine);
    return code;
}

// Throw where the program fails.
void Run(string program, string arguments) => Check(Start(program, arguments), program, arguments);

void RunQuietly(string program, string arguments) =>
    Check(StartQuietly(program, arguments), program, arguments);

void Check(int code, string program, string arguments)
{
    if (code != 0)
        throw new CakeException($"{program} {arguments}\nended with exit code {code}");
}

void Program(string project, string arguments) =>
    Run("dotnet", $"run --project {project} -c {configuration} --no-build -- {arguments}");

// --------------------------------------------------------------------------------------------------------- building

Task("native")
    .Does(() =>
    {
        if (!FileExists(native.CombineWithFilePath("build.ninja")))
            RunQuietly(
                "cmake",
                $"--preset linux-x64 -DCMAKE_BUILD_TYPE={configuration} --log-level=WARNING"
            );
        RunQuietly("cmake", $"--build {native} -- --quiet");
    });

// Another build of the native code, by CMakePresets.json.
DirectoryPath BuildPreset(string preset, string buildTarget = "all")
{
    RunQuietly("cmake", $"--preset {preset} --log-level=WARNING");
    var folder = root.Combine($"artifacts/{preset}");
    RunQuietly("cmake", $"--build {folder} --target {buildTarget} -- --quiet");
    return folder;
}

Task("managed")
    .IsDependentOn("native")
    .Does(() => RunQuietly("dotnet", $"build NBit.slnx -c {configuration} --nologo -v quiet"));

// What a program on this machine needs, without the tests.
Task("tool")
    .IsDependentOn("native")
    .Does(() =>
        RunQuietly("dotnet", $"build managed/NBit.Cli -c {configuration} --nologo -v quiet")
    );

// ----------------------------------------------------------------------------------------------------------- testing

var passed = 0;
var failed = 0;
var skipped = new SortedDictionary<string, int>();

void Count(string suite, int suitePassed, int suiteFailed, IEnumerable<string> suiteSkipped)
{
    passed += suitePassed;
    failed += suiteFailed;
    var reasons = suiteSkipped.ToList();
    reasons.ForEach(reason => skipped[reason] = skipped.GetValueOrDefault(reason) + 1);
    Console.WriteLine(
        $"{suite}: {suitePassed} passed, {suiteFailed} failed, {reasons.Count} skipped"
    );
}

void TestNative(
    DirectoryPath build,
    string name,
    string filter = ".",
    Dictionary<string, string> environment = null
)
{
    EnsureDirectoryExists(results);
    var report = results.CombineWithFilePath(Regex.Replace(name, "[^A-Za-z0-9]+", "-") + ".xml");
    StartQuietly(
        "ctest",
        $"--test-dir {build} --tests-regex \"{filter}\" --output-on-failure --parallel 2 --output-junit {report}",
        environment
    );
    var suite = XDocument.Load(report.FullPath).Root;
    int Number(string name) => int.Parse(suite.Attribute(name).Value);
    var left = suite
        .Descendants("testcase")
        .Where(test => test.Attribute("status").Value is "notrun" or "disabled")
        .Select(test => test.Element("skipped")?.Attribute("message")?.Value ?? "not run");
    Count(name, Number("tests") - Number("failures") - left.Count(), Number("failures"), left);
}

void TestManaged(
    string project,
    string suite,
    Dictionary<string, string> environment = null,
    string filter = "TestCategory!=Proof"
)
{
    var report = results.CombineWithFilePath(Regex.Replace(suite, "[^A-Za-z0-9]+", "-") + ".trx");
    var code = StartQuietly(
        "dotnet",
        $"test tests/{project} -c {configuration} --no-build --nologo --filter {filter} --logger \"trx;LogFileName={report}\" -v quiet",
        environment
    );
    if (!FileExists(report))
        throw new CakeException($"{suite} gave no report (exit code {code})");
    var tests = XDocument
        .Load(report.FullPath)
        .Descendants()
        .Where(element => element.Name.LocalName == "UnitTestResult")
        .ToLookup(test => test.Attribute("outcome").Value);
    string Message(XElement test) =>
        test.Descendants().FirstOrDefault(element => element.Name.LocalName == "Message")?.Value
        ?? "no reason given";
    var bad = tests
        .Where(group => group.Key is not ("Passed" or "NotExecuted"))
        .SelectMany(group => group)
        .ToList();
    bad.ForEach(test =>
        Console.WriteLine($"failed: {test.Attribute("testName").Value}\n{Message(test)}")
    );
    Count(
        suite,
        tests["Passed"].Count(),
        code != 0 && bad.Count == 0 ? 1 : bad.Count,
        tests["NotExecuted"].Select(Message)
    );
    DeleteFile(report);
}

// Tests that write very many small files write them to memory, where the system has a folder for that.
Dictionary<string, string> InMemory =>
    DirectoryExists("/dev/shm") ? new() { ["TMPDIR"] = "/dev/shm" } : null;

void TestGolden()
{
    TestManaged(
        "NBit.GoldenTests",
        Environment.GetEnvironmentVariable("NBIT_GOLDEN_DIR") is { Length: > 0 } chosen
            ? $"golden in {chosen}"
            : "golden"
    );
    if (
        string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NBIT_GOLDEN_DIR"))
        && DirectoryExists(sharedGolden)
    )
        TestManaged(
            "NBit.GoldenTests",
            "golden in ../shared/golden",
            new() { ["NBIT_GOLDEN_DIR"] = sharedGolden.FullPath }
        );
}

// The last line says it all; before it, why cases were left out.
void Conclude()
{
    foreach (var (reason, count) in skipped)
        Console.WriteLine($"skipped {count}: {Regex.Replace(reason, @"\s+", " ").Trim()}");
    Console.WriteLine($"{passed} passed, {failed} failed, {skipped.Values.Sum()} skipped");
    if (failed > 0)
        throw new CakeException("tests failed");
}

Task("test")
    .IsDependentOn("managed")
    .IsDependentOn("pack")
    .Does(() =>
    {
        Program("bindings/generator", "--check");
        Program("bench/NBit.Benchmarks", "--check");
        TestNative(native, "native");
        TestManaged("NBit.Tests", "unit");
        TestGolden();
        TestManaged("NBit.EndToEndTests", "end to end");
        TestManaged("NBit.PackageTests", "packages");
        TestManaged("NBit.HardeningTests", "hardening", InMemory);
        Conclude();
    });

Task("golden")
    .IsDependentOn("managed")
    .Does(() =>
    {
        TestGolden();
        Conclude();
    });

// What the sanitizers watch; tests/HARDENING.md says what that found.
Task("sanitize")
    .Does(() =>
    {
        TestNative(
            BuildPreset("sanitize-address"),
            "native with AddressSanitizer and UndefinedBehaviorSanitizer",
            environment: new()
            {
                // A size that no machine has must be a status, not the end of the program.
                ["ASAN_OPTIONS"] = "allocator_may_return_null=1",
                ["UBSAN_OPTIONS"] = "print_stacktrace=1",
            }
        );
        TestNative(
            BuildPreset("sanitize-thread", "nbit_tests nbit_hardening_tests"),
            "threads with ThreadSanitizer",
            "ParallelFor|Context|ErrorMessage|EightThreads"
        );
        Conclude();
    });

// Random calls of every export, chosen by a fuzzer (libFuzzer). ./build.sh fuzz -max_total_time=60 for a minute.
Task("fuzz")
    .Does(() =>
    {
        var fuzzer = BuildPreset("fuzz", "nbit_fuzz").CombineWithFilePath("bin/nbit_fuzz");
        var often = passedOn.Length > 0 ? passedOn : "-max_total_time=600";
        EnsureDirectoryExists("artifacts/fuzz/corpus");
        var arguments =
            $"-seed=1 -len_control=0 -max_len=256 -print_final_stats=1 -verbosity=0 -artifact_prefix=artifacts/fuzz/ {often} artifacts/fuzz/corpus";
        Check(
            Start(
                fuzzer.FullPath,
                arguments,
                new() { ["ASAN_OPTIONS"] = "allocator_may_return_null=1" }
            ),
            fuzzer.FullPath,
            arguments
        );
    });

// The library for 64-bit ARM, and its tests under qemu-user.
Task("arm64")
    .Does(() =>
    {
        TestNative(BuildPreset("linux-arm64"), "native on arm64");
        Conclude();
    });

// Slow proofs: minutes to hours.
Task("proof")
    .IsDependentOn("managed")
    .IsDependentOn("sanitize")
    .IsDependentOn("fuzz")
    .IsDependentOn("arm64")
    .Does(() =>
    {
        Run($"{native}/bin/nbit_cast_proof", "");
        TestManaged("NBit.EndToEndTests", "proofs", filter: "TestCategory=Proof");
        TestManaged("NBit.HardeningTests", "hardening proofs", InMemory, "TestCategory=Proof");
        Conclude();
    });

// How much of the readers the quick tests of damaged files run: prints a table, and fails below the share that
// tests/HARDENING.md states. The libraries are instrumented in a folder of their own.
Task("coverage")
    .IsDependentOn("native")
    .Does(() =>
    {
        const int leastPercent = 90;
        string[] readers =
        [
            "Checkpoints.SafetensorsReader",
            "Checkpoints.SafetensorsHeader",
            "Checkpoints.SafetensorsHeaderParser",
            "Checkpoints.SafetensorsLayout",
            "Checkpoints.SafetensorsEntry",
            "Checkpoints.*Bytes",
            "Checkpoints.MappedTensor",
            "Checkpoints.ShardIndex",
            "Checkpoints.ShardedTensors",
            "Checkpoints.StrictJson",
            "Checkpoints.QuantStateJson",
            "Checkpoints.QuantizedLayer",
            "Checkpoints.BitsandbytesLayout",
            "TransformerEngine.RecipeJson",
            "TransformerEngine.RecipeField*",
            "Models.*Config",
            "Models.JsonFields",
            "Models.BytePairTokenizer",
            "Optimizers.SavedNumbers",
            "Optimizers.StateReader",
            "Training.TrainingCheckpoint",
            "Training.CheckpointJson",
            "Training.CheckpointNumbers",
            "Training.SchedulerStates",
        ];
        var include = string.Join("%2c", readers.Select(reader => $"[NBit]NBit.{reader}"));
        Run(
            "dotnet",
            $"test tests/NBit.HardeningTests -c {configuration} --nologo -v minimal --filter TestCategory!=Proof "
                + $"--artifacts-path artifacts/coverage -p:CollectCoverage=true -p:Include=\"{include}\" "
                + $"-p:Threshold={leastPercent} -p:ThresholdType=line -p:CoverletOutput={root}/artifacts/coverage/"
        );
    });

// -------------------------------------------------------------------------------------------------- everything else

Task("demo")
    .IsDependentOn("tool")
    .Does(() =>
        Program("managed/NBit.Cli", $"demo digits --plot artifacts/demo/digits-loss.png {passedOn}")
    );

Task("bindings")
    .Does(() => Run("dotnet", $"run --project bindings/generator -c {configuration} -v quiet"));

// The newest versions of system libraries that the packages may ask for: those of Ubuntu 22.04 and Debian 12.
var systemLibraries = new Dictionary<string, Version>
{
    ["GLIBC"] = new(2, 34),
    ["GLIBCXX"] = new(3, 4, 30),
    ["CXXABI"] = new(1, 3, 13),
};

void CheckSystemLibraries(FilePath library)
{
    StartProcess(
        "nm",
        new ProcessSettings
        {
            Arguments = $"--dynamic --with-symbol-versions {library}",
            RedirectStandardOutput = true,
        },
        out var symbols
    );
    var asked = symbols
        .SelectMany(line => Regex.Matches(line, @"@(GLIBC|GLIBCXX|CXXABI)_([0-9.]+)"))
        .Select(match => (Name: match.Groups[1].Value, Version: Version.Parse(match.Groups[2].Value)))
        .ToList();
    if (asked.Count == 0)
        throw new CakeException($"nm shows no symbols of system libraries in {library}");
    foreach (var (name, version) in asked.Where(one => one.Version > systemLibraries[one.Name]))
        throw new CakeException(
            $"{library.GetFilename()} needs {name}_{version}; packages may need {name}_{systemLibraries[name]}"
        );
}

Task("pack")
    .IsDependentOn("managed")
    .Does(() =>
    {
        foreach (var name in new[] { "libnbit.so", "libnbit_torch.so" })
        {
            var library = native.Combine("lib").CombineWithFilePath(name);
            if (!FileExists(library))
                throw new CakeException(
                    $"{name} is missing in artifacts/native/lib: the package would be of no use"
                );
            CheckSystemLibraries(library);
        }

        EnsureDirectoryExists("artifacts/packages");
        CleanDirectory("artifacts/packages");
        foreach (
            var project in new[] { "bindings/NBit.Native", "managed/NBit", "managed/NBit.Cli" }
        )
            RunQuietly(
                "dotnet",
                $"pack {project} -c {configuration} --no-build --nologo -v quiet -o artifacts/packages"
            );
    });

// Brings the committed lists of the public API up to date; a reader of the change sees what was added.
Task("api")
    .Does(() =>
    {
        foreach (var project in new[] { "bindings/NBit.Native", "managed/NBit" })
        {
            var list = root.Combine(project)
                .CombineWithFilePath("PublicAPI.Unshipped.txt")
                .FullPath;
            System.IO.File.WriteAllText(list, "#nullable enable\n");
            StartProcess(
                "dotnet",
                new ProcessSettings
                {
                    Arguments = $"build {project} --nologo -v quiet",
                    WorkingDirectory = root,
                    RedirectStandardOutput = true,
                },
                out var output
            );
            var symbols = output
                .Select(line => Regex.Match(line, "RS0016: Symbol '(.*)' is not part"))
                .Where(match => match.Success)
                .Select(match => match.Groups[1].Value)
                .Distinct()
                .Order(StringComparer.Ordinal);
            System.IO.File.AppendAllLines(list, symbols);
        }
    });

// ./build.sh bench [--ratios | --check | --record] [--filter NAME] [--rounds N] [--isa all]; see bench/README.md.
Task("bench").IsDependentOn("managed").Does(() => Program("bench/NBit.Benchmarks", passedOn));

Task("format")
    .Does(() =>
    {
        Run(
            "clang-format",
            "-i " + string.Join(' ', GetFiles("native/**/*.h").Concat(GetFiles("native/**/*.cpp")))
        );
        Run("dotnet", "csharpier format .");
    });

RunTarget(target);
