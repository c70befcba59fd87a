using NBit.Native;

namespace NBit.Tests.Interop;

public class NativeStatusTests
{
    [TestCase(nbit_status.NBIT_STATUS_INVALID_ARGUMENT, typeof(ArgumentException))]
    [TestCase(nbit_status.NBIT_STATUS_OUT_OF_MEMORY, typeof(InsufficientMemoryException))]
    [TestCase(nbit_status.NBIT_STATUS_NOT_SUPPORTED, typeof(NotSupportedException))]
    [TestCase(nbit_status.NBIT_STATUS_INVALID_STATE, typeof(InvalidOperationException))]
    [TestCase(nbit_status.NBIT_STATUS_INTERNAL_ERROR, typeof(NativeException))]
    [TestCase(nbit_status.NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND, typeof(BackendNotSupportedException))]
    public void A_failure_is_thrown_as_what_it_stands_for(nbit_status status, Type exception) =>
        Assert.That(() => NativeStatus.ThrowIfFailed((int)status), Throws.TypeOf(exception));

    [TestCase(nbit_status.NBIT_STATUS_OK, true)]
    [TestCase(nbit_status.NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND, false)]
    public void A_call_is_done_unless_its_device_has_no_kernel_for_it(nbit_status status, bool done) =>
        Assert.That(NativeStatus.IsDone((int)status, out _), Is.EqualTo(done));

    [Test]
    public void Every_other_failure_is_thrown_where_it_is_asked_whether_a_call_was_done() =>
        Assert.That(
            () => NativeStatus.IsDone((int)nbit_status.NBIT_STATUS_INVALID_ARGUMENT, out _),
            Throws.ArgumentException
        );

    [Test]
    public void Every_library_of_CUDA_is_described_with_its_path_or_the_reason_why_it_is_not_used(
        [Values] nbit_cuda_library library
    ) => Assert.That(CudaLibraries.Describe(library), Does.StartWith("not used: ").Or.StartWith("/"));

    [Test]
    public void A_library_that_there_is_not_is_refused() =>
        Assert.That(
            () => CudaLibraries.Describe((nbit_cuda_library)3),
            Throws.ArgumentException.With.Message.StartsWith("library is 3")
        );
}
