using System.Diagnostics;
using NBit.Testing;

namespace NBit.EndToEndTests;

/// <summary>
/// A run that is killed and started again goes on exactly as one that was not: dropout, shuffling, accumulation,
/// float16 with a scaler, a scheduler. The program is NBit.TestApp (Training.cs).
/// </summary>
public sealed class ResumeTests
{
    private const string TemporaryFiles = "*.nbit-tmp";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);
    private string _folder = "";
    private Dictionary<string, string> _expected = [];
    private byte[] _finalWeights = [];

    [OneTimeSetUp]
    public void RunOnceWithoutInterruption()
    {
        _folder = Directory.CreateTempSubdirectory("nbit-resume-").FullName;
        var folder = Path.Combine(_folder, "uninterrupted");
        using var run = Start(folder);
        var result = run.Wait(Limit);
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        _expected = Losses(folder).ToDictionary(entry => entry.Step, entry => entry.Loss, StringComparer.Ordinal);
        _finalWeights = File.ReadAllBytes(Path.Combine(folder, "final.dat"));
    }

    [OneTimeTearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void After_20_kills_the_losses_are_those_of_an_uninterrupted_run()
    {
        const int kills = 20;
        var folder = Path.Combine(_folder, "killed");
        var random = new Random(12345);
        int duringSave = 0,
            done = 0;
        while (done < kills)
        {
            using var run = Start(folder);
            // Half of the kills come while a checkpoint is being written, the others at any moment.
            var killed =
                done % 2 == 0
                    ? KillWhen(
                        run,
                        () =>
                            Directory.Exists(folder)
                            && Directory.EnumerateFiles(folder, TemporaryFiles, SearchOption.AllDirectories).Any()
                    )
                    : KillAfter(run, TimeSpan.FromMilliseconds(random.Next(300, 1500)));
            if (!killed)
            {
                // The run was over: begin another one.
                AssertComplete(folder);
                Directory.Delete(folder, recursive: true);
                continue;
            }

            done++;
            duringSave +=
                Directory.Exists(folder)
                && Directory.EnumerateFiles(folder, TemporaryFiles, SearchOption.AllDirectories).Any()
                    ? 1
                    : 0;
            RemoveTemporaryFiles(folder);
        }

        using var last = Start(folder);
        var result = last.Wait(Limit);
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        AssertComplete(folder);
        Assert.That(duringSave, Is.GreaterThan(0), "no kill came while a checkpoint was being written");
        TestContext.Out.WriteLine($"{done} kills, {duringSave} of them while a checkpoint was being written");
    }

    [TestCase("INT", 130)]
    [TestCase("TERM", 143)]
    public void A_signal_leaves_a_checkpoint_and_the_usual_exit_code(string signal, int exitCode)
    {
        var folder = Path.Combine(_folder, signal);
        using (var run = Start(folder))
        {
            WaitUntil(run, () => Directory.Exists(folder) && Losses(folder).Count() > 20);
            using var kill = Process.Start("kill", [$"-{signal}", $"{run.Id}"]);
            var result = run.Wait(Limit);
            Assert.That(result.ExitCode, Is.EqualTo(exitCode), result.Error);
        }

        var before = Losses(folder).Count();
        Assert.That(File.Exists(Path.Combine(folder, "checkpoints", "last.safetensors")), Is.True);
        Assert.That(File.Exists(Path.Combine(folder, "final.dat")), Is.False, "the run was not over");
        using var rest = Start(folder);
        Assert.That(rest.Wait(Limit).ExitCode, Is.Zero);
        AssertComplete(folder);
        Assert.That(
            Losses(folder).Count(),
            Is.EqualTo(_expected.Count),
            $"no step was repeated: the checkpoint was of step {before}"
        );
    }

    [Test]
    public void A_full_disk_while_saving_is_reported_and_the_old_checkpoint_survives()
    {
        var folder = Path.Combine(_folder, "full");
        Directory.CreateDirectory(folder);
        if (
            Process.Start("mount", ["-t", "tmpfs", "-o", "size=6m", "tmpfs", folder]) is not { } mount
            || !mount.WaitForExit(Limit)
            || mount.ExitCode != 0
        )
        {
            Assert.Ignore("a small file system cannot be mounted here (it needs root)");
        }

        try
        {
            using var run = Start(folder);
            var result = run.Wait(Limit);
            Assert.That(result.ExitCode, Is.Not.Zero);
            Assert.That(result.Error, Does.Contain("IOException").And.Contain("disk was full"));
            var checkpoint = Directory.EnumerateFiles(Path.Combine(folder, "checkpoints"), "*.safetensors").Single();
            using var reader = Checkpoints.SafetensorsReader.Open(checkpoint);
            Assert.That(reader.Header.Metadata, Does.ContainKey("nbit.training"));
            Assert.That(Directory.EnumerateFiles(folder, TemporaryFiles, SearchOption.AllDirectories), Is.Empty);
        }
        finally
        {
            Process.Start("umount", [folder])!.WaitForExit();
        }
    }

    private static ChildProcess Start(string folder) =>
        new(
            "NBit.TestApp",
            ["train", folder],
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["NBIT_TEST_REGISTER"] = "1",
                ["OMP_NUM_THREADS"] = "1",
            }
        );

    private static bool KillAfter(ChildProcess run, TimeSpan time)
    {
        Thread.Sleep(time);
        return Kill(run);
    }

    private static bool KillWhen(ChildProcess run, Func<bool> moment)
    {
        WaitUntil(run, moment);
        return Kill(run);
    }

    private static bool Kill(ChildProcess run)
    {
        if (run.HasExited)
        {
            Assert.That(run.Wait(Limit).ExitCode, Is.Zero);
            return false;
        }

        run.Kill();
        return true;
    }

    private static void WaitUntil(ChildProcess run, Func<bool> moment)
    {
        for (var clock = Stopwatch.StartNew(); !run.HasExited && !moment(); Thread.SpinWait(1000))
        {
            Assert.That(clock.Elapsed, Is.LessThan(Limit));
        }
    }

    // A later run leaves them alone; here they would make the next kill come at once.
    private static void RemoveTemporaryFiles(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.EnumerateFiles(folder, TemporaryFiles, SearchOption.AllDirectories).ToList().ForEach(File.Delete);
        }
    }

    // The last line may be cut by a kill.
    private static IEnumerable<(string Step, string Loss)> Losses(string folder)
    {
        using var stream = new FileStream(
            Path.Combine(folder, "losses.txt"),
            FileMode.OpenOrCreate,
            FileAccess.Read,
            FileShare.ReadWrite
        );
        using var reader = new StreamReader(stream);
        return reader
            .ReadToEnd()
            .Split('\n')
            .SkipLast(1)
            .Select(line => line.Split(' '))
            .Where(fields => fields.Length == 2 && fields[1].Length == 8)
            .Select(fields => (fields[0], fields[1]))
            .ToList();
    }

    private void AssertComplete(string folder)
    {
        var losses = Losses(folder).ToList();
        foreach (var (step, loss) in losses)
        {
            Assert.That(loss, Is.EqualTo(_expected[step]), $"loss at epoch/batch/step {step}");
        }

        Assert.That(
            losses.Select(entry => entry.Step).Distinct(StringComparer.Ordinal),
            Is.EquivalentTo(_expected.Keys)
        );
        Assert.That(File.ReadAllBytes(Path.Combine(folder, "final.dat")), Is.EqualTo(_finalWeights), "final weights");
    }
}
