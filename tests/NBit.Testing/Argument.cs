using System.Runtime.InteropServices;
using System.Text;
using static TorchSharp.torch;

namespace NBit.Testing;

/// <summary>
/// An argument of an operator, as <see cref="Dispatcher" /> passes it: 64 bits that hold a number, or own a tensor, a
/// string, a list or the value of an optional parameter.
/// </summary>
public sealed unsafe partial class Argument
{
    private readonly Func<ulong> _box;

    private Argument(Func<ulong> box) => _box = box;

    public static implicit operator Argument(Tensor tensor) =>
        new(() =>
        {
            Check(aoti_torch_new_tensor_handle(tensor.Handle, out var handle));
            GC.KeepAlive(tensor);
            return (ulong)handle;
        });

    public static implicit operator Argument(Tensor[] tensors) => List([.. tensors]);

    public static implicit operator Argument(long value) => new(() => unchecked((ulong)value));

    public static implicit operator Argument(long[] values) => List([.. values]);

    public static implicit operator Argument(double value) => new(() => BitConverter.DoubleToUInt64Bits(value));

    public static implicit operator Argument(double[] values) => List([.. values]);

    public static implicit operator Argument(bool value) => new(() => value ? 1UL : 0UL);

    public static implicit operator Argument(ScalarType value) => new(() => (ulong)value);

    // libtorch 2.10 frees the string but loses a copy that it makes of it.
    public static implicit operator Argument(string text) =>
        new(() =>
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            Check(torch_new_string_handle(bytes, (nuint)bytes.Length, out var handle));
            return (ulong)handle;
        });

    /// <summary>A value for an optional parameter; an absent one is null.</summary>
    public static Argument Some(Argument value) =>
        new(() =>
        {
            // libtorch frees it by C++'s delete, which is free.
            var cell = (ulong*)NativeMemory.Alloc(sizeof(ulong));
            *cell = value._box();
            return (ulong)cell;
        });

    /// <summary>A list; of optional elements, where its elements are made by <see cref="Some" /> or null.</summary>
    public static Argument List(params Argument?[] items) =>
        new(() =>
        {
            Check(torch_new_list_reserve_size((nuint)items.Length, out var list));
            foreach (var item in items)
            {
                Check(torch_list_push_back(list, Box(item)));
            }

            return (ulong)list;
        });

    internal static ulong Box(Argument? argument) => argument?._box() ?? 0;

    private static void Check(int status)
    {
        if (status != 0)
        {
            throw new DispatcherException("libtorch could not take an argument; it wrote the reason to standard error");
        }
    }

    [LibraryImport("torch_cpu")]
    private static partial int aoti_torch_new_tensor_handle(nint tensor, out nint handle);

    [LibraryImport("torch_cpu")]
    private static partial int torch_new_string_handle(byte[] text, nuint length, out nint handle);

    [LibraryImport("torch_cpu")]
    private static partial int torch_new_list_reserve_size(nuint size, out nint list);

    [LibraryImport("torch_cpu")]
    private static partial int torch_list_push_back(nint list, ulong item);
}
