using System.Runtime.InteropServices;
using NBit.Amp;
using NBit.GoldenTests.Golden;
using NBit.Testing;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>What a call gave: the dtypes of its outputs, or an error.</summary>
/// <param name="Dtypes">As PyTorch names them; "error" where it failed.</param>
/// <param name="Message">The error's first line, or null where there is none or only libtorch's log has it.</param>
internal sealed record AutocastOutcome(string Dtypes, string? Message)
{
    public const string Failed = "error";

    /// <summary>Calls under no_grad, in a region of autocast or outside of any.</summary>
    public static AutocastOutcome Of(AutocastCall call, IEnumerable<Tensor> inputs, ScalarType? region)
    {
        using var scope = NewDisposeScope();
        using var autocast = region is { } dtype ? new Autocast(DeviceType.CPU, dtype) : null;
        using var grad = no_grad();
        try
        {
            var dtypes = call([.. inputs]).Select(output => output.dtype.Name());
            return new AutocastOutcome(string.Join(", ", dtypes), null);
        }
        catch (DispatcherException)
        {
            return new AutocastOutcome(Failed, null);
        }
        catch (ExternalException error)
        {
            return new AutocastOutcome(Failed, Reason(error.Message));
        }
    }

    // An error in TorchScript begins with where it happened, and ends with the reason.
    private static string Reason(string message)
    {
        const string label = "RuntimeError: ";
        var start = message.IndexOf(label, StringComparison.Ordinal);
        return (start < 0 ? message : message[(start + label.Length)..]).Split('\n')[0];
    }
}
