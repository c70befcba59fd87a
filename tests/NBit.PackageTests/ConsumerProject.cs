using NBit.Testing;

namespace NBit.PackageTests;

/// <summary>A project of somebody else's, outside the repository, which knows NBit by its packages alone.</summary>
internal sealed class ConsumerProject : IDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("nbit-consumer-").FullName;
    private readonly string _folder;

    /// <param name="program">The code of the program.</param>
    /// <param name="packages">Ids and versions of the packages that it references.</param>
    public ConsumerProject(string program, params (string Id, string Version)[] packages)
    {
        _folder = Directory.CreateDirectory(Path.Combine(_home, "Consumer")).FullName;
        File.WriteAllText(At("Program.cs"), program);
        var references = packages.Select(package =>
            $"""<PackageReference Include="{package.Id}" Version="{package.Version}" />"""
        );
        File.WriteAllText(
            At("Consumer.csproj"),
            $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <AllowUnsafeBlocks>true</AllowUnsafeBlocks>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                <NuGetAudit>false</NuGetAudit>
                <!-- What was restored before is taken from there, except NBit's packages, of which each build makes others. -->
                <RestoreFallbackFolders>{GlobalPackages}</RestoreFallbackFolders>
                <RestorePackagesPath>{Path.Combine(_home, "packages")}</RestorePackagesPath>
                <CreateHardLinksForCopyLocalIfPossible>true</CreateHardLinksForCopyLocalIfPossible>
              </PropertyGroup>
              <ItemGroup>{string.Concat(references)}</ItemGroup>
            </Project>
            """
        );
        File.WriteAllText(
            At("nuget.config"),
            $"""
            <configuration>
              <packageSources><add key="NBit" value="{Packages.Folder}" /></packageSources>
            </configuration>
            """
        );
    }

    private static string GlobalPackages =>
        Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } chosen
            ? chosen
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    /// <summary>A file or folder of the project.</summary>
    public string At(params string[] path) => Path.Combine([_folder, .. path]);

    /// <summary>The names of all files below a folder of the project.</summary>
    public IEnumerable<string> Files(params string[] folder) =>
        Directory.EnumerateFiles(At(folder), "*", SearchOption.AllDirectories).Select(file => Path.GetFileName(file));

    /// <summary>Runs dotnet in the project's folder; fails the test where that fails.</summary>
    public string Dotnet(params string[] arguments) => Run("dotnet", arguments);

    /// <summary>Runs a program in the project's folder; fails the test where that fails.</summary>
    public string Run(string program, params string[] arguments)
    {
        using var child = new ChildProcess(ChildProcess.StartInfo(program, arguments, directory: _folder));
        var result = child.Wait(TimeSpan.FromMinutes(5));
        Assert.That(
            result.ExitCode,
            Is.Zero,
            $"{program} {string.Join(' ', arguments)}\n{result.Output}{result.Error}"
        );
        return result.Output;
    }

    public void Dispose() => Directory.Delete(_home, recursive: true);
}
