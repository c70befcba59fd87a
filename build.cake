// What ./build.sh TARGET does. Each target builds what it needs; a second run with nothing changed takes seconds.
using System.Xml.Linq;

var target = Argument("target", "test");
var configuration = Argument("configuration", "Release");
var root = Context.Environment.WorkingDirectory;
var native = root.Combine("artifacts/native");

// Runs a program in the repository; throws where it fails.
void Run(string program, string arguments, Dictionary<string, string> environment = null)
{
    var settings = new ProcessSettings { Arguments = arguments, WorkingDirectory = root, EnvironmentVariables = environment };
    var code = StartProcess(program, settings);
    if (code != 0) throw new CakeException($"{program} {arguments}\nended with exit code {code}");
}

Task("native").Does(() =>
{
    if (!FileExists(native.CombineWithFilePath("build.ninja")))
        Run("cmake", $"-S . -B {native} -G Ninja -DCMAKE_BUILD_TYPE={configuration} --log-level=WARNING");
    Run("cmake", $"--build {native} -- --quiet");
});

Task("managed").IsDependentOn("native").Does(() =>
    Run("dotnet", $"build NBit.slnx -c {configuration} --nologo -v quiet -clp:NoSummary"));

Task("bindings").Does(() =>
    Run("dotnet", $"run --project bindings/generator -c {configuration} --verbosity quiet"));

Task("bindings-check").IsDependentOn("managed").Does(() =>
    Run("dotnet", $"run --project bindings/generator -c {configuration} --no-build -- --check"));

void Bench(string arguments) =>
    Run("dotnet", $"run --project bench/NBit.Benchmarks -c {configuration} --no-build -- {arguments}");

// ./build.sh bench [--ratios | --check] [--filter NAME] [--rounds N] [--isa all]; see bench/README.md.
Task("bench").IsDependentOn("managed").Does(() =>
{
    var flags = new[] { "ratios", "check" }.Where(HasArgument).Select(name => $"--{name}");
    var options = new[] { "filter", "rounds", "isa" }.Where(HasArgument);
    var values = options.Select(name => $"--{name} \"{Argument<string>(name)}\"");
    Bench(string.Join(" ", flags.Concat(values)));
});

Task("bench-check").IsDependentOn("managed").Does(() => Bench("--check"));

Task("native-test").IsDependentOn("native").Does(() =>
    Run("ctest", $"--test-dir {native} --output-on-failure --parallel 2 --quiet --output-junit {native}/ctest.xml"));

Task("test").IsDependentOn("native-test").IsDependentOn("bindings-check").Does(() =>
    Run("dotnet", $"test NBit.slnx -c {configuration} --no-build --nologo"));

RunTarget(target);
