using System.Text;
using NBit.Devices;
using NBit.Native;
using NBit.Testing;
using NBit.Tests.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Tests.Devices;

/// <summary>What happens where a device has no kernel, with calls that say so: no GPU is needed.</summary>
public sealed unsafe class DeviceCallTests
{
    private const int Unsupported = (int)nbit_status.NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND;

    [Test]
    public void A_call_that_the_device_cannot_do_runs_with_copies_on_the_CPU_and_says_so_once()
    {
        using var log = new CapturedLog();
        var reason = $"no kernel {Guid.NewGuid()}";
        using var source = tensor(new float[] { 1, 2, 3 });
        LiveTensors.AssertUnchangedBy(() =>
        {
            for (var call = 0; call < 2; call++)
            {
                using var target = zeros(3);
                using var from = DenseTensor.Of(source, "source");
                using var to = DenseTensor.New(target);
                void* own = to.Address;
                var attempts = 0;
                DeviceCall.Run(
                    _ =>
                    {
                        if (attempts++ == 0)
                        {
                            return Refuse(reason);
                        }

                        Assert.That((nint)to.Address, Is.Not.EqualTo((nint)own), "the tensor's own memory is given");
                        Buffer.MemoryCopy(from.Address, to.Address, 12, 12);
                        return 0;
                    },
                    from,
                    to
                );
                Assert.That(attempts, Is.EqualTo(2));
                Assert.That(target.data<float>().ToArray(), Is.EqualTo(new float[] { 1, 2, 3 }));
            }
        });
        Assert.That(log.Warnings.Count(message => message.Contains(reason, StringComparison.Ordinal)), Is.EqualTo(1));
        Assert.That(log.Warnings, Has.One.Contains("it runs on the CPU, with copies"));
    }

    [Test]
    public void A_caller_that_has_another_way_is_told_to_take_it()
    {
        using var log = new CapturedLog();
        var reason = $"no kernel {Guid.NewGuid()}";
        Assert.That(DeviceCall.TryRun(_ => Refuse(reason)), Is.False);
        Assert.That(DeviceCall.TryRun(_ => 0), Is.True);
        Assert.That(log.Warnings, Has.One.EqualTo($"{reason}; it runs by libtorch's operations"));
    }

    [Test]
    public void Other_failures_are_exceptions()
    {
        Assert.That(
            () => DeviceCall.TryRun(_ => (int)nbit_status.NBIT_STATUS_INVALID_ARGUMENT),
            Throws.ArgumentException
        );
    }

    [Test]
    public void A_tensor_that_is_not_contiguous_gets_what_was_written()
    {
        using var whole = zeros(2, 3);
        using var transposed = whole.t();
        using var target = DenseTensor.New(transposed);
        DeviceCall.Run(
            _ =>
            {
                new Span<float>(target.Address, 6).Fill(7);
                return 0;
            },
            target
        );
        Assert.That(whole.data<float>().ToArray(), Is.All.EqualTo(7));
    }

    [Test]
    public void Tensors_of_several_devices_are_refused()
    {
        using var here = zeros(2);
        using var there = zeros(2, device: META);
        using var one = DenseTensor.Of(here, "here");
        Assert.That(() => DenseTensor.Of(there, "there"), Throws.InstanceOf<NotSupportedException>());
        Assert.That(
            () => Contexts.Of(META),
            Throws.InstanceOf<NotSupportedException>().With.Message.Contains(".cpu()")
        );
    }

    [Test]
    public void A_build_of_libtorch_without_CUDA_is_named_where_its_stream_is_asked_for()
    {
        Assume.That(cuda.is_available(), Is.False);
        Assert.That(
            AskForStream,
            Throws.InstanceOf<NotSupportedException>().With.Message.Contains("reference one with CUDA")
        );
    }

    private static void AskForStream()
    {
        void* stream;
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_cuda_stream_get(0, &stream));
    }

    private static int Refuse(string reason)
    {
        fixed (byte* message = Encoding.UTF8.GetBytes(reason + "\0"))
        {
            NativeStatus.ThrowIfFailed(Libnbit.nbit_error_set(message));
        }

        return Unsupported;
    }
}
