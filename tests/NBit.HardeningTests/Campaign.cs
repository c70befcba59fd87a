using System.Diagnostics;
using NBit.HardeningTests.Inputs;
using NBit.HardeningTests.Readers;
using static TorchSharp.torch;

namespace NBit.HardeningTests;

/// <summary>Gives a reader very many inputs, and looks for what it does besides reading or refusing them.</summary>
/// <param name="make">Makes the reader, for each thread one.</param>
/// <param name="seed">The seed of all inputs.</param>
/// <param name="inputs">How many.</param>
internal sealed class Campaign(Func<Reader> make, ulong seed, long inputs)
{
    private const int MostFindings = 10;
    private const long MostManagedBytes = 4 << 20; // inputs have a few KB: a reader that takes more believed a claim
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Lock _lock = new();
    private readonly List<string> _findings = [];

    /// <summary>What was found; each line says how to make the input again.</summary>
    public IReadOnlyList<string> Findings => _findings;

    /// <summary>How many inputs were valid.</summary>
    public long Taken { get; private set; }

    /// <summary>How many tensors the reader left alive.</summary>
    public long LeftTensors { get; private set; }

    /// <summary>Runs on some threads.</summary>
    public void Run(int threads)
    {
        var lanes = Enumerable.Range(0, threads).Select(index => new Lane(index, make())).ToList();
        var tensors = Tensor.TotalCount;
        foreach (var lane in lanes)
        {
            lane.Thread = new Thread(() => Run(lane, threads)) { IsBackground = true };
            lane.Thread.Start();
        }

        foreach (var lane in lanes)
        {
            while (!lane.Thread!.Join(TimeSpan.FromSeconds(1)))
            {
                if (Stopwatch.GetElapsedTime(Interlocked.Read(ref lane.Since)) > Patience)
                {
                    var number = Interlocked.Read(ref lane.Number);
                    Add(number, $"took more than {Patience.TotalSeconds} s", lane.Reader.Make(new Draw(seed, number)));
                    return; // the thread hangs; it ends with the process
                }
            }
        }

        Taken = lanes.Sum(lane => lane.Taken);
        LeftTensors = Tensor.TotalCount - tensors;
        lanes.ForEach(lane => lane.Reader.Dispose());
    }

    private void Run(Lane lane, int threads)
    {
        for (long number = lane.Index; number < inputs && _findings.Count < MostFindings; number += threads)
        {
            Interlocked.Exchange(ref lane.Number, number);
            Interlocked.Exchange(ref lane.Since, Stopwatch.GetTimestamp());
            Try(lane, number);
        }
    }

    private void Try(Lane lane, long number)
    {
        var input = lane.Reader.Make(new Draw(seed, number));
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            lane.Reader.Read(input);
            lane.Taken++;
        }
#pragma warning disable CA1031 // any exception at all that is not documented is a finding
        catch (Exception error)
#pragma warning restore CA1031
        {
            if (!lane.Reader.Documents(error))
            {
                Add(number, error.ToString(), input);
            }
            else if (string.IsNullOrWhiteSpace(error.Message))
            {
                Add(number, $"{error.GetType().Name} without a message", input);
            }
        }

        var bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        if (bytes > MostManagedBytes)
        {
            Add(number, $"{bytes} bytes were allocated for an input of {input.Length}", input);
        }
    }

    private void Add(long number, string what, byte[] input)
    {
        lock (_lock)
        {
            _findings.Add($"{what}\nfrom input {number} of seed {seed}: {Convert.ToHexString(input)}\n");
        }
    }

    /// <summary>What one thread does: every so many-th input.</summary>
    private sealed class Lane(int index, Reader reader)
    {
        public readonly int Index = index;
        public readonly Reader Reader = reader;
        public long Number;
        public long Since = Stopwatch.GetTimestamp();
        public long Taken;
        public Thread? Thread;
    }
}
