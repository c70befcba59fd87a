using System.Diagnostics;
using NBit.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Tests.Checkpoints;

public sealed class AtomicFileTests
{
    [Test]
    public void A_file_is_written_or_replaced_and_nothing_else_is_left(
        [Values] bool exists,
        [Values(0, 3, 100_000)] long length
    )
    {
        using var directory = new TemporaryDirectory();
        var path = exists ? directory.File("file", "old and longer"u8) : directory.File("file");

        AtomicFile.Write(path, stream => stream.Write("new"u8), length);

        Assert.That(File.ReadAllText(path), Is.EqualTo("new"));
        Assert.That(directory.FileNames, Is.EqualTo(new[] { "file" }));
    }

    [Test]
    public void Until_the_new_file_is_complete_the_old_one_is_there()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File("file", "old"u8);

        AtomicFile.Write(
            path,
            stream =>
            {
                stream.Write("new"u8);
                stream.Flush();
                Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
                Assert.That(directory.FileNames, Has.Exactly(2).Items.And.One.EndsWith(AtomicFile.TemporaryExtension));
            }
        );
    }

    [Test]
    public void A_fault_leaves_the_old_file_or_none([Values] bool exists)
    {
        using var directory = new TemporaryDirectory();
        var path = exists ? directory.File("file", "old"u8) : directory.File("file");

        var error = Assert.Throws<IOException>(() =>
            AtomicFile.Write(
                path,
                stream =>
                {
                    stream.Write("new"u8);
                    throw new IOException("no space left");
                }
            )
        );

        Assert.That(error!.Message, Is.EqualTo("no space left"));
        Assert.That(directory.FileNames, Is.EqualTo(exists ? ["file"] : Array.Empty<string>()));
        Assert.That(!exists || File.ReadAllText(path) == "old", Is.True);
    }

    [Test]
    public void Temporary_files_of_dead_processes_do_no_harm()
    {
        using var directory = new TemporaryDirectory();
        var stale = $".{new string('0', 32)}{AtomicFile.TemporaryExtension}";
        directory.File(stale, "half"u8);

        AtomicFile.Write(directory.File("file"), stream => stream.Write("new"u8));

        Assert.That(directory.FileNames, Is.EquivalentTo(new[] { stale, "file" }));
    }

    [Test]
    public void A_missing_directory_is_named()
    {
        using var directory = new TemporaryDirectory();
        var path = Path.Combine(directory.Path, "missing", "file");

        var error = Assert.Throws<DirectoryNotFoundException>(() => AtomicFile.Write(path, MustNotBeCalled));
        Assert.That(error!.Message, Does.Contain(path).And.Contain("create it first"));
    }

    [Test]
    public void A_directory_is_not_replaced()
    {
        using var directory = new TemporaryDirectory();

        var error = Assert.Throws<IOException>(() => AtomicFile.Write(directory.Path, MustNotBeCalled));
        Assert.That(error!.Message, Does.Contain("is a directory"));
    }

    [Test]
    [Platform(Exclude = "Win")]
    public void Who_may_read_the_old_file_may_read_the_new_one_and_nobody_else()
    {
        if (OperatingSystem.IsWindows())
        {
            return; // for the compiler
        }

        using var directory = new TemporaryDirectory();
        var path = directory.File("file", "old"u8);
        const UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherExecute;
        File.SetUnixFileMode(path, mode);

        AtomicFile.Write(path, stream => stream.Write("new"u8));

        Assert.That(File.GetUnixFileMode(path), Is.EqualTo(mode));
    }

    [Test]
    [Platform(Exclude = "Win")]
    public void A_symbolic_link_is_replaced_and_what_it_leads_to_stays()
    {
        using var directory = new TemporaryDirectory();
        var target = directory.File("target", "old"u8);
        File.CreateSymbolicLink(directory.File("link"), target);

        AtomicFile.Write(directory.File("link"), stream => stream.Write("new"u8));

        Assert.That(File.ReadAllText(target), Is.EqualTo("old"));
        Assert.That(File.ReadAllText(directory.File("link")), Is.EqualTo("new"));
    }

    [Test]
    [Platform(Include = "Linux")]
    public void A_full_disk_leaves_the_old_checkpoint()
    {
        using var directory = new TemporaryDirectory();
        if (!Run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory.Path))
        {
            Assert.Ignore("mounting a small file system is not allowed here");
        }

        try
        {
            var path = directory.File("model.safetensors");
            using var small = ones(1000);
            using var large = ones(1_000_000);
            SafetensorsWriter.Save(path, [("a", small)]);
            var old = File.ReadAllBytes(path);

            LiveTensors.AssertUnchangedBy(() =>
            {
                // Found before writing, and while writing.
                Assert.Throws<IOException>(() => SafetensorsWriter.Save(path, [("a", large)]));
                Assert.Throws<IOException>(() =>
                    AtomicFile.Write(path, stream => SafetensorsWriter.Write(stream, [("a", large)]))
                );
            });

            Assert.That(File.ReadAllBytes(path), Is.EqualTo(old));
            Assert.That(directory.FileNames, Is.EqualTo(new[] { "model.safetensors" }));
        }
        finally
        {
            Run("umount", directory.Path);
        }
    }

    private static void MustNotBeCalled(Stream stream) => Assert.Fail("nothing can be written");

    private static bool Run(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(
                new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardError = true }
            )!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // there is no such program
        }
    }
}
